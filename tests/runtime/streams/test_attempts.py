"""Decisions about batches, without a clock or a loop."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from eventflow.model.destinations import Service
from eventflow.model.mapping import BatchSettings, StartingPosition, StreamMapping
from eventflow.model.records import StreamRecord
from eventflow.runtime.streams.attempts import (
    Advanced,
    Divided,
    Exhausted,
    Finished,
    Repeated,
    RetryLimits,
    Verdict,
    Work,
    next_step,
)
from eventflow.triggers.destinations import to_sqs

ANY = RetryLimits(maximum_attempts=None, maximum_record_age_seconds=-1, bisect=False)


def records(count: int) -> list[StreamRecord]:
    return [StreamRecord("p", number, None, b"", 0.0, {}) for number in range(count)]


def mapping(*, retries: int = -1, destination: bool = False) -> StreamMapping:
    return StreamMapping(
        batch=BatchSettings(batch_size=10),
        starting_position=StartingPosition.LATEST,
        maximum_retry_attempts=retries,
        on_failure=to_sqs("failed") if destination else None,
    )


def test_retries_are_invocations_after_the_first() -> None:
    limits = RetryLimits.of(mapping(retries=3), Service.KINESIS)
    assert [limits.exhausted(attempts) for attempts in range(1, 5)] == [False, False, False, True]


def test_unlimited_retries_are_capped_for_kafka_with_a_destination_only() -> None:
    assert RetryLimits.of(mapping(destination=True), Service.KAFKA).maximum_attempts == 11
    assert RetryLimits.of(mapping(), Service.KAFKA).maximum_attempts is None
    assert RetryLimits.of(mapping(destination=True), Service.KINESIS).maximum_attempts is None
    assert RetryLimits.of(mapping(retries=20, destination=True), Service.KAFKA).maximum_attempts == 21


def test_age_is_strictly_more_than_the_limit() -> None:
    limits = RetryLimits(maximum_attempts=None, maximum_record_age_seconds=60, bisect=False)
    assert not limits.too_old(0.0, now=60.0)
    assert limits.too_old(0.0, now=60.0 + limits.seconds_left(0.0, now=60.0))
    assert ANY.seconds_left(0.0, now=1e9) == math.inf
    assert not ANY.too_old(0.0, now=1e9)


def test_what_follows_from_a_verdict() -> None:
    three, bisecting = records(3), RetryLimits(maximum_attempts=2, maximum_record_age_seconds=-1, bisect=True)
    work = Work(three, attempts=1)
    assert next_step(work, Verdict(), ANY) == Finished()
    assert next_step(work, Verdict(first_failed=2), ANY) == Advanced(three[:2], Work(three[2:]))
    assert next_step(work, Verdict(first_failed=0, raised=True), ANY) == Repeated(Work(three, 2))
    assert next_step(work, Verdict(first_failed=0), bisecting) == Exhausted(Work(three, 2))
    divided = Divided(Work(three[:1], 1), Work(three[1:], 1))
    assert next_step(work, Verdict(first_failed=0, raised=True), bisecting) == divided
    alone = Work(three[:1], 1)
    assert next_step(alone, Verdict(first_failed=0, raised=True), bisecting) == Exhausted(Work(three[:1], 2))


@given(size=st.integers(1, 200), poison=st.integers(0, 199))
def test_bisecting_isolates_one_bad_record_in_as_many_rounds_as_it_can_be_halved(size: int, poison: int) -> None:
    poison %= size
    limits = RetryLimits(maximum_attempts=1, maximum_record_age_seconds=-1, bisect=True)
    pending, rounds, given_up = [Work(records(size))], 0, []
    order: list[int] = []
    while pending:
        work = pending.pop()
        bad = any(record.position == poison for record in work.records)
        rounds += bad
        match next_step(work, Verdict(first_failed=0, raised=True) if bad else Verdict(), limits):
            case Divided(first, second):
                pending += [second, first]
            case Exhausted(last):
                given_up += [int(record.position) for record in last.records]
                order += given_up
            case Finished():
                order += [int(record.position) for record in work.records]
            case step:
                raise AssertionError(step)
    assert given_up == [poison]
    assert order == list(range(size))
    assert rounds <= math.ceil(math.log2(size)) + 1
