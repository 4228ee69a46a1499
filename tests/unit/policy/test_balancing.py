"""Spreading partitions over members."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from eventflow.policy.balancing import balance


@given(
    assignees=st.dictionaries(st.text("pqrst", min_size=1), st.none() | st.sampled_from("abcdef")),
    members=st.sets(st.sampled_from("abcde"), min_size=1),
)
def test_partitions_are_spread_evenly_and_those_in_place_stay(
    assignees: dict[str, str | None], members: set[str]
) -> None:
    after = balance(assignees, members)
    counts = Counter(dict.fromkeys(members, 0))
    counts.update(assignee for assignee in after.values() if assignee is not None)
    assert after.keys() == assignees.keys()
    assert max(counts.values()) - min(counts.values()) <= 1
    assert counts.keys() == members
    assert balance(after, members) == after


@given(count=st.integers(1, 30), before=st.integers(1, 6))
def test_a_new_member_moves_only_its_own_share(count: int, before: int) -> None:
    members = [f"m{number}" for number in range(before)]
    first = balance({f"p{number}": None for number in range(count)}, members)
    second = balance(first, [*members, "new"])
    assert all(second[name] == "new" for name in first if first[name] != second[name])


def test_without_members_nobody_is_assigned() -> None:
    assert balance({"p": "a"}, []) == {"p": None}
