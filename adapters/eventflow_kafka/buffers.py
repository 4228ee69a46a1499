"""What was fetched of one partition and not read yet. Bounded: a full buffer pauses its partition."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anyio

from eventflow.errors import LeaseLostError, UnavailableError
from eventflow.model.columns import value_bytes
from eventflow.model.records import StreamRead
from eventflow_kafka.records import partition_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiokafka import TopicPartition

    from eventflow.model.records import StreamRecord
    from eventflow.ports import Clock
    from eventflow_kafka.ahead import Ahead


class PartitionBuffer:
    """The records of one partition between fetch and read, while we own it.

    At most ``maximum_records`` and ``maximum_bytes`` of values, and one fetch more, are held. ``pause`` is called
    when it is full and ``resume`` once half of that was read.
    """

    def __init__(
        self,
        partition: TopicPartition,
        *,
        ahead: Ahead,
        resource: str,
        clock: Clock,
        maximum_records: int,
        maximum_bytes: int,
        pause: Callable[[TopicPartition], None],
        resume: Callable[[TopicPartition], None],
    ) -> None:
        self.partition = partition
        self.id = partition_id(partition)
        self.paused = False
        self.ahead = ahead
        self._resource = resource
        self._clock = clock
        self._maximum_records = maximum_records
        self._maximum_bytes = maximum_bytes
        self._pause = pause
        self._resume = resume
        self._records: list[StreamRecord] = []
        self._next = 0
        self._bytes = 0
        self._resume_at = 0
        self._end = 0
        self._lost = False
        self._silence: str | None = None
        self._recovered = False
        self._changed = asyncio.Event()

    def push(self, records: Sequence[StreamRecord], *, end: int) -> None:
        """Records came; the partition ends before offset ``end`` now. Those that are done are passed over."""
        ahead = self.ahead
        if records and int(records[0].position) < ahead.end:
            records = [record for record in records if not ahead.is_done(int(record.position))]
        if self._next:
            self._bytes -= value_bytes(self._records[: self._next])
            del self._records[: self._next]
            self._next = 0
        self._records += records
        self._bytes += value_bytes(records)
        self._end = end
        waiting = len(self._records)
        if waiting >= self._maximum_records or self._bytes >= self._maximum_bytes:
            self.paused = True
            self._resume_at = waiting // 2
            self._pause(self.partition)
        self._changed.set()

    def silent(self, problem: str) -> None:
        """The partition's broker does not answer: reads say so until it does."""
        self._silence = problem
        self._changed.set()

    def heard(self) -> None:
        """The partition's broker answers."""
        if self._silence is not None:
            self._silence = None
            self._recovered = True
            self._changed.set()

    def lose(self) -> None:
        """The partition is not ours any more."""
        self._lost = True
        self._records.clear()
        self._changed.set()

    async def read(self, *, max_records: int, wait_seconds: float) -> StreamRead:
        """See StreamSource. Once its broker answers again, a read returns at once, be it with nothing."""
        if not self._is_ready():
            with anyio.move_on_after(wait_seconds):
                while not self._is_ready():
                    self._changed.clear()
                    await self._changed.wait()
        if self._lost:
            raise LeaseLostError(self._resource, f"{self.id} is not held by this reader any more")
        if self._next < len(self._records):
            return self._take(max_records)
        if self._silence is not None:
            raise UnavailableError(self._resource, self._silence)
        self._recovered = False
        return StreamRead((), behind_seconds=0)

    def _is_ready(self) -> bool:
        return self._next < len(self._records) or self._lost or self._recovered or self._silence is not None

    def _take(self, maximum: int) -> StreamRead:
        start, stop = self._next, self._next + maximum
        taken = self._records if start == 0 and stop >= len(self._records) else self._records[start:stop]
        self._next += len(taken)
        left = len(self._records) - self._next
        if not left:
            self._records, self._next, self._bytes = [], 0, 0
        if self.paused and left <= self._resume_at:
            self.paused = False
            self._resume(self.partition)
        last = taken[-1]
        caught_up = int(last.position) + 1 >= self._end
        self._recovered = False
        return StreamRead(
            tuple(taken), behind_seconds=0.0 if caught_up else max(0.0, self._clock.time() - last.timestamp)
        )
