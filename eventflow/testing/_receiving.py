"""Receiving in contract cases: over as many calls as the service needs, and never for ever."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from eventflow.testing.harness import AN_HOUR

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from eventflow.model.records import QueueRecord
    from eventflow.ports import QueueSource
    from eventflow.testing.harness import Harness

T = TypeVar("T")

LONG_WAIT_SECONDS: Final = 20
"""As long as SQS lets a receive wait. What ends earlier did not wait to its end, however slow the machine."""
ATTEMPTS: Final = 5
"""How often a case begins again because a pause of the machine outlasted a visibility timeout or a lease."""


async def first_found(h: Harness, receive: Callable[[], Awaitable[Sequence[T]]]) -> list[T]:
    """What the first receive returns that finds something; nothing if the harness's patience ends before. A receive
    waits for about a second."""
    for _ in range(math.ceil(h.patience_seconds)):
        if found := await receive():
            return list(found)
    return []


async def receive_some(h: Harness, source: QueueSource, most: int) -> list[QueueRecord]:
    """See :func:`first_found`."""
    return await first_found(h, partial(source.receive, max_records=most, wait_seconds=1))


async def receive_exactly(h: Harness, source: QueueSource, count: int) -> list[QueueRecord]:
    """The next ``count`` records. Fails when no more come within the harness's patience."""
    records: list[QueueRecord] = []
    while len(records) < count and (received := await receive_some(h, source, count - len(records))):
        records.extend(received)
    assert len(records) == count, f"{count} records were due, {len(records)} came: {sorted(bodies(records))}"
    return records


async def receive_one(h: Harness, source: QueueSource) -> QueueRecord:
    """The next record."""
    [record] = await receive_exactly(h, source, 1)
    return record


async def receive_and_keep(h: Harness, source: QueueSource, *, seconds: float = AN_HOUR) -> QueueRecord:
    """The next record, which is extended. One that has returned before it could be is received again."""
    for _ in range(ATTEMPTS):
        record = await receive_one(h, source)
        if not await source.extend([record.receipt_handle], seconds=seconds):
            return record
    raise AssertionError(f"a record that was just received could not be extended, {ATTEMPTS} times")


async def receive_all(h: Harness, source: QueueSource, wanted: set[bytes]) -> None:
    """Receive until all of these bodies came, whatever comes twice."""
    missing = set(wanted)
    while missing and (records := await receive_some(h, source, 10)):
        missing -= bodies(records)
    assert not missing, f"{sorted(missing)} did not come"


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
