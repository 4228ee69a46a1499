"""Kafka's records as eventflow's."""

from __future__ import annotations

from functools import partial
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Protocol, cast, overload

from eventflow.model.columns import value_bytes
from eventflow.model.lazy_records import LazyRecords
from eventflow.model.records import StreamRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from aiokafka import TopicPartition

    from eventflow.model.records import PartitionId, Position

_new_record: Final[Callable[[tuple[Any, ...]], StreamRecord]] = partial(tuple.__new__, StreamRecord)
"""What the constructor does, without a call in Python: a third of what a record costs."""
_headers, _timestamp_type = attrgetter("headers"), attrgetter("timestamp_type")
TIMESTAMP_TYPES: Final = ("CREATE_TIME", "LOG_APPEND_TIME")


class FetchedRecord(Protocol):
    """What eventflow reads of aiokafka's records. ``timestamp`` is in epoch milliseconds."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


def partition_id(partition: TopicPartition) -> PartitionId:
    """``orders-0``: as events call it."""
    return f"{partition.topic}-{partition.partition}"


class RecordFactory:
    """Makes the records of one partition. Those without headers share their attributes."""

    __slots__ = ("_attributes", "_name")

    def __init__(self, partition: TopicPartition) -> None:
        self._name = partition_id(partition)
        self._attributes: tuple[Mapping[str, Any], ...] = tuple(
            {
                "topic": partition.topic,
                "partition": partition.partition,
                "timestampType": timestamp_type,
                "headers": (),
            }
            for timestamp_type in TIMESTAMP_TYPES
        )

    def make(self, records: Iterable[FetchedRecord]) -> list[StreamRecord]:
        """Neutral records, in the same order."""
        name, attributes, with_headers = self._name, self._attributes, self._with_headers
        return [
            _new_record(
                (
                    name,
                    record.offset,
                    record.key,
                    record.value,
                    record.timestamp / 1000,
                    with_headers(record) if record.headers else attributes[record.timestamp_type],
                )
            )
            for record in records
        ]

    def shared_attributes(self, records: Sequence[FetchedRecord]) -> Mapping[str, Any] | None:
        """Those of all ``records``, if they are the same."""
        types: set[int] = set(map(_timestamp_type, records))
        if len(types) != 1 or any(map(_headers, records)):
            return None
        return self._attributes[types.pop()]

    def _with_headers(self, record: FetchedRecord) -> Mapping[str, Any]:
        # A header may be null in Kafka; in an event, a header has bytes.
        headers = [(name, b"" if value is None else value) for name, value in record.headers]
        return {**self._attributes[record.timestamp_type], "headers": headers}


class FetchedRecords(LazyRecords):
    """Records of one partition as they were decoded."""

    __slots__ = ("_factory", "_made", "_raw", "_shared", "_size")

    def __init__(self, factory: RecordFactory, raw: list[FetchedRecord], size: int | None = None) -> None:
        """``size`` is the bytes of their values, if that is known."""
        self._factory = factory
        self._raw = raw
        self._size = size
        self._shared: Mapping[str, Any] | None = None
        self._made: list[StreamRecord] | None = None

    @property
    def size(self) -> int:
        """The bytes of their values. Best asked while they are at hand: later, it costs as much as making records."""
        if self._size is None:
            self._size = value_bytes(self)
        return self._size

    @property
    def first(self) -> int:
        """The offset of the first."""
        return self._raw[0].offset

    def only(self, wanted: Callable[[int], bool]) -> FetchedRecords:
        """Those whose offsets are wanted."""
        return FetchedRecords(self._factory, [record for record in self._raw if wanted(record.offset)])

    def __len__(self) -> int:
        return len(self._raw)

    @overload
    def __getitem__(self, index: int) -> StreamRecord: ...

    @overload
    def __getitem__(self, index: slice) -> FetchedRecords: ...

    def __getitem__(self, index: int | slice) -> StreamRecord | FetchedRecords:
        if isinstance(index, slice):
            return FetchedRecords(self._factory, self._raw[index])
        if self._made is not None:
            return self._made[index]
        return self._factory.make((self._raw[index],))[0]

    def __iter__(self) -> Iterator[StreamRecord]:
        if self._made is None:
            self._made = self._factory.make(self._raw)
        return iter(self._made)

    def joined(self, others: Sequence[LazyRecords]) -> FetchedRecords:
        parts = [self, *(cast("FetchedRecords", other) for other in others)]
        raw = list(chain.from_iterable([part._raw for part in parts]))
        return FetchedRecords(self._factory, raw, sum([part.size for part in parts]))

    def positions(self) -> list[Position]:
        return [record.offset for record in self._raw]

    def values(self) -> list[bytes | None]:
        return [record.value for record in self._raw]

    def keys(self) -> list[str | bytes | None]:
        return [record.key for record in self._raw]

    def shared_attributes(self) -> Mapping[str, Any] | None:
        if self._shared is None:
            self._shared = self._factory.shared_attributes(self._raw)
        return self._shared
