"""DynamoDB's typed JSON and the Python values it stands for.

Source: DynamoDB API: AttributeValue; DynamoDB guide: item sizes and formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from decimal import Context, Decimal, Inexact
from typing import TYPE_CHECKING, Any, Final

from eventflow.events._wire import decode_base64, encode_base64

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventflow.model.json import JsonObject

_NUMBERS: Final = Context(prec=38, traps=[Inexact])
_SMALLEST_EXPONENT: Final = -130
_LARGEST_EXPONENT: Final = 125


def deserialise_item(item: JsonObject) -> dict[str, Any]:
    """``{"total": {"N": "9.5"}}`` as ``{"total": Decimal("9.5")}``."""
    return {name: deserialise(value) for name, value in item.items()}


def serialise_item(item: Mapping[str, Any]) -> JsonObject:
    """The inverse of :func:`deserialise_item`; raises what :func:`serialise` does."""
    return {name: serialise(value) for name, value in item.items()}


def deserialise(value: JsonObject) -> Any:
    """One attribute value: numbers as Decimal, binary as bytes, the three set types as sets.

    Raises ValueError if it is not an attribute value.
    """
    if len(value) != 1:
        raise ValueError(f"an attribute value has one type, not {sorted(value)}")
    [(kind, content)] = value.items()
    try:
        read = _READERS[kind]
    except KeyError:
        raise ValueError(f"unknown attribute type {kind!r}; known: {', '.join(_READERS)}") from None
    return read(content)


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "S": lambda content: content,
    "N": Decimal,
    "B": decode_base64,
    "BOOL": lambda content: content,
    "NULL": lambda _: None,
    "M": deserialise_item,
    "L": lambda content: [deserialise(item) for item in content],
    "SS": set,
    "NS": lambda content: set(map(Decimal, content)),
    "BS": lambda content: set(map(decode_base64, content)),
}


def serialise(value: Any) -> JsonObject:
    """The attribute value of a Python value.

    Floats are taken by their shortest text (9.5 is ``9.5``). Raises TypeError for a type that DynamoDB has no
    attribute for, ValueError for a number it cannot hold and for an empty or mixed set.
    """
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | float() | Decimal():
            return {"N": _number(value)}
        case bytes() | bytearray() | memoryview():
            return {"B": encode_base64(bytes(value))}
        case Mapping():
            return {"M": serialise_item(value)}
        case list() | tuple():
            return {"L": [serialise(item) for item in value]}
        case AbstractSet():
            return _set(value)
        case _:
            raise TypeError(f"DynamoDB has no attribute type for {type(value).__name__}: {value!r}")


def _number(value: float | Decimal) -> str:
    """A number as DynamoDB writes it: no leading or trailing zeros, 38 digits at most."""
    try:
        number = _NUMBERS.plus(_NUMBERS.create_decimal(str(value)).normalize(_NUMBERS))
    except Inexact:
        raise ValueError(f"DynamoDB numbers have at most 38 digits: {value}") from None
    if not number.is_finite():
        raise ValueError(f"DynamoDB has no number {value}")
    if number and not _SMALLEST_EXPONENT <= number.adjusted() <= _LARGEST_EXPONENT:
        raise ValueError(f"DynamoDB numbers lie between 1E-130 and 9.99E+125: {value}")
    return f"{number:f}"


def _set(value: AbstractSet[Any]) -> JsonObject:
    """A set of one type, its members in order so that equal sets are written alike."""
    kinds = {kind for item in value for kind in serialise(item)}
    if len(kinds) != 1 or not kinds <= {"S", "N", "B"}:
        raise ValueError(f"a DynamoDB set has members, all text, all numbers or all binary: {value!r}")
    [kind] = kinds
    return {f"{kind}S": [serialise(item)[kind] for item in sorted(value)]}


def item_size(item: JsonObject) -> int:
    """The bytes an item takes by DynamoDB's own measure, which its 400 KB limit and ``SizeBytes`` go by."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: JsonObject) -> int:
    [(kind, content)] = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return _number_size(content)
        case "B":
            return len(decode_base64(content))
        case "SS" | "NS" | "BS":
            return sum(_value_size({kind[0]: member}) for member in content)
        case "L":
            return 3 + sum(1 + _value_size(item) for item in content)
        case "M":
            return 3 + sum(len(name.encode()) + 1 + _value_size(item) for name, item in content.items())
        case _:
            return 1


def _number_size(text: str) -> int:
    """Two digits to a byte, one byte more, and one for a minus sign."""
    sign, digits, _ = Decimal(text).normalize().as_tuple()
    return (len(digits) + 1) // 2 + 1 + sign
