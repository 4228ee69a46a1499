"""Per-record handlers: each record is an invocation of its own, with attempts of its own, in order per key."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

import anyio
from anyio import TASK_STATUS_IGNORED

from eventflow.model import limits
from eventflow.model.destinations import Condition
from eventflow.model.outcome import Succeeded, Throttled
from eventflow.policy.retry import stream_backoff
from eventflow.runtime.dispatch import Dispatcher, Line
from eventflow.runtime.failure_log import log_failure
from eventflow.runtime.streams.failure_records import BatchSpan, GivenUp

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from anyio.abc import TaskGroup, TaskStatus

    from eventflow.model.json import JsonObject
    from eventflow.model.outcome import FunctionError, Outcome
    from eventflow.model.records import Assignment, Position, StreamRecord
    from eventflow.runtime.streams.giving_up import GivingUp
    from eventflow.runtime.streams.mapping_run import MappingRun
    from eventflow.runtime.streams.pauses import Pauses
    from eventflow.runtime.streams.progress import Progress

_log = logging.getLogger(__name__)

WEIGHED_BYTES: Final = 256 * 1024
"""A record with less data is not weighed: it cannot come near 6 MB, and weighing costs as much as dispatching."""


class RecordLanes:
    """Runs the records of one partition: with factor 1 strictly one after the other, with factor N up to N at a
    time, in order per key. Records without a key have no order among themselves then.

    A record that failed blocks its key (with factor 1 the partition) until it succeeds or is given up; while it
    waits for its next attempt, it holds no place.
    """

    open_until: Final[float | None] = None

    def __init__(
        self,
        run: MappingRun,
        assignment: Assignment,
        progress: Progress,
        pauses: Pauses,
        giving_up: GivingUp,
        *,
        capacity: int,
    ) -> None:
        self._run = run
        self._partition = assignment.partition
        self._progress = progress
        self._pauses = pauses
        self._giving_up = giving_up
        self._ages = run.limits.ages
        self._permits = run.permits
        self._invoke = run.entry.invoke
        self._workers = run.mapping.parallelization_factor
        self._capacity = capacity
        self._failures: dict[Position, int] = {}
        self._closed = asyncio.Event()

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Work until closed and finished, or told to stop."""
        async with anyio.create_task_group() as workers:
            lanes = self._lanes = self._start(workers)
            task_status.started()
            try:
                await self._closed.wait()
                with self._pauses.interruptible():
                    await lanes.quiet()
            finally:
                lanes.abandon()
            await lanes.quiet()
            workers.cancel_scope.cancel()

    def push(self, records: Iterable[StreamRecord]) -> None:
        """The next records of the partition that pass the filters."""
        if isinstance(self._lanes, Line):
            self._lanes.push(records)
            return
        for record in records:
            self._lanes.push(record, record.key)

    def turn_over(self, reached: float, *, caught_up: bool) -> None:
        """A read is over."""
        now = self._run.clock.time()
        if not caught_up:
            self._run.metrics.iterator_age_seconds[(self._run.function.name, self._partition)] = max(0.0, now - reached)

    def close(self) -> None:
        """No record comes any more."""
        self._closed.set()

    def _start(self, tasks: TaskGroup) -> Line[StreamRecord, Outcome | None] | Dispatcher[StreamRecord]:
        if self._workers == 1:
            return Line(self._attempt, self._finish, tasks=tasks)
        return Dispatcher(self._handle, workers=self._workers, capacity=self._capacity, tasks=tasks)

    async def _handle(self, record: StreamRecord) -> float | None:
        """One attempt. ``None`` when the record is over with, or the seconds until its next attempt."""
        rest = self._finish(record, await self._attempt(record))
        return None if rest is None else await rest

    def _attempt(self, record: StreamRecord) -> Awaitable[Outcome | None]:
        """Invoke with a record; ``None`` comes of it if it was given up instead, or the partition stops."""
        permits = self._permits
        if (
            permits.running >= permits.limit
            or self._ages
            or self._pauses.stopped
            or len(record.data or b"") >= WEIGHED_BYTES
        ):
            return self._attempt_if_possible(record)
        return self._invoke(record)

    async def _attempt_if_possible(self, record: StreamRecord) -> Outcome | None:
        while not self._pauses.stopped:
            if condition := self._refused(record):
                await self._give_up(record, condition)
                return None
            if self._permits.running < self._permits.limit:
                return await self._invoke(record)
            await self._wait_for_permit(record)
        return None

    def _finish(self, record: StreamRecord, outcome: Outcome | None) -> Awaitable[float | None] | None:
        """What is left to do after an attempt."""
        if isinstance(outcome, Succeeded):
            if self._failures:
                self._failures.pop(record.position, None)
            self._progress.done(record)
            return None
        return None if outcome is None else self._failed(record, outcome)

    def _refused(self, record: StreamRecord) -> Condition | None:
        """Why a record is given up instead of being invoked."""
        if self._run.limits.too_old(record.timestamp, now=self._run.clock.time()):
            return Condition.RECORD_AGE_EXCEEDED
        if len(record.data or b"") >= WEIGHED_BYTES and self._run.size(record) > limits.BATCH_BYTES:
            return Condition.MAXIMUM_PAYLOAD_SIZE_EXCEEDED
        return None

    async def _wait_for_permit(self, record: StreamRecord) -> None:
        """No attempt is used up meanwhile, but the record may expire."""
        patience = self._run.limits.seconds_left(record.timestamp, now=self._run.clock.time())
        with self._pauses.interruptible(patience):
            await self._permits.available()

    async def _failed(self, record: StreamRecord, error: FunctionError | Throttled) -> float | None:
        """The seconds until the next attempt, if there is one. Being throttled uses up none."""
        run = self._run
        if isinstance(error, Throttled):
            return stream_backoff(1, jitter=run.random())
        attempts = self._failures[record.position] = self._failures.get(record.position, 0) + 1
        if run.limits.exhausted(attempts):
            self._log(record, error, attempts, "is given up")
            await self._give_up(record, Condition.RETRY_ATTEMPTS_EXHAUSTED, error)
            return None
        seconds = stream_backoff(attempts, jitter=run.random())
        self._log(record, error, attempts, f"is tried again in {seconds:.1f} s")
        run.metrics.retries[run.key] += 1
        return seconds

    async def _give_up(self, record: StreamRecord, condition: Condition, error: FunctionError | None = None) -> None:
        given_up = GivenUp(
            partition=self._partition,
            records=(record,),
            span=BatchSpan.of((record,)),
            condition=condition,
            request_id=(error and error.request_id) or self._run.next_request_id(),
            invoke_count=self._failures.get(record.position, 0),
            raised=error is not None,
            event=self._event_if_possible(record),
        )
        if await self._giving_up.give_up(given_up):
            self._failures.pop(record.position, None)
            self._progress.done(record)

    def _event_if_possible(self, record: StreamRecord) -> JsonObject | None:
        try:
            return self._run.codec.wire_event([record], self._run.identity)
        except Exception:  # noqa: BLE001 (that may be why the record is given up)
            return None

    def _log(self, record: StreamRecord, error: FunctionError, attempts: int, then: str) -> None:
        what = f"record {record.position} of {self._partition} {then}"
        log_failure(_log, self._run.function.name, error, what, attempt=attempts)
