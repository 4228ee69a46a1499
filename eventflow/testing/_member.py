"""One process of a stream subscription, played by hand in contract cases."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio

from eventflow.model.destinations import OutboundMessage
from eventflow.model.records import Checkpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

    from eventflow.model.records import Assignment, PartitionId, StreamRecord
    from eventflow.ports import StreamSource
    from eventflow.testing.harness import StreamHarness

READ_WAIT_SECONDS: Final = 0.2


async def write_all(h: StreamHarness, name: str, bodies: Iterable[bytes], *, key: str = "k") -> None:
    """Append messages under one key."""
    for body in bodies:
        await h.write(name, OutboundMessage(body=body, key=key))


async def write_keys(h: StreamHarness, name: str, bodies: Iterable[bytes]) -> None:
    """Append each message under a key of its own."""
    for body in bodies:
        await h.write(name, OutboundMessage(body=body, key=f"key-{body.decode()}"))


def values(h: StreamHarness, records: Iterable[StreamRecord]) -> list[bytes]:
    """What was sent, in the order of ``records``."""
    return [h.value(record) or b"" for record in records]


async def _nothing_in_flight(_: Sequence[PartitionId]) -> None:
    return


class Member:
    """A PartitionOwner that remembers what it was told and reads only when asked to.

    ``assignments`` are the partitions it owns now, ``ended`` those whose last record it has read; ``takes_part`` tells
    whether the source has said that it takes part. ``on_drain`` is called before a revocation is confirmed.
    """

    def __init__(
        self,
        harness: StreamHarness,
        source: StreamSource,
        *,
        on_drain: Callable[[Sequence[PartitionId]], Awaitable[None]] = _nothing_in_flight,
    ) -> None:
        self.source = source
        self.assignments: dict[PartitionId, Assignment] = {}
        self.ended: set[PartitionId] = set()
        self.takes_part = False
        self.told: list[tuple[str, PartitionId]] = []
        self._patience_seconds = harness.patience_seconds
        self._on_drain = on_drain
        self._changed = anyio.Event()
        self._membership = anyio.CancelScope()
        self._left = anyio.Event()

    async def run(self) -> None:
        """Take part until :meth:`leave`."""
        try:
            with self._membership:
                await self.source.run(self)
        finally:
            self._left.set()

    async def leave(self) -> None:
        """Give everything up and close the source, without a drain."""
        self._membership.cancel()
        await self._left.wait()
        await self.source.aclose()

    async def on_assigned(self, assignments: Sequence[Assignment]) -> None:
        self.takes_part = True
        for assignment in assignments:
            assert assignment.partition not in self.assignments, f"{assignment.partition} was assigned twice"
            self.assignments[assignment.partition] = assignment
            self.told.append(("assigned", assignment.partition))
        self._notify()

    async def on_revoked(self, partitions: Sequence[PartitionId]) -> None:
        await self._on_drain(partitions)
        self._forget("revoked", partitions)

    async def on_lost(self, partitions: Sequence[PartitionId]) -> None:
        self._forget("lost", partitions)

    async def until(self, condition: Callable[[], bool], expectation: str) -> None:
        """Wait for a change of the assignments that makes ``condition`` true."""
        with anyio.move_on_after(self._patience_seconds):
            while not condition():
                await self._changed.wait()
        assert condition(), f"not within {self._patience_seconds} s: {expectation}; told: {self.told}"

    async def owns(self, count: int) -> None:
        """Wait until it owns so many partitions."""
        await self.until(lambda: len(self.assignments) == count, f"owns {count} partitions")

    async def take(self, count: int) -> list[StreamRecord]:
        """Read the partitions in turn until there are ``count`` records."""
        records: list[StreamRecord] = []
        rounds = 0
        while len(records) < count and rounds < self._patience_seconds / READ_WAIT_SECONDS:
            arrived = await self.read_round()
            rounds += not arrived
            records.extend(arrived)
        assert len(records) == count, f"{count} records were due, {len(records)} came"
        return records

    async def expect_nothing(self) -> None:
        """Nothing more is there to read."""
        records = await self.read_round()
        records += await self.read_round()
        assert not records, f"nothing was due, yet {len(records)} records came"

    async def read_round(self) -> list[StreamRecord]:
        """One read of every open partition."""
        records: list[StreamRecord] = []
        for partition in [partition for partition in self.assignments if partition not in self.ended]:
            read = await self.source.read(partition, max_records=100, wait_seconds=READ_WAIT_SECONDS)
            assert all(record.partition == partition for record in read.records)
            records.extend(read.records)
            if read.ended:
                self.ended.add(partition)
        return records

    async def commit(self, records: Iterable[StreamRecord], *, state: str | None = None) -> None:
        """Commit each partition up to its last one of these records."""
        for partition, record in {record.partition: record for record in records}.items():
            await self.source.commit(partition, Checkpoint(position=record.position, state=state))

    async def complete_ended(self) -> None:
        """Tell the source that the partitions that ended are done."""
        ended, self.ended = self.ended, set()
        for partition in sorted(ended):
            self.assignments.pop(partition, None)
            await self.source.complete(partition)

    def _forget(self, what: str, partitions: Sequence[PartitionId]) -> None:
        for partition in partitions:
            assert self.assignments.pop(partition, None), f"{partition} was {what} without having been assigned"
            self.told.append((what, partition))
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


@asynccontextmanager
async def joined(
    harness: StreamHarness,
    source: StreamSource,
    *,
    on_drain: Callable[[Sequence[PartitionId]], Awaitable[None]] = _nothing_in_flight,
) -> AsyncIterator[Member]:
    """A member that takes part while the block runs, unless it leaves before."""
    member = Member(harness, source, on_drain=on_drain)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(member.run)
        yield member
        await member.leave()
