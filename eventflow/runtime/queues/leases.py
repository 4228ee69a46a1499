"""Keeping records hidden while they are handled, however long that takes."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from eventflow.errors import AdapterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from eventflow.model.records import QueueRecord
    from eventflow.ports import QueueSource

_log = logging.getLogger(__name__)

MINIMUM_EXTENSION_SECONDS: Final = 30.0
"""A queue with a short visibility timeout is not asked every moment."""
CALLS_AT_ONCE: Final = 10


@dataclass(slots=True)
class _Lease:
    renew_at: float
    original_end: float
    on_lost: Callable[[], None] | None = None


class Leases:
    """The records of one mapping that are out of their queue; their number is its length.

    Each is extended by the queue's visibility timeout (or 30 seconds, if that is longer) when half of what it had
    is over, so that short handlers cost no call at all. ``lost`` are the receipts that turned out to be somebody
    else's; their holders are told.
    """

    def __init__(self, source: QueueSource) -> None:
        self._source = source
        self._seconds = source.properties.visibility_timeout_seconds
        self._extension = max(self._seconds, MINIMUM_EXTENSION_SECONDS)
        # Both in the order in which they need to be renewed.
        self._fresh: dict[str, _Lease] = {}
        self._extended: dict[str, _Lease] = {}
        self._begun = anyio.Event()
        self.lost: set[str] = set()

    def __len__(self) -> int:
        return len(self._fresh) + len(self._extended)

    def begin(self, records: Iterable[QueueRecord]) -> None:
        """Records were received just now."""
        now = anyio.current_time()
        if not self._fresh:
            self._begun.set()
        for record in records:
            self._fresh[record.receipt_handle] = _Lease(now + self._seconds / 2, now + self._seconds)

    def watch(self, records: Sequence[QueueRecord], on_lost: Callable[[], None]) -> None:
        """Call ``on_lost`` once none of ``records`` is ours any more."""
        ours = {record.receipt_handle for record in records}

        def lose(receipt: str) -> None:
            ours.discard(receipt)
            if not ours:
                on_lost()

        for record in records:
            receipt = record.receipt_handle
            lease = self._fresh.get(receipt) or self._extended.get(receipt)
            if lease is None:
                lose(receipt)
            else:
                lease.on_lost = partial(lose, receipt)

    def end(self, records: Iterable[QueueRecord]) -> None:
        """The records are settled, or given up."""
        for record in records:
            self._pop(record.receipt_handle)
            self.lost.discard(record.receipt_handle)

    def original_ends(self, receipts: Sequence[str]) -> list[tuple[float, list[str]]]:
        """For receipts whose lease was extended: in how many seconds it would have ended, and which they are."""
        now = anyio.current_time()
        groups: dict[float, list[str]] = {}
        for receipt in receipts:
            lease = self._extended.get(receipt)
            if lease is not None:
                groups.setdefault(max(0.0, lease.original_end - now), []).append(receipt)
        return list(groups.items())

    async def run(self) -> None:
        """Extend what needs it until cancelled. Sleeps while nothing is held."""
        while True:
            self._begun = anyio.Event()
            due_at = min((lease.renew_at for lease in self._next()), default=float("inf"))
            with anyio.CancelScope(deadline=due_at):
                await self._begun.wait()
            now = anyio.current_time()
            if now >= due_at - 1e-6 and not await self._extend(self._due(now + 1e-6)):
                # Tried again soon; if the service stays away, the records come back by themselves.
                await anyio.sleep(self._extension / 10)

    def _next(self) -> list[_Lease]:
        return [next(iter(leases.values())) for leases in (self._fresh, self._extended) if leases]

    def _due(self, now: float) -> list[str]:
        due: list[str] = []
        for leases in (self._fresh, self._extended):
            for receipt, lease in leases.items():
                if lease.renew_at > now:
                    break
                due.append(receipt)
        return due

    async def _extend(self, receipts: Sequence[str]) -> bool:
        """Renew leases, a few calls at a time; whether all calls got through."""
        size = self._source.properties.maximum_receive
        chunks = deque(receipts[start : start + size] for start in range(0, len(receipts), size))
        failures: list[str] = []
        async with anyio.create_task_group() as tasks:
            for _ in range(min(CALLS_AT_ONCE, len(chunks))):
                tasks.start_soon(self._extend_chunks, chunks, failures)
        if failures:
            _log.warning("records could not be kept hidden: %s", failures[0])
        return not failures

    async def _extend_chunks(self, chunks: deque[Sequence[str]], failures: list[str]) -> None:
        while chunks:
            receipts = [receipt for receipt in chunks.popleft() if receipt in self._fresh or receipt in self._extended]
            if receipts:
                try:
                    with anyio.fail_after(self._extension / 10):
                        lost = await self._source.extend(receipts, seconds=self._extension)
                except (AdapterError, TimeoutError) as exc:
                    failures.append(str(exc) or "the service does not answer")
                else:
                    self._extended_now(receipts, frozenset(lost))

    def _extended_now(self, receipts: Sequence[str], lost: frozenset[str]) -> None:
        renew_at = anyio.current_time() + self._extension / 2
        for receipt in receipts:
            lease = self._pop(receipt)
            if lease is None:  # settled meanwhile
                continue
            if receipt not in lost:
                lease.renew_at = renew_at
                self._extended[receipt] = lease
                continue
            self.lost.add(receipt)
            if lease.on_lost is not None:
                lease.on_lost()

    def _pop(self, receipt: str) -> _Lease | None:
        return self._fresh.pop(receipt, None) or self._extended.pop(receipt, None)
