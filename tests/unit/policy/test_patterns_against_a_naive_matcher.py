"""The compiled matcher answers what the definition says.

Definition: flatten the event into (path, value, which element of which array), give every field of the pattern a value,
and require that no two of them sit in different elements of one array. ``exists: false`` requires that no value at
its path fits the values chosen. The matcher here tries every choice.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from eventflow.errors import InvalidEventPatternError
from eventflow.policy.patterns import EventPattern

Trace: TypeAlias = dict[int, int]
Value: TypeAlias = tuple[tuple[str, ...], Any, Trace]


def flatten(event: Any, path: tuple[str, ...], trace: Trace, arrays: Iterator[int]) -> Iterator[Value]:
    if isinstance(event, dict):
        for name, value in event.items():
            yield from flatten(value, (*path, *name.split(".")), trace, arrays)
    elif isinstance(event, list):
        array = next(arrays)
        for index, value in enumerate(event):
            yield from flatten(value, path, {**trace, array: index}, arrays)
    else:
        yield path, event, trace


def rules(pattern: dict[str, Any], path: tuple[str, ...] = ()) -> list[dict[tuple[str, ...], list[Any]]]:
    combined: list[dict[tuple[str, ...], list[Any]]] = [{}]
    for name, value in pattern.items():
        if name == "$or":
            branches = [rule for branch in value for rule in rules(branch, path)]
        elif isinstance(value, dict):
            branches = rules(value, (*path, *name.split(".")))
        else:
            branches = [{(*path, *name.split(".")): value}]
        combined = [left | right for left in combined for right in branches]
    return combined


def accepts(matcher: Any, value: Any) -> bool:
    if not isinstance(matcher, dict):
        return isinstance(matcher, bool) == isinstance(value, bool) and matcher == value
    [(operator, operand)] = matcher.items()
    match operator:
        case "exists":
            return bool(operand)
        case "prefix":
            return isinstance(value, str) and value[: len(operand)] == operand
        case "anything-but":
            return not any(accepts(excluded, value) for excluded in operand)
        case _:
            return isinstance(value, int | float) and not isinstance(value, bool) and value > operand[1]


def consistent(traces: list[Trace]) -> bool:
    return all(
        left[array] == right[array]
        for left, right in itertools.combinations(traces, 2)
        for array in left.keys() & right.keys()
    )


def naive_match(pattern: dict[str, Any], event: dict[str, Any]) -> bool:
    values = list(flatten(event, (), {}, itertools.count()))
    return any(rule_matches(rule, values) for rule in rules(pattern))


def rule_matches(rule: dict[tuple[str, ...], list[Any]], values: list[Value]) -> bool:
    choices: list[list[tuple[tuple[str, ...], Trace | None]]] = []
    for path, matchers in rule.items():
        found: list[tuple[tuple[str, ...], Trace | None]] = [
            (path, trace)
            for at, value, trace in values
            if at == path and any(accepts(matcher, value) for matcher in matchers)
        ]
        if {"exists": False} in matchers:
            found.append((path, None))
        choices.append(found)
    for chosen in itertools.product(*choices):
        traces = [trace for _, trace in chosen if trace is not None]
        missing = {path for path, trace in chosen if trace is None}
        others = [trace for at, _, trace in values if at in missing]
        if consistent(traces) and not any(consistent([*traces, other]) for other in others):
            return True
    return False


scalars = st.sampled_from(["x", "xy", "", 1, 1.0, 2, True, None])
names = st.sampled_from(["a", "b", "c"])
events = st.dictionaries(
    names,
    st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.dictionaries(names, inner, max_size=3), st.lists(inner, max_size=3), st.lists(inner, max_size=3)
        ),
        max_leaves=8,
    ),
    max_size=3,
)
matchers = st.lists(
    st.one_of(
        scalars,
        st.sampled_from(
            [
                {"exists": True},
                {"exists": False},
                {"prefix": "x"},
                {"anything-but": ["x"]},
                {"anything-but": [1]},
                {"numeric": [">", 1]},
            ]
        ),
    ),
    min_size=1,
    max_size=2,
)
pattern_names = st.sampled_from(["a", "b", "c", "a.b"])


def with_or(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda fields, branches: {**fields, "$or": branches} if branches else fields,
        inner,
        st.one_of(st.none(), st.lists(inner, min_size=2, max_size=2)),
    )


level_1 = st.dictionaries(pattern_names, matchers, min_size=1, max_size=2)
level_2 = with_or(st.dictionaries(pattern_names, st.one_of(matchers, level_1), min_size=1, max_size=2))
patterns = with_or(st.dictionaries(pattern_names, st.one_of(matchers, level_1, level_2), min_size=1, max_size=2))


def compiled(pattern: dict[str, Any]) -> EventPattern | None:
    try:
        return EventPattern(pattern)
    except InvalidEventPatternError as error:
        assert "multiple times" in error.reason  # noqa: PT017 - the only mistake these patterns can have
        return None


@given(patterns, events)
def test_matching_agrees_with_the_definition(pattern: dict[str, Any], event: dict[str, Any]) -> None:
    fast = compiled(pattern)
    if fast is not None:
        assert fast.matches(event) == naive_match(pattern, event)


def dotted(event: Any, choose: Any) -> Any:
    """The same event with some of its nesting written as dots."""
    if isinstance(event, list):
        return [dotted(value, choose) for value in event]
    if not isinstance(event, dict):
        return event
    rewritten: dict[str, Any] = {}
    for name, value in event.items():
        inner = dotted(value, choose)
        if not isinstance(inner, dict):
            rewritten[name] = inner
            continue
        kept = {}
        for below, found in inner.items():
            if choose():
                rewritten[f"{name}.{below}"] = found
            else:
                kept[below] = found
        rewritten[name] = kept
    return rewritten


@given(patterns, events, st.data())
def test_writing_nesting_as_dots_changes_nothing(pattern: dict[str, Any], event: dict[str, Any], data: Any) -> None:
    fast = compiled(pattern)
    if fast is not None:
        rewritten = dotted(event, lambda: data.draw(st.booleans()))
        assert fast.matches(rewritten) == fast.matches(event)


@given(st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=4), st.text("ab", max_size=12))
def test_a_wildcard_agrees_with_trying_every_split(pieces: list[str], text: str) -> None:
    def splits(rest: list[str], left: str) -> bool:
        if not rest:
            return not left
        return any(
            left[skip:].startswith(rest[0])
            and (len(rest) > 1 or skip + len(rest[0]) == len(left))
            and (len(rest) == 1 or splits(rest[1:], left[skip + len(rest[0]) :]))
            for skip in range(len(left) + 1)
        )

    expected = text.startswith(pieces[0]) and (
        splits(pieces[1:], text[len(pieces[0]) :]) if len(pieces) > 1 else text == pieces[0]
    )
    assert EventPattern({"f": [{"wildcard": "*".join(pieces)}]}).matches({"f": text}) == expected
