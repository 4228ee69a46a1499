from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflow_kafka.ahead import Ahead


@st.composite
def aheads(draw: st.DrawFn) -> Ahead:
    """Something is pending, and something behind the last of it is done."""
    start = draw(st.integers(0, 2**40))
    pending = frozenset(start + each for each in draw(st.sets(st.integers(1, 500))) | {0})
    return Ahead(max(pending) + draw(st.integers(2, 1_000_000)), pending)


@given(aheads())
def test_what_is_written_is_read_again(ahead: Ahead) -> None:
    assert Ahead.from_text(ahead.first, ahead.to_text(4_000)) == ahead


@given(aheads(), st.integers(0, 60))
def test_what_does_not_fit_is_left_out_and_nothing_is_done_that_was_not(ahead: Ahead, maximum: int) -> None:
    text = ahead.to_text(maximum)
    assert len(text) <= maximum
    read = Ahead.from_text(ahead.first, text)
    assert read.end <= ahead.end
    assert read.pending == {offset for offset in ahead.pending if offset < read.end}


def test_nothing_is_written_while_nothing_is_done_behind_what_is_pending() -> None:
    assert Ahead(10, frozenset({7, 8, 9})).to_text(100) == ""
    assert Ahead(10, frozenset({4, 7, 8, 9})).to_text(100) == Ahead(7, frozenset({4})).to_text(100)


def test_a_thousand_blocked_keys_fit_into_what_a_cluster_keeps() -> None:
    ahead = Ahead(1_000_000, frozenset(range(0, 100_000, 100)))
    assert Ahead.from_text(0, ahead.to_text(4_000)) == ahead


def test_what_was_not_read_again_stays_as_it_was() -> None:
    before = Ahead(100, frozenset({10, 20, 30, 40}))
    assert before.then(15, end=21, pending=[20]) == Ahead(100, frozenset({20, 30, 40}))
    assert before.then(10, end=10, pending=[]) == before
    assert before.then(21, end=31, pending=[30]) == Ahead(100, frozenset({30, 40}))
    assert before.then(41, end=41, pending=[]) == Ahead(100)
    assert before.then(41, end=120, pending=[110]) == Ahead(120, frozenset({110}))


@given(st.text(alphabet="ABCabc-_019~ ", max_size=12))
def test_texts_that_are_not_ours_are_refused_or_say_something_sane(text: str) -> None:
    try:
        ahead = Ahead.from_text(5, text)
    except ValueError:
        return
    assert ahead.end >= 5
    assert all(5 <= offset < ahead.end for offset in ahead.pending)


def test_a_text_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="not ours"):
        Ahead.from_text(0, "_____w8")  # one run of 2^32 pending records
