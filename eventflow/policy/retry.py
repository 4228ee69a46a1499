"""When something is tried again: asynchronous invocation's rules, and delays of the loops around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from eventflow.model import limits
from eventflow.model.destinations import Condition

if TYPE_CHECKING:
    from eventflow.model.invocation import QueuedEvent

FUNCTION_ERROR_DELAY_SECONDS: Final = 60.0
THROTTLE_DELAY_SECONDS: Final = 1.0
MAXIMUM_THROTTLE_DELAY_SECONDS: Final = 300.0


class EventInvokeConfig(NamedTuple):
    """Limits of asynchronous invocation. Source: Lambda API: PutFunctionEventInvokeConfig."""

    maximum_retry_attempts: int = limits.DEFAULT_RETRY_ATTEMPTS
    maximum_event_age_seconds: float = limits.DEFAULT_EVENT_AGE_SECONDS


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Run the event again at ``when`` (epoch seconds)."""

    when: float


@dataclass(frozen=True, slots=True)
class Discard:
    """Give the event up and say so to the on-failure destination and the dead-letter queue."""

    condition: Condition


def before_attempt(*, reserved_concurrency: int | None) -> Discard | None:
    """What to do instead of running an event; ``None`` to run it. A function with no concurrency never runs, and
    waiting would not help (Lambda guide: invocation-async-retain-records)."""
    return Discard(Condition.ZERO_RESERVED_CONCURRENCY) if reserved_concurrency == 0 else None


def after_function_error(event: QueuedEvent, config: EventInvokeConfig, *, now: float) -> RetryAt | Discard:
    """Again after one minute, then two. ``event.attempt`` includes the attempt that just failed.

    The age is checked ahead of the wait: an event that would be too old by then is given up at once.
    Source: Lambda guide: invocation-async-error-handling.
    """
    if event.attempt > config.maximum_retry_attempts:
        return Discard(Condition.RETRIES_EXHAUSTED)
    return _unless_too_old(event, config, when=now + FUNCTION_ERROR_DELAY_SECONDS * event.attempt)


def after_throttle(
    event: QueuedEvent, config: EventInvokeConfig, *, now: float, jitter: float = 0.0
) -> RetryAt | Discard:
    """Again after 1 s, doubling to 5 minutes, until the event is too old; no attempt is used up.

    ``event.backoffs`` counts the throttles before this one. System errors follow the same rule.
    """
    delay = _doubling(
        event.backoffs, first=THROTTLE_DELAY_SECONDS, longest=MAXIMUM_THROTTLE_DELAY_SECONDS, jitter=jitter
    )
    return _unless_too_old(event, config, when=now + delay)


def destination_backoff(attempt: int, *, jitter: float = 0.0) -> float:
    """Seconds until a destination that did not take its message is tried again: 1 s doubling to 5 minutes.

    Here and below, ``attempt`` counts the failures in a row, this one included, from 1. ``jitter`` is a random
    number from 0 to 1 that the caller drew; it takes up to half of the delay off.
    """
    return _doubling(attempt - 1, first=1.0, longest=300.0, jitter=jitter)


def stream_backoff(attempt: int, *, jitter: float = 0.0) -> float:
    """Seconds until a stream's failed batch is tried again: 0.5 s doubling to 60 s. Lambda's own schedule is
    unpublished; this one fits the attempts observed in a minute."""
    return _doubling(attempt - 1, first=0.5, longest=60.0, jitter=jitter)


def message_backoff(attempt: int, *, jitter: float = 0.0) -> float:
    """Seconds until a message that failed is delivered again, where its broker leaves that to the consumer: 1 s
    doubling to 60 s. What Lambda's pollers do is unpublished."""
    return _doubling(attempt - 1, first=1.0, longest=60.0, jitter=jitter)


def reconnect_backoff(attempt: int, *, jitter: float = 0.0) -> float:
    """Seconds until an unreachable service is tried again: 0.2 s doubling to 30 s."""
    return _doubling(attempt - 1, first=0.2, longest=30.0, jitter=jitter)


def _unless_too_old(event: QueuedEvent, config: EventInvokeConfig, *, when: float) -> RetryAt | Discard:
    if when - event.accepted_at >= config.maximum_event_age_seconds:
        return Discard(Condition.EVENT_AGE_EXCEEDED)
    return RetryAt(when)


def _doubling(doublings: int, *, first: float, longest: float, jitter: float) -> float:
    # 64 doublings pass any cap; more of them would only overflow.
    delay: float = min(longest, first * 2.0 ** min(max(doublings, 0), 64))
    return delay * (1 - jitter / 2)
