"""Checkpoints and starting positions: where the reading of a stream begins and goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, TypeAlias

from eventflow.model.mapping import StartingPosition
from eventflow.model.records import Checkpoint
from eventflow.testing._member import joined, values, write_all, write_keys
from eventflow.testing.harness import Capability, StreamHarness, needs

StreamCase: TypeAlias = Callable[[StreamHarness], Awaitable[None]]


async def reading_continues_behind_the_checkpoint_after_a_restart(h: StreamHarness) -> None:
    name = await h.create(1)
    await write_all(h, name, [b"1", b"2", b"3", b"4"])
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        done = (await member.take(4))[:2]
        await member.commit(done)
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        [assignment] = member.assignments.values()
        assert assignment.checkpoint == Checkpoint(position=done[-1].position)
        assert values(h, await member.take(2)) == [b"3", b"4"]
        await member.expect_nothing()


async def uncommitted_records_come_again(h: StreamHarness) -> None:
    name = await h.create(1)
    sent = [b"%d" % number for number in range(8)]
    await write_keys(h, name, sent)
    for _ in range(2):
        async with joined(h, await h.open(name)) as member:
            await member.owns(1)
            assert values(h, await member.take(8)) == sent


async def another_process_continues_behind_the_checkpoint(h: StreamHarness) -> None:
    name = await h.create(1)
    await write_all(h, name, [b"1", b"2"])
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        await member.commit((await member.take(2))[:1])
    async with joined(h, await h.open(name, other_process=True)) as member:
        await member.owns(1)
        assert values(h, await member.take(1)) == [b"2"]


async def last_commit_counts(h: StreamHarness) -> None:
    name = await h.create(1)
    await write_all(h, name, [b"1", b"2", b"3"])
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        for record in await member.take(3):
            await member.commit([record])
    await write_all(h, name, [b"4"])
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        assert values(h, await member.take(1)) == [b"4"]


async def state_survives_with_the_checkpoint(h: StreamHarness) -> None:
    name = await h.create(1)
    await write_all(h, name, [b"1"])
    state = '{"sum": 9.5, "name": "Zoë"}'
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        [record] = await member.take(1)
        await member.commit([record], state='{"sum": 1}')
        await member.commit([record], state=state)
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        [assignment] = member.assignments.values()
        assert assignment.checkpoint == Checkpoint(position=record.position, state=state)
        await write_all(h, name, [b"2"])
        await member.commit(await member.take(1))
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        [assignment] = member.assignments.values()
        assert assignment.checkpoint is not None
        assert assignment.checkpoint.state is None


@needs(Capability.AHEAD)
async def what_is_done_ahead_of_the_position_does_not_come_again(h: StreamHarness) -> None:
    name = await h.create(1)
    await write_all(h, name, [b"%d" % number for number in range(8)])
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        [assignment] = member.assignments.values()
        records = await member.take(8)
        pending = frozenset(records[number].position for number in (0, 3, 6))
        assert assignment.origin is not None
        at_first = Checkpoint(position=assignment.origin, reached=records[7].position, pending=pending)
        await member.source.commit(assignment.partition, at_first)
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        again = await member.take(3)
        assert values(h, again) == [b"0", b"3", b"6"]
        await member.commit(again[:1])
    async with joined(h, await h.open(name, other_process=True)) as member:
        await member.owns(1)
        again = await member.take(2)
        assert values(h, again) == [b"3", b"6"]
        await member.commit(again)
        await write_all(h, name, [b"8"])
        assert values(h, await member.take(1)) == [b"8"]
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        assert values(h, await member.take(1)) == [b"8"]


async def every_subscriber_sees_every_record(h: StreamHarness) -> None:
    name = await h.create(1)
    await write_all(h, name, [b"1", b"2"])
    for subscriber in ("first", "second"):
        async with joined(h, await h.open(name, subscriber=subscriber)) as member:
            await member.owns(1)
            records = await member.take(2)
            assert values(h, records) == [b"1", b"2"]
            await member.commit(records)


async def backlog_counts_what_is_not_committed(h: StreamHarness) -> None:
    name = await h.create(1)
    await write_keys(h, name, [b"%d" % number for number in range(6)])
    source = await h.open(name)

    async def waiting() -> bool:
        return await source.backlog() >= 1

    async def empty() -> bool:
        return await source.backlog() == 0

    async with joined(h, source) as member:
        await member.owns(1)
        records = await member.take(6)
        await h.eventually(waiting, "the backlog of records that were read but not committed is positive")
        await member.commit(records)
        await h.eventually(empty, "the backlog is zero after everything was committed")


# Starting positions


async def trim_horizon_starts_with_the_oldest_record(h: StreamHarness) -> None:
    name = await h.create(1)
    await write_all(h, name, [b"old"])
    async with joined(h, await h.open(name, starting_position=StartingPosition.TRIM_HORIZON)) as member:
        await member.owns(1)
        await write_all(h, name, [b"new"])
        assert values(h, await member.take(2)) == [b"old", b"new"]


async def latest_starts_with_what_comes_after_the_subscription(h: StreamHarness) -> None:
    name = await h.create(1)
    await write_all(h, name, [b"old"])
    async with joined(h, await h.open(name, starting_position=StartingPosition.LATEST)) as member:
        await member.owns(1)
        await member.expect_nothing()
        await write_all(h, name, [b"new"])
        assert values(h, await member.take(1)) == [b"new"]


@needs(Capability.STARTING_TIMESTAMP)
async def timestamp_starts_with_the_first_record_from_then_on(h: StreamHarness) -> None:
    name = await h.create(1)
    await write_all(h, name, [b"old"])
    await h.elapse(2)
    start = datetime.fromtimestamp(h.clock.time(), tz=UTC)
    await h.elapse(2)
    await write_all(h, name, [b"new", b"newer"])
    source = await h.open(name, starting_position=StartingPosition.AT_TIMESTAMP, starting_timestamp=start)
    async with joined(h, source) as member:
        await member.owns(1)
        assert values(h, await member.take(2)) == [b"new", b"newer"]


async def checkpoint_wins_over_the_starting_position(h: StreamHarness) -> None:
    name = await h.create(1)
    await write_all(h, name, [b"1", b"2"])
    async with joined(h, await h.open(name)) as member:
        await member.owns(1)
        await member.commit((await member.take(2))[:1])
    async with joined(h, await h.open(name, starting_position=StartingPosition.LATEST)) as member:
        await member.owns(1)
        assert values(h, await member.take(1)) == [b"2"]


PROGRESS_CASES: Final[tuple[StreamCase, ...]] = (
    reading_continues_behind_the_checkpoint_after_a_restart,
    uncommitted_records_come_again,
    another_process_continues_behind_the_checkpoint,
    last_commit_counts,
    state_survives_with_the_checkpoint,
    what_is_done_ahead_of_the_position_does_not_come_again,
    every_subscriber_sees_every_record,
    backlog_counts_what_is_not_committed,
    trim_horizon_starts_with_the_oldest_record,
    latest_starts_with_what_comes_after_the_subscription,
    timestamp_starts_with_the_first_record_from_then_on,
    checkpoint_wins_over_the_starting_position,
)
