"""Partitioned logs: the records of streams, tables and topics, in order, until their retention is over.

Positions are small growing integers here; a service that shows other numbers adds its own offset.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from eventflow.model.records import PartitionId

READ_BYTES: Final = 10 * 1024 * 1024
"""What one read holds in memory, or one record if that is larger. Source: Kinesis API: GetRecords."""


class LogRow(NamedTuple):
    """One record as it is stored. ``attributes`` are JSON text in the service's own form."""

    position: int
    timestamp: float
    key: str | bytes | None
    data: bytes | None
    attributes: str | None


@dataclass(frozen=True, slots=True)
class LogPartition:
    """One partition. ``parents`` are the partitions it came from; ``closed`` says that nothing is added any more."""

    id: int
    name: PartitionId
    parents: tuple[PartitionId, ...]
    next_position: int
    closed_at: float | None

    @property
    def closed(self) -> bool:
        return self.closed_at is not None


def partitions(connection: sqlite3.Connection, log: str) -> list[LogPartition]:
    """Every partition of ``log``, in the order they were made."""
    rows = connection.execute(
        "SELECT id, name, parents, next_position, closed_at FROM log_partitions WHERE log = ? ORDER BY id", (log,)
    )
    return [LogPartition(number, name, tuple(json.loads(parents)), *rest) for number, name, parents, *rest in rows]


def partition(connection: sqlite3.Connection, log: str, name: PartitionId) -> LogPartition | None:
    """One partition of ``log``, if there is such a one."""
    row = connection.execute(
        "SELECT id, name, parents, next_position, closed_at FROM log_partitions WHERE log = ? AND name = ?", (log, name)
    ).fetchone()
    return row and LogPartition(row[0], row[1], tuple(json.loads(row[2])), row[3], row[4])


def add_partition(
    connection: sqlite3.Connection,
    log: str,
    name: PartitionId,
    *,
    parents: Sequence[PartitionId] = (),
    next_position: int = 0,
) -> int:
    """Make a partition; returns its id."""
    (number,) = connection.execute(
        "INSERT INTO log_partitions (log, name, parents, next_position) VALUES (?, ?, ?, ?) RETURNING id",
        (log, name, json.dumps(list(parents)), next_position),
    ).fetchone()
    return int(number)


def close_partition(connection: sqlite3.Connection, partition_id: int, *, now: float) -> None:
    """Nothing is added to the partition any more; its readers end behind its last record."""
    connection.execute("UPDATE log_partitions SET closed_at = ? WHERE id = ?", (now, partition_id))


def append(connection: sqlite3.Connection, partition_id: int, row: LogRow, *, oldest: float) -> None:
    """Add a record at ``row.position``, which is behind all others, and drop those from before ``oldest``."""
    connection.execute("INSERT INTO log_records VALUES (?, ?, ?, ?, ?, ?)", (partition_id, *row))
    connection.execute("UPDATE log_partitions SET next_position = ? WHERE id = ?", (row.position + 1, partition_id))
    _trim(connection, partition_id, oldest)


def fetch(connection: sqlite3.Connection, partition_id: int, *, after: int, limit: int, oldest: float) -> list[LogRow]:
    """Up to ``limit`` records behind ``after`` and not from before ``oldest``, and about READ_BYTES at most."""
    rows: list[LogRow] = []
    room = READ_BYTES
    cursor = connection.execute(
        "SELECT position, timestamp, key, data, attributes FROM log_records"
        " WHERE partition_id = ? AND position > ? AND timestamp >= ? ORDER BY position LIMIT ?",
        (partition_id, after, oldest, limit),
    )
    for row in map(LogRow._make, cursor):
        room -= len(row.data or b"") + len(row.attributes or "")
        if rows and room < 0:
            break
        rows.append(row)
    cursor.close()
    return rows


def position_before(connection: sqlite3.Connection, partition: LogPartition, timestamp: float) -> int:
    """The position behind which the records from ``timestamp`` on begin; the end, if there are none yet."""
    row = connection.execute(
        "SELECT position FROM log_records WHERE partition_id = ? AND timestamp >= ? ORDER BY position LIMIT 1",
        (partition.id, timestamp),
    ).fetchone()
    return (row[0] if row else partition.next_position) - 1


def trim(connection: sqlite3.Connection, log: str, *, oldest: float) -> None:
    """Drop the records from before ``oldest``, and partitions that were closed before it."""
    for part in partitions(connection, log):
        _trim(connection, part.id, oldest)
        if part.closed_at is not None and part.closed_at < oldest:
            connection.execute("DELETE FROM log_partitions WHERE id = ?", (part.id,))


def _trim(connection: sqlite3.Connection, partition_id: int, oldest: float) -> None:
    """Looks at the expired records and the first that is not: nearly free when nothing has expired."""
    row = connection.execute(
        "SELECT position FROM log_records WHERE partition_id = ? AND timestamp >= ? ORDER BY position LIMIT 1",
        (partition_id, oldest),
    ).fetchone()
    if row is None:
        connection.execute("DELETE FROM log_records WHERE partition_id = ?", (partition_id,))
    else:
        connection.execute("DELETE FROM log_records WHERE partition_id = ? AND position < ?", (partition_id, row[0]))
