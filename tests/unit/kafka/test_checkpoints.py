from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from eventflow.model.records import Checkpoint
from eventflow_kafka.ahead import Ahead
from eventflow_kafka.checkpoints import START, TEXT_CHARACTERS, decode, decode_ahead, encode


@given(st.integers(min_value=0), st.none() | st.text())
def test_what_is_committed_comes_back(position: int, state: str | None) -> None:
    checkpoint = Checkpoint(position=position, state=state)
    assert decode(*encode(checkpoint)) == checkpoint


def test_the_offset_that_is_committed_is_the_next_one() -> None:
    assert encode(Checkpoint(position=41)) == (42, "")


def test_what_is_done_ahead_of_a_position_comes_back() -> None:
    offset, text = encode(Checkpoint(position=4, reached=9, pending=frozenset({5, 8})))
    assert decode(offset, text) == Checkpoint(position=4)
    assert decode_ahead(offset, text) == Ahead(10, frozenset({5, 8}))


def test_nothing_but_what_is_ahead_may_be_done() -> None:
    offset, text = encode(Checkpoint(position=-1, reached=2, pending=frozenset({0})))
    assert offset == 0
    assert decode(offset, text) == Checkpoint(position=-1)
    assert decode_ahead(offset, text) == Ahead(3, frozenset({0}))


def test_offsets_that_hold_no_record_hold_nothing_up() -> None:
    offset, _ = encode(Checkpoint(position=4, reached=9, pending=frozenset({7})))
    assert offset == 7
    assert encode(Checkpoint(position=4), Ahead(10, frozenset({4}))) == (10, "")


@given(st.integers(0, 1_000))
def test_the_text_fits_whatever_is_pending(seed: int) -> None:
    pending = frozenset({0, *Random(seed).sample(range(50_000), 5_000)})
    offset, text = encode(Checkpoint(position=-1, reached=60_000, pending=pending))
    assert TEXT_CHARACTERS - 30 < len(text) <= TEXT_CHARACTERS
    ahead = decode_ahead(offset, text)
    assert ahead.pending == {each for each in pending if each < ahead.end}


def test_texts_of_others_say_nothing_about_what_is_ahead() -> None:
    for text in (None, "", START, "eventflow-state:{}", "eventflow-ahead:", "eventflow-ahead:~", "eventflow-ahead:A"):
        assert decode_ahead(7, text).end <= 7


def test_where_reading_starts_is_no_progress() -> None:
    assert decode(42, START) is None
    assert decode(0, "") is None


def test_texts_of_other_programs_are_no_state() -> None:
    for text in ("", None, '{"window": 0}', "consumer-1"):
        assert decode(42, text) == Checkpoint(position=41)
