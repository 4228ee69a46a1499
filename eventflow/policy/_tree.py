"""A compiled pattern: one tree per alternative of its ``$or``s, walked along the event.

The question a tree answers is EventBridge's: can every field be given a value of the event such that no two of them
come from different elements of one array? Walking answers it without enumerating choices, because a subtree below an
array has to be satisfied by one element. ``exists: false`` asks for the opposite, that no element has a value, so each
node answers with a set of ways in which it can be satisfied:

* ``PRESENT``: by values, at least one of them found here;
* ``ABSENT``: by values missing everywhere below.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from eventflow.errors import InvalidEventPatternError
from eventflow.policy._operators import RESERVED, Grammar, Leaf, Test, compile_leaf

PRESENT: Final = 1
ABSENT: Final = 2

MAXIMUM_COMBINATIONS: Final = 1_000
"""Alternatives that the ``$or``s of one pattern may multiply to. Source: EventBridge guide: event pattern operators."""

MAXIMUM_DEPTH: Final = 64
"""Levels of one pattern; bounds the recursion of matching whatever the event."""

Path: TypeAlias = tuple[str, ...]
Fields: TypeAlias = Mapping[Path, Leaf]

_MISSING: Final = object()


class Node(ABC):
    """What a pattern asks of the value at one path. ``absent`` is the answer where there is no value."""

    __slots__ = ("absent",)

    def __init__(self, absent: int) -> None:
        self.absent = absent

    def match(self, value: Any) -> int:
        """In which ways ``value`` satisfies this node; 0 for none."""
        if isinstance(value, list):
            return self._match_array(value)
        return self.match_one(value)

    @abstractmethod
    def match_one(self, value: Any) -> int:
        """As ``match``, for anything but an array."""

    def _match_array(self, values: list[Any]) -> int:
        """One element has to satisfy the node, or all have to lack it. Arrays in arrays are flattened."""
        present, absent = 0, self.absent
        pending = [values]
        while pending:
            for value in pending.pop():
                if isinstance(value, list):
                    pending.append(value)
                    continue
                ways = self.match_one(value)
                present |= ways & PRESENT
                absent &= ways
                if present and not absent:
                    return PRESENT
        return present | absent


class LeafNode(Node):
    """A field with an array of matchers. An object is no value: the field is absent there."""

    __slots__ = ("_test",)

    def __init__(self, leaf: Leaf) -> None:
        super().__init__(ABSENT if leaf.absent else 0)
        self._test: Test = leaf.test

    def match_one(self, value: Any) -> int:
        if isinstance(value, dict):
            return self.absent
        return PRESENT if self._test(value) else 0


class ObjectNode(Node):
    """Fields of one object, all of which must match. A key with dots is the same as nesting, in the event too."""

    __slots__ = ("_dotted", "children")

    def __init__(self, children: Iterable[tuple[str, Node]], dotted: frozenset[str]) -> None:
        self.children = tuple(children)
        self._dotted = dotted
        super().__init__(ABSENT if all(child.absent for _, child in self.children) else 0)

    def match_one(self, value: Any) -> int:
        if not isinstance(value, dict):
            return self.absent
        if self._dotted and not value.keys().isdisjoint(self._dotted):
            value = _nested(value, self._dotted)
        some, every = 0, ABSENT
        for key, child in self.children:
            found = value.get(key, _MISSING)
            ways = child.absent if found is _MISSING else child.match(found)
            if not ways:
                return 0
            some |= ways
            every &= ways
        return (some & PRESENT) | every

    def child(self, key: str) -> Node | None:
        return next((child for name, child in self.children if name == key), None)

    def without(self, key: str) -> ObjectNode | None:
        """The same without the field ``key``; ``None`` if nothing is left."""
        rest = [(name, child) for name, child in self.children if name != key]
        return ObjectNode(rest, self._dotted) if rest else None


class MixedNode(Node):
    """A path that is asked for as a value and as an object at once, e.g. ``{"a": [...], "a.b": [...]}``."""

    __slots__ = ("_leaf", "_object")

    def __init__(self, leaf: LeafNode, fields: ObjectNode) -> None:
        super().__init__(leaf.absent & fields.absent)
        self._leaf = leaf
        self._object = fields

    def match_one(self, value: Any) -> int:
        as_leaf, as_object = self._leaf.match_one(value), self._object.match_one(value)
        if not as_leaf or not as_object:
            return 0
        return ((as_leaf | as_object) & PRESENT) | (as_leaf & as_object)


def compile_pattern(pattern: Mapping[str, Any], grammar: Grammar) -> tuple[ObjectNode, ...]:
    """The alternatives of a pattern; an event matches if any of them is satisfied.

    Raises InvalidEventPatternError with EventBridge's reason.
    """
    return tuple(_object_node(fields) for fields in _expand(pattern, (), grammar))


def parse_json_object(text: str | bytes) -> dict[str, Any]:
    """The JSON object in ``text``. Raises InvalidEventPatternError, also for a name that is given twice."""
    try:
        parsed = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise InvalidEventPatternError("The pattern is nested too deeply") from error
    except ValueError as error:
        raise InvalidEventPatternError(f"The pattern is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise InvalidEventPatternError("Filter is not an object")
    return parsed


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise InvalidEventPatternError(f"Path `{repeated}` cannot be allowed multiple times")
    return found


def _refuse_constant(name: str) -> float:
    raise InvalidEventPatternError(f"The pattern is not JSON: {name} is no JSON number")


def is_or(name: str, value: object) -> bool:
    """Whether a field is the operator ``$or`` and not an ordinary field of that name."""
    return (
        name == "$or"
        and isinstance(value, list)
        and len(value) >= 2
        and all(isinstance(branch, dict) and not RESERVED.intersection(branch) for branch in value)
    )


def _expand(pattern: Mapping[str, Any], path: Path, grammar: Grammar) -> list[dict[Path, Leaf]]:
    """Every combination of ``$or`` branches, as flat fields."""
    if not pattern:
        raise InvalidEventPatternError("Empty objects are not allowed")
    if len(path) > MAXIMUM_DEPTH:
        raise InvalidEventPatternError(f"The pattern is nested too deeply: {MAXIMUM_DEPTH} levels are allowed")
    combinations: list[dict[Path, Leaf]] = [{}]
    for name, value in pattern.items():
        combinations = _multiply(combinations, _branches(name, value, path, grammar))
    return combinations


def _branches(name: str, value: Any, path: Path, grammar: Grammar) -> list[dict[Path, Leaf]]:
    if is_or(name, value):
        return [fields for branch in value for fields in _expand(branch, path, grammar)]
    below = (*path, *name.split("."))
    if isinstance(value, dict):
        return _expand(value, below, grammar)
    if isinstance(value, list):
        return [{below: compile_leaf(value, grammar)}]
    raise InvalidEventPatternError(f'"{name}" must be an object or an array')


def _multiply(left: list[dict[Path, Leaf]], right: list[dict[Path, Leaf]]) -> list[dict[Path, Leaf]]:
    if len(left) * len(right) > MAXIMUM_COMBINATIONS:
        raise InvalidEventPatternError(
            f"Rule is too complex: its $or branches combine to more than {MAXIMUM_COMBINATIONS} rules"
        )
    return [_joined(fields, more) for fields in left for more in right]


def _joined(fields: dict[Path, Leaf], more: dict[Path, Leaf]) -> dict[Path, Leaf]:
    for path in more:
        if path in fields:
            raise InvalidEventPatternError(f"Path `{'.'.join(path)}` cannot be allowed multiple times")
    return fields | more


def _object_node(fields: Fields) -> ObjectNode:
    below: dict[str, dict[Path, Leaf]] = {}
    for path, leaf in fields.items():
        below.setdefault(path[0], {})[path[1:]] = leaf
    dotted = frozenset(".".join(path[:length]) for path in fields for length in range(2, len(path) + 1))
    return ObjectNode([(name, _node(rest)) for name, rest in below.items()], dotted)


def _node(fields: dict[Path, Leaf]) -> Node:
    leaf = fields.pop((), None)
    if leaf is None:
        return _object_node(fields)
    if not fields:
        return LeafNode(leaf)
    return MixedNode(LeafNode(leaf), _object_node(fields))


def _nested(event: dict[str, Any], dotted: frozenset[str]) -> dict[str, Any]:
    """``event`` with its dotted keys as nested objects. Two values for one path become alternatives."""
    nested = dict(event)
    for key in dotted:
        if key in event:
            first, *rest = key.split(".")
            value = event[key]
            for name in reversed(rest):
                value = {name: value}
            nested[first] = _merged(nested[first], value, MAXIMUM_DEPTH) if first in nested else value
    return nested


def _merged(left: Any, right: Any, depth: int) -> Any:
    if depth and isinstance(left, dict) and isinstance(right, dict):
        shared = {key: _merged(left[key], right[key], depth - 1) for key in left.keys() & right.keys()}
        return left | right | shared
    return [*(left if isinstance(left, list) else [left]), *(right if isinstance(right, list) else [right])]
