"""Per-record handlers: order per key, attempts per record, and what a failing record blocks."""

from __future__ import annotations

from collections import Counter
from typing import Any

import anyio
from pydantic import BaseModel

from eventflow.events import KafkaRecord
from eventflow.model.records import StreamRecord
from eventflow.runtime.metrics import DropReason
from eventflow.triggers.destinations import to_sqs
from eventflow.triggers.kafka import on_kafka
from eventflow.triggers.kinesis import on_kinesis
from tests.runtime.streams.scripted import (
    KAFKA_IDENTITY,
    Log,
    ScriptedSource,
    keyed_order,
    polling,
    record,
)

TOPIC = "orders-0"


class Order(BaseModel):
    id: int


def kafka_source(*records: StreamRecord) -> ScriptedSource:
    log = Log(TOPIC)
    log.append(item._replace(partition=TOPIC) for item in records)
    return ScriptedSource(log, KAFKA_IDENTITY)


async def test_with_factor_1_records_run_strictly_one_after_the_other() -> None:
    running = 0
    seen: list[int] = []

    @on_kafka("orders")
    async def handle(number: int) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await anyio.sleep(0.01)
        seen.append(number)
        running -= 1

    records = [record(number, key=b"%d" % (number % 5)) for number in range(50)]
    async with polling(handle, kafka_source(*records)) as mapping:
        await mapping.all_done()
        assert seen == list(range(50))


async def test_with_factor_1_a_failing_record_blocks_its_partition() -> None:
    seen: list[int] = []

    @on_kafka("orders")
    async def handle(number: int) -> None:
        seen.append(number)
        if number == 1 and len(seen) < 4:
            raise RuntimeError("not yet")

    async with polling(handle, kafka_source(record(1, key=b"a"), record(2, key=b"b"))) as mapping:
        await mapping.all_done()
        assert seen == [1, 1, 1, 1, 2]


