"""Per-record handlers on a queue: each record is an invocation of its own."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio

from eventflow.model.outcome import FunctionFailed, Succeeded, Throttled, TimedOut
from eventflow.policy.settlement import Settlement
from eventflow.runtime.dispatch import Dispatcher
from eventflow.runtime.failure_log import log_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyio.abc import TaskGroup

    from eventflow.model.outcome import Outcome
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
        """What succeeded is deleted; all else, run or not, is left."""
        delete = set(map(id, self._done))
        return Settlement(
            delete=tuple(self._done),
            leave=tuple(record for record in self.records if id(record) not in delete),
        )


class _Item(NamedTuple):
    record: QueueRecord
    batch: RecordBatch


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
        with anyio.CancelScope() as scope:
            self._leases.watch([record], scope.cancel)
            outcome = await self._invoke(record)
            batch.done(record, success=isinstance(outcome, Succeeded))
        if scope.cancelled_caught:
            _log.warning("record %s is somebody else's by now; its handler was stopped", record.message_id)
            batch.done(record, success=False)

    async def _invoke(self, record: QueueRecord) -> Outcome:
        entry = self._entry
        while True:
            outcome = await entry.invoke(record)
            if isinstance(outcome, Throttled):
                await entry.invoker.permits.available()
                continue
            if isinstance(outcome, FunctionFailed | TimedOut):
                log_failure(
                    _log,
                    entry.invoker.definition.name,
                    outcome,
                    f"record {record.message_id} comes back",
                    message_id=record.message_id,
                    attempt=record.receive_count,
                )
            return outcome
