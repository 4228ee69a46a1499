"""Reservations and the scaling of queue pollers. Source: Lambda guide: services-sqs-scaling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflow.policy.concurrency import QueueScaling, next_pollers, unreserved


def test_reservations_leave_the_rest_to_the_others() -> None:
    assert unreserved(1_000, []) == 1_000
    assert unreserved(1_000, [100, 0, 400]) == 500
    assert unreserved(100, [80, 80]) == 0


def after(state: QueueScaling, *, seconds: float = 1, full: int = 0, empty: int = 0, backlog: int = 0) -> int:
    return next_pollers(state, now=state.decided_at + seconds, full=full, empty=empty, backlog=backlog)


def test_a_mapping_starts_with_five_pollers_or_its_limit() -> None:
    assert QueueScaling(decided_at=0).pollers == 5
    assert QueueScaling(decided_at=0, maximum_concurrency=2).pollers == 2
    assert QueueScaling(decided_at=0, groups=3).pollers == 3


def test_full_batches_add_three_hundred_pollers_a_minute() -> None:
    state = QueueScaling(decided_at=0)
    assert after(state, seconds=1, full=5, backlog=10_000) == 10
    assert after(state, seconds=60, full=5, backlog=10_000) == 305
    assert after(state, seconds=3_600, full=5, backlog=10_000) == 305


def test_a_backlog_alone_adds_pollers() -> None:
    assert after(QueueScaling(decided_at=0), backlog=1_000) == 10


def test_there_are_never_more_pollers_than_records() -> None:
    assert after(QueueScaling(decided_at=0), seconds=60, full=5, backlog=7) == 7
    assert after(QueueScaling(decided_at=0, pollers=50), full=1, backlog=7) == 50


def test_growth_ends_at_the_ceiling() -> None:
    plenty = 1_000_000
    assert after(QueueScaling(decided_at=0, pollers=1_249), full=9, backlog=plenty) == 1_250
    assert after(QueueScaling(decided_at=0, maximum_concurrency=7), full=9, backlog=plenty) == 7
    assert after(QueueScaling(decided_at=0, groups=6), full=9, backlog=plenty) == 6
    assert after(QueueScaling(decided_at=0, groups=0), full=9, backlog=plenty) == 1


def test_empty_receives_fall_back_to_five_and_then_to_two() -> None:
    state, numbers = QueueScaling(decided_at=0, pollers=40), []
    for second in range(1, 7):
        pollers = next_pollers(state, now=second, full=0, empty=3, backlog=0)
        state = state.decided(pollers, now=second)
        numbers.append(pollers)
    assert numbers == [20, 10, 5, 2, 2, 2]


def test_a_maximum_concurrency_keeps_five_when_idle() -> None:
    assert after(QueueScaling(decided_at=0, pollers=5, maximum_concurrency=10), empty=5) == 5
    assert after(QueueScaling(decided_at=0, pollers=2, maximum_concurrency=2), empty=5) == 2


def test_records_in_flight_elsewhere_do_not_hold_idle_pollers() -> None:
    assert after(QueueScaling(decided_at=0, pollers=5), empty=5, backlog=1_000) == 2


@pytest.mark.parametrize(("full", "empty", "backlog"), [(1, 1, 1_000), (0, 0, 0), (0, 0, 5)])
def test_a_mixed_picture_changes_nothing(full: int, empty: int, backlog: int) -> None:
    assert after(QueueScaling(decided_at=0, pollers=9), seconds=30, full=full, empty=empty, backlog=backlog) == 9


def test_an_idle_mapping_wakes_up() -> None:
    assert after(QueueScaling(decided_at=0, pollers=2), full=1, backlog=100) == 7


@given(
    st.integers(1, 2_000),
    st.none() | st.integers(2, 1_000),
    st.none() | st.integers(0, 50),
    st.floats(-10, 10_000),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 100_000),
)
def test_the_number_is_always_within_its_bounds(
    pollers: int,
    maximum: int | None,
    groups: int | None,
    seconds: float,
    full: int,
    empty: int,
    backlog: int,
) -> None:
    state = QueueScaling(decided_at=100, pollers=pollers, maximum_concurrency=maximum, groups=groups)
    wanted = next_pollers(state, now=100 + seconds, full=full, empty=empty, backlog=backlog)
    assert 1 <= wanted <= state.most <= 1_250
    assert wanted - state.pollers <= 300
