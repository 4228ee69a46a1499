"""The rules of one queue, SQS's or a message broker's, as transactions over its rows. No waiting and no clock:
``now`` is an argument.

A message is hidden until ``visible_at``: because it is delayed (``receives`` is 0) or in flight. A receipt handle
names a message and the receive that returned it, so that it is worth nothing after the next receive.
Source: SQS guide: visibility timeout, FIFO delivery logic, dead-letter queues.
"""

from __future__ import annotations

import logging
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

from eventflow.model.destinations import Service

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping

    from eventflow.model.records import QueueRecord
    from eventflow_local.options import QueueRules

DEDUPLICATION_SECONDS: Final = 300

_RECEIPT: Final = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")

_log = logging.getLogger(__name__)


def resource_of(name: str) -> str:
    """The resource of the queue that is stored under ``name``. SQS was first, so its queues lack their service."""
    return name if ":" in name else f"{Service.SQS}:{name}"


class NewMessage(NamedTuple):
    """A message that was checked. ``attributes`` are JSON text in the service's own form. ``delay_seconds`` of
    ``None`` is the queue's."""

    body: str | bytes
    attributes: str | None = None
    group_id: str | None = None
    deduplication_id: str | None = None
    delay_seconds: float | None = None


class QueueCounts(NamedTuple):
    """How many messages a queue has, and what they do."""

    visible: int
    in_flight: int
    delayed: int

    @property
    def total(self) -> int:
        return self.visible + self.in_flight + self.delayed


class Delivery(NamedTuple):
    """A message as it is received now. ``row`` is what is stored of it."""

    row: Mapping[str, Any]
    receipt_handle: str
    now: float


