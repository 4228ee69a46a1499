"""One field of many records at once, without running Python for each: half of what a loop costs, or less."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from eventflow.model.records import StreamRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eventflow.model.records import Position

_position, _key, _data, _attributes = (
    itemgetter(StreamRecord._fields.index(name)) for name in ("position", "key", "data", "attributes")
)
_length: Final = bytes.__len__


def positions(records: Sequence[StreamRecord]) -> list[Position]:
    return list(map(_position, records))


def values(records: Sequence[StreamRecord]) -> list[bytes | None]:
    """Their data, undecoded."""
    return list(map(_data, records))


def value_bytes(records: Sequence[StreamRecord]) -> int:
    """The size of their data."""
    return sum(map(len, filter(None, map(_data, records))))


def key_bytes(records: Sequence[StreamRecord]) -> int:
    """The size of their keys. Raises TypeError if one is text."""
    return sum(map(_length, filter(None, map(_key, records))))


def shared_attributes(records: Sequence[StreamRecord]) -> Mapping[str, Any] | None:
    """What is the very same object in all of them; ``None`` if it is not, or there are none."""
    shared: Mapping[str, Any] | None = records[0].attributes if records else None
    for attributes in map(_attributes, records):
        if attributes is not shared:
            return None
    return shared
