"""Sharing partitions between processes, and partitions that end: the part of the stream contract that
:class:`~eventflow.ports.PartitionOwner` and ``complete`` are about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio

from eventflow.errors import LeaseLostError
from eventflow.model.kafka import name_of
from eventflow.model.mapping import StartingPosition
from eventflow.model.records import Checkpoint
from eventflow.testing._member import Member, joined, values, write_all, write_keys
from eventflow.testing.harness import Capability, StreamHarness, needs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.model.records import PartitionId, StreamRecord

StreamCase: TypeAlias = Callable[[StreamHarness], Awaitable[None]]

TWENTY: Final = [b"%02d" % number for number in range(20)]
"""Enough keys that every one of a few partitions gets some."""


async def _shared(h: StreamHarness, first: Member, second: Member, partitions: int) -> None:
    """Wait until both have half of the partitions: before that, some may still be on their way."""

    async def settled() -> bool:
        return len(first.assignments) == len(second.assignments) == partitions // 2

    await h.eventually(settled, f"two members share {partitions} partitions")
    assert not first.assignments.keys() & second.assignments.keys(), "a partition has two owners"


async def _take_together(h: StreamHarness, members: Sequence[Member], count: int) -> list[StreamRecord]:
    records: list[StreamRecord] = []

    async def all_came() -> bool:
        for member in members:
            records.extend(await member.read_round())
        return len(records) >= count

    await h.eventually(all_came, f"{count} records are read")
    return records


# Sharing


@needs(Capability.PARTITIONS)
async def two_members_share_the_partitions_and_see_everything_once(h: StreamHarness) -> None:
    name = await h.create(4)
    async with joined(h, await h.open(name)) as first:
        await first.owns(4)
        async with joined(h, await h.open(name, other_process=True)) as second:
            await _shared(h, first, second, 4)
            await write_keys(h, name, TWENTY)
            records = await _take_together(h, [first, second], len(TWENTY))
            assert sorted(values(h, records)) == TWENTY
            for member in (first, second):
                await member.expect_nothing()


@needs(Capability.PARTITIONS)
async def partition_is_handed_over_after_its_owner_has_drained_it(h: StreamHarness) -> None:
    name = await h.create(2)
    await write_keys(h, name, TWENTY)
    draining, drained = anyio.Event(), anyio.Event()
    records: list[StreamRecord] = []

    async def drain(partitions: Sequence[PartitionId]) -> None:
        draining.set()
        await drained.wait()
        await first.commit(record for record in records if record.partition in partitions)

    async with joined(h, await h.open(name), on_drain=drain) as first:
        await first.owns(2)
        records += await first.take(len(TWENTY))
        async with joined(h, await h.open(name, other_process=True)) as second:
            with anyio.fail_after(h.patience_seconds):
                await draining.wait()
            await h.elapse(h.grace_seconds)
            assert not second.assignments, "a partition was given away while its owner still drained it"
            drained.set()
            await _shared(h, first, second, 2)
            for assignment in second.assignments.values():
                last = [record for record in records if record.partition == assignment.partition][-1]
                assert assignment.checkpoint == Checkpoint(position=last.position)
            await second.expect_nothing()


@needs(Capability.PARTITIONS)
async def loser_can_neither_commit_nor_read(h: StreamHarness) -> None:
    name = await h.create(2)
    await write_keys(h, name, TWENTY)
    async with joined(h, await h.open(name)) as first:
        await first.owns(2)
        records = await first.take(len(TWENTY))
        async with joined(h, await h.open(name, other_process=True)) as second:
            await _shared(h, first, second, 2)
            moved = set(second.assignments)
            gone = [record for record in records if record.partition in moved]
            await _expect_lease_lost(first.commit(gone))
            await _expect_lease_lost(first.source.read(gone[0].partition, max_records=1, wait_seconds=0))
            assert values(h, await second.take(len(gone))) == values(h, gone)
    async with joined(h, await h.open(name)) as third:
        await third.owns(2)
        for partition in moved:
            assert third.assignments[partition].checkpoint is None, "the loser's commit moved the position"


async def _expect_lease_lost(call: Awaitable[object]) -> None:
    try:
        await call
    except LeaseLostError:
        return
    raise AssertionError("LeaseLostError was not raised")


@needs(Capability.PARTITIONS)
async def member_that_leaves_hands_over_what_it_owned(h: StreamHarness) -> None:
    name = await h.create(2)
    await write_keys(h, name, TWENTY)
    async with joined(h, await h.open(name)) as first:
        async with joined(h, await h.open(name, other_process=True)) as second:
            await _shared(h, first, second, 2)
            moved = set(second.assignments)
            records = await _take_together(h, [second], 1)
            await second.commit(records)
            told = list(second.told)
        assert second.told == told, "the owner was told of a partition after its run was cancelled"
        await first.owns(2)
        for partition in moved:
            assert first.assignments[partition].checkpoint == Checkpoint(position=records[-1].position)


async def member_without_a_partition_takes_over(h: StreamHarness) -> None:
    name = await h.create(1)
    async with joined(h, await h.open(name)) as first, joined(h, await h.open(name, other_process=True)) as second:
        await h.elapse(h.grace_seconds)

        async def one_owner() -> bool:
            return len(first.assignments) + len(second.assignments) == 1

        await h.eventually(one_owner, "exactly one of two members owns the only partition")
        owner, idle = (first, second) if first.assignments else (second, first)
        await idle.until(lambda: idle.takes_part, "a member that gets nothing is told that it takes part")
        await owner.leave()
        await idle.owns(1)
        await write_all(h, name, [b"1"])
        assert values(h, await idle.take(1)) == [b"1"]


@needs(Capability.PARTITIONS)
async def progress_survives_changes_of_owner(h: StreamHarness) -> None:
    name = await h.create(3)
    seen: list[bytes] = []
    for turn in range(3):
        sent = [b"%d-%02d" % (turn, number) for number in range(10)]
        await write_keys(h, name, sent)
        async with joined(h, await h.open(name, other_process=turn % 2 == 1)) as member:
            await member.owns(3)
            records = await member.take(len(sent))
            seen += values(h, records)
            await member.commit(records)
    assert len(seen) == len(set(seen)) == 30


@needs(Capability.SEVERAL_TOPICS)
async def several_topics_are_read_in_one_subscription_and_shared(h: StreamHarness) -> None:
    names = [await h.create(1), await h.create(3)]
    together = name_of(names)
    async with joined(h, await h.open(together)) as first:
        await first.owns(4)
        async with joined(h, await h.open(together, other_process=True)) as second:
            await first.until(lambda: 0 < len(first.assignments) < 4, "the first member gives something up")
            await second.until(lambda: len(first.assignments) + len(second.assignments) == 4, "all are given out")
            assert not first.assignments.keys() & second.assignments.keys(), "a partition has two owners"
            for name in names:
                await write_keys(h, name, TWENTY)
            records = await _take_together(h, [first, second], 2 * len(TWENTY))
            for name in names:
                of_topic = [record for record in records if record.partition.rpartition("-")[0] == name]
                assert sorted(values(h, of_topic)) == TWENTY
            assert await first.source.backlog() == 2 * len(TWENTY)


@needs(Capability.SEVERAL_TOPICS)
async def every_topic_of_a_subscription_has_progress_of_its_own(h: StreamHarness) -> None:
    done, left = await h.create(1), await h.create(2)
    for name in (done, left):
        await write_keys(h, name, TWENTY)
    async with joined(h, await h.open(name_of([done, left]))) as member:
        await member.owns(3)
        records = await member.take(2 * len(TWENTY))
        await member.commit(record for record in records if record.partition == f"{done}-0")
    async with joined(h, await h.open(name_of([done, left]))) as member:
        await member.owns(3)
        again = await member.take(len(TWENTY))
        assert {record.partition.rpartition("-")[0] for record in again} == {left}
        await member.expect_nothing()


# Resharding


async def _reshard(h: StreamHarness, name: str) -> None:
    assert h.reshard is not None
    await h.reshard(name)


async def _read_to_the_end(h: StreamHarness, member: Member) -> list[StreamRecord]:
    """Read until every partition that it owns has ended."""
    records: list[StreamRecord] = []

    async def all_ended() -> bool:
        records.extend(await member.read_round())
        return member.ended == member.assignments.keys()

    await h.eventually(all_ended, "the resharded partitions end")
    return records


@needs(Capability.RESHARD)
async def children_are_assigned_after_their_parent_is_complete(h: StreamHarness) -> None:
    name = await h.create(1)
    await write_keys(h, name, TWENTY[:10])
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        parents = set(member.assignments)
        await _reshard(h, name)
        await write_keys(h, name, TWENTY[10:])
        records = await _read_to_the_end(h, member)
        assert sorted(values(h, records)) == TWENTY[:10]
        await h.elapse(h.grace_seconds)
        assert member.assignments.keys() == parents, "a child was assigned before its parent was complete"
        await member.commit(records)
        await member.complete_ended()
        await member.until(lambda: bool(member.assignments), "the children are assigned")
        assert sorted(values(h, await member.take(10))) == TWENTY[10:]
        assert not member.assignments.keys() & parents


@needs(Capability.RESHARD)
async def nothing_is_lost_repeated_or_reordered_by_resharding(h: StreamHarness) -> None:
    name = await h.create(1)
    for turn in range(3):
        for key in range(5):
            await write_all(h, name, [b"%d-%d" % (key, turn)], key=f"key-{key}")
        if turn < 2:
            await _reshard(h, name)
    seen: list[bytes] = []
    async with joined(h, await h.open(name)) as member:

        async def all_came() -> bool:
            records = await member.read_round()
            await member.commit(records)
            seen.extend(values(h, records))
            await member.complete_ended()
            return len(seen) >= 15

        await h.eventually(all_came, "15 records are read")
        await member.expect_nothing()
    assert len(set(seen)) == len(seen) == 15
    for key in range(5):
        assert [value for value in seen if value.startswith(b"%d-" % key)] == [b"%d-%d" % (key, n) for n in range(3)]


@needs(Capability.RESHARD)
async def completed_parent_is_not_assigned_again_after_a_restart(h: StreamHarness) -> None:
    name = await h.create(1)
    await write_keys(h, name, TWENTY[:10])
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        parents = set(member.assignments)
        await _reshard(h, name)
        await write_keys(h, name, TWENTY[10:])
        await member.commit(await _read_to_the_end(h, member))
        await member.complete_ended()
    async with joined(h, await h.open(name)) as member:
        await member.until(lambda: bool(member.assignments), "the children are assigned")
        assert sorted(values(h, await member.take(10))) == TWENTY[10:]
        assert not member.assignments.keys() & parents


@needs(Capability.RESHARD)
async def unfinished_parent_is_read_again_before_its_children(h: StreamHarness) -> None:
    name = await h.create(1)
    await write_keys(h, name, TWENTY[:10])
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        parents = set(member.assignments)
        await _reshard(h, name)
        await write_keys(h, name, TWENTY[10:])
        records = await _read_to_the_end(h, member)
        await member.commit(records[:4])
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        assert member.assignments.keys() == parents
        assert values(h, await _read_to_the_end(h, member)) == values(h, records[4:])


@needs(Capability.RESHARD)
async def children_of_a_subscribed_partition_are_read_from_their_beginning(h: StreamHarness) -> None:
    """Otherwise LATEST would lose what arrives between the split and the child's assignment."""
    name = await h.create(1)
    await write_keys(h, name, [b"old"])
    async with joined(h, await h.open(name, starting_position=StartingPosition.LATEST)) as member:
        await member.owns(1)
        await member.expect_nothing()
        await _reshard(h, name)
        await write_keys(h, name, TWENTY)
        await member.commit(await _read_to_the_end(h, member))
        await member.complete_ended()
        await member.until(lambda: bool(member.assignments), "the children are assigned")
        assert sorted(values(h, await member.take(len(TWENTY)))) == TWENTY


REBALANCE_CASES: Final[tuple[StreamCase, ...]] = (
    two_members_share_the_partitions_and_see_everything_once,
    partition_is_handed_over_after_its_owner_has_drained_it,
    loser_can_neither_commit_nor_read,
    member_that_leaves_hands_over_what_it_owned,
    member_without_a_partition_takes_over,
    progress_survives_changes_of_owner,
    several_topics_are_read_in_one_subscription_and_shared,
    every_topic_of_a_subscription_has_progress_of_its_own,
)
RESHARD_CASES: Final[tuple[StreamCase, ...]] = (
    children_are_assigned_after_their_parent_is_complete,
    nothing_is_lost_repeated_or_reordered_by_resharding,
    completed_parent_is_not_assigned_again_after_a_restart,
    unfinished_parent_is_read_again_before_its_children,
    children_of_a_subscribed_partition_are_read_from_their_beginning,
)
