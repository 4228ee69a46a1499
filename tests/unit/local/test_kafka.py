"""Kafka topics and consumer groups, in memory and in a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from eventflow.errors import InvalidMessageError, LeaseLostError
from eventflow.model.destinations import OutboundMessage, Service
from eventflow.model.mapping import StartingPosition, StreamMapping
from eventflow.model.records import Checkpoint
from eventflow.model.subscriptions import StreamSubscription
from eventflow.testing.virtual_time import START
from eventflow_local.database import Database
from eventflow_local.kafka import (
    MAXIMUM_MESSAGE_BYTES,
    TOMBSTONE,
    KafkaSink,
    TopicsSource,
    choose_partition,
    ensure_topic,
    murmur2,
    open_kafka_sink,
    open_kafka_source,
)
from eventflow_local.owners import Owner
from tests.unit.local.log_workers import local_settings, mapping, process, refused, working


class Kafka:
    """One process's view of the topic ``orders``."""

    def __init__(self, database: Database, owner: Owner, sink: KafkaSink) -> None:
        self.database = database
        self.owner = owner
        self.sink = sink

    async def source(self, wanted: StreamMapping | None = None, *, subscriber: str = "fulfil") -> TopicsSource:
        subscription = StreamSubscription(
            service=Service.KAFKA, name="orders", subscriber=subscriber, mapping=wanted or mapping()
        )
        return await open_kafka_source(self.database, self.owner, local_settings(), subscription)

    async def send(self, *bodies: bytes, key: str | None = "k") -> None:
        for body in bodies:
            await self.sink.send(OutboundMessage(body=body, key=key))


@asynccontextmanager
async def kafka(directory: Path | None, *, partition_count: int = 1) -> AsyncIterator[Kafka]:
    async with process(directory) as (database, owner):
        sink = await open_kafka_sink(database, local_settings(), "orders", partition_count=partition_count)
        yield Kafka(database, owner, sink)


