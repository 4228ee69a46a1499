"""One poller: receives a batch, invokes, settles, and receives the next."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio
from pydantic_core import from_json

from eventflow.errors import AdapterError
from eventflow.model.outcome import FunctionFailed, Outcome, Succeeded, Throttled, TimedOut
from eventflow.plan.batch_event import BatchEvent
from eventflow.policy.retry import reconnect_backoff
from eventflow.policy.settlement import Settlement, settle_queue_batch
from eventflow.runtime.failure_log import log_failure
from eventflow.runtime.invoker import invoke_here
from eventflow.runtime.queues.giving_up import GivingUp
from eventflow.runtime.queues.receiver import BatchReceiver
from eventflow.runtime.queues.records import RecordBatch
from eventflow.runtime.responses import response_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.model.records import QueueRecord
    from eventflow.runtime.queues.intake import Intake
    from eventflow.runtime.queues.mapping import QueueMappingRun
    from eventflow.runtime.queues.records import RecordRunner

_log = logging.getLogger(__name__)


class PollLoop:
    """Holds one batch at a time. Permit first, receive second: it receives only what can run at once, so low
    concurrency never burns receive counts."""

    def __init__(self, run: QueueMappingRun, intake: Intake, runner: RecordRunner | None) -> None:
        """``runner`` is for handlers that are called once per record."""
        self._run = run
        self._runner = runner
        self._receiver = BatchReceiver(run, intake)
        self._giving_up = GivingUp(run)
        self._failures = 0

    async def receive(self) -> Sequence[QueueRecord]:
        """One batch, within what may run now; empty if nothing came, or the queue could not be reached."""
        run = self._run
        try:
            async with run.permits.promise(run.size if run.per_record else 1) as permits:
                records = await self._receiver.receive(
                    most=permits if run.per_record else run.size,
                    # The first answer after an outage says that it is over: it should come soon.
                    longest_wait=1.0 if self._failures else run.source.properties.maximum_wait_seconds,
                )
        except AdapterError as exc:
            self._failures += 1
            run.report(run.part, str(exc))
            await anyio.sleep(reconnect_backoff(self._failures, jitter=run.random()))
            return []
        self._failures = 0
        run.report(run.part, None)
        return records

    async def process(self, records: Sequence[QueueRecord]) -> None:
        """Invoke the function with a batch, and settle it. Cancelling releases it."""
        run = self._run
        run.metrics.batches[run.key] += 1
        run.metrics.batch_records[run.key] += len(records)
        if self._runner is None:
            settlement = await self._process_batch(records)
        else:
            settlement = await self._process_records(records, self._runner)
        settlement = await self._giving_up.give_up(settlement)
        # What comes back blocks what follows it in its group.
        groups = {record.group_id for record in settlement.leave if record.group_id is not None}
        behind = self._receiver.forget_groups(groups) if groups else ()
        await run.settler.settle(Settlement(delete=settlement.delete, leave=(*settlement.leave, *behind)))

    async def abandon(self) -> None:
        """Release what was received and not processed."""
        await self._run.settler.abandon(self._receiver.held)

    async def _process_records(self, records: Sequence[QueueRecord], runner: RecordRunner) -> Settlement:
        batch = RecordBatch(records)
        try:
            await runner.run(batch)
        except anyio.get_cancelled_exc_class():
            await self._run.settler.abandon(batch.unfinished)
            await self._run.settler.settle(batch.settlement())
            raise
        return batch.settlement()

    async def _process_batch(self, records: Sequence[QueueRecord]) -> Settlement:
        outcome: Outcome | None = None
        try:
            with anyio.CancelScope() as scope:
                self._run.leases.watch(records, scope.cancel)
                if not scope.cancel_called:
                    outcome = await self._invoke(records)
        except anyio.get_cancelled_exc_class():
            await self._run.settler.abandon(records)
            raise
        if outcome is None:
            _log.warning("a batch of %d records is somebody else's by now; its handler is stopped", len(records))
            return Settlement(delete=(), leave=tuple(records))
        return self._settlement(records, outcome)

    async def _invoke(self, records: Sequence[QueueRecord]) -> Outcome:
        run = self._run
        event = BatchEvent(run.plan.codec, records, run.source.identity)
        throttles = 0
        while isinstance(outcome := await invoke_here(run.entry, event), Throttled):
            throttles += 1
            await run.permits.another_chance(throttles)
        return outcome

    def _settlement(self, records: Sequence[QueueRecord], outcome: Outcome) -> Settlement:
        run = self._run
        report = run.plan.mapping.batch.report_batch_item_failures
        identifiers = [run.plan.codec.identifier(record) for record in records] if report else None
        outcome = _as_answered(outcome)
        settlement = settle_queue_batch(records, outcome, identifiers)
        if isinstance(outcome, FunctionFailed | TimedOut):
            then = f"{len(records)} records come back"
            log_failure(_log, run.function_name, outcome, then, batch_size=len(records))
        elif settlement.leave:
            _log.warning("%s reported %d of %d records as failed", run.part, len(settlement.leave), len(records))
        return settlement


def _as_answered(outcome: Outcome) -> Outcome:
    """The outcome as Lambda's pollers get it: a result that cannot be written is a function error, any other is
    JSON."""
    if not isinstance(outcome, Succeeded) or outcome.value is None:
        return outcome
    response = response_of(outcome, "")
    return Succeeded(_decoded(response.body)) if response.outcome.ok else response.outcome


def _decoded(body: bytes | None) -> Any:
    try:
        return from_json(body or b"null")
    except ValueError:
        return body
