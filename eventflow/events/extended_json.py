"""Documents in MongoDB's extended JSON, to Python values. Source: MongoDB specification: extended JSON v2."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from eventflow.events._wire import decode_base64

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UUID_SUBTYPE: Final = 4


def deserialise(value: Any) -> Any:
    """A value as Python has it: object ids as text, numbers, datetimes in UTC, bytes and UUIDs. What has no counterpart
    (a timestamp, a regular expression) stays as it is. Raises ValueError if a typed value is not what its type says.
    """
    match value:
        case list():
            return [deserialise(item) for item in value]
        case dict():
            return _typed(value) if _is_typed(value) else {name: deserialise(item) for name, item in value.items()}
        case _:
            return value


def _is_typed(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)) in _READERS


def _typed(value: Mapping[str, Any]) -> Any:
    [(kind, content)] = value.items()
    try:
        return _READERS[kind](content)
    except (TypeError, KeyError, ArithmeticError) as exc:
        raise ValueError(f"{content!r} is no value for {kind}") from exc


def _date(content: Any) -> datetime:
    """Text in the years that ISO 8601 is agreed on for, else milliseconds."""
    if isinstance(content, str):
        return datetime.fromisoformat(content).astimezone(UTC)
    return _EPOCH + timedelta(milliseconds=int(content["$numberLong"]))


def _binary(content: Mapping[str, Any]) -> bytes | UUID:
    data = decode_base64(content["base64"])
    return UUID(bytes=data) if int(content["subType"], 16) == _UUID_SUBTYPE else data


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "$oid": str,
    "$numberInt": int,
    "$numberLong": int,
    "$numberDouble": float,
    "$numberDecimal": Decimal,
    "$date": _date,
    "$binary": _binary,
    "$uuid": UUID,
    "$symbol": str,
}
