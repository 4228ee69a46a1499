"""Asynchronous retries, with the vectors observed on AWS (Lambda guide: invocation-async-error-handling)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflow.model.destinations import Condition
from eventflow.model.invocation import QueuedEvent
from eventflow.policy.retry import (
    Discard,
    EventInvokeConfig,
    RetryAt,
    after_function_error,
    after_throttle,
    before_attempt,
    destination_backoff,
    message_backoff,
    reconnect_backoff,
    stream_backoff,
)


def event(*, attempt: int = 0, backoffs: int = 0, accepted_at: float = 0.0) -> QueuedEvent:
    return QueuedEvent(
        request_id="r",
        function_name="f",
        source="direct",
        payload=b"{}",
        accepted_at=accepted_at,
        due_at=accepted_at,
        attempt=attempt,
        backoffs=backoffs,
    )


def history(config: EventInvokeConfig, *, accepted_at: float = 1_000.0) -> tuple[list[float], Condition]:
    """When a function that always raises at once is attempted, and what is said in the end."""
    now, attempts = accepted_at, []
    while True:
        attempts.append(now - accepted_at)
        decision = after_function_error(event(attempt=len(attempts), accepted_at=accepted_at), config, now=now)
        if isinstance(decision, Discard):
            return attempts, decision.condition
        now = decision.when


@pytest.mark.parametrize(
    ("retries", "age", "attempts", "condition"),
    [
        pytest.param(0, 21_600, [0], Condition.RETRIES_EXHAUSTED, id="vector 1"),
        pytest.param(1, 21_600, [0, 60], Condition.RETRIES_EXHAUSTED, id="one retry"),
        pytest.param(2, 21_600, [0, 60, 180], Condition.RETRIES_EXHAUSTED, id="vector 2"),
        pytest.param(2, 60, [0], Condition.EVENT_AGE_EXCEEDED, id="vector 3, age 60"),
        pytest.param(2, 90, [0, 60], Condition.EVENT_AGE_EXCEEDED, id="vector 3, age 90"),
        pytest.param(2, 180, [0, 60], Condition.EVENT_AGE_EXCEEDED, id="age is reached exactly"),
        pytest.param(0, 60, [0], Condition.RETRIES_EXHAUSTED, id="retries count before age"),
    ],
)
def test_function_errors(retries: int, age: float, attempts: list[float], condition: Condition) -> None:
    config = EventInvokeConfig(maximum_retry_attempts=retries, maximum_event_age_seconds=age)
    assert history(config) == (attempts, condition)


def test_vector_4_without_concurrency_nothing_runs() -> None:
    assert before_attempt(reserved_concurrency=0) == Discard(Condition.ZERO_RESERVED_CONCURRENCY)
    assert before_attempt(reserved_concurrency=1) is None
    assert before_attempt(reserved_concurrency=None) is None


def test_the_defaults_are_lambdas() -> None:
    assert EventInvokeConfig() == EventInvokeConfig(maximum_retry_attempts=2, maximum_event_age_seconds=21_600)


def test_throttles_wait_one_second_doubling_to_five_minutes() -> None:
    delays = []
    for backoffs in range(11):
        decision = after_throttle(event(backoffs=backoffs), EventInvokeConfig(), now=0)
        assert isinstance(decision, RetryAt)
        delays.append(decision.when)
    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_throttles_use_up_no_attempts() -> None:
    config = EventInvokeConfig(maximum_retry_attempts=0)
    assert after_throttle(event(attempt=1, backoffs=3), config, now=0) == RetryAt(8)


def test_a_throttled_event_ends_with_its_age() -> None:
    config = EventInvokeConfig(maximum_event_age_seconds=60)
    assert after_throttle(event(backoffs=5), config, now=27) == RetryAt(59)
    assert after_throttle(event(backoffs=5), config, now=28) == Discard(Condition.EVENT_AGE_EXCEEDED)


@given(st.integers(0, 2), st.floats(60, 21_600), st.floats(0, 4e9))
def test_a_failing_event_ends_within_its_limits(retries: int, age: float, accepted_at: float) -> None:
    config = EventInvokeConfig(maximum_retry_attempts=retries, maximum_event_age_seconds=age)
    attempts, _ = history(config, accepted_at=accepted_at)
    assert len(attempts) <= retries + 1
    assert attempts[-1] < age


@given(st.floats(60, 21_600), st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_a_throttled_event_ends_within_its_age(age: float, jitters: list[float]) -> None:
    config = EventInvokeConfig(maximum_event_age_seconds=age)
    now = 0.0
    for backoffs, jitter in enumerate(jitters):
        decision = after_throttle(event(backoffs=backoffs), config, now=now, jitter=jitter)
        if isinstance(decision, Discard):
            break
        assert now < decision.when < age
        now = decision.when


@pytest.mark.parametrize(
    ("backoff", "delays", "longest"),
    [
        (destination_backoff, [1, 2, 4, 8], 300),
        (stream_backoff, [0.5, 1, 2, 4], 60),
        (message_backoff, [1, 2, 4, 8], 60),
        (reconnect_backoff, [0.2, 0.4, 0.8, 1.6], 30),
    ],
)
def test_backoffs_double_up_to_their_longest(
    backoff: Callable[..., float], delays: list[float], longest: float
) -> None:
    assert [backoff(attempt) for attempt in (1, 2, 3, 4)] == pytest.approx(delays)
    assert backoff(10_000) == longest


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_delays_never_decrease_and_jitter_halves_them_at_most(attempt: int, jitter: float) -> None:
    for backoff in (destination_backoff, stream_backoff, message_backoff, reconnect_backoff):
        assert backoff(attempt) <= backoff(attempt + 1)
        assert backoff(attempt) / 2 <= backoff(attempt, jitter=jitter) <= backoff(attempt)


def test_the_stream_schedule_fits_the_attempts_observed_in_a_minute() -> None:
    """Vector 8: age limit 60 s, unlimited retries, eight invocations."""

    def attempts_in_a_minute(jitter: float) -> int:
        now, attempts = 0.0, 0
        while now <= 60:
            attempts += 1
            now += stream_backoff(attempts, jitter=jitter)
        return attempts

    assert [attempts_in_a_minute(jitter) for jitter in (0.0, 0.25, 1.0)] == [7, 8, 8]
