"""One batch after the other, each to its end: invoked, retried, split, aged out or given up.

Source: Lambda guide: with-kinesis, kinesis-errors, kinesis-windows, with-kafka.
"""

from __future__ import annotations

import logging
from itertools import groupby
from typing import TYPE_CHECKING, Any

from eventflow.model.destinations import Condition
from eventflow.plan.batch_event import BatchEvent
from eventflow.policy.batches import split_by_age
from eventflow.policy.partial import first_failed
from eventflow.policy.retry import stream_backoff
from eventflow.runtime.failure_log import log_failure
from eventflow.runtime.streams.attempts import (
    Advanced,
    Divided,
    Exhausted,
    Finished,
    Repeated,
    Verdict,
    Work,
    next_step,
)
from eventflow.runtime.streams.batch_calls import Answer, call_batch
from eventflow.runtime.streams.failure_records import BatchSpan, GivenUp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from eventflow.model.json import JsonObject
    from eventflow.model.records import PartitionId, StreamRecord
    from eventflow.runtime.streams.giving_up import GivingUp
    from eventflow.runtime.streams.mapping_run import MappingRun
    from eventflow.runtime.streams.pauses import Pauses
    from eventflow.runtime.streams.progress import Progress
    from eventflow.runtime.streams.window import TumblingWindow

_log = logging.getLogger(__name__)


