"""The task tree of a run: what starts when, what stops when, and in which order.

Stopping has stages, each with its own budget: stop taking work; let what is in flight finish; cancel the rest,
whose records are released and not failed. The adapters' clients are closed last, by whoever opened them.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio

from eventflow.errors import AdapterError, InvocationError, RequestTooLargeError
from eventflow.policy.retry import reconnect_backoff
from eventflow.ports import HttpEndpoint
from eventflow.runtime.admission import Admission
from eventflow.runtime.destinations import Destinations
from eventflow.runtime.event_path import EventPath
from eventflow.runtime.functions import Functions
from eventflow.runtime.metrics import DropReason, Metrics
from eventflow.runtime.readiness import Readiness
from eventflow.runtime.threads import HandlerThreads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence

    from anyio.abc import TaskGroup

    from eventflow.model.destinations import Destination
    from eventflow.plan.plan import NotificationPlan, Plan, QueuePlan, StreamPlan
    from eventflow.ports import (
        Clock,
        DestinationSink,
        EventQueueStore,
        HttpClient,
        NotificationSource,
        QueueSource,
        StreamSource,
    )
    from eventflow.runtime.invoker import Observer
    from eventflow.runtime.queues.poller import QueuePoller
    from eventflow.runtime.stopping import StopSignal
    from eventflow.runtime.streams.poller import StreamPoller

_log = logging.getLogger(__name__)

RECOVERED_SECONDS: Final = 5.0
"""A source that has run for so long without failing works again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSources:
    """A plan's sources, sinks and store, opened."""

    event_queue: EventQueueStore
    sinks: Mapping[Destination, DestinationSink] = field(default_factory=dict)
    notifications: Sequence[tuple[NotificationPlan, NotificationSource]] = ()
    queues: Sequence[tuple[QueuePlan, QueueSource]] = ()
    streams: Sequence[tuple[StreamPlan, StreamSource]] = ()

    def http_endpoints(self) -> dict[str, HttpEndpoint]:
        """The sources whose events arrive as HTTP requests, by path."""
        return {source.http_path: source for _, source in self.notifications if isinstance(source, HttpEndpoint)}


