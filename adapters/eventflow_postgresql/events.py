"""The events of one queue, as one claimant sees them."""

from __future__ import annotations

from hashlib import blake2b
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID, uuid4

from eventflow.model.deliveries import encode_deliveries, stored_event
from eventflow.ports import EventQueueStatistics
from eventflow_postgresql import statements
from eventflow_postgresql.schema import events_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from eventflow.model.invocation import QueuedEvent
    from eventflow_postgresql.link import Connection
    from eventflow_postgresql.options import PostgresqlOptions


class Put(NamedTuple):
    """An event to store, and whether its sender wants to run it at once."""

    event: QueuedEvent
    claim: bool


class Claimed(NamedTuple):
    """What a look at the queue found. Without events: the next one is due at ``next_due_at``, or becomes free in
    ``next_free_seconds`` because its claimant has not renewed its lease; ``None`` if there is no such event."""

    events: list[QueuedEvent]
    next_due_at: float | None = None
    next_free_seconds: float | None = None


class Events:
    """Statements about one queue, with a claimant's token of their own."""

    def __init__(self, options: PostgresqlOptions, queue: str) -> None:
        table = events_table(options)
        self._queue = queue
        self._claimant: UUID = uuid4()
        self._lease_seconds = options.lease_seconds
        # A channel is an identifier, and common to the whole database.
        self.channel = f"eventflow_{blake2b(f'{table} {queue}'.encode(), digest_size=16).hexdigest()}"
        self._put = statements.PUT.format(events=table)
        self._claim = statements.CLAIM.format(events=table)
        self._next = statements.NEXT.format(events=table)
        self._delete = statements.DELETE.format(events=table)
        self._replace = statements.REPLACE.format(events=table)
        self._extend = statements.EXTEND.format(events=table)
        self._release = statements.RELEASE.format(events=table)
        self._statistics = statements.STATISTICS.format(events=table)

    async def put(self, connection: Connection, puts: Sequence[Put]) -> list[bool]:
        """Store what is new; whether each is new and claimed."""
        first: dict[str, Put] = {}
        for put in puts:
            first.setdefault(put.event.request_id, put)
        # Everybody inserts in the same order: who waits for the same ids does so in a line, not in a circle.
        new = [first[request_id] for request_id in sorted(first)]
        columns = [*_columns([put.event for put in new]), [put.claim for put in new]]
        rows = await connection.fetch(
            self._put, self._queue, self._claimant, self._lease_seconds, *columns, self.channel
        )
        claimed = {row["request_id"] for row in rows if row["claimed"]}
        return [put.event.request_id in claimed and first[put.event.request_id] is put for put in puts]

    async def claim(self, connection: Connection, max_events: int, *, now: float) -> Claimed:
        """Claim what is due, earliest first."""
        rows = await connection.fetch(self._claim, self._queue, self._claimant, self._lease_seconds, now, max_events)
        if rows:
            return Claimed(sorted(map(stored_event, rows), key=attrgetter("due_at")))
        [(due_at, free_seconds)] = await connection.fetch(self._next, self._queue)
        return Claimed([], due_at, free_seconds)

    async def delete(self, connection: Connection, request_ids: Sequence[str]) -> None:
        """Forget events that are ours. One that somebody else has claimed meanwhile stays: its next outcome, with
        deliveries perhaps, has to find it."""
        await connection.execute(self._delete, self._queue, self._claimant, request_ids)

    async def replace(self, connection: Connection, events: Iterable[QueuedEvent]) -> None:
        """Store new versions of events that are ours, which they no longer are then."""
        first: dict[str, QueuedEvent] = {}
        for event in events:
            first.setdefault(event.request_id, event)
        columns = _columns(list(first.values()))
        await connection.execute(self._replace, self._queue, self._claimant, self.channel, *columns)

    async def extend(self, connection: Connection, request_ids: Sequence[str]) -> set[str]:
        """Renew leases; the ids of those that are ours."""
        rows = await connection.fetch(self._extend, self._queue, self._claimant, self._lease_seconds, request_ids)
        return {row["request_id"] for row in rows}

    async def release(self, connection: Connection, request_ids: Sequence[str] | None = None) -> None:
        """Give up claims: these, or all."""
        await connection.execute(self._release, self._queue, self._claimant, self.channel, request_ids)

    async def statistics(self, connection: Connection, *, now: float) -> EventQueueStatistics:
        """Figures of this queue."""
        rows = await connection.fetch(self._statistics, now, self._queue)
        return _figures(rows[0]) if rows else EventQueueStatistics()


async def all_statistics(
    connection: Connection, options: PostgresqlOptions, *, now: float
) -> dict[str, EventQueueStatistics]:
    """Figures of every queue that has events, by name."""
    rows = await connection.fetch(statements.STATISTICS.format(events=events_table(options)), now, None)
    return {row["queue"]: _figures(row) for row in rows}


def _figures(row: Any) -> EventQueueStatistics:
    return EventQueueStatistics(waiting=row["waiting"], scheduled=row["scheduled"], claimed=row["claimed"])


def _columns(events: Sequence[QueuedEvent]) -> list[list[Any]]:
    """In the order of statements.FIELDS."""
    return [
        [event.request_id for event in events],
        [event.function_name for event in events],
        [event.source for event in events],
        [event.payload for event in events],
        [event.accepted_at for event in events],
        [event.due_at for event in events],
        [event.attempt for event in events],
        [event.backoffs for event in events],
        [encode_deliveries(event.deliveries) if event.deliveries else None for event in events],
        [event.delivery_attempt for event in events],
    ]
