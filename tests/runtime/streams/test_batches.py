"""Batch handlers: filling, retries, partial responses, bisecting, age, giving up."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from eventflow.model.records import StreamRecord
from eventflow.runtime.metrics import DropReason
from eventflow.triggers.destinations import to_kafka, to_s3, to_sns, to_sqs
from eventflow.triggers.function import function
from eventflow.triggers.kafka import on_kafka_batch
from eventflow.triggers.kinesis import on_kinesis_batch
from tests.runtime.streams.scripted import (
    KAFKA_IDENTITY,
    OTHER_SHARD,
    SHARD,
    STREAM_ARN,
    Failures,
    Log,
    ScriptedSource,
    numbers,
    polling,
    record,
)

FUNCTION_ARN = "arn:aws:lambda:us-east-1:000000000000:function:handle"


def source_of(*records: StreamRecord, **options: Any) -> ScriptedSource:
    log = Log(*dict.fromkeys(item.partition for item in records))
    log.append(records)
    return ScriptedSource(log, **options)


async def test_vector_6_the_remainder_of_a_partial_failure_has_fresh_attempts() -> None:
    batches: list[list[int]] = []

    @on_kinesis_batch(
        "orders",
        batch_size=3,
        maximum_retry_attempts=3,
        report_batch_item_failures=True,
        on_failure=to_sqs("failed"),
    )
    async def handle(event: dict[str, Any]) -> dict[str, Any]:
        batches.append(numbers(event))
        return {"batchItemFailures": [{"itemIdentifier": "3"}]}

    async with polling(handle, source_of(record(1), record(2), record(3))) as mapping:
        await mapping.all_done()
        assert batches == [[1, 2, 3], [3], [3], [3], [3]]
        [failure] = mapping.failures.records
        assert failure["requestContext"]["approximateInvokeCount"] == 4
        assert failure["requestContext"]["condition"] == "RetryAttemptsExhausted"
        assert failure["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": None}
        assert failure["KinesisBatchInfo"]["batchSize"] == 1


async def test_vector_7_one_retry_makes_two_invocations() -> None:
    calls = 0

    @on_kinesis_batch("orders", batch_size=1, maximum_retry_attempts=1, on_failure=to_sqs("failed"))
    async def handle(event: dict[str, Any]) -> None:
        nonlocal calls
        calls += 1
        raise RuntimeError("no")

    async with polling(handle, source_of(record(7, at=-1.5))) as mapping:
        await mapping.all_done()
        assert calls == 2
        [failure] = mapping.failures.records
        assert failure["requestContext"] == {
            "requestId": failure["requestContext"]["requestId"],
            "functionArn": FUNCTION_ARN,
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 2,
        }
        assert failure["responseContext"]["functionError"] == "Unhandled"
        assert failure["KinesisBatchInfo"] == {
            "shardId": SHARD,
            "startSequenceNumber": "7",
            "endSequenceNumber": "7",
            "approximateArrivalOfFirstRecord": "2025-12-31T23:59:58.500Z",
            "approximateArrivalOfLastRecord": "2025-12-31T23:59:58.500Z",
            "batchSize": 1,
            "streamArn": STREAM_ARN,
        }
        assert not mapping.metrics.dropped


async def test_vector_8_unlimited_retries_end_with_the_record_age() -> None:
    calls = 0

    @on_kinesis_batch("orders", maximum_record_age_seconds=60, on_failure=to_sqs("failed"))
    async def handle(event: dict[str, Any]) -> None:
        nonlocal calls
        calls += 1
        raise RuntimeError("no")

    async with polling(handle, source_of(record(1))) as mapping:
        await mapping.all_done()
        assert calls == 8
        [failure] = mapping.failures.records
        assert failure["requestContext"]["condition"] == "RecordAgeExceeded"
        assert failure["requestContext"]["approximateInvokeCount"] == 8
        assert "responseContext" not in failure


async def test_vector_9_only_the_expired_records_are_given_up() -> None:
    batches: list[list[int]] = []

    @on_kinesis_batch("orders", maximum_record_age_seconds=60, maximum_retry_attempts=0, on_failure=to_sqs("failed"))
    async def handle(event: dict[str, Any]) -> None:
        batches.append(numbers(event))

    old = [record(1, at=-90), record(2, at=-61)]
    async with polling(handle, source_of(*old, record(3, at=-5))) as mapping:
        await mapping.all_done()
        assert batches == [[3]]
        [failure] = mapping.failures.records
        assert failure["requestContext"]["condition"] == "RecordAgeExceeded"
        assert failure["requestContext"]["approximateInvokeCount"] == 1
        assert failure["KinesisBatchInfo"]["batchSize"] == 2
        assert "responseContext" not in failure


async def test_every_run_of_expired_records_has_its_own_failure_record() -> None:
    @on_kinesis_batch("orders", maximum_record_age_seconds=60, on_failure=to_sqs("failed"))
    async def handle(event: dict[str, Any]) -> None: ...

    records = [record(1, at=-90), record(2, at=-90), record(3), record(4, at=-90)]
    async with polling(handle, source_of(*records)) as mapping:
        await mapping.all_done()
        spans = [failure["KinesisBatchInfo"] for failure in mapping.failures.records]
        assert [(span["startSequenceNumber"], span["endSequenceNumber"]) for span in spans] == [("1", "2"), ("4", "4")]


async def test_bisecting_isolates_the_poison_and_uses_up_no_attempt() -> None:
    batches: list[list[int]] = []

    @on_kinesis_batch(
        "orders",
        batch_size=8,
        maximum_retry_attempts=1,
        bisect_batch_on_function_error=True,
        on_failure=to_sqs("failed"),
    )
    async def handle(event: dict[str, Any]) -> None:
        batches.append(numbers(event))
        if 6 in batches[-1]:
            raise RuntimeError("poison")

    async with polling(handle, source_of(*map(record, range(1, 9)))) as mapping:
        await mapping.all_done()
        assert batches == [[1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4], [5, 6, 7, 8], [5, 6], [5], [6], [6], [7, 8]]
        [failure] = mapping.failures.records
        assert failure["KinesisBatchInfo"]["startSequenceNumber"] == "6"
        assert failure["requestContext"]["approximateInvokeCount"] == 2


async def test_bisecting_with_a_partial_response_splits_at_the_returned_record() -> None:
    batches: list[list[int]] = []

    @on_kinesis_batch("orders", bisect_batch_on_function_error=True, report_batch_item_failures=True)
    async def handle(event: dict[str, Any]) -> dict[str, Any]:
        batches.append(numbers(event))
        failed = [{"itemIdentifier": "4"}, {"itemIdentifier": "3"}] if len(batches) == 1 else []
        return {"batchItemFailures": failed}

    async with polling(handle, source_of(*map(record, range(1, 6)))) as mapping:
        await mapping.all_done()
        assert batches == [[1, 2, 3, 4, 5], [3, 4, 5]]


@pytest.mark.parametrize(
    "response",
    [
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": None}]},
        {"batchItemFailures": [{"foo": "2"}]},
        {"batchItemFailures": [{"itemIdentifier": "99"}]},
        {"batchItemFailures": "2"},
        "not an object",
        b"{not json",
    ],
)
async def test_a_malformed_response_fails_the_whole_batch_without_dividing_it(response: object) -> None:
    batches: list[list[int]] = []

    @on_kinesis_batch(
        "orders",
        maximum_retry_attempts=1,
        bisect_batch_on_function_error=True,
        report_batch_item_failures=True,
        on_failure=to_sqs("failed"),
    )
    async def handle(event: dict[str, Any]) -> object:
        batches.append(numbers(event))
        return response

    async with polling(handle, source_of(record(1), record(2))) as mapping:
        await mapping.all_done()
        assert batches == [[1, 2], [1, 2]]
        [failure] = mapping.failures.records
        assert failure["responseContext"]["functionError"] is None


@pytest.mark.parametrize("response", [None, "", [], {}, {"batchItemFailures": []}, {"batchItemFailures": None}])
async def test_an_empty_response_is_success(response: object) -> None:
    calls = 0

    @on_kinesis_batch("orders", report_batch_item_failures=True)
    async def handle(event: dict[str, Any]) -> object:
        nonlocal calls
        calls += 1
        return response

    async with polling(handle, source_of(record(1), record(2))) as mapping:
        await mapping.all_done()
        assert calls == 1


async def test_a_response_is_ignored_where_failures_are_not_reported() -> None:
    calls = 0

    @on_kinesis_batch("orders")
    async def handle(event: dict[str, Any]) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        return {"batchItemFailures": [{"itemIdentifier": "1"}]}

    async with polling(handle, source_of(record(1))) as mapping:
        await mapping.all_done()
        assert calls == 1


async def test_a_result_that_cannot_be_sent_is_a_function_error() -> None:
    @on_kinesis_batch("orders", maximum_retry_attempts=0, on_failure=to_sqs("failed"))
    async def handle(event: dict[str, Any]) -> object:
        return {1, 2}

    async with polling(handle, source_of(record(1))) as mapping:
        await mapping.all_done()
        [failure] = mapping.failures.records
        assert failure["responseContext"]["functionError"] == "Unhandled"


async def test_a_timeout_is_a_function_error() -> None:
    @on_kinesis_batch("orders", maximum_retry_attempts=0, on_failure=to_sqs("failed"))
    @function(timeout_seconds=5)
    async def handle(event: dict[str, Any]) -> None:
        await anyio.sleep(100)

    async with polling(handle, source_of(record(1))) as mapping:
        await mapping.all_done()
        [failure] = mapping.failures.records
        assert failure["responseContext"]["functionError"] == "Unhandled"


async def test_a_failing_batch_blocks_its_shard_and_no_other() -> None:
    seen: list[int] = []

    @on_kinesis_batch("orders", batch_size=1)
    async def handle(event: dict[str, Any]) -> None:
        [number] = numbers(event)
        seen.append(number)
        if number == 1 and seen.count(1) < 5:
            raise RuntimeError("not yet")

    other = record(10, partition=OTHER_SHARD)
    async with polling(handle, source_of(record(1), record(2), other)) as mapping:
        await mapping.all_done()
        assert [number for number in seen if number < 10] == [1, 1, 1, 1, 1, 2]
        assert seen.index(10) < 3


async def test_a_batch_over_two_partitions_whose_handler_fails_once_loses_nothing() -> None:
    handled: list[int] = []
    calls = 0

    @on_kafka_batch("orders", batch_size=100)
    async def handle(event: dict[str, Any]) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("once")
        handled.extend(numbers(event))

    records = [record(number, partition=f"orders-{number % 2}") for number in range(20)]
    async with polling(handle, source_of(*records, identity=KAFKA_IDENTITY)) as mapping:
        await mapping.all_done()
        assert sorted(handled) == list(range(20))
        assert (mapping.log.committed("orders-0"), mapping.log.committed("orders-1")) == (18, 19)


async def test_kafka_caps_unlimited_retries_where_failures_have_a_destination() -> None:
    calls = 0

    @on_kafka_batch("orders", on_failure=to_sqs("failed"))
    async def handle(event: dict[str, Any]) -> None:
        nonlocal calls
        calls += 1
        raise RuntimeError("no")

    async with polling(handle, source_of(record(1, partition="orders-0"), identity=KAFKA_IDENTITY)) as mapping:
        await mapping.all_done()
        assert calls == 11
        [failure] = mapping.failures.records
        info = failure["KafkaBatchInfo"]
        assert info["recordsInfo"]["orders-0"]["firstRecordOffset"] == "1"
        assert info["batchSize"] == 1
        assert info["payloadSize"] > 100


async def test_without_a_destination_what_is_given_up_is_counted_as_dropped() -> None:
    @on_kinesis_batch("orders", maximum_retry_attempts=0)
    async def handle(event: dict[str, Any]) -> None:
        raise RuntimeError("no")

    async with polling(handle, source_of(record(1), record(2))) as mapping:
        await mapping.all_done()
        assert mapping.metrics.dropped == {("handle", "kinesis", DropReason.NO_DESTINATION): 2}


async def test_nothing_moves_on_until_the_failure_record_is_durable() -> None:
    @on_kinesis_batch("orders", batch_size=1, maximum_retry_attempts=0, on_failure=to_sns("failed"))
    async def handle(event: dict[str, Any]) -> None:
        raise RuntimeError("no")

    failures = Failures(away=True)
    async with polling(handle, source_of(record(1)), failures=failures) as mapping:
        await anyio.sleep(600)
        assert mapping.log.committed() is None
        assert "handle <- kinesis:orders on_failure" in mapping.readiness.problems
        failures.away = False
        await mapping.all_done()
        assert len(failures.delivered) == 1
        assert not mapping.readiness.problems


async def test_a_bucket_gets_the_whole_event_under_lambdas_key() -> None:
    events: list[dict[str, Any]] = []

    @on_kinesis_batch("orders", maximum_retry_attempts=0, on_failure=to_s3("failed"))
    async def handle(event: dict[str, Any]) -> None:
        events.append(json.loads(json.dumps(event)))
        event.clear()
        raise RuntimeError("no")

    async with polling(handle, source_of(record(1), record(2))) as mapping:
        await mapping.all_done()
        [(_, _, message)] = mapping.failures.delivered
        assert json.loads(json.loads(message.body)["payload"]) == events[0]
        assert message.key is not None
        assert f"/{SHARD}/2026/01/01/2026-01-01T00.00." in message.key


async def test_a_kafka_topic_gets_one_message_per_record() -> None:
    @on_kafka_batch("orders", maximum_retry_attempts=0, on_failure=to_kafka("failed"))
    async def handle(event: dict[str, Any]) -> None:
        raise RuntimeError("no")

    records = [record(1, key=b"a", partition="orders-0"), record(2, key=b"\xff", partition="orders-0")]
    async with polling(handle, source_of(*records, identity=KAFKA_IDENTITY)) as mapping:
        await mapping.all_done()
        assert [message.key for _, _, message in mapping.failures.delivered] == [b"a", b"\xff"]
        assert [numbers(failure["payload"]) for failure in mapping.failures.records] == [[1], [2]]


async def test_an_oversized_record_is_given_up_and_the_rest_of_its_lane_goes_on() -> None:
    batches: list[list[int]] = []

    @on_kinesis_batch("orders", on_failure=to_sqs("failed"))
    async def handle(event: dict[str, Any]) -> None:
        batches.append(numbers(event))

    giant = record(2, data=b"x" * (5 * 1024 * 1024))
    async with polling(handle, source_of(record(1), giant, record(3))) as mapping:
        await mapping.all_done()
        assert batches == [[1], [3]]
        [failure] = mapping.failures.records
        assert failure["requestContext"]["condition"] == "MaximumPayloadSizeExceeded"
        assert failure["responseContext"] is None
        assert failure["KinesisBatchInfo"]["startSequenceNumber"] == "2"


async def test_an_oversized_record_without_a_destination_is_counted_as_such() -> None:
    @on_kinesis_batch("orders")
    async def handle(event: dict[str, Any]) -> None: ...

    async with polling(handle, source_of(record(1, data=b"x" * (5 * 1024 * 1024)))) as mapping:
        await mapping.all_done()
        assert mapping.metrics.dropped == {("handle", "kinesis", DropReason.OVERSIZED): 1}


async def test_a_record_that_cannot_be_decoded_fails_like_any_other() -> None:
    batches: list[list[int]] = []

    @on_kafka_batch(
        "orders", maximum_retry_attempts=1, bisect_batch_on_function_error=True, on_failure=to_sqs("failed")
    )
    async def handle(event: dict[str, Any]) -> None:
        batches.append(numbers(event))

    broken = record(2, partition="orders-0")._replace(attributes={})
    records = [record(1, partition="orders-0"), broken, record(3, partition="orders-0")]
    async with polling(handle, source_of(*records, identity=KAFKA_IDENTITY)) as mapping:
        await mapping.all_done()
        assert batches == [[1], [3]]
        [failure] = mapping.failures.records
        assert failure["KafkaBatchInfo"]["recordsInfo"]["orders-0"]["firstRecordOffset"] == "2"


async def test_throttling_uses_up_no_attempt() -> None:
    calls = 0

    @on_kinesis_batch("orders", maximum_retry_attempts=0)
    async def handle(event: dict[str, Any]) -> None:
        nonlocal calls
        calls += 1

    async with polling(handle, source_of(record(1)), concurrency=1) as mapping:
        permits = mapping.functions["handle"].invoker.permits
        assert permits.enter()
        await anyio.sleep(3_600)
        assert calls == 0
        permits.leave()
        await mapping.all_done()
        assert calls == 1
        assert not mapping.metrics.dropped


async def test_records_expire_while_they_wait_for_a_permit() -> None:
    @on_kinesis_batch("orders", maximum_record_age_seconds=60, on_failure=to_sqs("failed"))
    async def handle(event: dict[str, Any]) -> None:
        raise AssertionError("must not run")

    async with polling(handle, source_of(record(1)), concurrency=1) as mapping:
        await mapping.until(lambda: mapping.poller.statistics().outstanding)
        assert mapping.functions["handle"].invoker.permits.enter()
        await mapping.all_done()
        [failure] = mapping.failures.records
        assert failure["requestContext"]["condition"] == "RecordAgeExceeded"


async def test_batches_are_filled_up_to_their_size_and_window() -> None:
    batches: list[tuple[float, list[int]]] = []

    @on_kinesis_batch("orders", batch_size=3, maximum_batching_window_seconds=10)
    async def handle(event: dict[str, Any]) -> None:
        batches.append((anyio.current_time(), numbers(event)))

    source = source_of(*map(record, range(1, 5)))
    async with polling(handle, source) as mapping:
        await anyio.sleep(4)
        mapping.log.append([record(5)])
        await mapping.all_done()
        assert [numbers for _, numbers in batches] == [[1, 2, 3], [4, 5]]
        assert [round(at) for at, _ in batches] == [0, 10]


async def test_the_batch_of_a_shard_that_ends_does_not_wait_for_its_window() -> None:
    started: list[float] = []

    @on_kinesis_batch("orders", maximum_batching_window_seconds=300)
    async def handle(event: dict[str, Any]) -> None:
        started.append(anyio.current_time())

    source = source_of(record(1))
    source.log.end(SHARD)
    async with polling(handle, source) as mapping:
        await mapping.until(lambda: mapping.log.completed)
        assert started[0] < 1


async def test_lanes_keep_the_order_of_their_keys_and_run_side_by_side() -> None:
    running = most = 0
    seen: list[tuple[str, int]] = []

    @on_kinesis_batch("orders", batch_size=2, parallelization_factor=4)
    async def handle(event: dict[str, Any]) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.sleep(1)
        running -= 1
        found = [item["kinesis"] for item in event["Records"]]
        seen.extend((item["partitionKey"], int(item["sequenceNumber"])) for item in found)

    records = [record(number, key=f"key-{number % 16}") for number in range(160)]
    async with polling(handle, source_of(*records)) as mapping:
        await mapping.all_done()
        assert most == 4
        for key in {key for key, _ in seen}:
            positions = [position for of, position in seen if of == key]
            assert positions == sorted(positions)
        assert len(seen) == 160


async def test_unmatched_records_are_passed_over_and_committed() -> None:
    batches: list[list[int]] = []

    @on_kinesis_batch("orders", filters=[{"data": {"ok": [True]}}])
    async def handle(event: dict[str, Any]) -> None:
        batches.append([int(item["kinesis"]["sequenceNumber"]) for item in event["Records"]])

    good, bad = b'{"ok": true}', b'{"ok": false}'
    records = [record(1, data=bad), record(2, data=good), record(3, data=b"text"), record(4, data=bad)]
    async with polling(handle, source_of(*records)) as mapping:
        await mapping.all_done()
        assert batches == [[2]]
        assert mapping.metrics.filtered == {("handle", "kinesis"): 3}
        assert not mapping.metrics.dropped


async def test_metrics_tell_batches_records_retries_and_age() -> None:
    calls = 0

    @on_kinesis_batch("orders", batch_size=2)
    async def handle(event: dict[str, Any]) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("once")

    async with polling(handle, source_of(*[record(number, at=-7) for number in range(3)])) as mapping:
        await mapping.all_done()
        key = ("handle", "kinesis")
        assert mapping.metrics.batches[key] == 2
        assert mapping.metrics.batch_records[key] == 3
        assert mapping.metrics.retries[key] == 1
        assert mapping.metrics.iterator_age_seconds[("handle", SHARD)] >= 7
        assert mapping.metrics.offset_lag[("handle", "kinesis:orders")] == 3
