"""What becomes of the records of a queue's batch. Source: Lambda guide: services-sqs-errorhandling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from eventflow.model.outcome import Outcome, Succeeded
from eventflow.policy.partial import failed_identifiers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.model.records import QueueRecord


class Settlement(NamedTuple):
    """``delete`` is done with; ``leave`` comes back when the queue's visibility timeout ends."""

    delete: tuple[QueueRecord, ...]
    leave: tuple[QueueRecord, ...]


def settle_queue_batch(
    records: Sequence[QueueRecord], outcome: Outcome, identifiers: Sequence[Any] | None
) -> Settlement:
    """Settle one batch. ``identifiers`` are the records' own where the mapping reports batch item failures,
    ``None`` where the response does not matter."""
    everything = tuple(records)
    if not isinstance(outcome, Succeeded):
        return Settlement(delete=(), leave=everything)
    if identifiers is None:
        return Settlement(delete=everything, leave=())
    failed = frozenset(failed_identifiers(outcome.value, identifiers).failed)
    return Settlement(
        delete=tuple(record for index, record in enumerate(everything) if index not in failed),
        leave=tuple(record for index, record in enumerate(everything) if index in failed),
    )