@pytest.fixture(params=["memory", "file"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path if request.param == "file" else None


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_keys_are_hashed_as_kafka_hashes_them(key: bytes, expected: int) -> None:
    """The values of the Java client's own test."""
    assert murmur2(key) == expected & 0xFFFFFFFF


async def test_records_of_a_key_keep_their_order_in_the_partition_of_the_key(directory: Path | None) -> None:
    async with kafka(directory, partition_count=4) as topic:
        await topic.send(b"1", b"2", b"3")
        expected = f"orders-{choose_partition(b'k', 4)}"
        async with working(await topic.source()) as worker:
            await worker.until(lambda: len(worker.owned) == 4)
            records = await worker.read(expected)
    assert [(record.position, record.data, record.key) for record in records] == [
        (0, b"1", b"k"),
        (1, b"2", b"k"),
        (2, b"3", b"k"),
    ]


async def test_records_without_a_key_go_round(directory: Path | None) -> None:
    async with kafka(directory, partition_count=4) as topic:
        await topic.send(*[b"x"] * 8, key=None)
        async with working(await topic.source()) as worker:
            await worker.until(lambda: len(worker.owned) == 4)
            counts = [len(await worker.read(partition)) for partition in worker.owned]
    assert counts == [2, 2, 2, 2]


async def test_a_record_has_headers_topic_partition_and_time(directory: Path | None) -> None:
    async with kafka(directory) as topic:
        await topic.sink.send(OutboundMessage(body=b"", attributes={"a": "text", "b": b"\xff", "n": 7}))
        async with working(await topic.source()) as worker:
            await worker.owns("orders-0")
            [record] = await worker.read("orders-0")
    assert record.attributes == {
        "topic": "orders",
        "partition": 0,
        "timestampType": "CREATE_TIME",
        "headers": [("a", b"text"), ("b", b"\xff"), ("n", b"7")],
    }
    assert (record.key, record.data, record.timestamp) == (None, b"", START)


async def test_a_tombstone_has_a_key_and_no_value(directory: Path | None) -> None:
    async with kafka(directory) as topic:
        await topic.sink.send(OutboundMessage(body=b"", key="k", attributes={TOMBSTONE: "true"}))
        async with working(await topic.source()) as worker:
            await worker.owns("orders-0")
            [record] = await worker.read("orders-0")
    assert (record.key, record.data, record.attributes["headers"]) == (b"k", None, [])


async def test_functions_of_one_consumer_group_share_a_topic(directory: Path | None) -> None:
    wanted = mapping(consumer_group="shared")
    async with (
        kafka(directory, partition_count=4) as topic,
        working(await topic.source(wanted, subscriber="a")) as first,
    ):
        await first.until(lambda: len(first.owned) == 4)
        async with working(await topic.source(wanted, subscriber="b")) as second:
            await second.until(lambda: len(second.owned) == 2)
            await first.until(lambda: len(first.owned) == 2)
            assert not first.owned.keys() & second.owned.keys()


async def test_three_members_of_two_processes_read_everything_once(directory: Path | None) -> None:
    async with kafka(directory, partition_count=6) as here, kafka(directory) as there:
        if directory is None:
            there = here
        sent = [b"%d" % number for number in range(30)]
        for body in sent:
            await here.send(body, key=body.decode())
        async with (
            working(await here.source()) as first,
            working(await here.source()) as second,
            working(await there.source()) as third,
        ):
            members = [first, second, third]
            for member in members:
                await member.until(lambda member=member: len(member.owned) == 2)  # type: ignore[misc]
            seen = Counter[bytes | None]()
            for member in members:
                for partition in member.owned:
                    seen.update(record.data for record in await member.read(partition))
    assert seen == Counter(sent)


async def test_an_offset_is_committed_by_the_owner_of_this_generation_only(directory: Path | None) -> None:
    async with kafka(directory, partition_count=2) as topic, working(await topic.source()) as first:
        await first.owns("orders-0", "orders-1")
        async with working(await topic.source()) as second:
            await second.until(lambda: len(second.owned) == 1)
            [moved] = second.owned
            await second.source.commit(moved, Checkpoint(position=4))
            with pytest.raises(LeaseLostError):
                await first.source.commit(moved, Checkpoint(position=9))
        await first.owns("orders-0", "orders-1")
        assert first.owned[moved] == Checkpoint(position=4)


async def test_a_group_that_committed_goes_on_there_whatever_the_starting_position_says(
    directory: Path | None,
) -> None:
    async with kafka(directory) as topic:
        await topic.send(b"1", b"2")
        async with working(await topic.source()) as worker:
            await worker.owns("orders-0")
            await worker.source.commit("orders-0", Checkpoint(position=0))
        async with working(await topic.source(mapping(StartingPosition.LATEST))) as worker:
            await worker.owns("orders-0")
            assert [record.data for record in await worker.read("orders-0")] == [b"2"]


async def test_a_topic_can_get_more_partitions_while_it_is_read(directory: Path | None) -> None:
    async with kafka(directory) as topic, working(await topic.source(mapping(StartingPosition.LATEST))) as worker:
        await worker.owns("orders-0")
        await ensure_topic(topic.database, "orders", partition_count=3)
        await topic.send(*[b"x"] * 6, key=None)
        await worker.until(lambda: len(worker.owned) == 3)
        counts = [len(await worker.read(partition)) for partition in worker.owned]
    assert counts == [2, 2, 2]


async def test_backlog_counts_what_is_not_committed(directory: Path | None) -> None:
    async with kafka(directory) as topic:
        await topic.send(b"1", b"2", b"3")
        source = await topic.source()
        assert await source.backlog() == 3
        async with working(source) as worker:
            await worker.owns("orders-0")
            await worker.source.commit("orders-0", Checkpoint(position=1))
            assert await source.backlog() == 1


async def test_records_are_kept_for_a_week(directory: Path | None) -> None:
    async with kafka(directory) as topic:
        await topic.send(b"old")
        await anyio.sleep(7 * 86_400 + 1)
        await topic.send(b"young")
        async with working(await topic.source()) as worker:
            await worker.owns("orders-0")
            assert [(record.position, record.data) for record in await worker.read("orders-0")] == [(1, b"young")]


async def test_a_message_over_the_limit_is_refused() -> None:
    async with kafka(None) as topic:
        await topic.send(bytes(MAXIMUM_MESSAGE_BYTES - 1))
        with pytest.raises(InvalidMessageError, match="bytes"):
            await topic.send(bytes(MAXIMUM_MESSAGE_BYTES))


async def test_a_tombstone_with_a_value_is_refused() -> None:
    async with kafka(None) as topic:
        with pytest.raises(InvalidMessageError, match="empty body"):
            await topic.sink.send(OutboundMessage(body=b"x", attributes={TOMBSTONE: "true"}))


@pytest.mark.parametrize("name", ["", ".", "..", "or/ders", "x" * 250])
async def test_a_name_that_kafka_refuses_is_refused(name: str) -> None:
    async with process(None) as (database, _):
        with refused("is not a topic name"):
            await ensure_topic(database, name, partition_count=1)
