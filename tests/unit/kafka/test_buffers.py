from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest
from aiokafka import ConsumerRecord, TopicPartition

from eventflow.errors import LeaseLostError, UnavailableError
from eventflow.model.records import StreamRead
from eventflow.testing.virtual_time import VirtualClock
from eventflow_kafka.ahead import Ahead
from eventflow_kafka.buffers import PartitionBuffer
from eventflow_kafka.records import FetchedRecords, RecordFactory

ORDERS = TopicPartition("orders", 3)
RECORDS = RecordFactory(ORDERS)


class Flow:
    """A buffer, and what it asks of its consumer."""

    def __init__(
        self, *, ahead: Ahead | None = None, maximum_records: int = 10, maximum_bytes: int = 1_000_000
    ) -> None:
        self.clock = VirtualClock()
        self.asked: list[str] = []
        self.buffer = PartitionBuffer(
            ORDERS,
            ahead=ahead or Ahead(),
            resource="kafka:orders",
            clock=self.clock,
            maximum_records=maximum_records,
            maximum_bytes=maximum_bytes,
            pause=lambda _: self.asked.append("pause"),
            resume=lambda _: self.asked.append("resume"),
        )

    def push(self, *offsets: int, size: int = 10, end: int = 100) -> None:
        milliseconds = int(self.clock.time() * 1000) - 5_000
        records = [_record(offset, milliseconds, size) for offset in offsets]
        self.buffer.push([FetchedRecords(RECORDS, list(records))], end=end)

    async def read(self, maximum: int = 1_000, *, wait_seconds: float = 0) -> StreamRead:
        return await self.buffer.read(max_records=maximum, wait_seconds=wait_seconds)

    async def offsets(self, maximum: int = 1_000) -> Sequence[object]:
        return [record.position for record in (await self.read(maximum)).records]


def _record(offset: int, milliseconds: int, size: int) -> ConsumerRecord:
    return ConsumerRecord("orders", 3, offset, milliseconds, 0, b"k", b"x" * size, None, 1, size, ())


async def test_records_come_in_order_in_reads_of_any_size() -> None:
    flow = Flow()
    flow.push(0, 1, 2)
    assert await flow.offsets(2) == [0, 1]
    flow.push(3, 4)
    assert await flow.offsets(1) == [2]
    assert await flow.offsets() == [3, 4]
    assert await flow.offsets() == []


async def test_what_is_done_ahead_of_the_start_is_passed_over() -> None:
    flow = Flow(ahead=Ahead(end=6, pending=frozenset({2, 4})))
    flow.push(2, 3, 4)
    flow.push(5, 6, 7)
    assert await flow.offsets() == [2, 4, 6, 7]


async def test_a_record_is_as_the_embedded_environments() -> None:
    flow = Flow()
    flow.push(7)
    [record] = (await flow.read()).records
    assert record.partition == "orders-3"
    assert (record.position, record.key, record.data) == (7, b"k", b"x" * 10)
    assert record.timestamp == pytest.approx(flow.clock.time() - 5)
    expected = {"topic": "orders", "partition": 3, "timestampType": "CREATE_TIME", "headers": ()}
    assert dict(record.attributes) == expected


async def test_a_full_buffer_pauses_its_partition_until_half_is_read() -> None:
    flow = Flow(maximum_records=10)
    flow.push(*range(9))
    assert flow.asked == []
    flow.push(9)
    assert (flow.asked, flow.buffer.paused) == (["pause"], True)
    await flow.read(4)
    assert flow.asked == ["pause"]
    await flow.read(1)
    assert (flow.asked, flow.buffer.paused) == (["pause", "resume"], False)
    assert await flow.offsets() == [5, 6, 7, 8, 9]


async def test_large_records_fill_a_buffer_by_their_bytes() -> None:
    flow = Flow(maximum_bytes=1_000)
    flow.push(0, size=999)
    assert not flow.buffer.paused
    flow.push(1, size=1)
    assert flow.buffer.paused


async def test_bytes_that_were_read_count_no_more() -> None:
    flow = Flow(maximum_bytes=1_000)
    flow.push(0, 1, size=400)
    await flow.read(1)
    flow.push(2, size=500)
    assert flow.asked == []
    flow.push(3, size=100)
    assert flow.asked == ["pause"]
    await flow.read()
    flow.push(4, size=999)
    assert flow.asked == ["pause", "resume"]


async def test_a_waiting_read_returns_when_records_come() -> None:
    flow = Flow()
    async with anyio.create_task_group() as tasks:

        async def push_later() -> None:
            await anyio.sleep(5)
            flow.push(0)

        tasks.start_soon(push_later)
        assert len((await flow.read(wait_seconds=60)).records) == 1
    assert anyio.current_time() < 60


async def test_a_read_that_waits_in_vain_returns_nothing() -> None:
    read = await Flow().read(wait_seconds=3)
    assert (read.records, read.ended, read.behind_seconds) == ((), False, 0)


async def test_a_read_tells_how_far_it_is_behind() -> None:
    flow = Flow()
    flow.push(0, 1, end=2)
    assert (await flow.read(1)).behind_seconds == pytest.approx(5)
    assert (await flow.read(1)).behind_seconds == 0


async def test_a_waiting_read_ends_when_the_partition_is_lost() -> None:
    flow = Flow()
    flow.push(0)
    flow.buffer.lose()
    with pytest.raises(LeaseLostError, match="orders-3"):
        await flow.read(wait_seconds=60)


async def test_a_silent_broker_is_reported_once_what_it_sent_is_read() -> None:
    flow = Flow()
    flow.push(0)
    flow.buffer.silent("the broker is silent")
    assert await flow.offsets() == [0]
    for _ in range(2):
        with pytest.raises(UnavailableError, match="the broker is silent"):
            await flow.read(wait_seconds=60)


async def test_a_read_returns_at_once_when_the_broker_answers_again() -> None:
    flow = Flow()
    flow.buffer.silent("the broker is silent")
    with pytest.raises(UnavailableError):
        await flow.read()
    flow.buffer.heard()
    before = anyio.current_time()
    assert not (await flow.read(wait_seconds=300)).records
    assert anyio.current_time() == before
    assert not (await flow.read(wait_seconds=1)).records
    assert anyio.current_time() == before + 1
