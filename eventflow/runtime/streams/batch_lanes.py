"""Batch handlers: the lanes of one partition, each with one batch in flight, order kept per key.

Source: Lambda guide: with-kinesis: parallelization factor, batching.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

import anyio
from anyio import TASK_STATUS_IGNORED

from eventflow.model import limits
from eventflow.policy.batches import BatchBuilder, BatchLimits
from eventflow.policy.lanes import lane_of
from eventflow.runtime.streams.batch_runner import BatchRunner
from eventflow.runtime.streams.window import GRACE_SECONDS, TumblingWindow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyio.abc import TaskStatus

    from eventflow.model.records import Assignment, StreamRecord
    from eventflow.runtime.streams.giving_up import GivingUp
    from eventflow.runtime.streams.mapping_run import MappingRun
    from eventflow.runtime.streams.pauses import Pauses
    from eventflow.runtime.streams.progress import Progress

ENVELOPE_BYTES: Final = 1024
"""What an event has beside its records: the source's ARN, a window's bounds."""


class BatchLanes:
    """Spreads the records of a partition over its lanes by key."""

    def __init__(
        self, run: MappingRun, assignment: Assignment, progress: Progress, pauses: Pauses, giving_up: GivingUp
    ) -> None:
        mapping = run.mapping
        self._run = run
        self._window: TumblingWindow | None = None
        if mapping.tumbling_window_seconds:
            restored = assignment.checkpoint.state if assignment.checkpoint else None
            self._window = TumblingWindow(mapping.tumbling_window_seconds, restored)
            progress.state = self._window.checkpoint()
        self._lanes = [
            _Lane(
                run,
                BatchRunner(
                    run, assignment.partition, progress, pauses=pauses, giving_up=giving_up, window=self._window
                ),
                progress=progress,
                pauses=pauses,
                window=self._window,
            )
            for _ in range(mapping.parallelization_factor)
        ]

    @property
    def open_until(self) -> float | None:
        """When an empty read of the partition closes its window (epoch seconds); ``None`` if none is open."""
        if self._window is None or self._window.bounds is None:
            return None
        return self._window.bounds.end + GRACE_SECONDS

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Work until closed and finished, or told to stop."""
        task_status.started()
        async with anyio.create_task_group() as tasks:
            for lane in self._lanes:
                tasks.start_soon(lane.run)

    def push(self, records: Sequence[StreamRecord]) -> None:
        """The next records of the partition that pass the filters."""
        if len(self._lanes) == 1:
            self._lanes[0].push(records)
            return
        shares: list[list[StreamRecord]] = [[] for _ in self._lanes]
        for record in records:
            shares[lane_of(record.key, len(shares))].append(record)
        for lane, share in zip(self._lanes, shares, strict=True):
            lane.push(share)

    def turn_over(self, reached: float, *, caught_up: bool) -> None:
        """A read is over. Everything that arrived before ``reached`` (epoch seconds) has been read; ``caught_up``
        says that there was nothing more."""
        for lane in self._lanes:
            lane.look(reached, caught_up=caught_up)

    def close(self) -> None:
        """No record comes any more."""
        for lane in self._lanes:
            lane.close()


class _Lane:
    """Fills batches from the records of some keys, and runs them one by one."""

    def __init__(
        self,
        run: MappingRun,
        runner: BatchRunner,
        *,
        progress: Progress,
        pauses: Pauses,
        window: TumblingWindow | None,
    ) -> None:
        batch = run.mapping.batch
        self._run = run
        self._runner = runner
        self._progress = progress
        self._pauses = pauses
        self._window = window
        self._limits = BatchLimits(
            batch_size=batch.batch_size,
            maximum_bytes=limits.BATCH_BYTES - ENVELOPE_BYTES - (limits.WINDOW_STATE_BYTES if window else 0),
            window_seconds=batch.maximum_batching_window_seconds,
        )
        self._builder: BatchBuilder[StreamRecord] = BatchBuilder(self._limits)
        self._inbox: deque[Sequence[StreamRecord]] = deque()
        """What comes next: no part of it is empty."""
        self._passed = 0
        """How many of the first part are in a batch."""
        self._reached = 0.0
        self._closed = False
        self._awake = asyncio.Event()

    def push(self, records: Sequence[StreamRecord]) -> None:
        """What comes then; ``look`` tells of it."""
        if records:
            self._inbox.append(records)

    def look(self, reached: float, *, caught_up: bool) -> None:
        """See what to do after a read."""
        # An idle partition has reached the present, less what may still be on its way.
        self._reached = max(self._reached, reached - GRACE_SECONDS if caught_up else reached)
        self._awake.set()

    def close(self) -> None:
        self._closed = True
        self._awake.set()

    async def run(self) -> None:
        """Work until closed and empty, or told to stop; what was not started is then left."""
        self._open()
        while not self._pauses.stopped:
            blocked = self._fill()
            if len(self._builder) and (blocked or self._is_due()):
                await self._runner.run(self._builder.take())
                self._open()
            elif blocked:
                await self._make_way()
            elif self._window_is_over():
                await self._runner.finish_window()
            elif self._closed:
                return
            else:
                await self._wait()

    def _open(self) -> None:
        """Start the next batching window, unless it starts with its first record."""
        if not self._run.mapping.batch.window_opens_with_first_record:
            self._builder.open(now=anyio.current_time())

    def _fill(self) -> bool:
        """Move records into the batch; true if the next one has to wait until the batch is gone."""
        now, window = anyio.current_time(), self._window
        most = self._limits.batch_size
        while self._inbox:
            part, passed = self._inbox[0], self._passed
            if window:
                # The first record of a window says which others may follow.
                first, most = part[passed].timestamp, 1
                if not window.accepts(first):
                    return True
            count = self._builder.fill(part[passed : passed + most], self._run, now=now)
            if not count:
                return True
            if window:
                window.enter(first)
            self._pass(count)
        return False

    def _pass(self, count: int) -> None:
        """Go on behind so many records."""
        self._passed += count
        if self._passed == len(self._inbox[0]):
            self._inbox.popleft()
            self._passed = 0

    def _is_due(self) -> bool:
        """Whether a batch that holds something goes now: waiting longer would bring nothing, or is over."""
        return (
            self._closed
            or self._progress.full
            or self._builder.is_due(now=anyio.current_time())
            or self._window_has_passed()
        )

    async def _make_way(self) -> None:
        """The next record can go into no batch as things are: it is too large, or of a later window."""
        record = self._inbox[0][self._passed]
        if self._limits.oversized(self._run.size(record)):
            self._pass(1)
            await self._runner.give_up_oversized(record)
        else:
            await self._runner.finish_window()

    def _window_is_over(self) -> bool:
        """Whether the open window gets its final invocation now, given that no record of it waits."""
        window = self._window
        if window is None or not window.is_open or len(self._builder):
            return False
        return window.outgrown or self._closed or self._window_has_passed()

    def _window_has_passed(self) -> bool:
        bounds = self._window.bounds if self._window else None
        return bounds is not None and self._reached >= bounds.end

    async def _wait(self) -> None:
        """Until there is something new, or the batching window ends."""
        seconds = float("inf")
        if len(self._builder) and self._builder.flush_at is not None:
            seconds = max(0.0, self._builder.flush_at - anyio.current_time())
        self._awake.clear()
        with self._pauses.interruptible(seconds):
            await self._awake.wait()
