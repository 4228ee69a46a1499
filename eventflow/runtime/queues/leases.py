"""Keeping records hidden while they are handled, however long that takes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio

from eventflow.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from eventflow.model.records import QueueRecord
    from eventflow.ports import QueueSource

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Lease:
    ends_at: float
    original_end: float
    on_lost: Callable[[], None] | None = None


class Leases:
    """The records of one mapping that are out of their queue.

    Each is extended by the queue's visibility timeout when half of what it had is over, so that short handlers
    cost no call at all. ``lost`` are the receipts that turned out to be somebody else's; their holders are told.
    """

    def __init__(self, source: QueueSource) -> None:
        self._source = source
        self._seconds = source.properties.visibility_timeout_seconds
        self._held: dict[str, _Lease] = {}
        self._changed = anyio.Event()
        self.lost: set[str] = set()

    def begin(self, records: Iterable[QueueRecord]) -> None:
        """Records were received just now."""
        ends_at = anyio.current_time() + self._seconds
        idle = not self._held
        for record in records:
            self._held[record.receipt_handle] = _Lease(ends_at, ends_at)
        if idle:
            self._changed.set()

    def watch(self, records: Sequence[QueueRecord], on_lost: Callable[[], None]) -> None:
        """Call ``on_lost`` once none of ``records`` is ours any more."""
        ours = {record.receipt_handle for record in records}

        def lose(receipt: str) -> None:
            ours.discard(receipt)
            if not ours:
                on_lost()

        for record in records:
            receipt = record.receipt_handle
            if receipt in self._held:
                self._held[receipt].on_lost = partial(lose, receipt)
            else:
                lose(receipt)

    def end(self, records: Iterable[QueueRecord]) -> None:
        """The records are settled, or given up."""
        for record in records:
            self._held.pop(record.receipt_handle, None)
            self.lost.discard(record.receipt_handle)

    def original_ends(self, receipts: Sequence[str]) -> list[tuple[float, list[str]]]:
        """For receipts whose lease was extended: in how many seconds it would have ended, and which they are."""
        now = anyio.current_time()
        groups: dict[float, list[str]] = {}
        for receipt in receipts:
            lease = self._held.get(receipt)
            if lease is not None and lease.ends_at > lease.original_end:
                groups.setdefault(max(0.0, lease.original_end - now), []).append(receipt)
        return list(groups.items())

    async def run(self) -> None:
        """Extend what needs it until cancelled. Sleeps while nothing is held."""
        while True:
            while not self._held:
                self._changed = anyio.Event()
                await self._changed.wait()
            # Leases begin in order and are extended in order, so the first is the next to need it.
            due = next(iter(self._held.values())).ends_at - self._seconds / 2
            await anyio.sleep_until(due)
            await self._extend(anyio.current_time() + self._seconds / 2)

    async def _extend(self, before: float) -> None:
        due = [receipt for receipt, lease in self._held.items() if lease.ends_at <= before + 1e-6]
        size = self._source.properties.maximum_receive
        for start in range(0, len(due), size):
            await self._extend_some([receipt for receipt in due[start : start + size] if receipt in self._held])

    async def _extend_some(self, receipts: Sequence[str]) -> None:
        try:
            lost = await self._source.extend(receipts, seconds=self._seconds)
        except UnavailableError as exc:
            # Tried again soon; if it stays away, the records come back by themselves.
            _log.warning("%d records could not be kept hidden: %s", len(receipts), exc)
            self._postpone(receipts, self._seconds / 10)
            return
        for receipt in lost:
            lease = self._held.pop(receipt, None)
            if lease is not None:
                self.lost.add(receipt)
                if lease.on_lost is not None:
                    lease.on_lost()
        self._postpone([receipt for receipt in receipts if receipt not in lost], self._seconds)

    def _postpone(self, receipts: Sequence[str], seconds: float) -> None:
        now = anyio.current_time()
        for receipt in receipts:
            lease = self._held.pop(receipt, None)
            if lease is not None:
                lease.ends_at = max(lease.ends_at, now + seconds)
                self._held[receipt] = lease
