"""The event source mapping loop of queues: receive, filter, invoke, settle.

Pollers are tasks that each hold one batch at a time. Permit first, receive second: a poller receives only what
can run at once, so low concurrency never burns receive counts. Source: Lambda guide: with-sqs.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio

from eventflow.errors import AdapterError
from eventflow.model.outcome import FunctionFailed, Outcome, Succeeded, Throttled, TimedOut
from eventflow.policy.concurrency import QueueScaling, next_pollers
from eventflow.policy.retry import reconnect_backoff
from eventflow.policy.settlement import Settlement, settle_queue_batch
from eventflow.runtime.failure_log import log_failure
from eventflow.runtime.failures import function_failed
from eventflow.runtime.queues.leases import Leases
from eventflow.runtime.queues.receiver import BatchReceiver
from eventflow.runtime.queues.records import RecordBatch, RecordRunner
from eventflow.runtime.responses import response_of
from eventflow.runtime.settle import QueueSettler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyio.abc import TaskGroup

    from eventflow.model.records import QueueRecord
    from eventflow.plan.plan import QueuePlan
    from eventflow.ports import QueueSource
    from eventflow.runtime.functions import RunningFunction
    from eventflow.runtime.metrics import Metrics
    from eventflow.runtime.readiness import Report

_log = logging.getLogger(__name__)

SCALING_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePollerStatistics:
    """``pollers`` are running, ``in_flight`` records are received and not settled."""

    pollers: int
    in_flight: int


class QueuePoller:
    """One event source mapping on one queue."""

    def __init__(
        self,
        plan: QueuePlan,
        source: QueueSource,
        function: RunningFunction,
        *,
        metrics: Metrics,
        random: Callable[[], float],
        report: Report,
    ) -> None:
        self._plan = plan
        self._source = source
        self._metrics = metrics
        self._random = random
        self._report = report
        self._entry = function.opened(plan.endpoint, source.identity)
        self._permits = function.invoker.permits
        self._key = (function.name, str(plan.subscription.service))
        self._part = f"{function.name} <- {plan.endpoint.trigger.resource if plan.endpoint.trigger else ''}"
        self._leases = Leases(source)
        self._settler = QueueSettler(source, self._leases, random=random)
        self._maximum = plan.mapping.maximum_concurrency
        self._size = plan.mapping.batch.batch_size
        if plan.endpoint.per_record and self._maximum is not None:
            self._size = min(self._size, self._maximum)  # each of its records is an invocation
        self._stopping = False
        self._ended = anyio.Event()
        self._receiving: set[anyio.CancelScope] = set()
        self._unmatched: list[QueueRecord] = []
        self._scaling = QueueScaling(
            decided_at=anyio.current_time(), maximum_concurrency=self._most_pollers(plan.endpoint.per_record)
        )
        self._pollers = 0
        self._wanted = 0
        self._in_flight = 0
        self._full = 0
        self._empty = 0

    @property
    def in_flight(self) -> int:
        """Records received and not settled."""
        return self._in_flight

    def statistics(self) -> QueuePollerStatistics:
        """A snapshot."""
        return QueuePollerStatistics(pollers=self._pollers, in_flight=self._in_flight)

    def _most_pollers(self, per_record: bool) -> int | None:
        """A per-record poller runs a whole batch side by side, so it counts as many."""
        if self._maximum is None:
            return None
        return max(1, self._maximum // self._size) if per_record else self._maximum

    def stop_intake(self) -> None:
        """Receive nothing more; what was received goes on."""
        self._stopping = True
        for scope in self._receiving:
            scope.cancel()

    async def quiet(self) -> None:
        """Return once every poller has ended, after ``stop_intake``."""
        await self._ended.wait()

    async def run(self) -> None:
        """Poll until ``stop_intake`` was called and everything received is settled, or until cancelled: then
        what is in flight is released, not failed."""
        async with anyio.create_task_group() as helpers:
            helpers.start_soon(self._leases.run)
            runner = RecordRunner(self._entry, self._leases, helpers) if self._plan.endpoint.per_record else None
            async with anyio.create_task_group() as pollers:
                self._start(self._scaling.pollers, pollers, runner)
            helpers.cancel_scope.cancel()
        self._ended.set()

    def _start(self, wanted: int, pollers: TaskGroup, runner: RecordRunner | None) -> None:
        self._wanted = wanted
        while self._pollers < wanted and not self._stopping:
            self._pollers += 1
            pollers.start_soon(self._poll, pollers, runner)

    async def _poll(self, pollers: TaskGroup, runner: RecordRunner | None) -> None:
        receiver = BatchReceiver(self._plan, self._source, self._take)
        failures = 0
        try:
            while not self._stopping and self._pollers <= self._wanted:
                try:
                    records = await self._receive(receiver)
                except AdapterError as exc:
                    failures += 1
                    self._report(self._part, str(exc))
                    await anyio.sleep(reconnect_backoff(failures, jitter=self._random()))
                    continue
                failures = 0
                self._report(self._part, None)
                await self._drop_unmatched()
                if records:
                    await self._process(records, runner)
                await self._decide(pollers, runner)
        finally:
            self._pollers -= 1
            await self._settler.abandon(Settlement(delete=(), leave=receiver.held))
            self._in_flight -= len(receiver.held)

    async def _receive(self, receiver: BatchReceiver) -> list[QueueRecord]:
        """One batch, within what may run now; nothing if the intake stops meanwhile."""
        per_record = self._plan.endpoint.per_record
        records: list[QueueRecord] = []
        with anyio.CancelScope() as scope:
            self._receiving.add(scope)
            try:
                async with self._permits.promise(self._size if per_record else 1) as permits:
                    records = await receiver.receive(most=min(self._size, permits) if per_record else self._size)
            finally:
                self._receiving.discard(scope)
        if len(records) >= self._size:
            self._full += 1
        elif not records:
            self._empty += 1
        return records

    def _take(self, received: Sequence[QueueRecord]) -> list[QueueRecord]:
        """Records are ours now: start their leases, and sort out those that no filter matches."""
        self._leases.begin(received)
        self._in_flight += len(received)
        if not self._plan.filters.patterns:
            return list(received)
        matching: list[QueueRecord] = []
        for record in received:
            view = self._plan.codec.filter_view(record, self._source.identity)
            (matching if self._plan.filters.matches(view) else self._unmatched).append(record)
        return matching

    async def _drop_unmatched(self) -> None:
        """Lambda deletes messages that match no filter (Lambda guide: invocation-eventfiltering)."""
        if self._unmatched:
            unmatched, self._unmatched = self._unmatched, []
            await self._settler.settle(Settlement(delete=tuple(unmatched), leave=()))
            self._in_flight -= len(unmatched)
            self._metrics.filtered[self._key] += len(unmatched)

    async def _process(self, records: list[QueueRecord], runner: RecordRunner | None) -> None:
        self._metrics.batches[self._key] += 1
        self._metrics.batch_records[self._key] += len(records)
        try:
            if runner is None:
                await self._process_batch(records)
            else:
                await self._process_records(records, runner)
        finally:
            self._in_flight -= len(records)

    async def _process_records(self, records: Sequence[QueueRecord], runner: RecordRunner) -> None:
        batch = RecordBatch(records)
        try:
            await runner.run(batch)
        except anyio.get_cancelled_exc_class():
            await self._settler.abandon(batch.settlement())
            raise
        await self._settler.settle(batch.settlement())

    async def _process_batch(self, records: Sequence[QueueRecord]) -> None:
        try:
            with anyio.CancelScope() as scope:
                self._leases.watch(records, scope.cancel)
                outcome = await self._invoke(records)
        except anyio.get_cancelled_exc_class():
            await self._settler.abandon(Settlement(delete=(), leave=tuple(records)))
            raise
        if scope.cancelled_caught:
            _log.warning("a batch of %d records is somebody else's by now; its handler was stopped", len(records))
            self._leases.end(records)
            return
        await self._settler.settle(self._settlement(records, outcome))

    def _settlement(self, records: Sequence[QueueRecord], outcome: Outcome) -> Settlement:
        report = self._plan.mapping.batch.report_batch_item_failures
        identifiers = [self._plan.codec.identifier(record) for record in records] if report else None
        settlement = settle_queue_batch(records, outcome, identifiers)
        if isinstance(outcome, FunctionFailed | TimedOut):
            log_failure(_log, self._key[0], outcome, f"{len(records)} records come back", batch_size=len(records))
        elif settlement.leave:
            _log.warning("%s reported %d of %d records as failed", self._key[0], len(settlement.leave), len(records))
        return settlement

    async def _invoke(self, records: Sequence[QueueRecord]) -> Outcome:
        try:
            wire = self._plan.codec.wire_event(records, self._source.identity)
        except ValueError as exc:  # undecodable records fail like any others, and reach the dead-letter queue
            return function_failed(exc, "")
        while True:
            outcome = await self._entry.invoke(wire)
            if not isinstance(outcome, Throttled):
                break
            await self._permits.available()
        if isinstance(outcome, Succeeded) and outcome.value is not None:
            return response_of(outcome, "").outcome
        return outcome

    async def _decide(self, pollers: TaskGroup, runner: RecordRunner | None) -> None:
        """Let the number of pollers follow the backlog."""
        now = anyio.current_time()
        if now - self._scaling.decided_at < SCALING_SECONDS or self._stopping:
            return
        try:
            backlog = await self._source.backlog() if self._full else 0
        except AdapterError:
            return  # the next receive reports it
        wanted = next_pollers(self._scaling, now=now, full=self._full, empty=self._empty, backlog=backlog)
        self._scaling = self._scaling.decided(wanted, now=now)
        self._full = self._empty = 0
        self._start(wanted, pollers, runner)
