"""Reading a partitioned log as one member of a consumer group: the stream source of shards and Kafka partitions."""

from __future__ import annotations

import logging
import math
import uuid
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio

from eventflow.errors import LeaseLostError, UnavailableError
from eventflow.model.mapping import StartingPosition, StreamMapping
from eventflow.model.records import Assignment, Checkpoint, StreamRead
from eventflow_local import logs
from eventflow_local.groups import BEGINNING, Group, Lease, Share

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Mapping

    from eventflow.model.records import PartitionId, Position, SourceIdentity, StreamRecord
    from eventflow.ports import PartitionOwner
    from eventflow_local.database import Database
    from eventflow_local.logs import LogRow
    from eventflow_local.owners import Owner

_log = logging.getLogger(__name__)

FILE_LEASE_SECONDS: Final = 15.0
"""How long a process may hang before others take its partitions. Those of a dead process are taken at once."""
MEMORY_LEASE_SECONDS: Final = 3_600.0
"""In memory every member is of this process and leaves when it ends, so heartbeats only cost time."""
REBALANCE_TIMEOUT_SECONDS: Final = 30.0
"""More than the default budget for draining at shutdown, so an orderly hand-over has the time it needs."""
LEAVE_SECONDS: Final = 5.0

_BACKLOG: Final = """
SELECT count(*)
FROM log_partitions
LEFT JOIN group_partitions ON group_name = :group AND partition = name
JOIN log_records ON partition_id = id AND log_records.position > coalesce(group_partitions.position, -1)
WHERE log = :log AND NOT coalesce(complete, 0)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A partitioned log as its service shows it: ``kinesis:orders``.

    ``first_position`` is where the service's own numbers begin; ``to_position`` writes them as the service does, and
    ``from_position`` reads that. ``to_record`` builds what readers get.
    """

    resource: str
    retention_seconds: float
    first_position: int
    to_record: Callable[[PartitionId, LogRow, int], StreamRecord]
    to_position: Callable[[int], Position] = int
    from_position: Callable[[Position], int] = int

    @property
    def channel(self) -> str:
        """Notified when records were added, or a partition was closed."""
        return f"log:{self.resource}"


class _Fetched(NamedTuple):
    rows: list[LogRow]
    ended: bool
    last_position: int


