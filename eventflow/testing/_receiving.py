"""Receiving in contract cases: over as many calls as the service needs, and never for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventflow.model.records import QueueRecord
    from eventflow.ports import QueueSource
    from eventflow.testing.harness import Harness

LONG_WAIT_SECONDS: Final = 20
"""As long as SQS lets a receive wait. What ends earlier did not wait to its end, however slow the machine."""


async def receive_exactly(h: Harness, source: QueueSource, count: int) -> list[QueueRecord]:
    """The next ``count`` records. Fails when fewer come within the harness's patience."""
    records: list[QueueRecord] = []
    empty = 0
    while len(records) < count and empty < h.patience_seconds:
        received = await source.receive(max_records=count - len(records), wait_seconds=1)
        empty += not received
        records.extend(received)
    assert len(records) == count, f"{count} records were due, {len(records)} came: {sorted(bodies(records))}"
    return records


async def receive_one(h: Harness, source: QueueSource) -> QueueRecord:
    """The next record."""
    [record] = await receive_exactly(h, source, 1)
    return record


async def receive_into(source: QueueSource, records: list[QueueRecord]) -> None:
    """One receive that waits for long; ``records`` gets what it returns."""
    records.extend(await source.receive(max_records=10, wait_seconds=LONG_WAIT_SECONDS))


async def expect_nothing(source: QueueSource, *, seconds: float) -> None:
    """Nothing is received for so many seconds."""
    records = await source.receive(max_records=10, wait_seconds=seconds)
    assert not records, f"nothing was due, yet {sorted(bodies(records))} came"


def body_of(record: QueueRecord) -> bytes:
    """The body as it was sent, whichever type the source hands out."""
    return record.body.encode() if isinstance(record.body, str) else record.body


def bodies(records: Iterable[QueueRecord]) -> set[bytes]:
    return {body_of(record) for record in records}
