"""Items of tables: from plain JSON, under DynamoDB's own limits. Source: DynamoDB guide: ServiceQuotas."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from eventflow.events.attribute_values import item_size, serialise_item

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventflow.model.json import JsonObject

ITEM_BYTES: Final = 400 * 1024
BODY_BYTES: Final = 8 * ITEM_BYTES
"""JSON text is longer than the item it stands for, but not by more than this."""
NESTING_LEVELS: Final = 32


def parse_item(body: bytes) -> JsonObject:
    """An item or key in typed JSON, from plain JSON text.

    Raises ValueError with the reason if it is not a JSON object, or DynamoDB would refuse it.
    """
    if len(body) > BODY_BYTES:
        raise ValueError(f"an item of {len(body)} bytes of JSON is over DynamoDB's {ITEM_BYTES} bytes")
    try:
        value = json.loads(body, parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError(f"values may be nested {NESTING_LEVELS} levels deep at most") from None
    if not isinstance(value, dict):
        raise ValueError("an item must be a JSON object")
    _check_depth(value)
    item = serialise_item(value)
    if (size := item_size(item)) > ITEM_BYTES:
        raise ValueError(f"an item is {size} bytes; at most {ITEM_BYTES} are allowed")
    return item


def key_of(item: JsonObject, keys: Mapping[str, int]) -> JsonObject:
    """The key attributes of an item; ``keys`` are their names and the bytes their values may have.

    Raises ValueError if one is missing, or its value cannot be a key.
    """
    return {name: _key_value(item.get(name), name, longest) for name, longest in keys.items()}


def _key_value(value: JsonObject | None, name: str, longest: int) -> JsonObject:
    if value is None:
        raise ValueError(f"the key attribute {name!r} is missing")
    [(kind, content)] = value.items()
    if kind not in ("S", "N"):
        raise ValueError(f"the key attribute {name!r} must be text or a number")
    if not 1 <= len(content.encode()) <= longest:
        raise ValueError(f"the key attribute {name!r} must have 1 to {longest} bytes")
    return value


def _check_depth(value: Any, level: int = 0) -> None:
    if level > NESTING_LEVELS:
        raise ValueError(f"values may be nested {NESTING_LEVELS} levels deep at most")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for member in value:
            _check_depth(member, level + 1)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a value that DynamoDB has")
