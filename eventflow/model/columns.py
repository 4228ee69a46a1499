"""One field of many records at once, without running Python for each: half of what a loop costs, or less.

Records that are lazy stay so.
"""

from __future__ import annotations

from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from eventflow.model.lazy_records import LazyRecords
from eventflow.model.records import StreamRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from eventflow.model.records import Position

T = TypeVar("T")

_position, _key, _data, _attributes = (
    itemgetter(StreamRecord._fields.index(name)) for name in ("position", "key", "data", "attributes")
)
_length: Final = bytes.__len__


def positions(records: Sequence[StreamRecord]) -> list[Position]:
    if isinstance(records, LazyRecords):
        return records.positions()
    return list(map(_position, records))


def values(records: Sequence[StreamRecord]) -> list[bytes | None]:
    """Their data, undecoded."""
    if isinstance(records, LazyRecords):
        return records.values()
    return list(map(_data, records))


def value_bytes(records: Sequence[StreamRecord]) -> int:
    """The size of their data."""
    return total_bytes(values(records))


def total_bytes(data: Iterable[bytes | None]) -> int:
    return sum(map(len, filter(None, data)))


def key_bytes(records: Sequence[StreamRecord]) -> int:
    """The size of their keys. Raises TypeError if one is text."""
    keys = records.keys() if isinstance(records, LazyRecords) else map(_key, records)
    return sum(map(_length, filter(None, keys)))


def shared_attributes(records: Sequence[StreamRecord]) -> Mapping[str, Any] | None:
    """What is the very same object in all of them; ``None`` if it is not, or there are none."""
    if isinstance(records, LazyRecords):
        return records.shared_attributes()
    shared: Mapping[str, Any] | None = records[0].attributes if records else None
    for attributes in map(_attributes, records):
        if attributes is not shared:
            return None
    return shared


def joined(parts: Sequence[Sequence[T]]) -> Sequence[T]:
    """The records of all parts, in order."""
    if len(parts) == 1:
        return parts[0]
    lazy = [part for part in parts if isinstance(part, LazyRecords)]
    if lazy and len(lazy) == len(parts):
        return cast("Sequence[T]", lazy[0].joined(lazy[1:]))
    return list(chain.from_iterable(parts))
