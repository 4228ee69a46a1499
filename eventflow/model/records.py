"""Records as sources hand them over: neutral, before any Lambda shape is built.

They are named tuples because they are built once per record: immutable, and four times cheaper than a frozen
dataclass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PartitionId: TypeAlias = str
"""``shardId-000000000000`` for shards, ``topic-0`` for Kafka: unique within one mapping."""

Position: TypeAlias = int | str
"""Sequence number, offset or resume token. Positions of one partition have one type; only the source orders them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceIdentity:
    """What a codec must know of a source to write its events: ARN, region, and the service's own extras
    (``bootstrapServers`` for Kafka, ``streamViewType`` for DynamoDB)."""

    arn: str
    region: str
    extras: Mapping[str, Any]


class QueueRecord(NamedTuple):
    """One record of a queue. It is settled on its own, through ``receipt_handle``, which is new on every
    receive. ``receive_count`` is the queue's, from 1. ``group_id`` orders records (SQS FIFO); ``None`` is
    unordered. ``attributes`` and ``message_attributes`` are the service's, under their wire names."""

    message_id: str
    receipt_handle: str
    body: str | bytes
    receive_count: int
    group_id: str | None
    attributes: Mapping[str, Any]
    message_attributes: Mapping[str, Any]


class StreamRecord(NamedTuple):
    """One record of an ordered partition. ``data`` is the undecoded value (``None``: a tombstone, or a source
    whose record is all metadata). ``timestamp`` is the arrival time in epoch seconds. ``attributes`` are the
    service's, under their wire names."""

    partition: PartitionId
    position: Position
    key: str | bytes | None
    data: bytes | None
    timestamp: float
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How far a partition is done: every record up to and including ``position``. ``state`` belongs to an
    open tumbling window and must survive with the position (JSON text, or ``None``).

    Where records finish out of order, everything up to ``reached`` is done as well, except ``pending``. A source whose
    assignments have an ``origin`` keeps as much of that as it can, and does not hand out again what is done.
    """

    position: Position
    state: str | None = None
    reached: Position | None = None
    pending: frozenset[Position] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A partition given to this process to read. ``checkpoint`` is what was committed before, if anything;
    reading continues behind it. ``origin`` is the position behind which reading begins, of a source that keeps what is
    done ahead of a position; ``None`` of others."""

    partition: PartitionId
    checkpoint: Checkpoint | None = None
    origin: Position | None = None


@dataclass(frozen=True, slots=True)
class StreamRead:
    """What one read of a partition returned. ``ended`` says that the partition is closed and these are its
    last records (a resharded Kinesis shard). ``behind_seconds`` is how far the reader lags, if known. ``gap`` says that
    records before these expired before they were read. ``size`` is the bytes of their data, if that is known without
    looking."""

    records: Sequence[StreamRecord]
    ended: bool = False
    behind_seconds: float | None = None
    gap: bool = False
    size: int | None = None
