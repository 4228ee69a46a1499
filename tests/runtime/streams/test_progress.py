"""What is done counts at once for whoever asks, and is committed, however many records finish in one turn."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio

from eventflow.model.records import Assignment, Checkpoint, StreamRecord
from eventflow.runtime.streams.progress import Progress


class Source:
    """Remembers what was committed."""

    def __init__(self) -> None:
        self.committed: list[object] = []

    async def commit(self, partition: str, checkpoint: Checkpoint) -> None:
        assert partition == "orders-0"
        self.committed.append(checkpoint.position)


class Run:
    """What progress needs of a mapping."""

    def __init__(self) -> None:
        self.source = Source()


def opened(*, maximum_records: int = 100, maximum_bytes: int = 1_000) -> tuple[Progress, Source]:
    run: Any = Run()
    assignment = Assignment(partition="orders-0")
    progress = Progress(
        run, assignment, maximum_records=maximum_records, maximum_bytes=maximum_bytes, part="orders-0 commit"
    )
    return progress, run.source


def records(number: int, size: int = 10) -> list[StreamRecord]:
    return [StreamRecord("orders-0", position, None, b"x" * size, 0.0, {}) for position in range(number)]


async def test_what_has_finished_counts_for_whoever_asks_in_the_same_turn() -> None:
    progress, _ = opened(maximum_records=3)
    read = records(3)
    progress.started(read)
    assert (progress.outstanding, progress.free, progress.full) == (3, 0, True)
    progress.done(read[0])
    progress.done(read[1])
    assert (progress.outstanding, progress.free, progress.full, progress.position) == (1, 2, False, 1)


async def test_bytes_are_given_back_with_the_records() -> None:
    progress, _ = opened(maximum_bytes=30)
    read = records(6)
    progress.started(read[:3])
    full = [progress.full]
    progress.done(read[0])
    await asyncio.sleep(0)  # the next finish in another turn
    progress.done(read[1])
    progress.done(read[2])
    progress.started(read[3:5], size=20)
    full.append(progress.full)
    progress.started(read[5:6])
    full.append(progress.full)
    assert full == [True, False, True]


async def test_a_reader_that_waits_for_room_goes_on_once_the_turn_is_over() -> None:
    progress, _ = opened(maximum_records=10)
    read = records(10)
    progress.started(read)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(progress.room)
        await asyncio.sleep(0)
        for record in read[:2]:
            progress.done(record)
    assert progress.free == 2


async def test_what_finishes_in_the_last_turn_is_committed() -> None:
    progress, source = opened()
    read = records(5)
    progress.started(read)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(progress.commit_changes)
        await asyncio.sleep(0)
        for record in read:
            progress.done(record)
        progress.close()
    assert source.committed == [4]
    assert progress.settled
