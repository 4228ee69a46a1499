"""Per-record handlers on a queue: each record is an invocation of its own."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventflow.model.outcome import FunctionFailed, Succeeded, Throttled, TimedOut
from eventflow.policy.settlement import Settlement
from eventflow.runtime.cancellation import forget_cancellation, is_stopping
from eventflow.runtime.dispatch import Dispatcher
from eventflow.runtime.failure_log import log_failure
from eventflow.runtime.invoker import invoke_here

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyio.abc import TaskGroup

    from eventflow.model.outcome import FunctionError, Outcome
    from eventflow.model.records import QueueRecord
    from eventflow.runtime.invoker import Entry
    from eventflow.runtime.queues.leases import Leases

_log = logging.getLogger(__name__)

WORKERS: Final = 1_250
"""As many as a queue may have pollers; what really limits is the function's concurrency and the mapping's."""


class RecordBatch:
    """Records that were received together, while they are handled one by one."""

    def __init__(self, records: Sequence[QueueRecord]) -> None:
        self.records = tuple(records)
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._done: list[QueueRecord] = []
        self._failed: list[QueueRecord] = []
        self._blocked: set[str] = set()

    def blocks(self, record: QueueRecord) -> bool:
        """Whether an earlier record of its group failed, so that it must not run."""
        return record.group_id is not None and record.group_id in self._blocked

    def done(self, record: QueueRecord, *, success: bool) -> None:
        """A record was handled, or passed over."""
        (self._done if success else self._failed).append(record)
        if not success and record.group_id is not None:
            self._blocked.add(record.group_id)
        if len(self._done) + len(self._failed) == len(self.records) and not self.finished.done():
            self.finished.set_result(None)

    def settlement(self) -> Settlement:
        """What succeeded is deleted; what failed, or stands behind what failed, is left."""
        return Settlement(delete=tuple(self._done), leave=tuple(self._failed))

    @property
    def unfinished(self) -> list[QueueRecord]:
        """What is still running, or was not begun."""
        finished = {*map(id, self._done), *map(id, self._failed)}
        return [record for record in self.records if id(record) not in finished]


class _Item(NamedTuple):
    record: QueueRecord
    batch: RecordBatch


class _Holding:
    """A record while its handler runs. A cancel scope would do the same at several times the cost of the call."""

    __slots__ = ("lost", "task")

    def __init__(self) -> None:
        self.lost = False
        self.task: asyncio.Task[Any] | None = None

    def lose(self) -> None:
        """The record is somebody else's: its handler, if it runs, is cancelled once, as when its time is over."""
        self.lost = True
        if self.task is not None:
            self.task.cancel()


class RecordRunner:
    """Runs the records of all pollers of one mapping: in order within a group, side by side otherwise."""

    def __init__(self, entry: Entry, leases: Leases, tasks: TaskGroup) -> None:
        self._entry = entry
        self._leases = leases
        self._dispatcher: Dispatcher[_Item] = Dispatcher(self._run, workers=WORKERS, capacity=WORKERS, tasks=tasks)

    async def run(self, batch: RecordBatch) -> None:
        """Handle every record of a batch; its settlement tells what came of them."""
        for record in batch.records:
            await self._dispatcher.room()
            self._dispatcher.push(_Item(record, batch), record.group_id)
        await batch.finished

    async def _run(self, item: _Item) -> None:
        record, batch = item
        if batch.blocks(record):
            batch.done(record, success=False)
            return
        holding = _Holding()
        self._leases.watch([record], holding.lose)
        outcome = None if holding.lost else await self._handle(record, holding)
        if holding.lost:
            _log.warning("record %s is somebody else's by now; its handler is stopped", record.message_id)
        elif isinstance(outcome, FunctionFailed | TimedOut):
            self._log(record, outcome)
        batch.done(record, success=isinstance(outcome, Succeeded))

    async def _handle(self, record: QueueRecord, holding: _Holding) -> Outcome | None:
        """Invoke once a permit is free. ``None`` if the record was lost before it could run."""
        outcome: Outcome | None = None
        holding.task = asyncio.current_task()
        try:
            outcome = await self._invoke(record)
        except asyncio.CancelledError:
            if not holding.lost or is_stopping():
                raise
        finally:
            holding.task = None
        if holding.lost and not is_stopping():
            forget_cancellation()
        return outcome

    async def _invoke(self, record: QueueRecord) -> Outcome:
        permits, throttles = self._entry.invoker.permits, 0
        while isinstance(outcome := await invoke_here(self._entry, record), Throttled):
            throttles += 1
            await permits.another_chance(throttles)
        return outcome

    def _log(self, record: QueueRecord, error: FunctionError) -> None:
        log_failure(
            _log,
            self._entry.invoker.definition.name,
            error,
            f"record {record.message_id} (delivery {record.receive_count})",
            message_id=record.message_id,
            attempt=record.receive_count,
        )
