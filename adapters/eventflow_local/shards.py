"""Shards: who gets which partition key, and how they are split and merged.

Source: Kinesis API: PutRecord, SplitShard, MergeShards.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from eventflow.errors import InvalidMessageError, ResourceNotFoundError
from eventflow_local import logs

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from eventflow.model.records import PartitionId

LAST_HASH: Final = 2**128 - 1


@dataclass(frozen=True, slots=True)
class Shard:
    """An open shard and the hash keys it takes, both ends included."""

    partition_id: int
    name: PartitionId
    first_hash: int
    last_hash: int


def hash_key(partition_key: str) -> int:
    """The MD5 of a partition key as a number of 128 bits."""
    return int.from_bytes(hashlib.md5(partition_key.encode(), usedforsecurity=False).digest())


def even_ranges(count: int) -> list[tuple[int, int]]:
    """All hash keys in ``count`` ranges of about the same size, in order."""
    edges = [number * (LAST_HASH + 1) // count for number in range(count + 1)]
    return [(first, after - 1) for first, after in pairwise(edges)]


def open_shards(connection: sqlite3.Connection, log: str) -> list[Shard]:
    """The shards that take records, in the order of their hash keys."""
    rows = connection.execute(
        "SELECT id, name, first_hash, last_hash FROM shards JOIN log_partitions ON id = partition_id"
        " WHERE shards.log = ? AND closed_at IS NULL",
        (log,),
    )
    found = [Shard(number, name, int(first), int(last)) for number, name, first, last in rows]
    return sorted(found, key=lambda shard: shard.first_hash)


def ensure_shards(connection: sqlite3.Connection, log: str, count: int, *, now: float) -> list[Shard]:
    """Make the shards of a new log, or split the widest ones until there are ``count``. Never merges."""
    existing = open_shards(connection, log)
    if not existing:
        for first, last in even_ranges(count):
            _add_shard(connection, log, first, last)
        return open_shards(connection, log)
    while len(existing) < count:
        widest = max(existing, key=lambda shard: shard.last_hash - shard.first_hash)
        split(connection, log, widest.name, now=now)
        existing = open_shards(connection, log)
    return existing


def append(
    connection: sqlite3.Connection,
    log: str,
    hashed: int,
    *,
    now: float,
    oldest: float,
    key: str,
    data: bytes | None = None,
    attributes: str | None = None,
) -> int:
    """Store a record in the shard that takes ``hashed``; returns its position, which grows over all shards."""
    shard = next(shard for shard in open_shards(connection, log) if shard.first_hash <= hashed <= shard.last_hash)
    row = logs.LogRow(_next_position(connection, log), now, key, data, attributes)
    logs.append(connection, shard.partition_id, row, oldest=oldest)
    return row.position


def split(
    connection: sqlite3.Connection, log: str, name: PartitionId, *, now: float, at: int | None = None
) -> tuple[PartitionId, PartitionId]:
    """Close a shard; two children take its hash keys from now on, the second those from ``at`` on (half of
    them by default). Returns the children.

    Raises ResourceNotFoundError without such an open shard, InvalidMessageError if ``at`` is not inside it.
    """
    parent = _open_shard(connection, log, name)
    at = (parent.first_hash + parent.last_hash + 1) // 2 if at is None else at
    if not parent.first_hash < at <= parent.last_hash:
        inside = f"{parent.first_hash + 1} to {parent.last_hash}"
        raise InvalidMessageError(log, f"{name} cannot be split at hash key {at}; it takes {inside}")
    logs.close_partition(connection, parent.partition_id, now=now)
    lower = _add_shard(connection, log, parent.first_hash, at - 1, parents=[name])
    return lower, _add_shard(connection, log, at, parent.last_hash, parents=[name])


def merge(
    connection: sqlite3.Connection, log: str, name: PartitionId, adjacent: PartitionId, *, now: float
) -> PartitionId:
    """Close two shards whose hash keys are neighbours; a child takes both. Returns the child.

    Raises ResourceNotFoundError without such open shards, InvalidMessageError if they are not neighbours.
    """
    parents = sorted((_open_shard(connection, log, each) for each in (name, adjacent)), key=lambda it: it.first_hash)
    lower, upper = parents
    if lower.last_hash + 1 != upper.first_hash:
        raise InvalidMessageError(log, f"{name} and {adjacent} cannot be merged: their hash keys are not neighbours")
    for parent in parents:
        logs.close_partition(connection, parent.partition_id, now=now)
    return _add_shard(connection, log, lower.first_hash, upper.last_hash, parents=[name, adjacent])


def _open_shard(connection: sqlite3.Connection, log: str, name: PartitionId) -> Shard:
    for shard in open_shards(connection, log):
        if shard.name == name:
            return shard
    raise ResourceNotFoundError(log, f"there is no open shard {name}")


def _add_shard(
    connection: sqlite3.Connection, log: str, first: int, last: int, *, parents: Sequence[PartitionId] = ()
) -> PartitionId:
    (number,) = connection.execute("SELECT coalesce(max(number), -1) + 1 FROM shards WHERE log = ?", (log,)).fetchone()
    name = f"shardId-{number:012d}"
    next_position = _next_position(connection, log)
    partition_id = logs.add_partition(connection, log, name, parents=parents, next_position=next_position)
    connection.execute("INSERT INTO shards VALUES (?, ?, ?, ?, ?)", (partition_id, log, number, str(first), str(last)))
    return name


def _next_position(connection: sqlite3.Connection, log: str) -> int:
    (position,) = connection.execute(
        "SELECT coalesce(max(next_position), 0) FROM log_partitions WHERE log = ?", (log,)
    ).fetchone()
    return int(position)
