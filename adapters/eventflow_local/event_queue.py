"""The durable queue behind asynchronous invocation."""

from __future__ import annotations

import math
import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventflow.model.deliveries import encode_deliveries, stored_event
from eventflow.ports import EventQueueStatistics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from eventflow.model.invocation import QueuedEvent
    from eventflow_local.database import Database
    from eventflow_local.owners import Owner

OWNER_CHECK_SECONDS: Final = 1.0
"""How often an idle receive looks for claims of processes that died."""

_CHUNKS: Final = (64, 16, 4, 1)
"""Rows per statement: many rows in one call of SQLite, and few statements to compile."""
_VALUES: Final = 10
"""Values of its own that a row has, beside claimant (?1) and queue (?2)."""


def _insert_statement(rows: int) -> str:
    places = []
    for first in range(3, 3 + rows * _VALUES, _VALUES):
        rest = ", ".join(f"?{number}" for number in range(first + 1, first + _VALUES))
        places.append(f"(?{first}, ?1, ?2, {rest})")
    return f"INSERT INTO events VALUES {', '.join(places)}"


_INSERTS: Final = {size: _insert_statement(size) for size in _CHUNKS}
_IF_NEW: Final = " ON CONFLICT DO NOTHING"
_DELETES: Final = {size: f"DELETE FROM events WHERE request_id IN ({', '.join('?' * size)})" for size in _CHUNKS}


class _Claimed(NamedTuple):
    """``look_again_at`` is when the next event is due, or dead claimants are due for a look; infinite if neither
    is expected."""

    events: list[QueuedEvent]
    look_again_at: float


class LocalEventQueueStore:
    """An EventQueueStore in the embedded database. A claim lasts as long as the process that made it."""

    def __init__(self, database: Database, owner: Owner, name: str) -> None:
        self._database = database
        self._owner = owner
        self._claimant = owner.claimant()
        self._name = name
        self._channel = f"events:{name}"
        self._claimed_inserts = database.lane(partial(self._insert_all, self._claimant))
        self._inserts = database.lane(partial(self._insert_all, None))
        self._deletes = database.lane(_delete_all)

    @classmethod
    async def open(cls, database: Database, owner: Owner, name: str) -> LocalEventQueueStore:
        """Announce this store as a claimant, and free the claims of processes that died."""
        store = cls(database, owner, name)
        await database.run(store._announce)
        return store

    @property
    def lease_seconds(self) -> None:
        """Claims do not run out."""
        return

    async def put(self, event: QueuedEvent, *, claim: bool) -> bool:
        if claim:
            return await self._claimed_inserts.run(event)
        if await self._inserts.run(event):
            self._database.notify(self._channel)
        return False

    async def receive(self, *, max_events: int, wait_seconds: float) -> Sequence[QueuedEvent]:
        clock = self._database.clock
        deadline = clock.time() + wait_seconds
        with self._database.listen(self._channel) as changes:
            while True:
                now = clock.time()
                claimed = await self._database.run(partial(self._claim, max_events, now), undo=_unclaim)
                if claimed.events or now >= deadline:
                    return claimed.events
                await changes.wait(timeout_seconds=min(deadline, claimed.look_again_at) - now)

    async def delete(self, event: QueuedEvent) -> None:
        await self._deletes.run(event.request_id)

    async def reschedule(self, event: QueuedEvent) -> None:
        await self._database.run(partial(_replace, event))
        self._database.notify(self._channel)

    async def extend(self, events: Sequence[QueuedEvent]) -> Sequence[QueuedEvent]:
        return ()

    async def statistics(self) -> EventQueueStatistics:
        return await self._database.run(partial(_statistics, self._name, self._database.clock.time()))

    async def aclose(self) -> None:
        await self._database.run(partial(_forget_claimant, self._claimant))
        self._database.notify(self._channel)

    def _announce(self, connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO event_claimants VALUES (?)", (self._claimant,))
        _release_dead(self._owner, connection)

    def _insert_all(
        self, claimant: str | None, connection: sqlite3.Connection, events: list[QueuedEvent]
    ) -> list[bool]:
        """Whether each event was new. Usually all are, and one statement takes many."""
        new: list[bool] = []
        for chunk in _chunks(events):
            values = [claimant, self._name, *_values(chunk)]
            try:
                connection.execute(_INSERTS[len(chunk)], values)
                new.extend([True] * len(chunk))
            except sqlite3.IntegrityError:
                new.extend(self._insert_if_new(claimant, connection, event) for event in chunk)
        return new

    def _insert_if_new(self, claimant: str | None, connection: sqlite3.Connection, event: QueuedEvent) -> bool:
        values = [claimant, self._name, *_values([event])]
        return connection.execute(_INSERTS[1] + _IF_NEW, values).rowcount == 1

    def _claim(self, max_events: int, now: float, connection: sqlite3.Connection) -> _Claimed:
        look_again_at = math.inf
        rows = _due(connection, self._name, now, max_events)
        if not rows:
            if _release_dead(self._owner, connection):
                look_again_at = now + OWNER_CHECK_SECONDS
            rows = _due(connection, self._name, now, max_events)
        if not rows:
            look_again_at = min(look_again_at, _next_due(connection, self._name))
        connection.executemany(
            "UPDATE events SET claimant = ? WHERE request_id = ?", [(self._claimant, row[0]) for row in rows]
        )
        return _Claimed([stored_event(row) for row in rows], look_again_at)


def _chunks(rows: list[Any]) -> Iterator[list[Any]]:
    start = 0
    for size in _CHUNKS:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


def _values(events: list[QueuedEvent]) -> list[Any]:
    values: list[Any] = []
    for event in events:
        values += (
            event.request_id,
            event.due_at,
            event.accepted_at,
            event.function_name,
            event.source,
            event.attempt,
            event.backoffs,
            event.delivery_attempt,
            encode_deliveries(event.deliveries) if event.deliveries else None,
            event.payload,
        )
    return values


def _delete_all(connection: sqlite3.Connection, request_ids: list[str]) -> list[None]:
    for chunk in _chunks(request_ids):
        connection.execute(_DELETES[len(chunk)], chunk)
    return [None] * len(request_ids)


def _replace(event: QueuedEvent, connection: sqlite3.Connection) -> None:
    connection.execute(
        "UPDATE events SET claimant = NULL, due_at = ?, attempt = ?, backoffs = ?, delivery_attempt = ?,"
        " deliveries = ?, payload = ? WHERE request_id = ?",
        (
            event.due_at,
            event.attempt,
            event.backoffs,
            event.delivery_attempt,
            encode_deliveries(event.deliveries) if event.deliveries else None,
            event.payload,
            event.request_id,
        ),
    )


def _due(connection: sqlite3.Connection, queue: str, now: float, limit: int) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT request_id, function_name, source, payload, accepted_at, due_at, attempt, backoffs, deliveries,"
        " delivery_attempt FROM events WHERE queue = ? AND claimant IS NULL AND due_at <= ?"
        " ORDER BY due_at, rowid LIMIT ?",
        (queue, now, limit),
    ).fetchall()


