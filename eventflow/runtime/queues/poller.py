"""Event source mappings on queues: how many pollers there are, and when they stop.

Source: Lambda guide: with-sqs, services-sqs-scaling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import anyio

from eventflow.errors import AdapterError
from eventflow.policy.concurrency import QueueScaling, next_pollers
from eventflow.runtime.queues.intake import Intake
from eventflow.runtime.queues.loop import PollLoop
from eventflow.runtime.queues.mapping import QueueMappingRun
from eventflow.runtime.queues.records import RecordRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyio.abc import TaskGroup

    from eventflow.model.records import QueueRecord
    from eventflow.plan.plan import QueuePlan
    from eventflow.ports import Clock, QueueSource
    from eventflow.runtime.functions import RunningFunction
    from eventflow.runtime.metrics import Metrics
    from eventflow.runtime.readiness import Report
    from eventflow.runtime.streams.mapping_run import FailureSink

SCALING_SECONDS: Final = 1.0


class QueuePollerStatistics(NamedTuple):
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
        clock: Clock,
        metrics: Metrics,
        failures: FailureSink,
        random: Callable[[], float],
        report: Report,
    ) -> None:
        self._run = QueueMappingRun(
            plan, source, function, clock=clock, metrics=metrics, failures=failures, random=random, report=report
        )
        self._intake = Intake(self._run)
        self._stopping = False
        self._ended = anyio.Event()
        self._receiving: set[anyio.CancelScope] = set()
        now = anyio.current_time()
        self._scaling = QueueScaling(decided_at=now, maximum_concurrency=self._run.most_pollers)
        self._looked_at = now
        self._pollers = 0
        self._wanted = 0

    @property
    def in_flight(self) -> int:
        """Records received and not settled."""
        return len(self._run.leases)

    def statistics(self) -> QueuePollerStatistics:
        """A snapshot."""
        return QueuePollerStatistics(pollers=self._pollers, in_flight=self.in_flight)

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
            helpers.start_soon(self._run.leases.run)
            runner = RecordRunner(self._run.entry, self._run.leases, helpers) if self._run.per_record else None
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
        loop = PollLoop(self._run, self._intake, runner)
        try:
            while not self._stopping and self._pollers <= self._wanted:
                records = await self._receive(loop)
                if records:
                    await loop.process(records)
                await self._decide(pollers, runner)
        finally:
            self._pollers -= 1
            await loop.abandon()

    async def _receive(self, loop: PollLoop) -> Sequence[QueueRecord]:
        """One batch; nothing if the intake stops meanwhile."""
        records: Sequence[QueueRecord] = []
        with anyio.CancelScope() as scope:
            self._receiving.add(scope)
            try:
                records = await loop.receive()
            finally:
                self._receiving.discard(scope)
        return records

    async def _decide(self, pollers: TaskGroup, runner: RecordRunner | None) -> None:
        """Let the number of pollers follow the backlog."""
        now = anyio.current_time()
        if now - self._looked_at < SCALING_SECONDS or self._stopping:
            return
        self._looked_at = now  # so that one poller asks for all
        intake = self._intake
        try:
            backlog = await self._run.source.backlog() if intake.full else 0
        except AdapterError:
            return  # the next receive reports it
        wanted = next_pollers(self._scaling, now=now, full=intake.full, empty=intake.empty, backlog=backlog)
        self._scaling = self._scaling.decided(wanted, now=now)
        intake.full = intake.empty = 0
        self._start(wanted, pollers, runner)