class Supervisor:
    """One run of one plan. ``functions``, ``event_path`` and the rest are there once ``started`` yields."""

    functions: Functions
    event_path: EventPath

    def __init__(
        self,
        plan: Plan,
        opened: OpenedSources,
        *,
        clock: Clock,
        random: Callable[[], float],
        drain_seconds: float,
        observer: Observer | None = None,
        http: HttpClient | None = None,
    ) -> None:
        self.plan = plan
        self.metrics = Metrics()
        self.readiness = Readiness()
        self.queue_pollers: list[QueuePoller] = []
        self.stream_pollers: list[StreamPoller] = []
        self.clock = clock
        self._opened = opened
        self._random = random
        self._drain_seconds = drain_seconds
        self._beside: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._observer = observer
        self._http = http
        # One for every permit: nobody's time runs out in a queue for threads.
        self._threads = HandlerThreads(plan.environment.concurrency)

    @property
    def http_endpoints(self) -> Mapping[str, HttpEndpoint]:
        """What a server beside this run has to hand on, by path."""
        return self._opened.http_endpoints()

    def drain_also(self, quiet: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Let shutdown wait for ``quiet`` too, within its budget: a server beside this run."""
        self._beside.append(quiet)

    @asynccontextmanager
    async def started(self, stop: StopSignal) -> AsyncIterator[None]:
        """Run inside the block; leaving it stops everything in stages. A second stop request skips waiting.

        Cancelling the block cancels the work at once: records are released, events stay in their store. So does
        an exception, which leaves the block as it is; a crash inside the run is an ExceptionGroup.
        """
        failure: Exception | None = None
        async with self._lifespan() as state:
            self._build(state)
            try:
                async with anyio.create_task_group() as work:
                    async with anyio.create_task_group() as intake:
                        self._start(intake, work)
                        try:
                            yield
                        except Exception as exc:  # noqa: BLE001 (raised again, outside of the task groups)
                            failure = exc
                        self._stop_intake(intake)
                    if failure is None:
                        await self._drain(stop)
                    work.cancel_scope.cancel()
            finally:
                self.event_path.abandon()
                self.functions.close()
                self._threads.shutdown()
        if failure is not None:
            raise failure

    @asynccontextmanager
    async def _lifespan(self) -> AsyncIterator[Any]:
        if self.plan.lifespan is None:
            yield None
        else:
            async with self.plan.lifespan() as state:
                yield state

    def _build(self, state: Any) -> None:
        self.functions = Functions(
            self.plan,
            clock=self.clock,
            monotonic=asyncio.get_running_loop().time,
            admission=Admission(
                [function.definition for function in self.plan.functions.values()],
                concurrency=self.plan.environment.concurrency,
            ),
            metrics=self.metrics,
            threads=self._threads,
            state=state,
            observer=self._observer,
            http=self._http,
        )

    def _start(self, intake: TaskGroup, work: TaskGroup) -> None:
        """Everything that takes work in runs in ``intake``, everything that carries it out in ``work``."""
        destinations = Destinations(
            self._opened.sinks,
            function_arns={name: function.arn for name, function in self.functions.items()},
            metrics=self.metrics,
        )
        self.event_path = EventPath(
            self.functions,
            self._opened.event_queue,
            destinations,
            clock=self.clock,
            metrics=self.metrics,
            random=self._random,
            tasks=work,
            report=self.readiness.report,
        )
        intake.start_soon(self.event_path.run)
        for notification_plan, notification_source in self._opened.notifications:
            intake.start_soon(self._notify, notification_plan, notification_source)
        for queue_plan, queue_source in self._opened.queues:
            queue_poller = self._queue_poller(queue_plan, queue_source)
            self.queue_pollers.append(queue_poller)
            work.start_soon(queue_poller.run)
        for stream_plan, stream_source in self._opened.streams:
            stream_poller = self._stream_poller(stream_plan, stream_source)
            self.stream_pollers.append(stream_poller)
            work.start_soon(stream_poller.run)

    def _queue_poller(self, plan: QueuePlan, source: QueueSource) -> QueuePoller:
        from eventflow.runtime.queues.poller import QueuePoller  # an app without queues starts without it

        return QueuePoller(
            plan,
            source,
            self.functions[plan.endpoint.function.name],
            clock=self.clock,
            metrics=self.metrics,
            failures=self.event_path,
            random=self._random,
            report=self.readiness.report,
        )

    def _stream_poller(self, plan: StreamPlan, source: StreamSource) -> StreamPoller:
        from eventflow.runtime.streams.poller import StreamPoller  # an app without streams starts without it

        return StreamPoller(
            plan,
            source,
            self.functions[plan.endpoint.function.name],
            clock=self.clock,
            metrics=self.metrics,
            failures=self.event_path,
            random=self._random,
            report=self.readiness.report,
            drain_seconds=self._drain_seconds,
        )

    async def _notify(self, plan: NotificationPlan, source: NotificationSource) -> None:
        """Take a source's events into the event path; an unreachable source is tried again for ever."""
        part = f"{plan.endpoint.function.name} <- {plan.endpoint.source}:{plan.subscription.name}"
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            started = loop.time()
            recovered = loop.call_later(RECOVERED_SECONDS, self.readiness.report, part, None)
            problem = "the source has stopped delivering"
            try:
                await source.run(partial(self._deliver, plan))
            except AdapterError as exc:
                problem = str(exc)
            finally:
                recovered.cancel()
            failures = 1 if loop.time() - started > RECOVERED_SECONDS else failures + 1
            self.readiness.report(part, problem)
            await anyio.sleep(reconnect_backoff(failures, jitter=self._random()))

    async def _deliver(self, plan: NotificationPlan, payload: bytes) -> None:
        name, source = plan.endpoint.function.name, plan.endpoint.source
        try:
            await self.event_path.accept(name, payload, source=source)
        except InvocationError as exc:  # no later try will be accepted either
            oversized = isinstance(exc, RequestTooLargeError)
            reason = DropReason.OVERSIZED if oversized else DropReason.UNDECODABLE
            self.metrics.dropped[(name, source, reason)] += 1
            _log.error("an event of %s for %s was refused: %s", source, name, exc)

    def _stop_intake(self, intake: TaskGroup) -> None:
        intake.cancel_scope.cancel()
        for poller in self.queue_pollers:
            poller.stop_intake()

    async def _drain(self, stop: StopSignal) -> None:
        """Wait until nothing is in flight, the budget is used up, or somebody asks again."""
        with anyio.move_on_after(self._drain_seconds) as budget:
            async with anyio.create_task_group() as waiting:
                waiting.start_soon(self._hurry, stop, budget)
                async with anyio.create_task_group() as draining:
                    for poller in self.stream_pollers:
                        draining.start_soon(poller.drain, self._drain_seconds)
                    for queue_poller in self.queue_pollers:
                        draining.start_soon(queue_poller.quiet)
                    draining.start_soon(self.event_path.quiet)
                    for quiet in self._beside:
                        draining.start_soon(quiet)
                waiting.cancel_scope.cancel()
        if budget.cancelled_caught and self._in_flight:
            _log.warning("what is still in flight is cancelled; it will run again")

    @property
    def _in_flight(self) -> bool:
        records = any(poller.in_flight for poller in self.queue_pollers)
        streams = any(not poller.idle for poller in self.stream_pollers)
        return records or streams or self.event_path.statistics().held > 0

    @staticmethod
    async def _hurry(stop: StopSignal, budget: anyio.CancelScope) -> None:
        await stop.now()
        budget.cancel()
