"""Behaviour recorded on real AWS, replayed on the embedded environment. One test per recording."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eventflow import (
    App,
    ConfigurationError,
    DynamoDBStreamEvent,
    Environment,
    KinesisStreamEvent,
    SqsEvent,
    Throttled,
    function,
    on_dynamodb_stream_batch,
    on_kinesis_batch,
    on_sqs_batch,
    to_sqs,
)
from eventflow.testing import START, TestApp

REPORT: dict[str, Any] = {"report_batch_item_failures": True}


def failures(*ids: object) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": id} for id in ids]}


async def records(app: TestApp, queue: str) -> list[dict[str, Any]]:
    return [json.loads(record.body) for record in await app.sqs(queue).receive()]


async def test_1_no_retries_one_attempt() -> None:
    @function(maximum_retry_attempts=0, on_failure=to_sqs("failed"))
    async def handler(event: dict[str, Any]) -> None:
        raise ValueError("x")

    async with TestApp([handler]) as app:
        await app.invoke_async("handler", {})
        await app.settle()
        [record] = await records(app, "failed")
        assert record["requestContext"]["condition"] == "RetriesExhausted"
        assert record["requestContext"]["approximateInvokeCount"] == 1


async def test_2_two_retries_three_attempts_one_request_id() -> None:
    @function(maximum_retry_attempts=2, on_failure=to_sqs("failed"))
    async def handler(event: dict[str, Any]) -> None:
        raise ValueError("x")

    async with TestApp([handler]) as app:
        await app.invoke_async("handler", {})
        await app.settle()
        runs = app.invocations("handler")
        assert [round(run.started_at - START) for run in runs] == [0, 60, 180]
        assert len({run.request_id for run in runs}) == 1
        [record] = await records(app, "failed")
        assert record["requestContext"]["approximateInvokeCount"] == 3


@pytest.mark.parametrize(("age", "count", "after"), [(60, 1, 0), (90, 2, 60)])
async def test_3_the_age_is_checked_ahead_of_the_wait(age: int, count: int, after: int) -> None:
    @function(maximum_retry_attempts=2, maximum_event_age_seconds=age, on_failure=to_sqs("failed"))
    async def handler(event: dict[str, Any]) -> None:
        raise ValueError("x")

    async with TestApp([handler]) as app:
        await app.invoke_async("handler", {})
        await app.settle()
        assert round(app.time() - START) == after
        [record] = await records(app, "failed")
        assert record["requestContext"]["condition"] == "EventAgeExceeded"
        assert record["requestContext"]["approximateInvokeCount"] == count
        assert record["responsePayload"]["errorType"] == "ValueError"


async def test_4_no_concurrency_no_attempt_no_response() -> None:
    @function(reserved_concurrency=0, on_failure=to_sqs("failed"))
    async def handler(event: dict[str, Any]) -> None: ...

    async with TestApp([handler]) as app:
        await app.invoke_async("handler", {"n": 1})
        await app.settle()
        [record] = await records(app, "failed")
        assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"
        assert record["requestContext"]["approximateInvokeCount"] == 0
        assert record["requestPayload"] == {"n": 1}
        assert "responseContext" not in record
        assert "responsePayload" not in record


async def test_5_a_fifo_group_whose_later_messages_fail() -> None:
    answers = [("2", "3", "4"), ("4",), ("4",)]
    seen: list[list[tuple[str, str]]] = []

    @on_sqs_batch("q.fifo", batch_size=10, **REPORT)
    async def handler(batch: SqsEvent) -> dict[str, Any]:
        seen.append([(item.body, item.attributes["ApproximateReceiveCount"]) for item in batch.records])
        bad = answers[len(seen) - 1]
        return failures(*[item.message_id for item in batch.records if item.body in bad])

    queues = {"q.fifo": {"dead_letter_queue": "dead.fifo", "maximum_receive_count": 2}}
    async with TestApp([handler], options={"queues": queues}) as app:
        for body in "1234":
            await app.sqs("q.fifo").send(body, group_id="g", deduplication_id=body)
        await app.settle()
        assert seen == [[("1", "1"), ("2", "1"), ("3", "1"), ("4", "1")], [("2", "2"), ("3", "2"), ("4", "2")]]
        assert [record.body for record in await app.sqs("dead.fifo").receive()] == ["4"]


async def test_6_a_partial_failure_gets_a_fresh_set_of_attempts() -> None:
    delivered: list[list[str]] = []

    @on_kinesis_batch("s", batch_size=3, maximum_retry_attempts=3, on_failure=to_sqs("failed"), **REPORT)
    async def handler(batch: KinesisStreamEvent) -> dict[str, Any]:
        delivered.append([item.payload for item in batch.records])
        return failures(batch.records[-1].kinesis.sequence_number)

    async with TestApp([handler]) as app:
        await send_together(app, "a", "b", "c")
        await app.settle()
        assert delivered == [["a", "b", "c"], ["c"], ["c"], ["c"], ["c"]]
        [record] = await records(app, "failed")
        assert record["requestContext"]["approximateInvokeCount"] == 4
        assert record["responseContext"]["functionError"] is None
        assert record["KinesisBatchInfo"]["batchSize"] == 1


async def send_together(app: TestApp, *data: str) -> None:
    """Records that one read finds: nothing is polled while they are put."""
    for item in data:
        await app.kinesis("s").put(item, key="k")


async def test_7_one_retry_two_attempts() -> None:
    @on_kinesis_batch("s", batch_size=1, maximum_retry_attempts=1, on_failure=to_sqs("failed"))
    async def kinesis(batch: KinesisStreamEvent) -> None:
        raise ValueError("x")

    @on_dynamodb_stream_batch("table", batch_size=1, maximum_retry_attempts=1, on_failure=to_sqs("failed-too"))
    async def dynamodb(batch: DynamoDBStreamEvent) -> None:
        raise ValueError("x")

    async with TestApp([kinesis, dynamodb]) as app:
        await app.kinesis("s").put("a", key="k")
        await app.dynamodb("table").put({"id": "1"})
        await app.settle()
        for queue, info in (("failed", "KinesisBatchInfo"), ("failed-too", "DDBStreamBatchInfo")):
            [record] = await records(app, queue)
            assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
            assert record["requestContext"]["approximateInvokeCount"] == 2
            assert record["requestContext"]["functionArn"].endswith(
                ":function:" + info[:3].replace("Kin", "kinesis").replace("DDB", "dynamodb")
            )
            assert record[info]["batchSize"] == 1


async def test_8_unlimited_retries_end_with_the_records_age() -> None:
    @on_kinesis_batch("s", maximum_record_age_seconds=60, on_failure=to_sqs("failed"))
    async def handler(batch: KinesisStreamEvent) -> None:
        raise ValueError("x")

    # Lambda's schedule is unpublished; a little jitter takes what it takes to fit 8 attempts into a minute.
    async with TestApp([handler], jitter=0.12) as app:
        await app.kinesis("s").put("a", key="k")
        await app.settle()
        [record] = await records(app, "failed")
        assert record["requestContext"]["condition"] == "RecordAgeExceeded"
        assert record["requestContext"]["approximateInvokeCount"] == 8
        assert "responseContext" not in record


async def test_10_malformed_partial_responses() -> None:
    @on_sqs_batch("misspelt", **REPORT)
    async def misspelt(batch: SqsEvent) -> dict[str, Any]:
        return {"batchItemFailures": [{"foo": "x"}]}

    @on_sqs_batch("empty", **REPORT)
    async def empty(batch: SqsEvent) -> dict[str, Any]:
        return {}

    queues = {"misspelt": {"dead_letter_queue": "dead", "maximum_receive_count": 2}}
    async with TestApp([misspelt, empty], options={"queues": queues}) as app:
        for body in "ab":
            await app.sqs("misspelt").send(body)
            await app.sqs("empty").send(body)
        await app.settle()
        assert sum(len(run.event["Records"]) for run in app.invocations("misspelt")) == 4
        assert sum(len(run.event["Records"]) for run in app.invocations("empty")) == 2
        assert sorted(record.body for record in await app.sqs("dead").receive()) == ["a", "b"]


async def test_11_two_batches_at_a_time() -> None:
    @on_sqs_batch("q", batch_size=20, maximum_batching_window_seconds=1, maximum_concurrency=2)
    async def handler(batch: SqsEvent) -> None: ...

    async with TestApp([handler]) as app:
        for number in range(30):
            await app.sqs("q").send(str(number))
        await app.settle()
        assert sum(len(run.event["Records"]) for run in app.invocations("handler")) == 30
        assert len(app.invocations("handler")) == 2


@pytest.mark.parametrize(
    ("operators", "passing", "failing"),
    [([">", 100], [101], [100]), ([">=", 100, "<", 200], [100, 199], [99, 200])],
)
async def test_12_numeric_filters(operators: list[Any], passing: list[int], failing: list[int]) -> None:
    @on_sqs_batch("q", filters=[{"body": {"n": [{"numeric": operators}]}}])
    async def handler(batch: SqsEvent) -> None: ...

    async with TestApp([handler]) as app:
        for number in (*passing, *failing):
            await app.sqs("q").send({"n": number})
        await app.settle()
        got = [json.loads(item["body"])["n"] for run in app.invocations("handler") for item in run.event["Records"]]
        assert sorted(got) == passing


async def test_13_plain_text_against_a_json_filter_is_dropped() -> None:
    @on_sqs_batch("q", filters=[{"body": {"n": [1]}}])
    async def handler(batch: SqsEvent) -> None: ...

    async with TestApp([handler]) as app:
        await app.sqs("q").send("plain text")
        await app.settle()
        assert app.invocations("handler") == ()
        assert await app.sqs("q").receive() == []


async def test_14_numbers_of_dynamodb_are_text_to_filters() -> None:
    pattern = {"dynamodb": {"NewImage": {"n": {"N": [{"numeric": [">", 100]}, {"anything-but": "101"}]}}}}

    @on_dynamodb_stream_batch("table", filters=[pattern])
    async def handler(batch: DynamoDBStreamEvent) -> None: ...

    async with TestApp([handler]) as app:
        await app.dynamodb("table").put({"id": "a", "n": 42})
        await app.dynamodb("table").put({"id": "b", "n": 101})
        await app.settle()
        got = [
            item["dynamodb"]["NewImage"]["n"]["N"]
            for run in app.invocations("handler")
            for item in run.event["Records"]
        ]
        assert got == ["42"]


@pytest.mark.parametrize("text", ["null", '"simple string"', '{"a": "x"}', '{"a": []}'])
def test_15_filters_that_are_no_filters(text: str) -> None:
    @on_sqs_batch("q", filters=[text])
    async def handler(batch: SqsEvent) -> None: ...

    with pytest.raises(ConfigurationError, match="filters"):
        App([handler]).freeze(Environment())


async def test_16_one_at_a_time() -> None:
    @function(reserved_concurrency=1)
    async def handler(event: dict[str, Any]) -> None:
        if event.get("first"):
            outcome = await app.invoke("handler", {})
            assert outcome == Throttled(outcome.reason)  # type: ignore[union-attr]
            assert outcome.reason == "ReservedFunctionConcurrentInvocationLimitExceeded"

    async with TestApp([handler]) as app:
        assert (await app.invoke("handler", {"first": True})).ok
