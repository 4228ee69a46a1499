"""The asynchronous model: an event is durable before it is accepted, and kept until it is settled.

``accept`` stores; workers invoke; policy decides; what is given up on goes to its destinations; an event is
deleted only when the last of them has its record. Source: Lambda guide: invocation-async.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio
from pydantic_core import from_json

from eventflow.errors import AdapterError, InvalidRequestContentError, RequestTooLargeError
from eventflow.model import limits
from eventflow.model.invocation import QueuedEvent
from eventflow.plan.endpoints import DIRECT
from eventflow.policy.retry import reconnect_backoff
from eventflow.runtime.dispatch import Dispatcher
from eventflow.runtime.event_attempts import Attempts
from eventflow.runtime.event_deliveries import Deliveries
from eventflow.runtime.event_work import Claims, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyio.abc import TaskGroup

    from eventflow.model.destinations import Destination, OutboundMessage
    from eventflow.ports import Clock, EventQueueStore
    from eventflow.runtime.destinations import Destinations
    from eventflow.runtime.functions import Functions
    from eventflow.runtime.metrics import Metrics
    from eventflow.runtime.readiness import Report

_log = logging.getLogger(__name__)

CAPACITY: Final = 1_000
"""Events held in memory, each with a worker of its own; all others wait in the store."""
RECEIVE_EVENTS: Final = 100
RECEIVE_SECONDS: Final = 300.0
"""How long one receive waits; a store ends it as soon as an event is due."""
RECEIVING: Final = "event queue"
SETTLING: Final = "event queue (settling)"
"""What readiness calls the two things that the store must do: one may work while the other does not."""


class EventPathStatistics(NamedTuple):
    """``held`` events are in memory, being invoked, delivered, or about to be."""

    held: int


class EventPath:
    """Accepts events and sees them through."""

    def __init__(
        self,
        functions: Functions,
        store: EventQueueStore,
        destinations: Destinations,
        *,
        clock: Clock,
        metrics: Metrics,
        random: Callable[[], float],
        tasks: TaskGroup,
        report: Report,
        capacity: int = CAPACITY,
    ) -> None:
        self._functions = functions
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._random = random
        self._report = report
        self._tasks = tasks
        self._deliveries = Deliveries(destinations, clock=clock, metrics=metrics, random=random)
        self._attempts = Attempts(functions, self._deliveries, clock=clock, metrics=metrics, random=random)
        self._claims = None if store.lease_seconds is None else Claims(store, store.lease_seconds)
        handle = self._handle if self._claims is None else self._handle_claimed
        self._dispatcher: Dispatcher[Work] = Dispatcher(
            handle, workers=capacity, capacity=capacity, tasks=tasks, in_groups=True
        )
        self._unsettled: set[str] = set()
        self._expected = 0
        self._fewer_expected: asyncio.Future[None] | None = None
        destinations.serve_functions(self.accept)

    def statistics(self) -> EventPathStatistics:
        """A snapshot, for tests and ``eventflow list``."""
        return EventPathStatistics(held=self._dispatcher.held)

    async def quiet(self) -> None:
        """Return once no event is in memory."""
        await self._dispatcher.quiet()

    def abandon(self) -> None:
        """Forget the events in memory that are not being run; the store still has them. Nothing is taken after."""
        self._dispatcher.abandon()

    # Taking events in

    async def accept(self, function_name: str, payload: bytes, *, source: str = DIRECT) -> str:
        """Take responsibility for one event: it is durable when this returns its request id.

        Raises FunctionNotFoundError, RequestTooLargeError, InvalidRequestContentError; UnavailableError if the
        store cannot be reached, and then the event was not accepted.
        """
        function = self._functions.find(function_name)
        decoded = _decoded(payload)
        now = self._clock.time()
        request_id = function.invoker.environment.next_request_id()
        event = QueuedEvent(request_id, function_name, source, payload or b"{}", accepted_at=now, due_at=now)
        await self._put(event, decoded)
        self._metrics.events_received[function_name] += 1
        return request_id

    async def deliver(self, function_name: str, destination: Destination, messages: Sequence[OutboundMessage]) -> None:
        """Hand messages of an event source mapping to a destination: they are there, or kept durably until they
        are, or refused by it for good and counted as dropped, when this returns. Raises UnavailableError if none
        of that is possible."""
        keep = await self._deliveries.send_messages(function_name, destination, messages)
        if keep is not None:
            await self._store.put(keep, claim=False)

    async def run(self) -> None:
        """Take due events from the store until cancelled."""
        if self._claims is not None:
            self._tasks.start_soon(self._claims.run)  # they are needed until the last event is settled
        await self._receive_events()

    async def _put(self, event: QueuedEvent, decoded: Any) -> None:
        """Store an event. If there is room for it, it is run without a detour."""
        claim = self._dispatcher.free > self._expected
        self._expected += claim
        try:
            claimed = await self._store.put(event, claim=claim)
        except asyncio.CancelledError:
            # It may be stored, and claimed by us: then nobody else would ever look at it.
            self._tasks.start_soon(self._give_back, event)
            raise
        finally:
            if claim:
                self._expect_less(1)
        if claimed:
            self._take(Work(event, decoded))

    async def _give_back(self, event: QueuedEvent) -> None:
        """Whoever wanted it accepted does not know whether it was: now it is, and anybody may run it."""
        try:
            await self._store.put(event, claim=False)
            await self._store.reschedule(event)
        except AdapterError as exc:
            _log.warning("event %s of %s may have been accepted: %s", event.request_id, event.function_name, exc)

    async def _receive_events(self) -> None:
        failures = 0
        while True:
            wanted = await self._room()
            self._expected += wanted
            try:
                # After a failure the first receive does not wait: it is to tell whether the store is back.
                wait_seconds = 0 if failures else RECEIVE_SECONDS
                events = await self._store.receive(max_events=wanted, wait_seconds=wait_seconds)
            except AdapterError as exc:
                failures += 1
                self._report(RECEIVING, str(exc))
                await anyio.sleep(reconnect_backoff(failures, jitter=self._random()))
                continue
            finally:
                self._expect_less(wanted)
            failures = 0
            self._report(RECEIVING, None)
            for event in events:
                self._take(Work(event))

    async def _room(self) -> int:
        """How many events may be received now; waits until it is at least one."""
        while True:
            await self._dispatcher.room()
            wanted = min(self._dispatcher.free - self._expected, RECEIVE_EVENTS)
            if wanted > 0:
                return wanted
            self._fewer_expected = asyncio.get_running_loop().create_future()
            await self._fewer_expected

    def _expect_less(self, events: int) -> None:
        self._expected -= events
        if self._fewer_expected is not None and not self._fewer_expected.done():
            self._fewer_expected.set_result(None)

    def _take(self, work: Work) -> None:
        if self._claims is not None:
            self._claims.hold(work)
        self._dispatcher.push(work)

    # Seeing them through

    async def _handle(self, work: Work) -> float | None:
        """One attempt, and what follows from it. The result is the seconds until the store is told again, if it
        could not be told; then nothing runs twice because of that."""
        if not work.settled:
            event = work.event
            if event.deliveries:
                work.keep = await self._deliveries.send(event, event.deliveries)
            else:
                work.keep = await self._attempts.attempt(work)
            work.settled = True
        try:
            if work.keep is None:
                await self._store.delete(work.event)
            else:
                await self._store.reschedule(work.keep)
        except AdapterError as exc:
            return self._not_settled(work, exc)
        self._over(work)
        return None

    async def _handle_claimed(self, work: Work) -> float | None:
        """The same, for as long as the event is ours."""
        pause = None
        if not work.lost:
            with anyio.CancelScope() as work.scope:
                pause = await self._handle(work)
            work.scope = None
        if work.lost:
            self._over(work)
            return None
        if pause is None and self._claims is not None:
            self._claims.end(work)
        return pause

    def _over(self, work: Work) -> None:
        """It is settled, or somebody else's: if it could not be settled before, and no other, all is well again."""
        if work.failures:
            self._unsettled.discard(work.event.request_id)
            if not self._unsettled:
                self._report(SETTLING, None)

    def _not_settled(self, work: Work, exc: AdapterError) -> float:
        work.failures += 1
        self._unsettled.add(work.event.request_id)
        self._report(SETTLING, str(exc))
        event = work.event
        _log.warning("event %s of %s could not be settled yet: %s", event.request_id, event.function_name, exc)
        return reconnect_backoff(work.failures, jitter=self._random())


def _decoded(payload: bytes) -> Any:
    """The event in a payload; an empty one is ``{}``. Raises RequestTooLargeError, InvalidRequestContentError."""
    if len(payload) > limits.ASYNCHRONOUS_REQUEST_BYTES:
        raise RequestTooLargeError(
            f"{len(payload)} byte payload is too large for the Event invocation type "
            f"(limit {limits.ASYNCHRONOUS_REQUEST_BYTES} bytes)"
        )
    if not payload:
        return {}
    try:
        return from_json(payload, allow_inf_nan=False)
    except ValueError as exc:
        raise InvalidRequestContentError(str(exc)) from exc