def _next_due(connection: sqlite3.Connection, queue: str) -> float:
    (due_at,) = connection.execute(
        "SELECT min(due_at) FROM events WHERE queue = ? AND claimant IS NULL", (queue,)
    ).fetchone()
    return math.inf if due_at is None else float(due_at)


def _unclaim(connection: sqlite3.Connection, claimed: _Claimed) -> None:
    connection.executemany(
        "UPDATE events SET claimant = NULL WHERE request_id = ?", [(event.request_id,) for event in claimed.events]
    )


def _release_dead(owner: Owner, connection: sqlite3.Connection) -> bool:
    """Free the claims of processes that ended without doing so; returns whether other processes are alive."""
    others_live = False
    for (claimant,) in connection.execute("SELECT claimant FROM event_claimants").fetchall():
        if not owner.is_alive(claimant):
            _forget_claimant(claimant, connection)
        elif not owner.is_mine(claimant):
            others_live = True
    return others_live


def _forget_claimant(claimant: str, connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE events SET claimant = NULL WHERE claimant = ?", (claimant,))
    connection.execute("DELETE FROM event_claimants WHERE claimant = ?", (claimant,))


def _statistics(queue: str, now: float, connection: sqlite3.Connection) -> EventQueueStatistics:
    waiting, scheduled, claimed = connection.execute(
        "SELECT count(*) FILTER (WHERE claimant IS NULL AND due_at <= ?1),"
        " count(*) FILTER (WHERE claimant IS NULL AND due_at > ?1), count(claimant) FROM events WHERE queue = ?2",
        (now, queue),
    ).fetchone()
    return EventQueueStatistics(waiting=waiting, scheduled=scheduled, claimed=claimed)
