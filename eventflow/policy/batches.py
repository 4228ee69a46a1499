"""Filling, splitting and windowing batches."""

from __future__ import annotations

from datetime import UTC, datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, Protocol, TypeVar

from eventflow.model import limits
from eventflow.model.columns import joined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

NO_LIMIT: Final = -1


class BatchLimits(NamedTuple):
    """When a batch is closed: by count, by bytes (record metadata included), or when its window ends."""

    batch_size: int
    maximum_bytes: int = limits.BATCH_BYTES
    window_seconds: float = 0

    def oversized(self, size: int) -> bool:
        """Whether a record of ``size`` bytes fits no batch at all, not even alone."""
        return size > self.maximum_bytes


class Scale(Protocol[T_contra]):
    """Weighs records, in bytes."""

    def sizes(self, records: Sequence[T_contra], /) -> Sequence[int]:
        """That of each."""

    def size_together(self, records: Sequence[T_contra], /) -> int:
        """That of all of them, or a close upper bound that costs less."""


class BatchBuilder(Generic[T]):
    """Fills one batch after the other.

    The window opens with the first record, or before it with ``open``: Kinesis, DynamoDB Streams, SQS and Kafka
    open it when the previous invocation ends (Lambda guide: invocation-eventsourcemapping). A window that ends with
    nothing in it opens again with the next record; an empty batch is never sent.
    """

    __slots__ = ("_bytes", "_count", "_limits", "_parts", "_refused", "_single", "flush_at")

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._parts: list[Sequence[T]] = []
        self._single: list[T] | None = None
        """The last part, if its records came one by one."""
        self._count = 0
        self._bytes = 0
        self._refused = False
        self.flush_at: float | None = None
        """When the window ends, in the seconds of ``now``; ``None`` while it is not open."""

    def __len__(self) -> int:
        return self._count

    @property
    def records(self) -> tuple[T, ...]:
        """The records held, in order."""
        return tuple(joined(self._parts))

    @property
    def bytes(self) -> int:
        """The size of the records held."""
        return self._bytes

    @property
    def is_full(self) -> bool:
        """Whether the batch must be taken before anything fits again."""
        return self._refused or self._count >= self._limits.batch_size

    def open(self, *, now: float) -> None:
        """Start the window, unless it is open."""
        if self.flush_at is None:
            self.flush_at = now + self._limits.window_seconds

    def add(self, record: T, size: int, *, now: float) -> bool:
        """Take ``record`` in. False if it does not fit beside the others: take the batch and add it again.

        Raises ValueError for a record that fits no batch; ask ``BatchLimits.oversized`` before.
        """
        if self._limits.oversized(size):
            raise ValueError(f"a record of {size:,} bytes fits no batch of {self._limits.maximum_bytes:,} bytes")
        if self._count >= self._limits.batch_size:
            return False
        if self._bytes + size > self._limits.maximum_bytes:
            self._refused = True
            return False
        self._begin(now)
        if self._single is None:
            self._single = []
            self._parts.append(self._single)
        self._single.append(record)
        self._count += 1
        self._bytes += size
        return True

    def fill(self, records: Sequence[T], scale: Scale[T], *, now: float) -> int:
        """Take in the first of ``records``, as many as fit; returns how many. At the first that fits no batch it
        stops, too."""
        chosen = records[: max(0, self._limits.batch_size - self._count)]
        total = scale.size_together(chosen)
        if chosen and self._bytes + total <= self._limits.maximum_bytes:
            self._begin(now)
            self._parts.append(chosen)
            self._single = None
            self._count += len(chosen)
            self._bytes += total
            return len(chosen)
        for count, (record, size) in enumerate(zip(chosen, scale.sizes(chosen), strict=True)):
            if self._limits.oversized(size) or not self.add(record, size, now=now):
                return count
        return len(chosen)

    def _begin(self, now: float) -> None:
        """Open the window with a record, unless it is open."""
        if self.flush_at is None or (not self._count and self.flush_at <= now):
            self.flush_at = now + self._limits.window_seconds

    def is_due(self, *, now: float) -> bool:
        """Whether the batch should be sent: it holds something, and it is full or its window has ended."""
        if not self._count:
            return False
        return self.is_full or (self.flush_at is not None and self.flush_at <= now)

    def take(self) -> Sequence[T]:
        """The records held; the builder is empty afterwards, its window closed."""
        records = joined(self._parts)
        self._parts, self._single, self._count = [], None, 0
        self._bytes = 0
        self._refused = False
        self.flush_at = None
        return records


def halves(batch: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    """Bisect a batch of at least two records, keeping their order; neither half is empty."""
    if len(batch) < 2:
        raise ValueError(f"a batch of {len(batch)} cannot be bisected")
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]


def split_by_age(
    records: Iterable[T],
    maximum_age: float,
    *,
    now: float,
    timestamp: Callable[[T], float] = attrgetter("timestamp"),
) -> tuple[list[T], list[T]]:
    """The records older than ``maximum_age`` seconds, and the others, both in order. -1 is no limit.

    Source: Lambda guide: with-kinesis: ``MaximumRecordAgeInSeconds``.
    """
    expired: list[T] = []
    young: list[T] = []
    for record in records:
        too_old = maximum_age != NO_LIMIT and now - timestamp(record) > maximum_age
        (expired if too_old else young).append(record)
    return expired, young


class Window(NamedTuple):
    """A tumbling window, from ``start`` up to but not including ``end`` (epoch seconds)."""

    start: int
    end: int

    def to_wire(self) -> dict[str, str]:
        """``{"start": "2020-07-30T17:00:00Z", "end": "2020-07-30T17:05:00Z"}``."""
        return {"start": iso_seconds(self.start), "end": iso_seconds(self.end)}


def window_of(timestamp: float, length: int) -> Window:
    """The window of ``length`` seconds that a record arriving at ``timestamp`` belongs to; boundaries are multiples
    of the length. Source: Lambda guide: with-kinesis: tumbling windows."""
    start = int(timestamp // length) * length
    return Window(start, start + length)


def iso_seconds(timestamp: float) -> str:
    """``2020-07-30T17:00:00Z`` for an epoch time in seconds."""
    return f"{datetime.fromtimestamp(timestamp, tz=UTC):%Y-%m-%dT%H:%M:%S}Z"
