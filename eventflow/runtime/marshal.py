"""Results of handlers as JSON text. Source: Lambda guide: python-handler.

Lambda's rules, plus one extension: pydantic models and dataclasses, which typed handlers return.
"""

from __future__ import annotations

import dataclasses
import json
import re
import secrets
from decimal import Decimal
from json.encoder import c_make_encoder, encode_basestring  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from eventflow.events._base import EventModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_SCALARS: Final = frozenset({str, int, float, bool, type(None)})


def marshal(value: Any) -> bytes:
    """``value`` as JSON text.

    Raises TypeError or ValueError for what JSON cannot hold (a set, a datetime, a coroutine, a cycle), and
    whatever a model raises while it is written.
    """
    return _SPACED.encode(value).encode()


def marshal_compact(value: Any) -> bytes:
    """``value`` as JSON text without spaces, as HTTP bodies are written. Raises as :func:`marshal` does."""
    return _COMPACT.encode(value).encode()


class _DecimalFoundError(Exception):
    """The encoder knows no way to write a decimal's own digits."""


def _default(value: Any) -> Any:
    if isinstance(value, Decimal):
        raise _DecimalFoundError
    if isinstance(value, EventModel):
        return value.to_wire()  # nothing that nobody set: some callers tell null from absent
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


class _Encoder:
    """Writes JSON text with the given separators.

    ``pieces`` is the C half of the standard encoder, ``slow``, which builds it anew for every value, at more than
    the cost of writing a small one. It does not look for cycles.
    """

    __slots__ = ("pieces", "slow")

    def __init__(self, item_separator: str, key_separator: str) -> None:
        separators = (item_separator, key_separator)
        self.slow = json.JSONEncoder(ensure_ascii=False, default=_default, separators=separators)
        self.pieces: Callable[[Any, int], Iterable[str]] = c_make_encoder(
            None, _default, encode_basestring, None, key_separator, item_separator, False, False, True
        )

    def encode(self, value: Any) -> str:
        """``value`` as JSON text; see :func:`marshal`."""
        try:
            value = _plain(value)
            return "".join(self.pieces(value, 0))
        except _DecimalFoundError:
            return _with_decimals(value, self.slow)
        except RecursionError:
            return self.slow.encode(value)  # tells a cycle from depth


_SPACED: Final = _Encoder(", ", ": ")
_COMPACT: Final = _Encoder(",", ":")


def plain(value: Any) -> Any:
    """``value`` with models and dataclasses as plain values, so that Lambda's own runtime can write it. What else it
    cannot write is left in place, for it to refuse.

    Raises whatever a model raises while it is written.
    """
    if isinstance(value, dict):
        if _SCALARS.issuperset(map(type, value.values())):
            return value
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        if hasattr(value, "_asdict") or _SCALARS.issuperset(map(type, value)):
            return value
        return [plain(item) for item in value]
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value


def _plain(value: Any) -> Any:
    """``value`` with named tuples as objects. The encoder takes them for arrays; Lambda's does not."""
    if isinstance(value, dict):
        if _SCALARS.issuperset(map(type, value.values())):
            return value
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        if isinstance(value, tuple) and hasattr(value, "_asdict"):
            return _plain(value._asdict())
        return value if _SCALARS.issuperset(map(type, value)) else [_plain(item) for item in value]
    return value


def _with_decimals(value: Any, encoder: json.JSONEncoder) -> str:
    """Decimals with all their digits: first as marks that nobody can guess, then in place of these."""
    mark = secrets.token_hex(16)
    decimals: list[Decimal] = []

    def default(item: Any) -> Any:
        if isinstance(item, Decimal):
            decimals.append(item)
            return f"{mark}{len(decimals) - 1}"
        return _default(item)

    separators = (encoder.item_separator, encoder.key_separator)
    text = json.JSONEncoder(ensure_ascii=False, default=default, separators=separators).encode(value)
    return re.sub(f'"{mark}(\\d+)"', lambda found: _digits(decimals[int(found[1])]), text)


def _digits(value: Decimal) -> str:
    return "NaN" if value.is_nan() else str(value)
