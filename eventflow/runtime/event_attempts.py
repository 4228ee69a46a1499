"""One attempt at an event, and what follows from it. Source: Lambda guide: invocation-async-error-handling."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, assert_never

import anyio
from pydantic_core import from_json

from eventflow.errors import FunctionNotFoundError
from eventflow.model import limits
from eventflow.model.destinations import Condition
from eventflow.model.outcome import FunctionFailed, Outcome, Succeeded, Throttled, TimedOut
from eventflow.policy.retry import (
    Discard,
    EventInvokeConfig,
    RetryAt,
    after_function_error,
    after_throttle,
    before_attempt,
)
from eventflow.runtime.event_work import UNDECODED
from eventflow.runtime.failure_log import log_failure
from eventflow.runtime.functions import subject_of
from eventflow.runtime.invoker import invoke_here
from eventflow.runtime.metrics import DropReason
from eventflow.runtime.responses import response_of, response_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventflow.model.function import FunctionSettings
    from eventflow.model.invocation import QueuedEvent
    from eventflow.ports import Clock
    from eventflow.runtime.event_deliveries import Deliveries
    from eventflow.runtime.event_work import Work
    from eventflow.runtime.functions import Functions, RunningFunction
    from eventflow.runtime.invoker import Entry
    from eventflow.runtime.metrics import Metrics

_log = logging.getLogger(__name__)

MAXIMUM_WAITING: Final = 64
"""Events of one function that wait in memory for a permit; the others back off in the store."""
MAXIMUM_WAITING_IN_ALL: Final = 256
WAITING_SECONDS: Final = 20.0
UNKNOWN_FUNCTION_SECONDS: Final = 60.0


class Attempts:
    """Runs events. What the store is to keep of one is returned, ``None`` if it is over."""

    def __init__(
        self,
        functions: Functions,
        deliveries: Deliveries,
        *,
        clock: Clock,
        metrics: Metrics,
        random: Callable[[], float],
    ) -> None:
        self._functions = functions
        self._deliveries = deliveries
        self._clock = clock
        self._metrics = metrics
        self._random = random
        self._waiting: Counter[str] = Counter()
        self._waiting_in_all = 0

    async def attempt(self, work: Work) -> QueuedEvent | None:
        """Invoke the function once, if it may run."""
        event = work.event
        try:
            function = self._functions.find(event.function_name)
        except FunctionNotFoundError:
            return self._unknown_function(event)
        refused = self._refused(event, function.settings)
        if refused is not None:
            return await self._deliveries.finish(function, event, refused)
        decoded = from_json(event.payload) if work.decoded is UNDECODED else work.decoded
        entry = function.entry_of(event.source, decoded)
        subject = subject_of(entry, decoded)
        outcome = await invoke_here(entry, subject, event.request_id)
        if isinstance(outcome, Throttled) and self._may_wait(function.name):
            outcome = await self._wait_for_permit(function, entry, subject, event, outcome)
        if isinstance(outcome, Succeeded) and outcome.value is None and function.settings.on_success is None:
            return None
        return await self._decide(function, event, outcome)

    def _refused(self, event: QueuedEvent, settings: FunctionSettings) -> Condition | None:
        """Why an event is given up instead of being run."""
        refused = before_attempt(reserved_concurrency=settings.reserved_concurrency)
        if refused is not None:
            return refused.condition
        too_old = self._clock.time() - event.accepted_at >= settings.maximum_event_age_seconds
        return Condition.EVENT_AGE_EXCEEDED if too_old else None

    def _unknown_function(self, event: QueuedEvent) -> QueuedEvent | None:
        """The app no longer has the function: keep its events for a version that does, up to the longest age."""
        now = self._clock.time()
        if now - event.accepted_at < limits.DEFAULT_EVENT_AGE_SECONDS:
            _log.warning("event %s waits for function %s, which this app lacks", event.request_id, event.function_name)
            return event.at(now + UNKNOWN_FUNCTION_SECONDS)
        self._deliveries.dropped(event, DropReason.UNKNOWN_FUNCTION, "no version of the app has had its function")
        return None

    def _may_wait(self, function_name: str) -> bool:
        return self._waiting_in_all < MAXIMUM_WAITING_IN_ALL and self._waiting[function_name] < MAXIMUM_WAITING

    async def _wait_for_permit(
        self, function: RunningFunction, entry: Entry, subject: Any, event: QueuedEvent, outcome: Outcome
    ) -> Outcome:
        """A few throttled events wait for their turn in memory, so that a free permit is used at once. What waits
        too long backs off in the store as Lambda's queue does."""
        age_left = event.accepted_at + function.settings.maximum_event_age_seconds - self._clock.time()
        give_up_at = anyio.current_time() + min(WAITING_SECONDS, age_left)
        throttles = 0
        self._waiting[function.name] += 1
        self._waiting_in_all += 1
        try:
            while isinstance(outcome, Throttled):
                throttles += 1
                with anyio.CancelScope(deadline=give_up_at) as scope:
                    await function.invoker.permits.another_chance(throttles)
                if scope.cancelled_caught:
                    break
                outcome = await invoke_here(entry, subject, event.request_id)
        finally:
            self._waiting[function.name] -= 1
            self._waiting_in_all -= 1
        return outcome

    async def _decide(self, function: RunningFunction, event: QueuedEvent, outcome: Outcome) -> QueuedEvent | None:
        response = response_of(outcome, event.request_id)
        match response.outcome:
            case Succeeded():
                event = replace(event, attempt=event.attempt + 1)
                return await self._deliveries.finish(function, event, Condition.SUCCESS, response_record(response))
            case Throttled():
                decision = after_throttle(event, _config(function), now=self._clock.time(), jitter=self._random())
                event = replace(event, backoffs=event.backoffs + 1)
            case FunctionFailed() | TimedOut() as failure:
                event = replace(event, attempt=event.attempt + 1)
                decision = after_function_error(event, _config(function), now=self._clock.time())
                self._log(function, event, failure, decision)
            case _:
                assert_never(response.outcome)
        if isinstance(decision, RetryAt):
            self._metrics.retries[(function.name, event.source)] += 1
            return event.at(decision.when)
        return await self._deliveries.finish(
            function, event, decision.condition, response_record(response), response.outcome
        )

    def _log(
        self, function: RunningFunction, event: QueuedEvent, failure: FunctionFailed | TimedOut, then: RetryAt | Discard
    ) -> None:
        again = "is tried again" if isinstance(then, RetryAt) else "is given up"
        what = f"event {event.request_id} {again} (attempt {event.attempt})"
        log_failure(_log, function.name, failure, what, attempt=event.attempt, event_source=event.source)


def _config(function: RunningFunction) -> EventInvokeConfig:
    settings = function.settings
    return EventInvokeConfig(settings.maximum_retry_attempts, settings.maximum_event_age_seconds)
