"""The event source mapping loop of ordered sources: read, filter, invoke, commit; one position per partition.

Source: Lambda guide: with-kinesis, with-ddb, with-kafka.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio

from eventflow.errors import AdapterError
from eventflow.policy.retry import reconnect_backoff
from eventflow.runtime.streams.mapping_run import FailureSink, MappingRun
from eventflow.runtime.streams.partition import Partition, PartitionStatistics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from anyio.abc import TaskGroup

    from eventflow.model.records import Assignment, PartitionId
    from eventflow.plan.plan import StreamPlan
    from eventflow.ports import Clock, StreamSource
    from eventflow.runtime.functions import RunningFunction
    from eventflow.runtime.metrics import Metrics
    from eventflow.runtime.readiness import Report

_log = logging.getLogger(__name__)

LAG_SECONDS: Final = 60.0
"""How often the source is asked how far behind its subscription is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPollerStatistics:
    """The partitions that this process owns."""

    partitions: tuple[PartitionStatistics, ...]

    @property
    def outstanding(self) -> int:
        """Records read and neither handled nor given up."""
        return sum(partition.outstanding for partition in self.partitions)


class StreamPoller:
    """One event source mapping on one ordered source: the owner of the partitions that fall to this process.

    ``drain_seconds`` is how long work may go on in a partition that has to be given up in a rebalance.
    """

    def __init__(
        self,
        plan: StreamPlan,
        source: StreamSource,
        function: RunningFunction,
        *,
        clock: Clock,
        metrics: Metrics,
        failures: FailureSink,
        random: Callable[[], float],
        report: Report,
        drain_seconds: float,
    ) -> None:
        self._run = MappingRun(
            plan,
            source,
            function,
            clock=clock,
            metrics=metrics,
            failures=failures,
            random=random,
            report=report,
        )
        self._drain_seconds = drain_seconds
        self._partitions: dict[PartitionId, Partition] = {}
        self._tasks: TaskGroup | None = None
        self._scope = anyio.CancelScope()
        self._draining = False
        self._failures = 0

    @property
    def idle(self) -> bool:
        """Whether nothing is in flight, buffered, being retried or uncommitted, and no window is open."""
        return all(partition.statistics().settled for partition in self._partitions.values())

    def statistics(self) -> StreamPollerStatistics:
        """A snapshot."""
        return StreamPollerStatistics(
            partitions=tuple(partition.statistics() for partition in self._partitions.values())
        )

    async def run(self) -> None:
        """Take part in the distribution of partitions and work on those we get, until drained or cancelled. A
        source that is away is tried again and again; what it had given us is then lost."""
        with self._scope:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                tasks.start_soon(self._watch_lag)
                while True:
                    await self._take_part()

    async def drain(self, seconds: float) -> None:
        """Stop reading; give what runs ``seconds`` to finish and be committed, cancel the rest, and end ``run``.
        What was not finished is not committed, so it comes again."""
        self._draining = True
        try:
            await self._drain(list(self._partitions.values()), seconds)
        finally:
            self._scope.cancel()

    async def on_assigned(self, assignments: Sequence[Assignment]) -> None:
        """Start working on these partitions."""
        self._failures = 0
        self._run.report(self._run.part, None)
        if self._draining or self._tasks is None:
            return
        for assignment in assignments:
            before = self._partitions.get(assignment.partition)
            partition = self._partitions[assignment.partition] = Partition(self._run, assignment)
            self._tasks.start_soon(self._own, partition, before)

    async def on_revoked(self, partitions: Sequence[PartitionId]) -> None:
        """Finish and commit what runs in these partitions, within the budget, and leave them."""
        leaving = [self._partitions[name] for name in partitions if name in self._partitions]
        await self._drain(leaving, self._drain_seconds)

    async def on_lost(self, partitions: Sequence[PartitionId]) -> None:
        """Drop these partitions as they are."""
        self._abandon(partitions)

    async def _take_part(self) -> None:
        problem = "the source has stopped giving out partitions"
        try:
            await self._run.source.run(self)
        except AdapterError as exc:
            problem = str(exc)
        self._failures += 1
        self._run.report(self._run.part, problem)
        self._abandon(self._partitions)
        await anyio.sleep(reconnect_backoff(self._failures, jitter=self._run.random()))

    async def _own(self, partition: Partition, before: Partition | None) -> None:
        """Work on a partition; if it comes back after it was lost, once what was cancelled then is really over."""
        try:
            if before is not None:
                before.abandon()
                await before.over()
            await partition.run()
        finally:
            if self._partitions.get(partition.id) is partition:
                del self._partitions[partition.id]

    @staticmethod
    async def _drain(partitions: Sequence[Partition], seconds: float) -> None:
        async with anyio.create_task_group() as tasks:
            for partition in partitions:
                tasks.start_soon(partition.drain, seconds)

    def _abandon(self, partitions: Iterable[PartitionId]) -> None:
        for name in partitions:
            if name in self._partitions:
                self._partitions[name].abandon()

    async def _watch_lag(self) -> None:
        key = (self._run.function.name, self._run.resource)
        while True:
            try:
                self._run.metrics.offset_lag[key] = await self._run.source.backlog()
            except AdapterError as exc:
                _log.debug("the backlog of %s is not known: %s", self._run.part, exc)
            await anyio.sleep(LAG_SECONDS)


__all__ = ["FailureSink", "StreamPoller", "StreamPollerStatistics"]
