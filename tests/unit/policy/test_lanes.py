from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from eventflow.policy import lanes
from eventflow.policy.lanes import CROWDED, Watermark, lane_of


@given(st.text() | st.binary(), st.integers(1, 100))
def test_a_key_always_has_the_same_lane(key: str | bytes, lanes: int) -> None:
    assert lane_of(key, lanes) in range(lanes)
    assert lane_of(key, lanes) == lane_of(key, lanes)


def test_lanes_are_stable_over_versions() -> None:
    """Changing these would break the order of records in flight over an upgrade."""
    assert [lane_of(key, 10) for key in ("customer-1", b"customer-1", "customer-7", "", "\ud800")] == [9, 9, 0, 0, 0]


def test_keys_spread_over_the_lanes() -> None:
    counts = [0] * 10
    for number in range(10_000):
        counts[lane_of(f"customer-{number}", 10)] += 1
    assert min(counts) > 800


def test_records_without_a_key_share_the_first_lane() -> None:
    assert lane_of(None, 10) == 0


def test_the_watermark_waits_for_the_first_record_that_runs() -> None:
    mark = Watermark()
    for position in (1, 2, 3):
        mark.started([position])
    assert mark.done(2) is None
    assert mark.position is None
    assert mark.done(1) == 2
    assert mark.outstanding == 1
    assert mark.done(3) == 3
    assert mark.position == 3


def test_positions_need_not_be_numbers_or_dense() -> None:
    mark = Watermark()
    for position in ("49590", "49700", "49600"):
        mark.started([position])
    assert mark.done("49590") == "49590"
    assert mark.done("49600") is None
    assert mark.done("49700") == "49600"


def test_done_is_idempotent() -> None:
    mark = Watermark()
    mark.started([1])
    mark.started([2])
    assert mark.done(1) == 1
    assert mark.done(1) is None
    assert mark.done(99) is None
    assert (mark.position, mark.outstanding) == (1, 1)


def test_starting_twice_counts_once() -> None:
    mark = Watermark()
    mark.started([1])
    mark.started([1])
    assert mark.outstanding == 1
    assert mark.done(1) == 1
    assert mark.outstanding == 0


def test_a_record_that_runs_again_holds_the_watermark_again() -> None:
    mark = Watermark()
    mark.started([1])
    mark.started([2])
    mark.done(2)
    mark.started([2])
    assert mark.done(1) == 1
    assert mark.done(2) == 2


def test_what_finishes_behind_a_record_that_never_does_is_forgotten() -> None:
    mark = Watermark()
    mark.started(["stuck"])
    for number in range(10 * CROWDED):
        mark.started([number])
        assert mark.done(number) is None
    assert mark.remembered <= CROWDED + 1
    assert mark.reached == 10 * CROWDED - 1
    assert mark.done("stuck") == 10 * CROWDED - 1


class WatermarkMachine(RuleBasedStateMachine):
    """Records are read in order and finish in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.mark = Watermark()
        self.finished: list[bool] = []
        self.committed = -1

    @rule(count=st.integers(1, 5))
    def read(self, count: int) -> None:
        for _ in range(count):
            self.mark.started([len(self.finished)])
            self.finished.append(False)

    @precondition(lambda self: self.finished)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        position = data.draw(st.integers(0, len(self.finished) - 1))
        self.finished[position] = True
        moved = self.mark.done(position)
        if moved is not None:
            assert isinstance(moved, int)
            assert moved > self.committed
            self.committed = moved

    @invariant()
    def it_never_passes_an_unprocessed_record_and_never_lags(self) -> None:
        first_open = self.finished.index(False) if False in self.finished else len(self.finished)
        assert self.committed == first_open - 1
        assert self.mark.outstanding == self.finished.count(False)


TestWatermark = WatermarkMachine.TestCase


def test_a_crowded_watermark_is_no_less_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "CROWDED", 2)
    run_state_machine_as_test(WatermarkMachine)


@given(st.lists(st.integers(0, 8), max_size=10), st.lists(st.integers(0, 8), max_size=4))
def test_done_together_is_done_one_by_one(together: list[int], before: list[int]) -> None:
    marks = Watermark(), Watermark()
    for mark in marks:
        mark.started([1, 3, 2, 5, 4])
        for position in before:
            mark.done(position)
    moved = marks[0].done_together(together)
    singly = [marks[1].done(position) for position in together]
    assert moved == next((position for position in reversed(singly) if position is not None), None)
    assert marks[0].position == marks[1].position
    assert marks[0].running == marks[1].running
