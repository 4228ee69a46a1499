"""Where in a change stream to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from bson import Timestamp

from eventflow.model.mapping import StartingPosition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventflow.model.mapping import StreamMapping


class Oldest(NamedTuple):
    """With the oldest change that the cluster still has."""


class From(NamedTuple):
    """With the first change at a time of the cluster's, or after it."""

    time: Timestamp


class Behind(NamedTuple):
    """Behind a resume token. One of an invalidation has the ``time`` of that, for clusters that cannot start behind
    it."""

    token: str
    time: Timestamp | None = None


Place: TypeAlias = Oldest | From | Behind


def starting_place(mapping: StreamMapping) -> Place | None:
    """Where a subscription starts; ``None`` is now."""
    if mapping.starting_position is StartingPosition.LATEST:
        return None
    if mapping.starting_position is StartingPosition.AT_TIMESTAMP and mapping.starting_timestamp is not None:
        return From(
            Timestamp(int(mapping.starting_timestamp.timestamp()), 1)
        )  # down to its second: ordinals begin at 1
    return Oldest()


def after(time: Timestamp) -> From:
    """Behind the one operation that has this time."""
    return From(Timestamp(time.time, time.inc + 1))


def to_document(place: Place) -> dict[str, Any]:
    """As it is stored."""
    match place:
        case Oldest():
            return {}
        case From(time):
            return {"time": time}
        case Behind(token, None):
            return {"token": token}
        case Behind(token, time):
            return {"token": token, "time": time}


def from_document(document: Mapping[str, Any]) -> Place:
    """The inverse of ``to_document``."""
    time: Timestamp | None = document.get("time")
    if "token" in document:
        return Behind(document["token"], time)
    return Oldest() if time is None else From(time)