async def test_with_factor_n_as_many_records_run_at_once() -> None:
    running = most = 0

    @on_kafka("orders", parallelization_factor=4)
    async def handle(number: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.sleep(1)
        running -= 1

    records = [record(number, key=b"%d" % number) for number in range(20)]
    async with polling(handle, kafka_source(*records)) as mapping:
        await mapping.all_done()
        assert most == 4


async def test_with_factor_n_failing_records_block_only_their_keys_however_many_they_are() -> None:
    finished: dict[bytes, float] = {}

    @on_kafka("orders", parallelization_factor=2)
    async def handle(item: KafkaRecord) -> None:
        if (item.key_bytes or b"").startswith(b"bad") and anyio.current_time() < 600:
            raise RuntimeError("not yet")
        finished[item.key_bytes or b""] = anyio.current_time()

    bad = [record(number, key=b"bad-%d" % number) for number in range(4)]
    good = [record(number, key=b"good-%d" % number) for number in range(4, 8)]
    async with polling(handle, kafka_source(*bad, *good)) as mapping:
        await mapping.until(lambda: len(finished) == 4)
        assert anyio.current_time() < 10
        assert mapping.log.committed(TOPIC) is None, "committing would skip the failing records"
        await mapping.all_done()
        assert len(finished) == 8


async def test_a_blocked_key_with_many_records_does_not_keep_others_from_being_read() -> None:
    finished: list[int] = []

    @on_kafka("orders", parallelization_factor=2)
    async def handle(number: int) -> None:
        if number < 850 and anyio.current_time() < 600:
            raise RuntimeError("not yet")
        finished.append(number)

    bad = [record(number, key=b"bad") for number in range(850)]
    good = [record(number, key=b"good-%d" % number) for number in range(850, 2_000)]
    async with polling(handle, kafka_source(*bad, *good)) as mapping:
        await mapping.until(lambda: len(finished) == 1_150, within=60)
        await mapping.all_done()
        assert sorted(finished) == list(range(2_000))


async def test_order_per_key_is_kept_while_records_fail() -> None:
    seen: list[tuple[str, int]] = []
    failures: Counter[int] = Counter()

    @on_kinesis("orders", parallelization_factor=10)
    async def handle(number: int, context: Any) -> None:
        await anyio.sleep(number % 3)
        if number % 7 == 0 and failures[number] < 3:
            failures[number] += 1
            raise RuntimeError("not yet")
        seen.append((f"key-{number % 10}", number))

    log = Log()
    log.append(record(number, key=f"key-{number % 10}") for number in range(200))
    async with polling(handle, ScriptedSource(log)) as mapping:
        await mapping.all_done()
        assert len(seen) == 200
        for order in keyed_order(seen).values():
            assert order == sorted(order)


async def test_records_without_a_key_run_free_of_each_other() -> None:
    done: list[int] = []

    @on_kafka("orders", parallelization_factor=2)
    async def handle(number: int) -> None:
        if number == 0 and anyio.current_time() < 30:
            raise RuntimeError("not yet")
        done.append(number)

    async with polling(handle, kafka_source(*[record(number, key=None) for number in range(10)])) as mapping:
        await mapping.all_done()
        assert done[-1] == 0


async def test_each_record_has_attempts_of_its_own() -> None:
    calls: Counter[int] = Counter()

    @on_kafka("orders", maximum_retry_attempts=2, on_failure=to_sqs("failed"))
    async def handle(number: int) -> None:
        calls[number] += 1
        if number % 2:
            raise RuntimeError("odd")

    async with polling(handle, kafka_source(*[record(number, key=b"k") for number in range(4)])) as mapping:
        await mapping.all_done()
        assert calls == {0: 1, 1: 3, 2: 1, 3: 3}
        failures = mapping.failures.records
        assert [failure["requestContext"]["approximateInvokeCount"] for failure in failures] == [3, 3]
        assert [failure["KafkaBatchInfo"]["batchSize"] for failure in failures] == [1, 1]
        assert failures[0]["responseContext"]["functionError"] == "Unhandled"
        assert mapping.metrics.retries[("handle", "kafka")] == 4


async def test_a_record_that_fails_validation_is_a_failing_record() -> None:
    seen: list[int] = []

    @on_kafka("orders", maximum_retry_attempts=0)
    async def handle(order: Order) -> None:
        seen.append(order.id)

    records = [record(1, data=b'{"id": 1}'), record(2, data=b"{}"), record(3, data=b'{"id": 3}')]
    async with polling(handle, kafka_source(*records)) as mapping:
        await mapping.all_done()
        assert seen == [1, 3]
        assert mapping.metrics.dropped == {("handle", "kafka", DropReason.NO_DESTINATION): 1}


async def test_an_old_record_is_given_up_without_having_been_invoked() -> None:
    seen: list[int] = []

    @on_kafka("orders", maximum_record_age_seconds=60, on_failure=to_sqs("failed"))
    async def handle(number: int) -> None:
        seen.append(number)

    async with polling(handle, kafka_source(record(1, at=-100), record(2))) as mapping:
        await mapping.all_done()
        assert seen == [2]
        [failure] = mapping.failures.records
        assert failure["requestContext"]["condition"] == "RecordAgeExceeded"
        assert failure["requestContext"]["approximateInvokeCount"] == 1


async def test_an_oversized_record_is_given_up() -> None:
    seen: list[int] = []

    @on_kafka("orders", on_failure=to_sqs("failed"))
    async def handle(number: int) -> None:
        seen.append(number)

    async with polling(handle, kafka_source(record(1, data=b"1" * 5_000_000), record(2))) as mapping:
        await mapping.all_done()
        assert seen == [2]
        assert mapping.failures.records[0]["requestContext"]["condition"] == "MaximumPayloadSizeExceeded"


async def test_a_large_record_that_cannot_be_weighed_is_left_to_the_handler() -> None:
    seen: list[int] = []

    @on_kafka("orders")
    async def handle(data: bytes) -> None:
        seen.append(len(data))

    broken = record(1, data=b"1" * 300_000)._replace(attributes={})
    async with polling(handle, kafka_source(broken)) as mapping:
        await mapping.all_done()
        assert seen == [300_000]


async def test_throttled_records_wait_and_keep_their_attempts() -> None:
    seen: list[int] = []

    @on_kafka("orders", parallelization_factor=4, maximum_retry_attempts=0)
    async def handle(number: int) -> None:
        await anyio.sleep(1)
        seen.append(number)

    records = [record(number, key=b"%d" % number) for number in range(12)]
    async with polling(handle, kafka_source(*records), concurrency=2) as mapping:
        await mapping.all_done()
        assert sorted(seen) == list(range(12))
        assert not mapping.metrics.dropped
        assert mapping.metrics.invocations[("handle", "kafka")].throttled == 0


async def test_plain_functions_run_in_threads() -> None:
    seen: list[int] = []

    @on_kafka("orders", parallelization_factor=2)
    def handle(number: int) -> None:
        seen.append(number)

    async with polling(handle, kafka_source(*[record(number) for number in range(5)])) as mapping:
        await mapping.all_done()
        assert seen == list(range(5))


async def test_commits_of_records_are_coalesced() -> None:
    @on_kafka("orders", parallelization_factor=10)
    async def handle(number: int) -> None:
        await anyio.sleep(0.001)

    records = [record(number, key=b"%d" % number) for number in range(5_000)]
    async with polling(handle, kafka_source(*records)) as mapping:
        await mapping.all_done()
        assert len(mapping.log.commits) <= 12