class LogSource:
    """A StreamSource over a log in the database, for one function or Kafka consumer group.

    ``lease_seconds`` and ``rebalance_timeout_seconds`` are the group's; see Group.
    """

    def __init__(
        self,
        database: Database,
        process: Owner,
        log: Log,
        *,
        subscriber: str,
        identity: SourceIdentity,
        lease_seconds: float | None = None,
        rebalance_timeout_seconds: float = REBALANCE_TIMEOUT_SECONDS,
    ) -> None:
        self.identity = identity
        self._database = database
        self._process = process
        self._log = log
        self._group = Group(
            name=f"{log.resource} {subscriber}",
            lease_seconds=lease_seconds or (FILE_LEASE_SECONDS if database.path else MEMORY_LEASE_SECONDS),
            rebalance_timeout_seconds=rebalance_timeout_seconds,
        )
        self._channel = f"group:{self._group.name}"
        self._member = ""
        self._held: dict[PartitionId, Lease] = {}
        self._cursors: dict[PartitionId, int] = {}
        self._completed: set[PartitionId] = set()

    async def subscribe(self, mapping: StreamMapping) -> None:
        """Fix where this group starts in every partition, the first time it is seen; nothing that is added
        from then on is missed."""
        await self._database.run(partial(self._subscribe, mapping))

    async def run(self, owner: PartitionOwner) -> None:
        self._member = f"{self._process.id}/{uuid.uuid4().hex}"
        try:
            with self._database.listen(self._channel) as changes:
                takes_part = False
                while True:
                    now = self._database.clock.time()
                    share = await self._database.run(partial(self._take_part, now=now))
                    if share.rebalanced:
                        self._database.notify(self._channel)
                    if not takes_part and not share.held:
                        await owner.on_assigned([])
                    takes_part = True
                    if not await self._follow(share, owner):
                        await changes.wait(timeout_seconds=self._pause(share))
        finally:
            self._held.clear()
            await self._leave()

    async def read(self, partition: PartitionId, *, max_records: int, wait_seconds: float) -> StreamRead:
        deadline = anyio.current_time() + wait_seconds
        with self._database.listen(self._log.channel) as changes:
            while True:
                lease = self._lease(partition)
                after = self._cursors[partition]
                work = partial(self._fetch, partition=partition, lease=lease, after=after, limit=max_records)
                fetched = await self._database.run(work)
                if fetched is None or self._held.get(partition) is not lease:
                    raise self._lost(partition)
                remaining = deadline - anyio.current_time()
                if fetched.rows or fetched.ended or remaining <= 0:
                    return self._read(partition, fetched)
                await changes.wait(timeout_seconds=remaining)

    async def commit(self, partition: PartitionId, checkpoint: Checkpoint) -> None:
        lease = self._lease(partition)
        work = partial(
            self._group.commit,
            member=self._member,
            partition=partition,
            generation=lease.generation,
            position=self._inner(checkpoint.position),
            state=checkpoint.state,
        )
        if not await self._database.run(work):
            raise self._lost(partition)

    async def complete(self, partition: PartitionId) -> None:
        lease = self._lease(partition)
        work = partial(self._group.complete, member=self._member, partition=partition, generation=lease.generation)
        self._completed.add(partition)  # a look that is under way must not hand it out again
        try:
            completed = await self._database.run(work)
        except UnavailableError:
            self._completed.discard(partition)
            raise
        if not completed:
            raise self._lost(partition)
        self._forget([partition])
        self._database.notify(self._channel)

    async def backlog(self) -> int:
        names = {"group": self._group.name, "log": self._log.resource}
        return await self._database.run(lambda connection: int(connection.execute(_BACKLOG, names).fetchone()[0]))

    async def aclose(self) -> None:
        """Nothing is held outside of ``run``."""

    # Transactions: they run in the writer thread if the database is a file.

    def _subscribe(self, mapping: StreamMapping, connection: sqlite3.Connection) -> None:
        if not self._group.create(connection):
            return
        for part in logs.partitions(connection, self._log.resource):
            match mapping.starting_position:
                case StartingPosition.TRIM_HORIZON:
                    self._group.add(connection, part.name, after=BEGINNING)
                case StartingPosition.LATEST:
                    self._group.add(connection, part.name, after=part.next_position - 1, complete=part.closed)
                case StartingPosition.AT_TIMESTAMP:
                    start = mapping.starting_timestamp
                    after = logs.position_before(connection, part, start.timestamp() if start else -math.inf)
                    self._group.add(connection, part.name, after=after)

    def _take_part(self, connection: sqlite3.Connection, *, now: float) -> Share:
        logs.trim(connection, self._log.resource, oldest=now - self._log.retention_seconds)
        for member in self._group.members(connection):
            if not self._process.is_alive(member.partition("/")[0]):
                self._group.expel(connection, member)
        return self._group.take_part(connection, self._member, self._readable(connection), now=now)

    def _readable(self, connection: sqlite3.Connection) -> Collection[PartitionId]:
        """The partitions that have not ended and whose parents have, or are gone."""
        parts = logs.partitions(connection, self._log.resource)
        for part in parts:
            self._group.add(connection, part.name, after=BEGINNING)
        completed = self._group.completed(connection)
        if gone := completed.keys() - {part.name for part in parts}:
            self._group.forget(connection, gone)
        ended = {name for name, complete in completed.items() if complete} | gone
        return {
            part.name
            for part in parts
            if part.name not in ended and all(parent in ended or parent not in completed for parent in part.parents)
        }

    def _fetch(
        self, connection: sqlite3.Connection, *, partition: PartitionId, lease: Lease, after: int, limit: int
    ) -> _Fetched | None:
        part = logs.partition(connection, self._log.resource, partition)
        if part is None or not self._group.owns(connection, self._member, partition, lease.generation):
            return None
        oldest = self._database.clock.time() - self._log.retention_seconds
        rows = logs.fetch(connection, part.id, after=after, limit=limit, oldest=oldest)
        last_position = part.next_position - 1
        at_end = not rows or rows[-1].position == last_position
        return _Fetched(rows, part.closed and at_end, last_position)

    # What follows from them, on the loop.

    async def _follow(self, share: Share, owner: PartitionOwner) -> bool:
        """Tell ``owner`` what has changed; false if nothing has."""
        lost = [
            name
            for name, lease in self._held.items()
            if name not in share.leaving and not _same_lease(share.held.get(name), lease)
        ]
        if lost:
            self._forget(lost)
            await owner.on_lost(lost)
        if share.leaving:
            await self._give_up(share.leaving, owner)
        new = sorted(share.held.keys() - self._held.keys() - self._completed)
        if new:
            await owner.on_assigned([self._accept(name, share.held[name]) for name in new])
        return bool(lost or share.leaving or new)

    def _accept(self, partition: PartitionId, lease: Lease) -> Assignment:
        self._held[partition] = lease
        self._cursors[partition] = lease.position
        checkpoint = lease.checkpoint
        if checkpoint is not None:
            position = self._log.to_position(self._log.first_position + lease.position)
            checkpoint = Checkpoint(position=position, state=checkpoint.state)
        return Assignment(partition=partition, checkpoint=checkpoint)

    async def _give_up(self, leaving: Mapping[PartitionId, float], owner: PartitionOwner) -> None:
        """Let ``owner`` drain what has to move, for as long as the rebalance timeout allows, and release it."""
        if held := [name for name in leaving if name in self._held]:
            budget = max(0.0, min(leaving[name] for name in held))
            until = self._database.clock.time() + budget + self._group.lease_seconds
            await self._database.run(partial(self._group.extend, member=self._member, until=until))
            with anyio.move_on_after(budget) as scope:
                await owner.on_revoked(held)
            self._forget(held)
            if scope.cancelled_caught:
                await owner.on_lost(held)
        await self._database.run(partial(self._group.release, member=self._member, partitions=leaving))
        self._database.notify(self._channel)

    async def _leave(self) -> None:
        with anyio.move_on_after(LEAVE_SECONDS, shield=True):
            try:
                now = self._database.clock.time()
                await self._database.run(partial(self._group.leave, member=self._member, now=now))
            except UnavailableError as error:
                _log.warning(
                    "%s: could not leave its group, others wait for the lease to end: %s", self._log.resource, error
                )
            self._database.notify(self._channel)

    def _pause(self, share: Share) -> float:
        """Until the next sign of life, or until a slow owner's time is over."""
        heartbeat = self._group.lease_seconds / 3
        if share.recheck_at is None:
            return heartbeat
        return max(0.0, min(heartbeat, share.recheck_at - self._database.clock.time()))

    def _read(self, partition: PartitionId, fetched: _Fetched) -> StreamRead:
        rows = fetched.rows
        behind_seconds = 0.0
        if rows:
            self._cursors[partition] = rows[-1].position
            if rows[-1].position < fetched.last_position:
                behind_seconds = max(0.0, self._database.clock.time() - rows[-1].timestamp)
        first = self._log.first_position
        records = tuple(self._log.to_record(partition, row, first + row.position) for row in rows)
        return StreamRead(records, ended=fetched.ended, behind_seconds=behind_seconds)

    def _forget(self, partitions: Collection[PartitionId]) -> None:
        for name in partitions:
            self._held.pop(name, None)
            self._cursors.pop(name, None)

    def _inner(self, position: Position) -> int:
        return self._log.from_position(position) - self._log.first_position

    def _lease(self, partition: PartitionId) -> Lease:
        lease = self._held.get(partition)
        if lease is None:
            raise self._lost(partition)
        return lease

    def _lost(self, partition: PartitionId) -> LeaseLostError:
        return LeaseLostError(self._log.resource, f"{partition} is not held by this reader any more")


def _same_lease(a: Lease | None, b: Lease) -> bool:
    return a is not None and a.generation == b.generation
