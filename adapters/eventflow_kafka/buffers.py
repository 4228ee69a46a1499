"""What was fetched of one partition and not read yet. Bounded: a full buffer pauses its partition."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import anyio

from eventflow.errors import LeaseLostError, UnavailableError
from eventflow.model.records import StreamRead
from eventflow_kafka.records import partition_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiokafka import TopicPartition

    from eventflow.ports import Clock
    from eventflow_kafka.ahead import Ahead
    from eventflow_kafka.records import FetchedRecords


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
        self._parts: deque[FetchedRecords] = deque()
        self._waiting = 0
        self._bytes = 0
        self._resume_at = 0
        self._end = 0
        self._lost = False
        self._silence: str | None = None
        self._recovered = False
        self._changed = asyncio.Event()

    def push(self, parts: Iterable[FetchedRecords], *, end: int) -> None:
        """Records came; the partition ends before offset ``end`` now. Those that are done are passed over."""
        for part in map(self._not_done, parts):
            if part:
                self._parts.append(part)
                self._waiting += len(part)
                self._bytes += part.size
        self._end = end
        if self._waiting >= self._maximum_records or self._bytes >= self._maximum_bytes:
            self.paused = True
            self._resume_at = self._waiting // 2
            self._pause(self.partition)
        self._changed.set()

    def _not_done(self, part: FetchedRecords) -> FetchedRecords:
        ahead = self.ahead
        if not part or part.first >= ahead.end:
            return part
        return part.only(lambda offset: not ahead.is_done(offset))

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
        self._parts.clear()
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
        if self._parts:
            return self._take(max_records)
        if self._silence is not None:
            raise UnavailableError(self._resource, self._silence)
        self._recovered = False
        return StreamRead((), behind_seconds=0)

    def _is_ready(self) -> bool:
        return bool(self._parts) or self._lost or self._recovered or self._silence is not None

    def _take(self, maximum: int) -> StreamRead:
        taken = self._next(maximum)
        self._waiting -= len(taken)
        self._bytes -= taken.size
        if self.paused and self._waiting <= self._resume_at:
            self.paused = False
            self._resume(self.partition)
        self._recovered = False
        last = taken[-1]
        caught_up = int(last.position) + 1 >= self._end
        behind_seconds = 0.0 if caught_up else max(0.0, self._clock.time() - last.timestamp)
        return StreamRead(taken, behind_seconds=behind_seconds, size=taken.size)

    def _next(self, maximum: int) -> FetchedRecords:
        """As many whole parts as fit, or the beginning of one."""
        parts = self._parts
        taken: list[FetchedRecords] = []
        while parts and maximum >= len(parts[0]):
            maximum -= len(parts[0])
            taken.append(parts.popleft())
        if not taken:
            first, parts[0] = parts[0][:maximum], parts[0][maximum:]
            return first
        return taken[0].joined(taken[1:])
