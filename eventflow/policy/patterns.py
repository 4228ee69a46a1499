"""Event patterns: the language of EventBridge rules and, in part, of event source mappings' filters."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from eventflow.errors import InvalidEventPatternError
from eventflow.policy._operators import Grammar
from eventflow.policy._tree import ObjectNode, compile_pattern, parse_json_object

if TYPE_CHECKING:
    from collections.abc import Mapping

MAXIMUM_PATTERN_CHARACTERS: Final = 4_096
"""Source: EventBridge guide: quotas; Lambda API: Filter."""


class Dialect(StrEnum):
    """Whose pattern language is spoken. Event source mappings know neither ``wildcard`` nor ``cidr`` nor operators
    inside ``anything-but`` (Lambda guide: invocation-eventfiltering)."""

    EVENTBRIDGE = "eventbridge"
    EVENT_SOURCE_MAPPING = "event source mapping"


_MAPPING_OPERATORS: Final = frozenset({"anything-but", "equals-ignore-case", "exists", "numeric", "prefix", "suffix"})

_GRAMMARS: Final[Mapping[Dialect, Grammar]] = {
    Dialect.EVENTBRIDGE: Grammar(
        operators=_MAPPING_OPERATORS | {"cidr", "wildcard"},
        inside_anything_but=frozenset({"prefix", "suffix", "equals-ignore-case", "wildcard"}),
        lists=True,
        ignoring_case=True,
    ),
    Dialect.EVENT_SOURCE_MAPPING: Grammar(operators=_MAPPING_OPERATORS, lists=True, ignoring_case=True),
}


@dataclass(frozen=True, slots=True, init=False, repr=False)
class EventPattern:
    """A compiled event pattern. Two patterns are equal if their JSON text and dialect are.

    ``alternatives`` are what the ``$or``s expand to; an event matches if any of them does.
    Source: EventBridge guide: event patterns; matching follows array consistency, so two fields below one array
    of objects must be found in the same element.
    """

    text: str
    """The pattern as compact JSON text."""
    dialect: Dialect
    pattern: dict[str, Any] = field(compare=False)
    alternatives: tuple[ObjectNode, ...] = field(compare=False)

    def __init__(self, pattern: Mapping[str, Any] | str | bytes, *, dialect: Dialect = Dialect.EVENTBRIDGE) -> None:
        """Compile ``pattern``: a mapping, or its JSON text. Raises InvalidEventPatternError with the reason that
        the service would give."""
        try:
            parsed = parse_json_object(pattern if isinstance(pattern, str | bytes) else _json_text(pattern))
            text = json.dumps(parsed, separators=(",", ":"), ensure_ascii=False)
            _check_length(text)
            alternatives = compile_pattern(parsed, _GRAMMARS[dialect])
        except InvalidEventPatternError as error:
            if dialect is Dialect.EVENTBRIDGE:
                raise
            raise InvalidEventPatternError(f"Invalid filter pattern definition. {error.reason}") from error
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "dialect", dialect)
        object.__setattr__(self, "pattern", parsed)
        object.__setattr__(self, "alternatives", alternatives)

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Whether a decoded JSON event matches. Keys that the pattern does not name are ignored."""
        decoded = event if isinstance(event, dict) else dict(event)
        return any(alternative.match_one(decoded) for alternative in self.alternatives)

    def __repr__(self) -> str:
        return f"EventPattern({self.text!r}, dialect={self.dialect.name})"


def _json_text(pattern: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(pattern))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidEventPatternError(f"The pattern is not JSON: {error}") from error


def _check_length(text: str) -> None:
    if len(text) > MAXIMUM_PATTERN_CHARACTERS:
        raise InvalidEventPatternError(
            f"The pattern has {len(text):,} characters; {MAXIMUM_PATTERN_CHARACTERS:,} are allowed"
        )
