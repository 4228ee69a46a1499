"""The only caller of delete and release on a queue."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import anyio

from eventflow.errors import UnavailableError
from eventflow.policy.retry import reconnect_backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventflow.policy.settlement import Settlement
    from eventflow.ports import QueueSource
    from eventflow.runtime.queues.leases import Leases

_log = logging.getLogger(__name__)

DELETE_ATTEMPTS: Final = 5
RELEASE_SECONDS: Final = 5.0
"""How long last words may take when work is cancelled."""


class QueueSettler:
    """Carries out what was decided about records, and ends their leases."""

    def __init__(self, source: QueueSource, leases: Leases, *, random: Callable[[], float]) -> None:
        self._source = source
        self._leases = leases
        self._random = random

    async def settle(self, settlement: Settlement) -> None:
        """Delete what is done; let the rest come back when the queue's own visibility timeout ends.

        Records whose lease was lost are not touched: they are somebody else's. A delete that cannot reach the
        service is tried a few times; after that the records come back by themselves.
        """
        lost = self._leases.lost
        await self._delete([record.receipt_handle for record in settlement.delete if record.receipt_handle not in lost])
        await self._leave([record.receipt_handle for record in settlement.leave if record.receipt_handle not in lost])
        self._leases.end([*settlement.delete, *settlement.leave])

    async def abandon(self, settlement: Settlement) -> None:
        """Cancelled work is no failure: delete what is done, and make the rest visible again at once.

        Shielded and time-boxed: these are last words.
        """
        with anyio.move_on_after(RELEASE_SECONDS, shield=True):
            await self._delete([record.receipt_handle for record in settlement.delete])
            await self._release([record.receipt_handle for record in settlement.leave])
        self._leases.end([*settlement.delete, *settlement.leave])

    async def _release(self, receipts: Sequence[str], *, after_seconds: float = 0) -> None:
        if not receipts:
            return
        try:
            await self._source.release(receipts, after_seconds=after_seconds)
        except UnavailableError as exc:
            _log.warning("%d records come back by themselves: %s", len(receipts), exc)

    async def _delete(self, receipts: Sequence[str]) -> None:
        for attempt in range(1, DELETE_ATTEMPTS + 1):
            if not receipts:
                return
            try:
                await self._source.delete(receipts)
            except UnavailableError as exc:
                _log.warning("%d handled records could not be deleted (try %d): %s", len(receipts), attempt, exc)
                await anyio.sleep(reconnect_backoff(attempt, jitter=self._random()))
            else:
                return

    async def _leave(self, receipts: Sequence[str]) -> None:
        """Nothing to do, unless the lease was extended meanwhile: then put the old end back."""
        for after_seconds, group in self._leases.original_ends(receipts):
            await self._release(group, after_seconds=after_seconds)
