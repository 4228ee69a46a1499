"""One partition while this process owns it: read, handled, committed, and given back in order."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio

from eventflow.errors import AdapterError, LeaseLostError
from eventflow.model import limits
from eventflow.policy.retry import reconnect_backoff
from eventflow.runtime.metrics import DropReason
from eventflow.runtime.streams.batch_lanes import BatchLanes
from eventflow.runtime.streams.giving_up import GivingUp
from eventflow.runtime.streams.pauses import Pauses
from eventflow.runtime.streams.progress import Progress
from eventflow.runtime.streams.record_lanes import RecordLanes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.model.records import Assignment, PartitionId, Position, StreamRead, StreamRecord
    from eventflow.runtime.streams.mapping_run import MappingRun

_log = logging.getLogger(__name__)

READ_SECONDS: Final = 300.0
"""The longest that one read waits for records. Nothing depends on its end: a stop interrupts it."""
WINDOWED_READ_SECONDS: Final = 10.0
"""The same where a mapping has windows: an idle partition notices their end when a read comes back empty."""
MINIMUM_READ_SECONDS: Final = 1.0
"""The shortest, where a window waits for its end, or after an outage."""
LEAST_CAPACITY: Final = 1_000
LAST_COMMIT_SECONDS: Final = 2.0
"""How much of the budget of a drain is kept, at most, for committing what was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStatistics:
    """``outstanding`` records were read and are neither handled nor given up. Everything up to ``position`` is
    done. ``settled`` says that this is committed, too, and that no window is open."""

    partition: PartitionId
    outstanding: int
    position: Position | None
    settled: bool


