"""One field of an event pattern: an array of literals and operators, compiled to a test of one JSON value."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeGuard

from eventflow.errors import InvalidEventPatternError

if TYPE_CHECKING:
    from collections.abc import Sequence

Test: TypeAlias = Callable[[Any], bool]
"""Says whether a JSON scalar (never an object or an array) is what the pattern asks for."""

MAXIMUM_WILDCARDS: Final = 5
"""Stars in one ``wildcard``. EventBridge's own measure is unpublished; six are observed to be too many."""

RESERVED: Final = frozenset(
    {"anything-but", "cidr", "equals-ignore-case", "exact", "exists", "numeric", "prefix", "suffix", "wildcard"}
)
"""Operator names; an object that uses one as a key is never a branch of ``$or``."""


class Grammar(NamedTuple):
    """Which part of the pattern language a service understands.

    ``inside_anything_but`` are the operators that ``anything-but`` may hold, ``lists`` says whether they (and
    ``equals-ignore-case``) take several texts at once, ``ignoring_case`` whether ``prefix`` and ``suffix`` may
    hold ``equals-ignore-case``. ``largest_number`` bounds numbers and limits them to five decimals.
    """

    operators: frozenset[str]
    inside_anything_but: frozenset[str] = frozenset()
    lists: bool = False
    ignoring_case: bool = False
    largest_number: float | None = None


class Leaf(NamedTuple):
    """A compiled field. ``absent`` says that the field also matches where there is no value (``exists: false``)."""

    test: Test
    absent: bool


def compile_leaf(matchers: Sequence[Any], grammar: Grammar) -> Leaf:
    """Compile the array of one field. Raises InvalidEventPatternError with EventBridge's reason."""
    if not matchers:
        raise InvalidEventPatternError("Empty arrays are not allowed")
    literals: list[str | float | bool | None] = []
    tests: list[Test] = []
    absent = False
    for matcher in matchers:
        if isinstance(matcher, Mapping):
            test = _compile_operator(matcher, grammar)
            absent = absent or test is _never
            tests.append(test)
        elif isinstance(matcher, list):
            raise InvalidEventPatternError("Match value must be String, number, true, false, or null")
        else:
            literals.append(_checked_number(matcher, grammar) if is_number(matcher) else matcher)
    if literals:
        tests.append(_one_of(literals))
    return Leaf(_any_of([test for test in tests if test is not _never]), absent)


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a decoded JSON value is a number; ``true`` is none, although Python's ``True`` is an ``int``."""
    return type(value) is int or type(value) is float


def _never(_: Any) -> bool:
    return False


def _always(_: Any) -> bool:
    return True


