"""What comes in from a queue, sorted: records to handle, and records that are never handled."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from eventflow.model import limits
from eventflow.policy.settlement import Settlement
from eventflow.runtime.metrics import DropReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.model.records import QueueRecord
    from eventflow.runtime.queues.mapping import QueueMappingRun

_log = logging.getLogger(__name__)


class Sized(NamedTuple):
    """A record, and the bytes that it adds to a batch: weighing it costs as much as receiving it."""

    record: QueueRecord
    size: int


class Intake:
    """The filters of a mapping, in front of its batches. ``full`` and ``empty`` count receives that brought as
    much as they may and nothing at all, since they were last set to 0."""

    def __init__(self, run: QueueMappingRun) -> None:
        self._run = run
        self.full = 0
        self.empty = 0

    def take(self, received: Sequence[QueueRecord], *, wanted: int) -> tuple[list[Sized], list[QueueRecord]]:
        """Records that are ours from now on: those to handle, and those to ``drop``."""
        if len(received) >= wanted:
            self.full += 1
        elif not received:
            self.empty += 1
        self._run.leases.begin(received)
        wanted_records: list[Sized] = []
        unwanted: list[QueueRecord] = []
        for record, size in zip(received, self._run.plan.codec.sizes(received), strict=True):
            if self._is_wanted(record, size):
                wanted_records.append(Sized(record, size))
            else:
                unwanted.append(record)
        return wanted_records, unwanted

    async def drop(self, unwanted: Sequence[QueueRecord]) -> None:
        """Lambda deletes messages that match no filter (Lambda guide: invocation-eventfiltering), and those that
        fit no batch (Lambda guide: with-mq)."""
        if unwanted:
            await self._run.settler.settle(Settlement(delete=tuple(unwanted), leave=()))

    def _is_wanted(self, record: QueueRecord, size: int) -> bool:
        run = self._run
        if size > limits.BATCH_BYTES:
            run.metrics.dropped[(*run.key, DropReason.OVERSIZED)] += 1
            _log.error("message %s of %s is larger than a batch may be, and was dropped", record.message_id, run.part)
            return False
        if self._matches(record):
            return True
        run.metrics.filtered[run.key] += 1
        return False

    def _matches(self, record: QueueRecord) -> bool:
        filters = self._run.plan.filters
        if not filters.patterns:
            return True
        try:
            view = self._run.plan.codec.filter_view(record, self._run.source.identity)
        except ValueError:  # it cannot be decoded: the function fails over it, and the queue's redrive policy acts
            return True
        return filters.matches(view)