class BatchRunner:
    """Runs the batches of one lane. Told to stop, it finishes the invocation that runs and leaves the rest."""

    def __init__(
        self,
        run: MappingRun,
        partition: PartitionId,
        progress: Progress,
        *,
        pauses: Pauses,
        giving_up: GivingUp,
        window: TumblingWindow | None,
    ) -> None:
        self._run = run
        self._partition = partition
        self._progress = progress
        self._pauses = pauses
        self._giving_up = giving_up
        self._window = window
        self._limits = run.limits
        self._reports = run.mapping.batch.report_batch_item_failures

    async def run(self, records: Sequence[StreamRecord]) -> None:
        """See one batch through."""
        run = self._run
        run.metrics.batches[run.key] += 1
        run.metrics.batch_records[run.key] += len(records)
        run.metrics.iterator_age_seconds[(run.function.name, self._partition)] = max(
            0.0, run.clock.time() - records[-1].timestamp
        )
        pending = [Work(records)]
        while pending and not self._pauses.stopped:
            pending += reversed(await self._attempt(pending.pop()))

    async def give_up_oversized(self, record: StreamRecord) -> None:
        """A record that fits no event goes without having been invoked."""
        await self._give_up(Work([record]), Condition.MAXIMUM_PAYLOAD_SIZE_EXCEEDED)

    async def finish_window(self) -> None:
        """Make the final invocation of the open window, under the same limits as any batch."""
        work = Work(())
        window = self._window
        while window is not None and window.bounds is not None and not self._pauses.stopped:
            if self._limits.too_old(window.bounds.end, now=self._run.clock.time()):
                await self._give_up(work, Condition.RECORD_AGE_EXCEEDED)
                continue
            answer = await self._call(work)
            if answer is None:
                continue
            if answer.error is None:
                self._close_window()
                continue
            match next_step(work, Verdict(first_failed=0, raised=True), self._limits):
                case Exhausted(work):
                    self._log(work, answer, "is given up")
                    await self._give_up(work, Condition.RETRY_ATTEMPTS_EXHAUSTED, answer)
                case Repeated(work):
                    await self._pause(work, answer)

    async def _attempt(self, work: Work) -> tuple[Work, ...]:
        """One step of a batch; returns what is left of it, in order."""
        if self._window is not None and self._window.outgrown:
            await self.finish_window()
            return (work,)
        work = await self._without_expired(work)
        if not work.records:
            return ()
        if self._window is not None:
            self._window.enter(work.records[0].timestamp)
        answer = await self._call(work)
        return (work,) if answer is None else await self._follow(work, answer)

    async def _follow(self, work: Work, answer: Answer) -> tuple[Work, ...]:
        match next_step(work, self._verdict(work, answer), self._limits):
            case Finished():
                self._settle(work.records)
                return ()
            case Advanced(done, rest):
                self._settle(done)
                await self._pause(rest, answer)
                return (rest,)
            case Divided(first, second):
                self._log(work, answer, "is divided")
                return (first, second)
            case Repeated(again):
                await self._pause(again, answer)
                return (again,)
            case Exhausted(last):
                self._log(last, answer, "is given up")
                await self._give_up(last, Condition.RETRY_ATTEMPTS_EXHAUSTED, answer)
                return ()

    def _verdict(self, work: Work, answer: Answer) -> Verdict:
        """Read a response. What succeeded in a window takes the window's state along."""
        if answer.error is not None:
            return Verdict(first_failed=0, raised=True)
        state = _state(answer.response)
        if self._window is not None and state is None:
            return Verdict(first_failed=0)
        failed = None
        if self._reports:
            identifiers = [self._run.codec.identifier(record) for record in work.records]
            failed = first_failed(answer.response, identifiers)
        if self._window is not None and state is not None and failed != 0:
            self._window.update(state)
        return Verdict(first_failed=failed)

    async def _call(self, work: Work) -> Answer | None:
        """Invoke once a permit is free; ``None`` if it has to be looked at again first. Waiting for a permit uses
        up no attempt, but records grow old meanwhile."""
        run, permits = self._run, self._run.permits
        if permits.running < permits.limit:
            answer = await call_batch(run, self._event(work.records))
            if answer is None:
                await self._pauses.sleep(stream_backoff(1, jitter=run.random()))
            return answer
        with self._pauses.interruptible(self._limits.seconds_left(self._oldest(work), now=run.clock.time())):
            await permits.available()
        return None

    def _oldest(self, work: Work) -> float:
        """When the first of the records arrived, or the window ended."""
        if self._window is not None and self._window.bounds is not None and not work.records:
            return self._window.bounds.end
        return min(record.timestamp for record in work.records)

    def _event(self, records: Sequence[StreamRecord]) -> BatchEvent:
        """What the function is invoked with; without records, the final invocation of the window."""
        codec, identity = self._run.codec, self._run.identity
        if self._window is None or not self._window.is_open:
            return BatchEvent(codec, records, identity)
        return BatchEvent(codec, records, identity, self._window.keys(self._partition, identity.arn, final=not records))

    async def _without_expired(self, work: Work) -> Work:
        """Give up the records that are too old; each run of them gets a record of its own."""
        if not self._limits.ages:
            return work
        now = self._run.clock.time()
        expired, young = split_by_age(work.records, self._limits.maximum_record_age_seconds, now=now)
        for records in _runs(work.records, expired):
            if not await self._give_up(Work(records, work.attempts), Condition.RECORD_AGE_EXCEEDED):
                return Work(())
        return Work(young, work.attempts) if expired else work

    async def _give_up(self, work: Work, condition: Condition, answer: Answer | None = None) -> bool:
        given_up = GivenUp(
            partition=self._partition,
            records=work.records,
            span=self._span(work),
            condition=condition,
            request_id=answer.request_id if answer else self._run.next_request_id(),
            invoke_count=work.attempts,
            raised=answer is not None and answer.error is not None,
            event=self._event_if_possible(work),
        )
        if not await self._giving_up.give_up(given_up):
            return False
        if work.records:
            self._settle(work.records)
        else:
            self._close_window()
        return True

    def _span(self, work: Work) -> BatchSpan:
        if work.records:
            return BatchSpan.of(work.records)
        bounds, position = self._window.bounds if self._window else None, self._progress.position
        if bounds is None or position is None:
            raise AssertionError("only an open window is invoked without records")
        return BatchSpan(
            first_position=position, last_position=position, first_arrival=bounds.start, last_arrival=bounds.end, size=0
        )

    def _event_if_possible(self, work: Work) -> JsonObject | None:
        try:
            return self._event(work.records).wire()
        except Exception:  # noqa: BLE001 (that is why these records are given up)
            return None

    def _settle(self, records: Sequence[StreamRecord]) -> None:
        self._progress.settle(records, state=self._window.checkpoint() if self._window else None)

    def _close_window(self) -> None:
        if self._window is not None:
            self._window.close()
        self._settle(())

    async def _pause(self, work: Work, answer: Answer) -> None:
        seconds = stream_backoff(max(1, work.attempts), jitter=self._run.random())
        self._log(work, answer, f"is tried again in {seconds:.1f} s")
        self._run.metrics.retries[self._run.key] += 1
        await self._pauses.sleep(seconds)

    def _log(self, work: Work, answer: Answer, then: str) -> None:
        name, records = self._run.function.name, work.records
        what = f"the batch of {len(records)} from {records[0].position}" if records else "the end of the window"
        then = f"{what} of {self._partition} {then}"
        if answer.error is not None:
            log_failure(_log, name, answer.error, then, attempt=work.attempts, batch_size=len(records))
        else:
            _log.error("%s reported failures, %s", name, then)


def _runs(records: Sequence[StreamRecord], chosen: Sequence[StreamRecord]) -> Iterator[list[StreamRecord]]:
    """The longest runs of ``records`` that are all ``chosen``, in order."""
    positions = {record.position for record in chosen}
    for is_chosen, run in groupby(records, lambda record: record.position in positions):
        if is_chosen:
            yield list(run)


def _state(response: Any) -> JsonObject | None:
    state = response.get("state") if isinstance(response, dict) else None
    return state if isinstance(state, dict) else None