class Partition:
    """The work on one assigned partition. ``run`` does it; ``drain`` ends it in order, ``abandon`` at once."""

    def __init__(self, run: MappingRun, assignment: Assignment) -> None:
        mapping = run.mapping
        factor = mapping.parallelization_factor
        # Batches want one in flight and one filling in every lane.
        capacity = max(mapping.batch.batch_size * factor * (1 if run.per_record else 2), LEAST_CAPACITY)
        self.id = assignment.partition
        self._run = run
        self._part = f"{run.part} {assignment.partition}"
        self._commit_part = f"{self._part} commit"
        self._pauses = Pauses()
        self._progress = Progress(
            run,
            assignment,
            maximum_records=capacity,
            maximum_bytes=2 * factor * limits.BATCH_BYTES,
            part=self._commit_part,
        )
        giving_up = GivingUp(run, self._pauses)
        self._lanes: BatchLanes | RecordLanes = (
            RecordLanes(run, assignment, self._progress, self._pauses, giving_up, capacity=capacity)
            if run.per_record
            else BatchLanes(run, assignment, self._progress, self._pauses, giving_up)
        )
        self._scope = anyio.CancelScope()
        self._work = anyio.CancelScope()
        self._work_over = anyio.Event()
        self._over = anyio.Event()

    def statistics(self) -> PartitionStatistics:
        """A snapshot."""
        return PartitionStatistics(
            partition=self.id,
            outstanding=self._progress.outstanding,
            position=self._progress.position,
            settled=self._progress.settled and self._lanes.open_until is None,
        )

    async def run(self) -> None:
        """Work on the partition until it has ended, is drained, or is not ours any more."""
        ended = False
        try:
            with self._scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._commit)
                    with self._work:
                        ended = await self._work_through()
                    self._work_over.set()
                    self._progress.close()
                if ended and self.statistics().settled:
                    await self._complete()
        finally:
            self._work_over.set()
            self._over.set()
            self._run.report(self._part, None)
            self._run.report(self._commit_part, None)

    async def over(self) -> None:
        """Return once ``run`` has."""
        await self._over.wait()

    async def drain(self, seconds: float) -> None:
        """Start nothing more; give what runs ``seconds`` to finish and be committed, then cancel the rest."""
        self._pauses.stop()
        try:
            kept = min(LAST_COMMIT_SECONDS, seconds / 10)
            with anyio.move_on_after(seconds - kept):
                await self._work_over.wait()
            self._work.cancel()
            with anyio.move_on_after(kept):
                await self._over.wait()
        finally:
            self._scope.cancel()

    def abandon(self) -> None:
        """Cancel everything and commit nothing more."""
        self._pauses.stop()
        self._scope.cancel()

    async def _work_through(self) -> bool:
        """Read and handle records; true if the partition was read to its end."""
        async with anyio.create_task_group() as tasks:
            await tasks.start(self._lanes.run)
            ended = await self._read_on()
            self._lanes.close()
        return ended

    async def _read_on(self) -> bool:
        failures = 0
        while not self._pauses.stopped:
            try:
                read = await self._read(again=failures > 0)
            except LeaseLostError as exc:
                self._lost(exc)
                return False
            except AdapterError as exc:
                failures += 1
                self._run.report(self._part, str(exc))
                await self._pauses.sleep(reconnect_backoff(failures, jitter=self._run.random()))
                continue
            if failures:
                self._run.report(self._part, None)
            failures = 0
            if read is not None and self._take(read):
                return True
        return False

    async def _read(self, *, again: bool) -> StreamRead | None:
        """The next records, once there is room for them and a chance that they can run; ``None`` if told to stop.

        ``again`` says that the last read failed: the first answer after an outage says that it is over, so it should
        come soon.
        """
        read: StreamRead | None = None
        with self._pauses.interruptible():
            await self._progress.room()
            if not self._progress.outstanding:
                await self._run.permits.available()  # what is read early only grows old
            read = await self._run.source.read(
                self.id,
                max_records=self._progress.free,
                wait_seconds=MINIMUM_READ_SECONDS if again else self._read_seconds(),
            )
        return read

    def _read_seconds(self) -> float:
        if not self._run.mapping.tumbling_window_seconds:
            return READ_SECONDS
        if self._lanes.open_until is None:
            return WINDOWED_READ_SECONDS
        left = self._lanes.open_until - self._run.clock.time()
        return min(WINDOWED_READ_SECONDS, max(MINIMUM_READ_SECONDS, left))

    def _take(self, read: StreamRead) -> bool:
        """Hand a read over to the lanes; true if it was the last."""
        if read.gap:
            self._run.metrics.dropped[(*self._run.key, DropReason.EXPIRED)] += 1
        self._progress.started(read.records, size=read.size)
        records: Sequence[StreamRecord] = read.records
        if self._run.filters.patterns:
            records = [record for record in records if self._passes(record)]
        self._lanes.push(records)
        caught_up = not read.records and not read.behind_seconds
        if read.records or caught_up:
            reached = self._run.clock.time() if caught_up else read.records[-1].timestamp
            self._lanes.turn_over(reached, caught_up=caught_up)
        return read.ended

    def _passes(self, record: StreamRecord) -> bool:
        """Whether the function gets a record. One that it does not get is done."""
        try:
            view = self._run.codec.filter_view(record, self._run.identity)
        except Exception:  # noqa: BLE001 (a record that cannot be decoded fails in the function's event)
            return True
        if self._run.filters.matches(view):
            return True
        self._progress.done(record)
        self._run.metrics.filtered[self._run.key] += 1
        return False

    async def _commit(self) -> None:
        try:
            await self._progress.commit_changes()
        except LeaseLostError as exc:
            self._lost(exc)

    async def _complete(self) -> None:
        """Tell the source that nothing is left in a partition that has ended."""
        failures = 0
        while True:
            try:
                await self._run.source.complete(self.id)
            except LeaseLostError as exc:
                self._lost(exc)
                return
            except AdapterError as exc:
                failures += 1
                self._run.report(self._part, str(exc))
                await anyio.sleep(reconnect_backoff(failures, jitter=self._run.random()))
            else:
                if failures:
                    self._run.report(self._part, None)
                return

    def _lost(self, exc: LeaseLostError) -> None:
        _log.warning("%s belongs to somebody else by now; what ran of it was cancelled: %s", self._part, exc)
        self.abandon()
