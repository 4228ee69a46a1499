"""Tells which source a raw Lambda event is of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventflow.errors import EventflowError
from eventflow.events._lookup import SENDERS, codec_for
from eventflow.events._signs import SIGNS

if TYPE_CHECKING:
    from collections.abc import Collection

    from eventflow.events._base import EventModel
    from eventflow.events._codec import Codec
    from eventflow.model.json import JsonValue

CODECS: Final[tuple[Codec, ...]] = tuple(map(codec_for, SENDERS))
"""Every source's codec. The first that recognises an event has it, from the surest sign to the vaguest."""


class UnrecognisedEventError(EventflowError):
    """A raw event is of no known source: it has no source at all, or its shape is not Lambda's."""

    def __init__(self, found: str, keys: Collection[str]) -> None:
        super().__init__(
            f"no known event source sends {found}; "
            f"known: {', '.join([*(codec.service for codec in CODECS), *(sign.model_name for sign in SIGNS)])} "
            "(name a function to invoke it directly)"
        )
        self.keys = frozenset(keys)


def recognise(wire: JsonValue) -> type[EventModel]:
    """The model of a raw Lambda event: of every source that has a decorator, and of the services that call functions
    in Lambda only. Raises UnrecognisedEventError if it is of no known source."""
    if not isinstance(wire, dict):
        raise UnrecognisedEventError(f"a JSON value of type {type(wire).__name__}", ())
    for codec in CODECS:
        if codec.recognises(wire):
            return codec.event_model
    for sign in SIGNS:
        if sign.fits(wire):
            return sign.model
    raise UnrecognisedEventError(f"an object with the keys {sorted(wire)}", wire)
