"""Processes that share the shards of a stream which exists on paper only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import anyio
from anyio.abc import TaskGroup

from eventflow.errors import UnavailableError
from eventflow.model.mapping import BatchSettings, StartingPosition, StreamMapping
from eventflow.model.records import Assignment
from eventflow.ports import Clock
from eventflow_aws.streams.leases import Lease
from eventflow_aws.streams.shard_ownership import ShardOwnership
from eventflow_aws.streams.shards import Shard
from tests.unit.aws.paper_leases import CuttableTable


class PaperStream:
    """A ShardLister whose shards the test lists."""

    def __init__(self) -> None:
        self.shards: list[Shard] = []
        self.away = False

    async def list_shards(self) -> Sequence[Shard]:
        if self.away:
            raise UnavailableError("kinesis:paper", "the stream is away")
        return list(self.shards)

    def open(self, *shards: str) -> None:
        """New shards without parents."""
        self.shards += [Shard(shard) for shard in shards]

    def split(self, shard: str) -> None:
        """Close a shard; two children, called after it, continue it."""
        at = [each.id for each in self.shards].index(shard)
        self.shards[at] = self.shards[at]._replace(closed=True)
        self.shards += [Shard(f"{shard}.{number}", (shard,)) for number in (0, 1)]

    def merge(self, *parents: str) -> None:
        """Close two shards; one child continues both."""
        for shard in parents:
            at = [each.id for each in self.shards].index(shard)
            self.shards[at] = self.shards[at]._replace(closed=True)
        self.shards.append(Shard("+".join(parents), parents))

    def expire(self, shard: str) -> None:
        """Its records are too old: it is not listed any more."""
        self.shards = [each for each in self.shards if each.id != shard]


def starting(
    position: StartingPosition = StartingPosition.TRIM_HORIZON, timestamp: datetime | None = None
) -> StreamMapping:
    return StreamMapping(batch=BatchSettings(batch_size=1), starting_position=position, starting_timestamp=timestamp)


class Process:
    """One process of the subscription. It is told what is its own, and remembers it; whenever it is told of a shard,
    it looks whether another one still works on it."""

    def __init__(self, cluster: Cluster, mapping: StreamMapping) -> None:
        self.cluster = cluster
        self.table = cluster.make_table()
        self.ownership = ShardOwnership(
            self.table,
            cluster.stream,
            mapping=cluster.mapping,
            starting=mapping,
            lease_seconds=cluster.lease_seconds,
            clock=cluster.clock,
            listing_seconds=cluster.listing_seconds,
        )
        self.assigned: dict[str, Assignment] = {}
        self.told: list[tuple[str, str]] = []
        self.problem: str | None = None
        """What is wrong as far as the poller knows."""
        self.drained = anyio.Event()
        self.drained.set()
        self._membership = anyio.CancelScope()
        self._left = anyio.Event()

    async def run(self) -> None:
        """Take part, and again when the table was away for too long, as the poller does."""
        try:
            with self._membership:
                while True:
                    await self._take_part()
        finally:
            self._left.set()

    async def _take_part(self) -> None:
        try:
            await self.ownership.run(self)
        except UnavailableError as exc:
            self.problem = str(exc)
            self.assigned.clear()
            await anyio.sleep(self.cluster.lease_seconds / 10)

    def cancel(self) -> None:
        self._membership.cancel()

    @property
    def left(self) -> bool:
        return self._left.is_set()

    async def leave(self) -> None:
        self._membership.cancel()
        await self._left.wait()
        self.assigned.clear()

    async def die(self) -> None:
        """As after ``kill -9``: nothing is released."""
        self.table.cut = True
        await self.leave()

    async def on_assigned(self, assignments: Sequence[Assignment]) -> None:
        self.problem = None
        for assignment in assignments:
            shard = assignment.partition
            assert shard not in self.assigned, f"{shard} was assigned twice"
            others = [other for other in self.cluster.processes if other is not self and shard in other.assigned]
            assert not others, f"{shard} has two owners"
            self.assigned[shard] = assignment
            self.told.append(("assigned", shard))

    async def on_revoked(self, partitions: Sequence[str]) -> None:
        await self.drained.wait()
        self._forget("revoked", partitions)

    async def on_lost(self, partitions: Sequence[str]) -> None:
        self._forget("lost", partitions)

    def _forget(self, what: str, shards: Sequence[str]) -> None:
        for shard in shards:
            assert self.assigned.pop(shard, None), f"{shard} was {what} without having been assigned"
            self.told.append((what, shard))

    async def leases(self) -> list[Lease]:
        """What the table says of the subscription."""
        return list((await self.table.read(self.cluster.mapping)).leases.values())

    async def owns(self, *shards: str) -> None:
        """Wait until it owns exactly these."""
        await self.cluster.until(lambda: self.assigned.keys() == set(shards), f"a process owns {shards}")

    async def owns_some(self, count: int) -> None:
        await self.cluster.until(lambda: len(self.assigned) == count, f"a process owns {count} shards")


@dataclass(kw_only=True)
class Cluster:
    """One subscription and its processes, each with a way of its own to the lease table."""

    make_table: Callable[[], CuttableTable]
    clock: Clock
    tasks: TaskGroup
    lease_seconds: float
    listing_seconds: float
    patience_seconds: float
    mapping: str = "kinesis:paper/reader"
    stream: PaperStream = field(default_factory=PaperStream)
    processes: list[Process] = field(default_factory=list)

    def process(self, mapping: StreamMapping | None = None) -> Process:
        """A new process that does not take part yet."""
        process = Process(self, mapping or starting())
        self.processes.append(process)
        return process

    def join(self, mapping: StreamMapping | None = None) -> Process:
        process = self.process(mapping)
        self.tasks.start_soon(process.run)
        return process

    async def until(self, condition: Callable[[], bool], expectation: str) -> None:
        deadline = anyio.current_time() + self.patience_seconds
        while not condition() and anyio.current_time() < deadline:  # noqa: ASYNC110 (anything may make it true)
            await anyio.sleep(self.lease_seconds / 100)
        assert condition(), f"not within {self.patience_seconds} s: {expectation}"


@asynccontextmanager
async def cluster(
    make_table: Callable[[], CuttableTable],
    clock: Clock,
    *,
    lease_seconds: float,
    listing_seconds: float,
    patience_seconds: float,
) -> AsyncIterator[Cluster]:
    """No process takes part yet; all leave at the end."""
    async with anyio.create_task_group() as tasks:
        made = Cluster(
            make_table=make_table,
            clock=clock,
            tasks=tasks,
            lease_seconds=lease_seconds,
            listing_seconds=listing_seconds,
            patience_seconds=patience_seconds,
        )
        yield made
        for process in made.processes:
            process.cancel()
