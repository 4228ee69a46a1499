from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eventflow.model.records import Checkpoint
from eventflow_kafka.checkpoints import START, decode, encode


@given(st.integers(min_value=0), st.none() | st.text())
def test_what_is_committed_comes_back(position: int, state: str | None) -> None:
    checkpoint = Checkpoint(position=position, state=state)
    assert decode(*encode(checkpoint)) == checkpoint


def test_the_offset_that_is_committed_is_the_next_one() -> None:
    assert encode(Checkpoint(position=41)) == (42, "")


def test_where_reading_starts_is_no_progress() -> None:
    assert decode(42, START) is None
    assert decode(0, "") is None


def test_texts_of_other_programs_are_no_state() -> None:
    for text in ("", None, '{"window": 0}', "consumer-1"):
        assert decode(42, text) == Checkpoint(position=41)
