"""What becomes of messages that were received together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.model.records import QueueRecord
    from eventflow.ports import QueueSource

FAILED_SECONDS: Final = (1.0, 300.0)
"""A message that could not be delivered comes again after this long, doubled with every receive up to the second."""
FOREIGN_SECONDS: Final = (30.0, 900.0)
"""The same for a message of nobody here: for another app that reads the queue, or for its redrive policy."""


class Batch:
    """Messages that were received together, and what becomes of them."""

    def __init__(self, records: Sequence[QueueRecord]) -> None:
        self._open = {record.receipt_handle: record for record in records}
        self._delete: list[str] = []
        self._release: dict[float, list[str]] = {}
        self.failed_some = False

    @property
    def stored_some(self) -> bool:
        return bool(self._delete)

    def finish(self, record: QueueRecord) -> None:
        """Everybody has it."""
        del self._open[record.receipt_handle]
        self._delete.append(record.receipt_handle)

    def fail(self, record: QueueRecord) -> None:
        """Somebody does not have it."""
        self.failed_some = True
        self._put_off(record, FAILED_SECONDS)

    def fail_the_rest(self) -> None:
        for record in tuple(self._open.values()):
            self.fail(record)

    def leave(self, record: QueueRecord) -> None:
        """It is nobody's here."""
        self._put_off(record, FOREIGN_SECONDS)

    async def settle(self, queue: QueueSource) -> None:
        """Tell the queue. Raises AdapterError."""
        if self._open:
            self._release.setdefault(0.0, []).extend(self._open)
        if self._delete:
            await queue.delete(self._delete)
        for after_seconds, receipts in self._release.items():
            await queue.release(receipts, after_seconds=after_seconds)

    def _put_off(self, record: QueueRecord, between_seconds: tuple[float, float]) -> None:
        del self._open[record.receipt_handle]
        after_seconds = backoff(record.receive_count, *between_seconds)
        self._release.setdefault(after_seconds, []).append(record.receipt_handle)


def backoff(receive_count: int, first_seconds: float, longest_seconds: float) -> float:
    """How long a message waits after its n-th receive."""
    return float(min(first_seconds * 2.0 ** min(receive_count - 1, 30), longest_seconds))
