"""Delete, release and extend: what becomes of a record that was received."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio

from eventflow.testing._receiving import (
    bodies,
    body_of,
    expect_nothing,
    receive_and_keep,
    receive_exactly,
    receive_into,
    receive_one,
)
from eventflow.testing.harness import AN_HOUR, Capability, QueueHarness, QueueRequest, needs

if TYPE_CHECKING:
    from eventflow.model.records import QueueRecord

QueueCase: TypeAlias = Callable[[QueueHarness], Awaitable[None]]

RETURNING: Final = QueueRequest(returning=True)


async def deleted_record_never_returns(h: QueueHarness) -> None:
    queue = await h.queue(RETURNING)
    await queue.send(b"a")
    record = await receive_one(h, queue.source)
    await queue.source.delete([record.receipt_handle])
    await h.elapse(queue.visibility_timeout_seconds)
    await expect_nothing(queue.source, seconds=2)


async def delete_removes_only_the_records_named(h: QueueHarness) -> None:
    queue = await h.queue()
    for body in (b"a", b"b", b"c"):
        await queue.send(body)
    records = await receive_exactly(h, queue.source, 3)
    await queue.source.delete([record.receipt_handle for record in records if body_of(record) != b"b"])
    await queue.source.release([record.receipt_handle for record in records])
    assert body_of(await receive_one(h, queue.source)) == b"b"
    await expect_nothing(queue.source, seconds=1)


async def delete_is_idempotent(h: QueueHarness) -> None:
    queue = await h.queue()
    await queue.send(b"a")
    record = await receive_one(h, queue.source)
    await queue.source.delete([record.receipt_handle])
    await queue.source.delete([record.receipt_handle])
    await expect_nothing(queue.source, seconds=1)


async def unknown_receipts_are_ignored(h: QueueHarness) -> None:
    queue = await h.queue()
    await queue.send(b"a")
    await queue.source.delete(["no-such-receipt"])
    await queue.source.release(["no-such-receipt"])
    assert list(await queue.source.extend(["no-such-receipt"], seconds=1)) == ["no-such-receipt"]
    await queue.source.delete([])
    await queue.source.release([])
    assert not await queue.source.extend([], seconds=1)
    assert body_of(await receive_one(h, queue.source)) == b"a"


async def unknown_receipt_does_not_spoil_the_others(h: QueueHarness) -> None:
    queue = await h.queue(RETURNING)
    await queue.send(b"a")
    record = await receive_one(h, queue.source)
    await queue.source.delete(["no-such-receipt", record.receipt_handle])
    await h.elapse(queue.visibility_timeout_seconds)
    await expect_nothing(queue.source, seconds=1)


@needs(Capability.VISIBILITY_TIMEOUT, Capability.STRICT_RECEIPTS)
async def old_receipt_does_not_delete_a_record_received_again(h: QueueHarness) -> None:
    queue = await h.queue(RETURNING)
    await queue.send(b"a")
    first = await receive_one(h, queue.source)
    await h.elapse(queue.visibility_timeout_seconds)
    rival = await h.rival(queue.name)
    await receive_one(h, rival)
    await queue.source.delete([first.receipt_handle])
    await h.elapse(queue.visibility_timeout_seconds)
    assert (await receive_one(h, rival)).message_id == first.message_id


@needs(Capability.VISIBILITY_TIMEOUT, Capability.STRICT_RECEIPTS)
async def old_receipt_does_not_release_a_record_received_again(h: QueueHarness) -> None:
    queue = await h.queue(RETURNING)
    await queue.send(b"a")
    first = await receive_one(h, queue.source)
    await h.elapse(queue.visibility_timeout_seconds)
    await receive_and_keep(h, queue.source)
    await queue.source.release([first.receipt_handle])
    await expect_nothing(queue.source, seconds=h.grace_seconds)


async def released_record_is_visible_at_once(h: QueueHarness) -> None:
    queue = await h.queue()
    await queue.send(b"a")
    first = await receive_one(h, queue.source)
    await queue.source.release([first.receipt_handle])
    again = await receive_one(h, await h.rival(queue.name))
    assert (again.message_id, again.receive_count) == (first.message_id, 2)


async def waiting_receive_gets_a_record_when_it_is_released(h: QueueHarness) -> None:
    queue = await h.queue()
    await queue.send(b"a")
    first = await receive_one(h, queue.source)
    received: list[QueueRecord] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(receive_into, await h.rival(queue.name), received)
        await h.elapse(0.5)
        await queue.source.release([first.receipt_handle])
    assert bodies(received) == {b"a"}


@needs(Capability.RELEASE_DELAY)
async def released_record_returns_after_the_delay(h: QueueHarness) -> None:
    queue = await h.queue()
    await queue.send(b"a")
    first = await receive_one(h, queue.source)
    released_at = anyio.current_time()
    await queue.source.release([first.receipt_handle], after_seconds=6)
    assert (await receive_one(h, queue.source)).message_id == first.message_id
    assert anyio.current_time() - released_at >= 5


@needs(Capability.RELEASE_DELAY)
async def release_may_hide_a_record_beyond_its_visibility_timeout(h: QueueHarness) -> None:
    queue = await h.queue(RETURNING)
    visibility = queue.visibility_timeout_seconds
    await queue.send(b"a")
    first = await receive_and_keep(h, queue.source)
    released_at = anyio.current_time()
    await queue.source.release([first.receipt_handle], after_seconds=2 * visibility)
    await h.elapse(visibility)
    assert (await receive_one(h, queue.source)).message_id == first.message_id
    assert anyio.current_time() - released_at >= 1.5 * visibility


@needs(Capability.VISIBILITY_TIMEOUT)
async def extend_keeps_a_record_hidden(h: QueueHarness) -> None:
    queue = await h.queue(RETURNING)
    visibility = queue.visibility_timeout_seconds
    await queue.send(b"a")
    record = await receive_and_keep(h, queue.source)
    await h.elapse(visibility)
    assert not await queue.source.extend([record.receipt_handle], seconds=AN_HOUR)
    await h.elapse(visibility)
    await expect_nothing(queue.source, seconds=visibility * 0.5)


@needs(Capability.VISIBILITY_TIMEOUT)
async def extended_record_returns_when_the_extension_ends(h: QueueHarness) -> None:
    queue = await h.queue(RETURNING)
    await queue.send(b"a")
    first = await receive_and_keep(h, queue.source, seconds=queue.visibility_timeout_seconds)
    await h.elapse(queue.visibility_timeout_seconds)
    assert (await receive_one(h, queue.source)).message_id == first.message_id


async def extend_reports_deleted_records_as_lost(h: QueueHarness) -> None:
    queue = await h.queue()
    await queue.send(b"a")
    await queue.send(b"b")
    gone, kept = await receive_exactly(h, queue.source, 2)
    await queue.source.delete([gone.receipt_handle])
    lost = await queue.source.extend([gone.receipt_handle, kept.receipt_handle], seconds=30)
    assert list(lost) == [gone.receipt_handle]


@needs(Capability.VISIBILITY_TIMEOUT, Capability.STRICT_RECEIPTS)
async def extend_reports_records_received_by_somebody_else_as_lost(h: QueueHarness) -> None:
    queue = await h.queue(RETURNING)
    await queue.send(b"a")
    first = await receive_one(h, queue.source)
    await h.elapse(queue.visibility_timeout_seconds)
    rival = await h.rival(queue.name)
    second = await receive_and_keep(h, rival)
    assert list(await queue.source.extend([first.receipt_handle], seconds=30)) == [first.receipt_handle]
    assert not await rival.extend([second.receipt_handle], seconds=AN_HOUR)


SETTLING_CASES: Final[tuple[QueueCase, ...]] = (
    deleted_record_never_returns,
    delete_removes_only_the_records_named,
    delete_is_idempotent,
    unknown_receipts_are_ignored,
    unknown_receipt_does_not_spoil_the_others,
    old_receipt_does_not_delete_a_record_received_again,
    old_receipt_does_not_release_a_record_received_again,
    released_record_is_visible_at_once,
    waiting_receive_gets_a_record_when_it_is_released,
    released_record_returns_after_the_delay,
    release_may_hide_a_record_beyond_its_visibility_timeout,
    extend_keeps_a_record_hidden,
    extended_record_returns_when_the_extension_ends,
    extend_reports_deleted_records_as_lost,
    extend_reports_records_received_by_somebody_else_as_lost,
)
