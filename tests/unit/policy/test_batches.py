"""Batch filling (Lambda guide: invocation-eventsourcemapping), bisecting, record age, tumbling windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflow.policy.batches import BatchBuilder, BatchLimits, Window, halves, split_by_age, window_of


class Record(NamedTuple):
    name: str
    timestamp: float


def builder(*, batch_size: int = 3, maximum_bytes: int = 100, window_seconds: float = 0) -> BatchBuilder[str]:
    return BatchBuilder(BatchLimits(batch_size=batch_size, maximum_bytes=maximum_bytes, window_seconds=window_seconds))


def test_a_batch_is_closed_by_count() -> None:
    batch = builder(batch_size=2, window_seconds=60)
    assert batch.add("a", 1, now=0)
    assert not batch.is_due(now=0)
    assert batch.add("b", 1, now=0)
    assert batch.is_full
    assert batch.is_due(now=0)
    assert not batch.add("c", 1, now=0)
    assert batch.take() == ["a", "b"]


def test_a_batch_is_closed_by_bytes() -> None:
    batch = builder(maximum_bytes=10, window_seconds=60)
    assert batch.add("a", 6, now=0)
    assert not batch.add("b", 5, now=0)
    assert batch.is_full
    assert batch.is_due(now=0)
    assert batch.take() == ["a"]
    assert batch.add("b", 5, now=0)
    assert batch.add("c", 5, now=0)
    assert batch.bytes == 10


def test_a_batch_is_closed_by_its_window() -> None:
    batch = builder(window_seconds=5)
    batch.add("a", 1, now=10)
    batch.add("b", 1, now=12)
    assert batch.flush_at == 15
    assert not batch.is_due(now=14.9)
    assert batch.is_due(now=15)


def test_without_a_window_one_record_is_enough() -> None:
    batch = builder()
    batch.add("a", 1, now=10)
    assert batch.flush_at == 10
    assert batch.is_due(now=10)


def test_a_window_may_open_before_the_first_record() -> None:
    batch = builder(window_seconds=5)
    batch.open(now=10)
    batch.open(now=11)
    batch.add("a", 1, now=14)
    assert batch.flush_at == 15


def test_an_empty_batch_is_never_due_and_its_window_opens_again() -> None:
    batch = builder(window_seconds=5)
    batch.open(now=10)
    assert not batch.is_due(now=100)
    batch.add("a", 1, now=100)
    assert batch.flush_at == 105


def test_taking_leaves_an_empty_builder() -> None:
    batch = builder()
    batch.add("a", 7, now=0)
    assert batch.records == ("a",)
    assert batch.take() == ["a"]
    assert (len(batch), batch.bytes, batch.flush_at, batch.is_full) == (0, 0, None, False)
    assert batch.take() == []


def test_a_record_that_fits_no_batch_is_known_before() -> None:
    limits = BatchLimits(batch_size=1)
    assert not limits.oversized(6 * 1024 * 1024)
    assert limits.oversized(6 * 1024 * 1024 + 1)
    with pytest.raises(ValueError, match="fits no batch"):
        builder(maximum_bytes=10).add("a", 11, now=0)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.floats(0, 3)), max_size=60),
    st.integers(1, 10),
    st.integers(20, 60),
    st.floats(0, 10),
)
def test_batches_keep_every_record_in_order_within_the_limits(
    records: list[tuple[int, float]], batch_size: int, maximum_bytes: int, window: float
) -> None:
    batch: BatchBuilder[tuple[int, int, float]] = BatchBuilder(
        BatchLimits(batch_size=batch_size, maximum_bytes=maximum_bytes, window_seconds=window)
    )
    now, sent = 0.0, []
    for number, (size, pause) in enumerate(records):
        now += pause
        if batch.is_due(now=now):
            sent.append(batch.take())
        if not batch.add((number, size, now), size, now=now):
            sent.append(batch.take())
            assert batch.add((number, size, now), size, now=now)
    sent.append(batch.take())
    assert [number for taken in sent for number, _, _ in taken] == list(range(len(records)))
    for taken in sent[:-1]:
        assert 0 < len(taken) <= batch_size
        assert sum(size for _, size, _ in taken) <= maximum_bytes
        assert taken[-1][2] - taken[0][2] <= window


def test_halves_keep_order() -> None:
    assert halves([1, 2, 3, 4, 5]) == ([1, 2], [3, 4, 5])
    assert halves("ab") == ("a", "b")


@pytest.mark.parametrize("batch", [[], [1]])
def test_a_batch_of_one_cannot_be_bisected(batch: list[int]) -> None:
    with pytest.raises(ValueError, match="cannot be bisected"):
        halves(batch)


@given(st.integers(1, 10_000), st.data())
def test_bisecting_isolates_one_bad_record(size: int, data: st.DataObject) -> None:
    bad = data.draw(st.integers(0, size - 1))
    batch: range = range(size)
    rounds = 1
    while len(batch) > 1:
        first, second = halves(batch)
        batch = range(*slice_of(first if bad in first else second))
        rounds += 1
    assert list(batch) == [bad]
    assert rounds <= math.ceil(math.log2(size)) + 1


def slice_of(part: object) -> tuple[int, int]:
    assert isinstance(part, range)
    return part.start, part.stop


def test_records_older_than_the_maximum_age_are_split_off() -> None:
    records = [Record("old", 0), Record("edge", 40), Record("young", 41), Record("late", 10)]
    expired, young = split_by_age(records, 60, now=100)
    assert [record.name for record in expired] == ["old", "late"]
    assert [record.name for record in young] == ["edge", "young"]


def test_minus_one_is_no_age_limit() -> None:
    assert split_by_age([Record("old", 0)], -1, now=1e12) == ([], [Record("old", 0)])


def test_record_age_may_be_read_elsewhere() -> None:
    assert split_by_age([5.0, 95.0], 60, now=100, timestamp=lambda moment: moment) == ([5.0], [95.0])


def test_tumbling_windows_are_multiples_of_their_length() -> None:
    window = window_of(1_596_128_461.5, 300)
    assert window == Window(1_596_128_400, 1_596_128_700)
    assert window.to_wire() == {"start": "2020-07-30T17:00:00Z", "end": "2020-07-30T17:05:00Z"}


@given(st.floats(0, 4e9), st.integers(1, 900))
def test_every_moment_is_in_its_window(timestamp: float, length: int) -> None:
    start, end = window_of(timestamp, length)
    assert start <= timestamp < end
    assert (start % length, end - start) == (0, length)


class Numerals:
    """Records that say how much they weigh."""

    def sizes(self, records: Sequence[str]) -> list[int]:
        return [int(text) for text in records]

    def size_together(self, records: Sequence[str]) -> int:
        return sum(self.sizes(records))


class Rough(Numerals):
    """The whole is weighed generously."""

    def size_together(self, records: Sequence[str]) -> int:
        return super().size_together(records) + len(records)


@given(st.lists(st.integers(0, 120), max_size=12), st.integers(1, 6), st.integers(0, 3))
def test_filling_is_adding_one_by_one(sizes: list[int], batch_size: int, already: int) -> None:
    filled = builder(batch_size=batch_size, window_seconds=7)
    added = builder(batch_size=batch_size, window_seconds=7)
    for one in (filled, added):
        for number in range(min(already, batch_size)):
            one.add(f"before {number}", 10, now=1)
    count = filled.fill([str(size) for size in sizes], Numerals(), now=9)
    expected = 0
    for size in sizes:
        if size > 100 or not added.add(str(size), size, now=9):
            break
        expected += 1
    assert count == expected
    assert (filled.bytes, filled.is_full, filled.flush_at) == (added.bytes, added.is_full, added.flush_at)
    assert filled.take() == added.take()


@pytest.mark.parametrize(("sizes", "fit"), [(["50", "48"], 98), (["50", "49"], 99), (["50", "50"], 100)])
def test_records_that_fit_are_taken_in_though_a_rough_weight_says_otherwise(sizes: list[str], fit: int) -> None:
    filled = builder(batch_size=2)
    assert filled.fill(sizes, Rough(), now=0) == 2
    assert fit <= filled.bytes <= 100
