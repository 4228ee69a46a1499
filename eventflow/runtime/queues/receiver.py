"""Filling a batch from a queue: by count, by window, by bytes."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

import anyio

from eventflow.errors import UnavailableError
from eventflow.policy.batches import BatchBuilder, BatchLimits

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from eventflow.model.records import QueueRecord
    from eventflow.runtime.queues.intake import Intake, Sized
    from eventflow.runtime.queues.mapping import QueueMappingRun

LATE_SECONDS: Final = 30.0
"""How long a receive may take beyond its wait before the queue counts as away."""


class BatchReceiver:
    """Receives the batches of one poller. What does not fit a batch opens the next one."""

    def __init__(self, run: QueueMappingRun, intake: Intake) -> None:
        batch = run.plan.mapping.batch
        limits = BatchLimits(batch_size=batch.batch_size, window_seconds=batch.maximum_batching_window_seconds)
        self._run = run
        self._intake = intake
        self._maximum_receive = run.source.properties.maximum_receive
        self._builder: BatchBuilder[QueueRecord] = BatchBuilder(limits)
        self._carried: deque[Sized] = deque()

    @property
    def held(self) -> tuple[QueueRecord, ...]:
        """Records received and not handed over yet."""
        return (*self._builder.records, *(record for record, _ in self._carried))

    async def receive(self, *, most: int, longest_wait: float) -> Sequence[QueueRecord]:
        """The next batch, of at most ``most`` records; empty if nothing came within ``longest_wait`` seconds.

        The window opens when this is called (Lambda: when polling resumes after an invocation), or with the first
        record where the source has it so; if it ends with nothing in it, the next one opens with the next record.
        Without a window, whatever one receive returns is a batch.
        """
        builder = self._builder
        if not self._run.plan.mapping.batch.window_opens_with_first_record:
            builder.open(now=anyio.current_time())
        self._fill()
        while not builder.is_full and len(builder) < most:
            wait = min(longest_wait, self._window_left())
            if len(builder) and wait <= 0:
                break
            wanted = min(most - len(builder), self._maximum_receive)
            received = await self._receive(wanted, wait)
            records, unwanted = self._intake.take(received, wanted=wanted)
            self._carried.extend(records)
            self._fill()
            await self._intake.drop(unwanted)
            if not received and not len(builder):
                return []
        return builder.take()

    def forget_groups(self, groups: Collection[str]) -> tuple[QueueRecord, ...]:
        """Give up the records that follow a failed one of their group; they are the caller's to settle."""
        behind = tuple(record for record, _ in self._carried if record.group_id in groups)
        self._carried = deque(carried for carried in self._carried if carried.record.group_id not in groups)
        return behind

    async def _receive(self, wanted: int, wait_seconds: float) -> Sequence[QueueRecord]:
        try:
            with anyio.fail_after(wait_seconds + LATE_SECONDS):
                return await self._run.source.receive(max_records=wanted, wait_seconds=wait_seconds)
        except TimeoutError as exc:
            raise UnavailableError(self._run.part, "the queue does not answer") from exc

    def _window_left(self) -> float:
        if not len(self._builder) or self._builder.flush_at is None:
            return math.inf
        return max(0.0, self._builder.flush_at - anyio.current_time())

    def _fill(self) -> None:
        now = anyio.current_time()
        while self._carried:
            record, size = self._carried[0]
            if not self._builder.add(record, size, now=now):
                break
            self._carried.popleft()
