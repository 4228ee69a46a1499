"""What becomes of events that are over: records to destinations, events to dead-letter queues."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING

from eventflow.errors import AdapterError, InvalidMessageError
from eventflow.model.destinations import Condition
from eventflow.model.invocation import InvocationRecord, PendingDelivery, QueuedEvent
from eventflow.model.outcome import FunctionFailed, TimedOut
from eventflow.plan.endpoints import DIRECT
from eventflow.policy.destination_messages import dead_letter_message, fitting_record, invocation_message
from eventflow.policy.retry import destination_backoff
from eventflow.runtime.metrics import DropReason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventflow.model.destinations import Destination, OutboundMessage
    from eventflow.model.outcome import Outcome
    from eventflow.ports import Clock
    from eventflow.runtime.destinations import Destinations
    from eventflow.runtime.functions import RunningFunction
    from eventflow.runtime.metrics import Metrics

_log = logging.getLogger(__name__)


class Deliveries:
    """Writes and sends what events leave behind."""

    def __init__(
        self, destinations: Destinations, *, clock: Clock, metrics: Metrics, random: Callable[[], float]
    ) -> None:
        self._destinations = destinations
        self._clock = clock
        self._metrics = metrics
        self._random = random

    async def finish(
        self,
        function: RunningFunction,
        event: QueuedEvent,
        condition: Condition,
        response: bytes | None = None,
        outcome: Outcome | None = None,
    ) -> QueuedEvent | None:
        """Send what an event leaves behind. What the store is to keep of it is returned, ``None`` for nothing.

        ``response`` is JSON text, ``outcome`` the failure of the last attempt.
        """
        pending = self._record(function, event, condition, response)
        if condition is not Condition.SUCCESS:
            pending += self._dead_letter(function, event, outcome)
            if not pending:
                self.dropped(event, DropReason.NO_DESTINATION, f"{condition}, and it has no on_failure destination")
        return await self.send(event, pending)

    async def send(self, event: QueuedEvent, deliveries: Sequence[PendingDelivery]) -> QueuedEvent | None:
        """Send what is still to be sent; the result keeps what was not taken."""
        pending = await self._send_all(event.function_name, deliveries)
        if not pending:
            return None
        attempt = event.delivery_attempt + 1
        when = self._clock.time() + destination_backoff(attempt, jitter=self._random())
        return event.at(when, deliveries=tuple(pending), delivery_attempt=attempt)

    async def send_messages(
        self, function_name: str, destination: Destination, messages: Sequence[OutboundMessage]
    ) -> QueuedEvent | None:
        """Send messages that no event stands behind; the result is an event that keeps what was not taken."""
        pending = [PendingDelivery(destination=destination, message=message) for message in messages]
        now = self._clock.time()
        event = QueuedEvent(
            request_id=str(uuid.uuid4()),
            function_name=function_name,
            source=DIRECT,
            payload=b"null",
            accepted_at=now,
            due_at=now,
        )
        return await self.send(event, pending)

    def dropped(self, event: QueuedEvent, reason: DropReason, why: str) -> None:
        """Count an event that nobody will hear of again, and say so."""
        self._metrics.dropped[(event.function_name, event.source, reason)] += 1
        _log.error("event %s of %s was given up: %s", event.request_id, event.function_name, why)

    def _record(
        self, function: RunningFunction, event: QueuedEvent, condition: Condition, response: bytes | None
    ) -> list[PendingDelivery]:
        success = condition is Condition.SUCCESS
        destination = function.settings.on_success if success else function.settings.on_failure
        if destination is None:
            return []
        record = InvocationRecord(
            request_id=event.request_id,
            function_arn=function.qualified_arn,
            condition=condition,
            approximate_invoke_count=event.attempt,
            timestamp=self._clock.time(),
            request_payload=event.payload,
            response=response,
            function_error=not success,
        )
        fitting = fitting_record(record, destination)
        if fitting.request_payload is not record.request_payload:
            self._left_out(event, destination, lost=not success and function.settings.dead_letter_queue is None)
        message = invocation_message(
            fitting,
            destination,
            function_name=function.name,
            destination_arn=self._destinations.arn(destination),
            unique=str(uuid.uuid4()),
        )
        return [PendingDelivery(destination=destination, message=message)]

    def _left_out(self, event: QueuedEvent, destination: Destination, *, lost: bool) -> None:
        why = f"its payload is too large for a record to {destination}, which goes without it"
        if lost:
            self.dropped(event, DropReason.OVERSIZED, why)
        else:
            _log.warning("event %s of %s: %s", event.request_id, event.function_name, why)

    def _dead_letter(
        self, function: RunningFunction, event: QueuedEvent, outcome: Outcome | None
    ) -> list[PendingDelivery]:
        destination = function.settings.dead_letter_queue
        if destination is None:
            return []
        failed = isinstance(outcome, FunctionFailed | TimedOut)
        message = dead_letter_message(
            event.payload,
            request_id=event.request_id,
            error_code=200 if failed else 429,
            error_message=outcome.body()["errorMessage"] if isinstance(outcome, FunctionFailed | TimedOut) else "",
        )
        self._metrics.dead_letters[function.name] += 1
        return [PendingDelivery(destination=destination, message=message)]

    async def _send_all(self, function_name: str, deliveries: Sequence[PendingDelivery]) -> list[PendingDelivery]:
        """Send in order; the result is what was not taken and may be tried again."""
        pending: list[PendingDelivery] = []
        for delivery in deliveries:
            try:
                await self._destinations.send(function_name, delivery)
            except InvalidMessageError as exc:
                self._metrics.dropped[(function_name, DIRECT, DropReason.DESTINATION_REFUSED)] += 1
                _log.error("%s refused a record of %s for good: %s", delivery.destination, function_name, exc)
            except AdapterError as exc:
                _log.warning("%s did not take a record of %s: %s", delivery.destination, function_name, exc)
                pending.append(delivery)
        return pending
