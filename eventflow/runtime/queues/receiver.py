"""Filling a batch from a queue: by count, by window, by bytes."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

import anyio

from eventflow.policy.batches import BatchBuilder, BatchLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventflow.model.records import QueueRecord
    from eventflow.plan.plan import QueuePlan
    from eventflow.ports import QueueSource


class BatchReceiver:
    """Receives the batches of one poller.

    ``take`` is called with whatever one receive returned, the moment it is ours: it starts the leases and
    returns the records that pass the mapping's filters. What does not fit a batch opens the next one.
    """

    def __init__(
        self, plan: QueuePlan, source: QueueSource, take: Callable[[Sequence[QueueRecord]], Sequence[QueueRecord]]
    ) -> None:
        self._plan = plan
        self._source = source
        self._take = take
        batch = plan.mapping.batch
        self._window = batch.maximum_batching_window_seconds
        self._builder: BatchBuilder[QueueRecord] = BatchBuilder(
            BatchLimits(batch_size=batch.batch_size, window_seconds=self._window)
        )
        self._carried: deque[QueueRecord] = deque()
        self._first_at = 0.0

    @property
    def held(self) -> tuple[QueueRecord, ...]:
        """Records received and not handed over yet."""
        return (*self._builder.records, *self._carried)

    async def receive(self, *, most: int) -> list[QueueRecord]:
        """The next batch, of at most ``most`` records; empty if nothing came within one long poll.

        The window opens when this is called (Lambda: when polling resumes after an invocation), and opens
        again whenever it ends with nothing in it. Without a window, whatever one receive returns is a batch.
        """
        opened = anyio.current_time()
        self._fill()
        while not self._builder.is_full and len(self._builder) < most:
            wait = self._wait_seconds(opened)
            if len(self._builder) and wait <= 0:
                break
            wanted = min(most - len(self._builder), self._source.properties.maximum_receive)
            received = await self._source.receive(max_records=wanted, wait_seconds=wait)
            self._carried.extend(self._take(received))
            self._fill()
            if not received and not len(self._builder):
                return []
        return self._builder.take()

    def _wait_seconds(self, opened: float) -> float:
        if not len(self._builder):
            return self._source.properties.maximum_wait_seconds
        if not self._window:
            return 0
        now = anyio.current_time()
        windows = max(1, math.ceil((self._first_at - opened) / self._window - 1e-9))
        return max(0.0, min(self._source.properties.maximum_wait_seconds, opened + windows * self._window - now))

    def _fill(self) -> None:
        was_empty = not len(self._builder)
        while self._carried:
            record = self._carried[0]
            if not self._builder.add(record, self._plan.codec.size(record), now=0):
                break
            self._carried.popleft()
        if was_empty and len(self._builder):
            self._first_at = anyio.current_time()