def _any_of(tests: Sequence[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    fixed = tuple(tests)
    return lambda value: any(test(value) for test in fixed)


def _one_of(literals: Sequence[str | float | bool | None]) -> Test:
    strings = frozenset(value for value in literals if isinstance(value, str))
    numbers = frozenset(value for value in literals if is_number(value))
    constants = tuple(value for value in literals if value is None or isinstance(value, bool))
    tests: list[Test] = []
    if strings:
        tests.append(strings.__contains__)
    if numbers:
        tests.append(lambda value: is_number(value) and value in numbers)
    if constants:
        tests.append(lambda value: any(value is constant for constant in constants))
    return _any_of(tests)


def _compile_operator(matcher: Mapping[str, Any], grammar: Grammar) -> Test:
    if len(matcher) != 1:
        raise InvalidEventPatternError(
            "Only one key allowed in match expression" if matcher else "Empty objects are not allowed"
        )
    [(name, operand)] = matcher.items()
    if name not in grammar.operators:
        raise InvalidEventPatternError(f"Unrecognized match type {name}")
    return _COMPILERS[name](operand, grammar)


def _text(operand: object, operator: str) -> str:
    if not isinstance(operand, str):
        raise InvalidEventPatternError(f"{operator} match pattern must be a string")
    return operand


def _affix(operand: Any, grammar: Grammar, *, operator: str) -> Test:
    if isinstance(operand, Mapping) and grammar.ignoring_case:
        if set(operand) != {"equals-ignore-case"}:
            raise InvalidEventPatternError(f"Unsupported {operator} pattern: {', '.join(operand)}")
        return _affix_test(_text(operand["equals-ignore-case"], "equals-ignore-case").lower(), operator, lower=True)
    return _affix_test(_text(operand, operator), operator)


def _affix_test(text: str, operator: str, *, lower: bool = False) -> Test:
    matches = str.startswith if operator == "prefix" else str.endswith
    if lower:
        return lambda value: isinstance(value, str) and matches(value.lower(), text)
    return lambda value: isinstance(value, str) and matches(value, text)


def _prefix(operand: Any, grammar: Grammar) -> Test:
    return _affix(operand, grammar, operator="prefix")


def _suffix(operand: Any, grammar: Grammar) -> Test:
    return _affix(operand, grammar, operator="suffix")


def _equals_ignore_case(operand: Any, grammar: Grammar) -> Test:
    if isinstance(operand, list) and grammar.lists:
        if not operand:
            raise InvalidEventPatternError("Empty arrays are not allowed")
        return _equals_lower([_text(text, "equals-ignore-case") for text in operand])
    return _equals_lower([_text(operand, "equals-ignore-case")])


def _equals_lower(texts: Sequence[str]) -> Test:
    lowered = frozenset(text.lower() for text in texts)
    return lambda value: isinstance(value, str) and value.lower() in lowered


def _exists(operand: Any, _: Grammar) -> Test:
    if not isinstance(operand, bool):
        raise InvalidEventPatternError("exists match pattern must be either true or false.")
    return _always if operand else _never


def _wildcard(operand: Any, _: Grammar) -> Test:
    return _wildcard_test(_text(operand, "wildcard"))


def _wildcard_test(text: str) -> Test:
    first, *rest = _wildcard_pieces(text)
    if not rest:
        return lambda value: value == first
    *middle, last = rest

    def test(value: Any) -> bool:
        if not isinstance(value, str) or not value.startswith(first):
            return False
        at = len(first)
        for piece in middle:
            found = value.find(piece, at)
            if found < 0:
                return False
            at = found + len(piece)
        return value.endswith(last) and len(value) - len(last) >= at

    return test


def _wildcard_pieces(text: str) -> list[str]:
    """The literal texts between the stars, with ``\\*`` and ``\\\\`` unescaped."""
    pieces = [""]
    characters = iter(enumerate(text))
    for position, character in characters:
        if character == "\\":
            _, escaped = next(characters, (position, ""))
            if not escaped or escaped not in "*\\":
                raise InvalidEventPatternError(f"Invalid escape character at pos {position}")
            pieces[-1] += escaped
        elif character == "*":
            if len(pieces) > 1 and not pieces[-1]:
                raise InvalidEventPatternError(f"Consecutive wildcard characters at pos {position}")
            pieces.append("")
        else:
            pieces[-1] += character
    if len(pieces) - 1 > MAXIMUM_WILDCARDS:
        raise InvalidEventPatternError(
            f"Rule is too complex: {len(pieces) - 1} wildcard characters in {text!r}, {MAXIMUM_WILDCARDS} are allowed"
        )
    return pieces


def _cidr(operand: Any, _: Grammar) -> Test:
    text = _text(operand, "cidr")
    address, slash, mask = text.partition("/")
    if not slash or "/" in mask:
        raise InvalidEventPatternError("Malformed CIDR, one '/' required")
    if not mask.isdecimal():
        raise InvalidEventPatternError("Malformed CIDR, mask bits must be an integer")
    try:
        network = ipaddress.ip_network((address, int(mask)), strict=False)
    except ValueError as error:
        raise InvalidEventPatternError(f"Malformed CIDR, {text!r} is no IPv4 or IPv6 block") from error
    return lambda value: _is_address_in(value, network)


def _is_address_in(value: Any, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return ipaddress.ip_address(value) in network
    except ValueError:
        return False


def _numeric(operand: Any, grammar: Grammar) -> Test:
    if not isinstance(operand, list):
        raise InvalidEventPatternError("Value of numeric must be an array.")
    match operand:
        case [str() as operator, bound] if operator in _COMPARISONS:
            compare = _COMPARISONS[operator]
            limit = _operand_number(operator, bound, grammar)
            return lambda value: is_number(value) and compare(value, limit)
        case [(">" | ">=") as above, lower, ("<" | "<=") as below, upper]:
            return _numeric_range(
                above, _operand_number(above, lower, grammar), below, _operand_number(below, upper, grammar)
            )
        case [str() as operator, _, str() as second, _] if operator in _COMPARISONS:
            raise InvalidEventPatternError(f"Bad numeric range operator: {second if operator[0] == '>' else operator}")
        case [_, _, _, _, _, *_]:
            raise InvalidEventPatternError("Too many elements in numeric expression")
        case [str() as operator, *_] if operator not in _COMPARISONS:
            raise InvalidEventPatternError(f"Unrecognized numeric range operator: {operator}")
        case _:
            raise InvalidEventPatternError(f"Invalid member in numeric match: {operand!r}")


def _numeric_range(above: str, lower: float, below: str, upper: float) -> Test:
    if lower >= upper:
        raise InvalidEventPatternError("Bottom must be less than top")
    over, under = _COMPARISONS[above], _COMPARISONS[below]
    return lambda value: is_number(value) and over(value, lower) and under(value, upper)


def _operand_number(operator: str, operand: object, grammar: Grammar) -> float:
    if not is_number(operand):
        raise InvalidEventPatternError(f"Value of {operator} must be numeric")
    return _checked_number(operand, grammar)


def _checked_number(number: float, grammar: Grammar) -> float:
    if grammar.largest_number is None:
        return number
    if abs(number) > grammar.largest_number:
        raise InvalidEventPatternError(
            f"Value {number} is not between {-grammar.largest_number:.0f} and {grammar.largest_number:.0f}"
        )
    if round(number, 5) != number:
        raise InvalidEventPatternError(f"Value {number} has more than five decimals")
    return number


def _anything_but(operand: Any, grammar: Grammar) -> Test:
    if isinstance(operand, Mapping):
        inner = _inside_anything_but(operand, grammar)
        return lambda value: not inner(value)
    values = operand if isinstance(operand, list) else [operand]
    if not values:
        raise InvalidEventPatternError("Empty arrays are not allowed")
    if all(isinstance(value, str) for value in values):
        excluded = _one_of(values)
    elif all(is_number(value) for value in values):
        excluded = _one_of([_checked_number(value, grammar) for value in values])
    elif any(not isinstance(value, str) and not is_number(value) for value in values):
        raise InvalidEventPatternError("Value of anything-but must be an array or single string/number value.")
    else:
        raise InvalidEventPatternError(
            "Inside anything but list, either all values are number or string, mixed type is not supported"
        )
    return lambda value: not excluded(value)


def _inside_anything_but(operand: Mapping[str, Any], grammar: Grammar) -> Test:
    if len(operand) != 1:
        raise InvalidEventPatternError("Only one key allowed in match expression")
    [(name, texts)] = operand.items()
    if name not in grammar.inside_anything_but:
        raise InvalidEventPatternError(f"Unsupported anything-but pattern: {name}")
    if isinstance(texts, list) and not texts:
        raise InvalidEventPatternError("Empty arrays are not allowed")
    checked = [_text(text, name) for text in (texts if isinstance(texts, list) and grammar.lists else [texts])]
    match name:
        case "prefix" | "suffix":
            if not all(checked):
                raise InvalidEventPatternError("Null prefix/suffix not allowed")
            return _any_of([_affix_test(text, name) for text in checked])
        case "equals-ignore-case":
            return _equals_lower(checked)
        case _:
            return _any_of([_wildcard_test(text) for text in checked])


_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "=": lambda value, bound: value == bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
}

_COMPILERS: Final[Mapping[str, Callable[[Any, Grammar], Test]]] = {
    "anything-but": _anything_but,
    "cidr": _cidr,
    "equals-ignore-case": _equals_ignore_case,
    "exists": _exists,
    "numeric": _numeric,
    "prefix": _prefix,
    "suffix": _suffix,
    "wildcard": _wildcard,
}
