"""The only caller of delete and release on a queue."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

import anyio

from eventflow.errors import AdapterError
from eventflow.policy.retry import message_backoff, reconnect_backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventflow.model.records import QueueRecord
    from eventflow.policy.settlement import Settlement
    from eventflow.ports import QueueSource
    from eventflow.runtime.queues.leases import Leases

_log = logging.getLogger(__name__)

DELETE_ATTEMPTS: Final = 5
CALL_SECONDS: Final = 10.0
"""How long the service may take with one call before it counts as away."""
NO_ANSWER: Final = "the service does not answer"
LAST_SECONDS: Final = 5.0
"""How long last words may take when work is cancelled."""


class QueueSettler:
    """Carries out what was decided about records, and ends their leases."""

    def __init__(self, source: QueueSource, leases: Leases, *, random: Callable[[], float]) -> None:
        self._source = source
        self._leases = leases
        self._random = random

    async def settle(self, settlement: Settlement) -> None:
        """Delete what is done; let the rest come back when the queue's own visibility timeout ends, or, where the queue
        does not see to that, after a delay that grows with every delivery.

        Records whose lease was lost are not touched: they are somebody else's. A delete that cannot reach the
        service is tried a few times; after that the records come back by themselves. What is done stays done:
        cancellation waits for a moment.
        """
        try:
            await self._carry_out(settlement)
        except asyncio.CancelledError:
            with anyio.move_on_after(LAST_SECONDS, shield=True):
                await self._carry_out(settlement)
            raise
        finally:
            self._leases.end([*settlement.delete, *settlement.leave])

    async def abandon(self, records: Sequence[QueueRecord]) -> None:
        """Cancelled work is no failure: make its records visible again at once. Shielded and time-boxed: these are
        last words."""
        with anyio.move_on_after(LAST_SECONDS, shield=True):
            await self._release(self._ours(records))
        self._leases.end(records)

    async def _carry_out(self, settlement: Settlement) -> None:
        # What is left first: deleting may take its time, in which it must not be kept hidden further.
        for after_seconds, receipts in self._returns(settlement.leave):
            await self._release(receipts, after_seconds=after_seconds)
        self._leases.end(settlement.leave)
        await self._delete(self._ours(settlement.delete))

    def _returns(self, records: Sequence[QueueRecord]) -> list[tuple[float, list[str]]]:
        """Which records have to be released, and after how many seconds."""
        if self._source.properties.redelivers:
            return self._leases.original_ends(self._ours(records))
        deliveries: dict[int, list[QueueRecord]] = {}
        for record in records:
            deliveries.setdefault(record.receive_count, []).append(record)
        return [
            (message_backoff(count, jitter=self._random()), self._ours(group)) for count, group in deliveries.items()
        ]

    def _ours(self, records: Sequence[QueueRecord]) -> list[str]:
        return [record.receipt_handle for record in records if record.receipt_handle not in self._leases.lost]

    async def _release(self, receipts: Sequence[str], *, after_seconds: float = 0) -> None:
        if not receipts:
            return
        try:
            with anyio.fail_after(CALL_SECONDS):
                await self._source.release(receipts, after_seconds=after_seconds)
        except (AdapterError, TimeoutError) as exc:
            _log.warning("%d records come back by themselves: %s", len(receipts), str(exc) or NO_ANSWER)

    async def _delete(self, receipts: Sequence[str]) -> None:
        for attempt in range(1, DELETE_ATTEMPTS + 1):
            if not receipts:
                return
            try:
                with anyio.fail_after(CALL_SECONDS):
                    await self._source.delete(receipts)
            except (AdapterError, TimeoutError) as exc:
                text = "%d handled records could not be deleted (try %d): %s"
                _log.warning(text, len(receipts), attempt, str(exc) or NO_ANSWER)
                await anyio.sleep(reconnect_backoff(attempt, jitter=self._random()))
            else:
                return