class Received(NamedTuple):
    """What one receive took. ``moved`` says that it moved messages to the dead-letter queue. ``look_again_at`` is
    when the next hidden message becomes visible; infinite if none is hidden."""

    records: list[QueueRecord]
    moved: bool
    look_again_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """One queue: its name and attributes. ``to_record`` builds what receivers get."""

    name: str
    arn: str
    options: QueueRules
    to_record: Callable[[Delivery], QueueRecord]

    @property
    def resource(self) -> str:
        return resource_of(self.name)

    @property
    def fifo(self) -> bool:
        return self.name.endswith(".fifo")

    def create(self, connection: sqlite3.Connection) -> None:
        """Make the queue, and its dead-letter queue, known to those who list queues."""
        for name in (self.name, self.options.dead_letter_queue):
            if name is not None:
                connection.execute("INSERT OR IGNORE INTO queues VALUES (?)", (name,))

    def send(self, connection: sqlite3.Connection, message: NewMessage, *, now: float) -> bool:
        """Add a message; false if its deduplication id was seen in the last five minutes, and it was not."""
        if message.deduplication_id is not None and self._is_duplicate(connection, message.deduplication_id, now):
            return False
        delay = self.options.delay_seconds if message.delay_seconds is None else message.delay_seconds
        connection.execute(
            "INSERT INTO messages (queue, message_id, body, attributes, group_id, deduplication_id, sent_at,"
            " visible_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self.name,
                str(uuid4()),
                message.body,
                message.attributes,
                message.group_id,
                message.deduplication_id,
                now,
                now + delay,
            ),
        )
        return True

    def receive(self, connection: sqlite3.Connection, *, limit: int, now: float) -> Received:
        """Hide up to ``limit`` messages for the visibility timeout and return them.

        Messages that were received too often go to the dead-letter queue instead, here and now, as in SQS.
        """
        rows = self._visible(connection, limit, now)
        moved = False
        while exhausted := [row for row in rows if self._is_exhausted(row)]:
            moved = True
            for row in exhausted:
                self._move_to_dead_letters(connection, row["id"], now)
            rows = self._visible(connection, limit, now)
        records = [self._take(connection, row, now) for row in rows]
        return Received(records, moved, self._next_visible(connection, now))

    def delete(self, connection: sqlite3.Connection, receipts: Iterable[str]) -> None:
        """Remove messages whose receipts are still good."""
        connection.executemany("DELETE FROM messages WHERE id = ? AND receipt = ? AND queue = ?", self._keys(receipts))

    def hide(self, connection: sqlite3.Connection, receipt: str, *, seconds: float, now: float) -> bool:
        """Let a message in flight become visible ``seconds`` from now; false if it is not in flight with this
        receipt."""
        return any(
            connection.execute(
                "UPDATE messages SET visible_at = ? WHERE id = ? AND receipt = ? AND queue = ? AND visible_at > ?",
                (now + seconds, *key, now),
            ).rowcount
            for key in self._keys([receipt])
        )

    def give_back(self, connection: sqlite3.Connection, receipts: Iterable[str], *, now: float) -> None:
        """Undo receives that nobody saw: the messages are visible, and were not received."""
        connection.executemany(
            "UPDATE messages SET visible_at = ?, receives = receives - 1, receipt = receipt + 1"
            " WHERE id = ? AND receipt = ? AND queue = ?",
            [(now, *key) for key in self._keys(receipts)],
        )

    def counts(self, connection: sqlite3.Connection, *, now: float) -> QueueCounts:
        row = connection.execute(
            "SELECT count(*) FILTER (WHERE visible_at <= ?1), count(*) FILTER (WHERE visible_at > ?1 AND receives > 0),"
            " count(*) FILTER (WHERE visible_at > ?1 AND receives = 0) FROM messages WHERE queue = ?2 AND sent_at > ?3",
            (now, self.name, self._kept_since(now)),
        ).fetchone()
        return QueueCounts(*row)

    def expire(self, connection: sqlite3.Connection, *, now: float) -> int:
        """Drop what is older than the retention period, and forget deduplication ids; returns how many messages."""
        connection.execute("DELETE FROM message_deduplication WHERE queue = ? AND expires_at <= ?", (self.name, now))
        dropped = connection.execute(
            "DELETE FROM messages WHERE queue = ? AND sent_at <= ?", (self.name, self._kept_since(now))
        ).rowcount
        if dropped:
            _log.warning("%s: %d messages were older than the retention period and are dropped", self.resource, dropped)
        return dropped

    def _kept_since(self, now: float) -> float:
        return now - self.options.message_retention_seconds

    def _is_duplicate(self, connection: sqlite3.Connection, deduplication_id: str, now: float) -> bool:
        """Remember the id for five minutes, unless it is remembered already."""
        return not connection.execute(
            "INSERT INTO message_deduplication VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET expires_at ="
            " excluded.expires_at WHERE expires_at <= ?",
            (self.name, deduplication_id, now + DEDUPLICATION_SECONDS, now),
        ).rowcount

    def _visible(self, connection: sqlite3.Connection, limit: int, now: float) -> list[dict[str, Any]]:
        """The next messages that may be received. A group with a message in flight waits as a whole."""
        cursor = connection.execute(
            _VISIBLE_IN_ORDER if self.fifo else _VISIBLE, (self.name, now, self._kept_since(now), limit)
        )
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def _next_visible(self, connection: sqlite3.Connection, now: float) -> float:
        (visible_at,) = connection.execute(
            "SELECT min(visible_at) FROM messages WHERE queue = ? AND visible_at > ?", (self.name, now)
        ).fetchone()
        return math.inf if visible_at is None else float(visible_at)

    def _is_exhausted(self, row: Mapping[str, Any]) -> bool:
        most = self.options.maximum_receive_count
        return most is not None and row["receives"] >= most

    def _move_to_dead_letters(self, connection: sqlite3.Connection, message: int, now: float) -> None:
        """As a new row: the order in the dead-letter queue is that of arrival there, and old receipts are void."""
        connection.execute(
            "INSERT INTO messages (queue, message_id, body, attributes, group_id, deduplication_id, sent_at,"
            " visible_at, dead_letter_source) SELECT ?, message_id, body, attributes, group_id, deduplication_id,"
            " sent_at, ?, ? FROM messages WHERE id = ?",
            (self.options.dead_letter_queue, now, self.arn, message),
        )
        connection.execute("DELETE FROM messages WHERE id = ?", (message,))

    def _take(self, connection: sqlite3.Connection, row: dict[str, Any], now: float) -> QueueRecord:
        row["receives"] += 1
        row["receipt"] += 1
        row["first_received_at"] = row["first_received_at"] or now
        connection.execute(
            "UPDATE messages SET receives = ?, receipt = ?, first_received_at = ?, visible_at = ? WHERE id = ?",
            (
                row["receives"],
                row["receipt"],
                row["first_received_at"],
                now + self.options.visibility_timeout_seconds,
                row["id"],
            ),
        )
        return self.to_record(Delivery(row, f"{row['id']}-{row['receipt']}", now))

    def _keys(self, receipts: Iterable[str]) -> list[tuple[int, int, str]]:
        """Rows that receipts name. One that is not ours names nothing."""
        named = (_RECEIPT.fullmatch(receipt) for receipt in receipts)
        return [(int(match[1]), int(match[2]), self.name) for match in named if match is not None]


_COLUMNS: Final = (
    "id, message_id, body, attributes, group_id, deduplication_id, sent_at, receives, receipt, first_received_at,"
    " dead_letter_source"
)
_VISIBLE: Final = (
    f"SELECT {_COLUMNS} FROM messages WHERE queue = ? AND visible_at <= ? AND sent_at > ?"
    " ORDER BY visible_at, id LIMIT ?"
)
_VISIBLE_IN_ORDER: Final = (
    f"SELECT {_COLUMNS} FROM messages WHERE queue = ?1 AND visible_at <= ?2 AND sent_at > ?3 AND group_id NOT IN"
    " (SELECT group_id FROM messages WHERE queue = ?1 AND visible_at > ?2 AND receives > 0)"
    " ORDER BY id LIMIT ?4"
)
