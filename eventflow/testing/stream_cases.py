"""What every :class:`~eventflow.ports.StreamSource` promises, as cases over a harness.

``STREAM_CASES`` holds all of them. Checkpoints and starting positions are in ``progress_cases``, sharing partitions
between processes and resharding in ``rebalance_cases``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio
from anyio import lowlevel

from eventflow.model.destinations import OutboundMessage
from eventflow.testing._member import joined, values, write_all, write_keys
from eventflow.testing.harness import Capability, StreamHarness, needs
from eventflow.testing.progress_cases import PROGRESS_CASES
from eventflow.testing.rebalance_cases import REBALANCE_CASES, RESHARD_CASES

if TYPE_CHECKING:
    from eventflow.model.records import StreamRecord

StreamCase: TypeAlias = Callable[[StreamHarness], Awaitable[None]]


# Reading


async def records_of_a_partition_come_in_order(h: StreamHarness) -> None:
    name = await h.create(1)
    sent = [b"%02d" % number for number in range(25)]
    await write_all(h, name, sent)
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        assert values(h, await member.take(len(sent))) == sent


@needs(Capability.PARTITIONS)
async def every_partition_is_assigned_and_read(h: StreamHarness) -> None:
    name = await h.create(3)
    sent = [b"%d" % number for number in range(30)]
    await write_keys(h, name, sent)
    async with joined(h, await h.open(name)) as member:
        await member.owns(3)
        records = await member.take(len(sent))
        assert sorted(values(h, records)) == sorted(sent)
        assert {record.partition for record in records} <= set(member.assignments)
        assert all(assignment.checkpoint is None for assignment in member.assignments.values())


@needs(Capability.PARTITIONS)
async def records_of_a_key_come_in_order_from_one_partition(h: StreamHarness) -> None:
    name = await h.create(3)
    sent = {f"key-{number}": [b"%d-%d" % (number, turn) for turn in range(4)] for number in range(6)}
    for turn in range(4):
        for key, contents in sent.items():
            await h.write(name, OutboundMessage(body=contents[turn], key=key))
    by_key: defaultdict[bytes, list[tuple[str, bytes]]] = defaultdict(list)
    async with joined(h, await h.open(name)) as member:
        await member.owns(3)
        for record in await member.take(24):
            [value] = values(h, [record])
            by_key[value.split(b"-")[0]].append((record.partition, value))
    for arrived in by_key.values():
        assert len({partition for partition, _ in arrived}) == 1
        assert [value for _, value in arrived] == sorted(value for _, value in arrived)


async def read_goes_on_behind_the_read_before(h: StreamHarness) -> None:
    name = await h.create(1)
    await write_all(h, name, [b"1", b"2"])
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        assert values(h, await member.take(2)) == [b"1", b"2"]
        await member.expect_nothing()
        await write_all(h, name, [b"3"])
        assert values(h, await member.take(1)) == [b"3"]


async def read_returns_no_more_than_asked_for(h: StreamHarness) -> None:
    name = await h.create(1)
    await write_all(h, name, [b"1", b"2", b"3"])
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        [partition] = member.assignments
        arrived: list[bytes] = []

        async def all_came() -> bool:
            read = await member.source.read(partition, max_records=2, wait_seconds=1)
            assert len(read.records) <= 2
            assert not read.ended
            arrived.extend(values(h, read.records))
            return len(arrived) == 3

        await h.eventually(all_came, "all three records are read")
        assert arrived == [b"1", b"2", b"3"]


async def read_returns_as_soon_as_a_record_arrives(h: StreamHarness) -> None:
    name = await h.create(1)
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        [partition] = member.assignments
        arrived: list[StreamRecord] = []

        async def wait() -> None:
            arrived.extend((await member.source.read(partition, max_records=10, wait_seconds=30)).records)

        started = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await h.elapse(1)
            assert not arrived
            await write_all(h, name, [b"1"])
        assert values(h, arrived) == [b"1"]
        assert anyio.current_time() - started < 30, "the read waited on after a record had arrived"


async def read_waits_and_returns_nothing_when_there_is_nothing(h: StreamHarness) -> None:
    name = await h.create(1)
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        [partition] = member.assignments
        started = anyio.current_time()
        read = await member.source.read(partition, max_records=10, wait_seconds=2)
        assert (read.records, read.ended) == ((), False)
        assert 1 <= anyio.current_time() - started < 2 + h.patience_seconds


async def cancelled_read_loses_nothing(h: StreamHarness) -> None:
    name = await h.create(1)
    sent = [b"%02d" % number for number in range(12)]
    arrived: list[StreamRecord] = []
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        [partition] = member.assignments

        async def wait() -> None:
            arrived.extend((await member.source.read(partition, max_records=10, wait_seconds=30)).records)

        for number, value in enumerate(sent):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait)
                await h.elapse(0.1)
                await write_all(h, name, [value])
                for _ in range(number):  # cancels at another step each time
                    await lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
        arrived += await member.take(len(sent) - len(arrived))
    assert values(h, arrived) == sent


async def records_say_when_they_arrived(h: StreamHarness) -> None:
    name = await h.create(1)
    before = h.clock.time()
    await write_all(h, name, [b"1"])
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        [record] = await member.take(1)
        assert before - 5 <= record.timestamp <= h.clock.time() + 5


# What records carry


@needs(Capability.HEADERS)
async def headers_arrive_as_pairs_in_order(h: StreamHarness) -> None:
    name = await h.create(1)
    await h.write(name, OutboundMessage(body=b"1", key="k", attributes={"trace": b"\x00\x7f\x80\xff", "text": "é"}))
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        [record] = await member.take(1)
        assert list(record.attributes["headers"]) == [("trace", b"\x00\x7f\x80\xff"), ("text", "é".encode())]


@needs(Capability.TOMBSTONES)
async def tombstones_arrive_without_a_value(h: StreamHarness) -> None:
    name = await h.create(1)
    await write_all(h, name, [b"1"], key="gone")
    assert h.write_tombstone is not None
    await h.write_tombstone(name, "gone")
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        value, tombstone = await member.take(2)
        assert (value.data, tombstone.data) == (b"1", None)
        assert value.key == tombstone.key


async def empty_and_binary_values_arrive_unchanged(h: StreamHarness) -> None:
    name = await h.create(1)
    sent = [b"\x00\xff\xfe", bytes(range(256)), "Zoë 🎉".encode()]
    await write_all(h, name, sent)
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        assert values(h, await member.take(len(sent))) == sent


async def source_says_who_it_is(h: StreamHarness) -> None:
    name = await h.create(1)
    one, two = await h.open(name), await h.open(name, other_process=True)
    assert one.identity == two.identity
    assert one.identity.region


async def close_is_idempotent(h: StreamHarness) -> None:
    source = await h.open(await h.create(1))
    await source.aclose()
    await source.aclose()


STREAM_CASES: Final[tuple[StreamCase, ...]] = (
    records_of_a_partition_come_in_order,
    every_partition_is_assigned_and_read,
    records_of_a_key_come_in_order_from_one_partition,
    read_goes_on_behind_the_read_before,
    read_returns_no_more_than_asked_for,
    read_returns_as_soon_as_a_record_arrives,
    read_waits_and_returns_nothing_when_there_is_nothing,
    cancelled_read_loses_nothing,
    records_say_when_they_arrived,
    headers_arrive_as_pairs_in_order,
    tombstones_arrive_without_a_value,
    empty_and_binary_values_arrive_unchanged,
    source_says_who_it_is,
    close_is_idempotent,
    *PROGRESS_CASES,
    *REBALANCE_CASES,
    *RESHARD_CASES,
)
