"""Filter criteria of event source mappings: which records reach the function."""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventflow.errors import InvalidEventPatternError
from eventflow.model.filtering import FilterMismatch, FilterRules, FilterView
from eventflow.policy._tree import LeafNode, Node, ObjectNode
from eventflow.policy.patterns import MAXIMUM_PATTERN_CHARACTERS, Dialect, EventPattern

if TYPE_CHECKING:
    from collections.abc import Sequence

MAXIMUM_FILTERS: Final = 5
"""Lambda's default quota; AWS raises it to 10 on request. Source: Lambda API: FilterCriteria."""


class _Format(Enum):
    JSON = "JSON"
    TEXT = "plain text"
    UNREADABLE = "not UTF-8"
    NONE = "no data"


class _Alternative(NamedTuple):
    """One way to pass: what it asks of the data (in the format it ``wants``), and of the record's other keys."""

    data: Node | None
    wants: _Format
    metadata: ObjectNode | None


class FilterCriteria:
    """The filters of one mapping, compiled. A record passes if any of them matches, or if there is none.

    Formats are compared as Lambda does: data counts as JSON if it is a JSON object or array, else as plain text.
    Where it is not what the pattern asks for, ``rules.mismatch`` decides. Data that is absent (a Kafka tombstone)
    is an absent key. Source: Lambda guide: invocation-eventfiltering.
    """

    def __init__(self, patterns: Sequence[str], rules: FilterRules) -> None:
        """Raises InvalidEventPatternError for a pattern that does not compile or that asks for plain text where
        the source has none."""
        self.patterns = tuple(patterns)
        self._rules = rules
        self._alternatives = tuple(
            alternative for pattern in patterns for alternative in _compile(_checked(pattern, rules), rules)
        )

    def matches(self, view: FilterView) -> bool:
        """Whether the record passes. Its data is decoded at most once, and only if a filter looks at it."""
        if not self._alternatives:
            return True
        decoded: tuple[_Format, Any] | None = None
        for alternative in self._alternatives:
            if alternative.metadata is not None and not alternative.metadata.match_one(view.metadata):
                continue
            if alternative.data is None:
                return True
            decoded = decoded or _decode(view.data)
            if self._data_matches(alternative.data, alternative.wants, *decoded):
                return True
        return False

    def _data_matches(self, node: Node, wants: _Format, found: _Format, data: Any) -> bool:
        if found is _Format.NONE:
            return bool(node.absent)
        if found is wants:
            return bool(node.match(data))
        return self._rules.mismatch is FilterMismatch.IGNORE_DATA


def filter_problems(
    patterns: Sequence[str], rules: FilterRules, *, maximum_filters: int = MAXIMUM_FILTERS
) -> list[str]:
    """What is wrong with a mapping's filters, one sentence per mistake."""
    problems = []
    if len(patterns) > maximum_filters:
        problems.append(f"{len(patterns)} filters are given; at most {maximum_filters} are allowed")
    for number, pattern in enumerate(patterns, start=1):
        try:
            _checked(pattern, rules)
        except InvalidEventPatternError as error:
            problems.append(f"filter {number}: {error.reason}")
    return problems


def _checked(text: str, rules: FilterRules) -> EventPattern:
    if len(text) > MAXIMUM_PATTERN_CHARACTERS:
        raise InvalidEventPatternError(
            f"The pattern has {len(text):,} characters; {MAXIMUM_PATTERN_CHARACTERS:,} are allowed"
        )
    pattern = EventPattern(text, dialect=Dialect.EVENT_SOURCE_MAPPING)
    if not rules.plain_text and any(alternative.wants is _Format.TEXT for alternative in _compile(pattern, rules)):
        raise InvalidEventPatternError(
            f"Invalid filter pattern definition. The value of {rules.data_key!r} must be an object: "
            "this source's records have no plain text"
        )
    return pattern


def _compile(pattern: EventPattern, rules: FilterRules) -> list[_Alternative]:
    alternatives = []
    for fields in pattern.alternatives:
        data = fields.child(rules.data_key)
        wants = _Format.TEXT if isinstance(data, LeafNode) else _Format.JSON
        alternatives.append(_Alternative(data=data, wants=wants, metadata=fields.without(rules.data_key)))
    return alternatives


def _decode(data: str | bytes | dict[str, Any] | None) -> tuple[_Format, Any]:
    if data is None:
        return _Format.NONE, None
    if isinstance(data, dict):
        return _Format.JSON, data
    if isinstance(data, bytes):
        try:
            data = data.decode()
        except UnicodeDecodeError:
            return _Format.UNREADABLE, None
    try:
        parsed = json.loads(data)
    except (ValueError, RecursionError):
        return _Format.TEXT, data
    return (_Format.JSON, parsed) if isinstance(parsed, dict | list) else (_Format.TEXT, data)
