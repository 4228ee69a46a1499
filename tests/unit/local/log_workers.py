"""Processes that read partitioned logs, as the tests of streams, tables and topics play them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio

from eventflow.errors import ConfigurationError
from eventflow.model.mapping import BatchSettings, StartingPosition, StreamMapping
from eventflow.model.records import Assignment, Checkpoint, StreamRecord
from eventflow.ports import AdapterSettings, StreamSource
from eventflow.testing.virtual_time import VirtualClock
from eventflow_local.database import Database
from eventflow_local.owners import Owner
from eventflow_local.schema import GROUPS, LOGS, SHARDS, TABLES

SCHEMA = GROUPS + LOGS + SHARDS + TABLES


async def _nothing_in_flight(_: Sequence[str]) -> None:
    return


class Worker:
    """A PartitionOwner that remembers what it was told."""

    def __init__(self, source: StreamSource, *, drain: Callable[[Sequence[str]], Awaitable[None]]) -> None:
        self.source = source
        self.owned: dict[str, Checkpoint | None] = {}
        self.lost: list[str] = []
        self.revoked: list[str] = []
        self._drain = drain
        self._changed = anyio.Event()

    async def on_assigned(self, assignments: Sequence[Assignment]) -> None:
        assert not self.owned.keys() & {assignment.partition for assignment in assignments}
        self.owned |= {assignment.partition: assignment.checkpoint for assignment in assignments}
        self._notify()

    async def on_revoked(self, partitions: Sequence[str]) -> None:
        await self._drain(partitions)
        for partition in partitions:
            del self.owned[partition]
        self.revoked.extend(partitions)
        self._notify()

    async def on_lost(self, partitions: Sequence[str]) -> None:
        for partition in partitions:
            del self.owned[partition]
        self.lost.extend(partitions)
        self._notify()

    async def owns(self, *partitions: str) -> None:
        """Wait until exactly these partitions are owned."""
        await self.until(lambda: self.owned.keys() == set(partitions))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a change that makes ``condition`` true."""
        with anyio.fail_after(10_000):
            while not condition():
                await self._changed.wait()

    async def read(self, partition: str) -> list[StreamRecord]:
        """What waits in a partition."""
        return list((await self.source.read(partition, max_records=100, wait_seconds=0)).records)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


@asynccontextmanager
async def working(
    source: StreamSource, *, drain: Callable[[Sequence[str]], Awaitable[None]] = _nothing_in_flight
) -> AsyncIterator[Worker]:
    """Take part while the block runs."""
    worker = Worker(source, drain=drain)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(source.run, worker)
        yield worker
        tasks.cancel_scope.cancel()


def mapping(
    position: StartingPosition = StartingPosition.TRIM_HORIZON, *, consumer_group: str | None = None
) -> StreamMapping:
    return StreamMapping(batch=BatchSettings(batch_size=100), starting_position=position, consumer_group=consumer_group)


def local_settings() -> AdapterSettings:
    return AdapterSettings(environment="local", options={}, resources={}, clock=VirtualClock())


@asynccontextmanager
async def process(directory: Path | None) -> AsyncIterator[tuple[Database, Owner]]:
    """A process of the embedded environment: in ``directory``, or in memory."""
    owner = Owner.open(directory and directory / "processes")
    database = await Database.open(directory and directory / "state.db", clock=VirtualClock(), schema=SCHEMA)
    try:
        yield database, owner
    finally:
        await database.aclose()
        owner.close()


@contextmanager
def refused(text: str) -> Iterator[None]:
    """A ConfigurationError that says ``text``."""
    try:
        yield
    except ConfigurationError as error:
        assert text in str(error)  # noqa: PT017 - the message is what the test is about
    else:
        raise AssertionError("ConfigurationError was not raised")
