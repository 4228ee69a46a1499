"""Checks that several triggers share. Each yields problems; none raises, so that all are found at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eventflow.errors import Problem
from eventflow.model.mapping import StartingPosition

if TYPE_CHECKING:
    import re

    from eventflow.model.filtering import FilterRules
    from eventflow.model.mapping import BatchSettings, StreamMapping


@dataclass(frozen=True, slots=True)
class Checker:
    """Makes problems about one decorator on one function."""

    where: str

    def problem(self, field: str | None, message: str, hint: str | None = None) -> Problem:
        return Problem(where=self.where, field=field, message=message, hint=hint)

    def number(
        self, field: str, value: object, low: float, high: float, *, unit: str = "", whole: bool = True
    ) -> Iterator[Problem]:
        kinds = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
            noun = "a whole number" if whole else "a number"
            hint = f"{noun} from {low:,g} to {high:,g}{' ' + unit if unit else ''}"
            yield self.problem(field, f"{value!r} is not allowed", hint)

    def matches(self, field: str, value: object, pattern: re.Pattern[str], hint: str) -> Iterator[Problem]:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            yield self.problem(field, f"{value!r} is not allowed", hint)

    def one_of(self, field: str, value: object, allowed: Iterable[Any]) -> Iterator[Problem]:
        choices = [str(choice) for choice in allowed]
        if value not in choices:
            yield self.problem(field, f"{value!r} is not allowed", "one of " + ", ".join(choices))

    def parses(self, field: str, parse: Callable[[], object]) -> Iterator[Problem]:
        """Whether ``parse`` succeeds; its error text becomes the message."""
        try:
            parse()
        except (ValueError, TypeError) as exc:
            yield self.problem(field, str(exc))


def batch_problems(
    check: Checker, batch: BatchSettings, rules: FilterRules, *, maximum_size: int, window_allowed: bool = True
) -> Iterator[Problem]:
    """Source: Lambda API: CreateEventSourceMapping."""
    from eventflow.policy.filtering import filter_problems  # whoever only declares (in Lambda) never checks

    yield from check.number("batch_size", batch.batch_size, 1, maximum_size, unit="records")
    window = batch.maximum_batching_window_seconds
    if window_allowed:
        yield from check.number("maximum_batching_window_seconds", window, 0, 300, unit="seconds", whole=False)
    elif window:
        yield check.problem("maximum_batching_window_seconds", f"{window!r} is not allowed", "FIFO queues have none")
    for message in filter_problems(batch.filters, rules):
        yield check.problem("filters", message)


def stream_problems(check: Checker, mapping: StreamMapping, *, positions: Iterable[str]) -> Iterator[Problem]:
    """Source: Lambda API: CreateEventSourceMapping."""
    yield from check.one_of("starting_position", mapping.starting_position, positions)
    timestamped = mapping.starting_position == StartingPosition.AT_TIMESTAMP
    if timestamped and mapping.starting_timestamp is None:
        yield check.problem("starting_timestamp", "is missing", "AT_TIMESTAMP needs a datetime")
    if not timestamped and mapping.starting_timestamp is not None:
        yield check.problem("starting_timestamp", "is set", "it goes with starting_position='AT_TIMESTAMP' only")
    moment = mapping.starting_timestamp
    if moment is not None and moment.tzinfo is None:
        yield check.problem("starting_timestamp", f"{moment!r} has no time zone", "use datetime(..., tzinfo=UTC)")
    yield from check.number("parallelization_factor", mapping.parallelization_factor, 1, 10)
    yield from check.number("tumbling_window_seconds", mapping.tumbling_window_seconds, 0, 900, unit="seconds")
    yield from check.number("maximum_retry_attempts", mapping.maximum_retry_attempts, -1, 10_000)
    age = mapping.maximum_record_age_seconds
    if age != -1 and (isinstance(age, bool) or not isinstance(age, int | float) or not 60 <= age <= 604_800):
        hint = "-1 for no limit, or from 60 to 604,800 seconds"
        yield check.problem("maximum_record_age_seconds", f"{age!r} is not allowed", hint)
    if mapping.tumbling_window_seconds and mapping.parallelization_factor > 1:
        hint = "a window has one state per shard, so use parallelization_factor=1"
        yield check.problem("tumbling_window_seconds", "cannot be combined with parallelization_factor", hint)


def as_filters(filters: Iterable[Mapping[str, Any] | str]) -> tuple[str, ...]:
    """Filters as JSON text, from dicts or text. A single dict or string is taken as a list of one."""
    if isinstance(filters, str | Mapping):
        filters = [filters]
    return tuple(item if isinstance(item, str) else json.dumps(item) for item in filters)
