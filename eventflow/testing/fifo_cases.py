"""Ordered groups, deduplication and redrive of queues: the part of the queue contract that SQS FIFO queues and
redrive policies define. Source: Lambda guide: with-sqs; SQS guide: FIFO delivery logic, dead-letter queues."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio

from eventflow.testing._receiving import (
    bodies,
    body_of,
    expect_nothing,
    receive_exactly,
    receive_one,
    receive_some,
)
from eventflow.testing.harness import Capability, QueueHarness, QueueRequest, needs

if TYPE_CHECKING:
    from eventflow.ports import QueueSource
    from eventflow.testing.harness import OpenQueue

QueueCase: TypeAlias = Callable[[QueueHarness], Awaitable[None]]

FIFO: Final = QueueRequest(fifo=True)


async def _send(queue: OpenQueue, group: str, *contents: bytes) -> None:
    for body in contents:
        await queue.send(body, group_id=group, deduplication_id=f"{group}-{body.decode()}")


@needs(Capability.FIFO)
async def records_of_a_group_come_in_order(h: QueueHarness) -> None:
    queue = await h.queue(FIFO)
    assert queue.source.properties.fifo
    sent = [b"%02d" % number for number in range(12)]
    await _send(queue, "g", *sent)
    received: list[bytes] = []
    while len(received) < len(sent):
        record = await receive_one(h, queue.source)
        assert record.group_id == "g"
        received.append(body_of(record))
        await queue.source.delete([record.receipt_handle])
    assert received == sent


@needs(Capability.FIFO)
async def records_of_a_group_in_one_receive_are_in_order(h: QueueHarness) -> None:
    queue = await h.queue(FIFO)
    sent = [b"%d" % number for number in range(5)]
    await _send(queue, "g", *sent)
    received = [body_of(record) for record in await receive_some(h, queue.source, 5)]
    assert received
    assert received == sent[: len(received)]


@needs(Capability.FIFO)
async def group_is_blocked_while_a_record_of_it_is_in_flight(h: QueueHarness) -> None:
    queue = await h.queue(FIFO)
    await _send(queue, "g", b"1", b"2")
    first = await receive_one(h, queue.source)
    await expect_nothing(await h.rival(queue.name), seconds=h.grace_seconds)
    await queue.source.delete([first.receipt_handle])
    assert body_of(await receive_one(h, queue.source)) == b"2"


@needs(Capability.FIFO)
async def other_groups_go_on_while_one_is_blocked(h: QueueHarness) -> None:
    queue = await h.queue(FIFO)
    await _send(queue, "blocked", b"1", b"2")
    blocking = await receive_one(h, queue.source)
    assert blocking.group_id == "blocked"
    await _send(queue, "free", b"3", b"4")
    records = await receive_exactly(h, await h.rival(queue.name), 2)
    assert [(record.group_id, body_of(record)) for record in records] == [("free", b"3"), ("free", b"4")]


@needs(Capability.FIFO)
async def waiting_receive_goes_on_when_the_group_is_free(h: QueueHarness) -> None:
    queue = await h.queue(FIFO)
    await _send(queue, "g", b"1", b"2")
    first = await receive_one(h, queue.source)
    rival = await h.rival(queue.name)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_delete_later, h, queue.source, first.receipt_handle)
        records = await rival.receive(max_records=10, wait_seconds=20)
    assert bodies(records) == {b"2"}


async def _delete_later(h: QueueHarness, source: QueueSource, receipt: str) -> None:
    await h.elapse(1)
    await source.delete([receipt])


@needs(Capability.FIFO)
async def released_record_comes_before_its_successors(h: QueueHarness) -> None:
    queue = await h.queue(FIFO)
    await _send(queue, "g", b"1", b"2", b"3")
    first = await receive_one(h, queue.source)
    await queue.source.release([first.receipt_handle])
    again = await receive_one(h, queue.source)
    assert (body_of(again), again.receive_count) == (b"1", 2)


@needs(Capability.FIFO, Capability.VISIBILITY_TIMEOUT)
async def unsettled_record_comes_before_its_successors(h: QueueHarness) -> None:
    queue = await h.queue(QueueRequest(fifo=True, returning=True))
    await _send(queue, "g", b"1", b"2")
    await receive_one(h, queue.source)
    await h.elapse(queue.visibility_timeout_seconds)
    assert body_of(await receive_one(h, queue.source)) == b"1"


@needs(Capability.FIFO, Capability.RELEASE_DELAY)
async def group_stays_blocked_while_its_first_record_is_released_with_a_delay(h: QueueHarness) -> None:
    queue = await h.queue(FIFO)
    await _send(queue, "g", b"1", b"2")
    first = await receive_one(h, queue.source)
    released_at = anyio.current_time()
    await queue.source.release([first.receipt_handle], after_seconds=6)
    assert body_of(await receive_one(h, queue.source)) == b"1"
    assert anyio.current_time() - released_at >= 5


@needs(Capability.FIFO)
async def group_is_blocked_while_any_of_several_records_is_in_flight(h: QueueHarness) -> None:
    queue = await h.queue(FIFO)
    await _send(queue, "g", b"1", b"2", b"3")
    records = await receive_some(h, queue.source, 2)
    await queue.source.delete([record.receipt_handle for record in records[:-1]])
    await expect_nothing(queue.source, seconds=h.grace_seconds)
    await queue.source.delete([records[-1].receipt_handle])
    assert body_of(await receive_one(h, queue.source)) == b"%d" % (len(records) + 1)


@needs(Capability.FIFO, Capability.DEDUPLICATION)
async def deduplication_id_is_queued_once(h: QueueHarness) -> None:
    queue = await h.queue(FIFO)
    await queue.send(b"1", group_id="g", deduplication_id="same")
    await queue.send(b"again", group_id="g", deduplication_id="same")
    first = await receive_one(h, queue.source)
    assert body_of(first) == b"1"
    await queue.source.delete([first.receipt_handle])
    await queue.send(b"after its deletion", group_id="g", deduplication_id="same")
    await queue.send(b"2", group_id="g", deduplication_id="other")
    assert body_of(await receive_one(h, queue.source)) == b"2"


@needs(Capability.FIFO, Capability.DEDUPLICATION, Capability.LONG_WAITS)
async def deduplication_lasts_five_minutes(h: QueueHarness) -> None:
    queue = await h.queue(FIFO)
    await queue.send(b"1", group_id="g", deduplication_id="same")
    first = await receive_one(h, queue.source)
    await queue.source.delete([first.receipt_handle])
    await h.elapse(290)
    await queue.send(b"too early", group_id="g", deduplication_id="same")
    await h.elapse(15)
    await queue.send(b"2", group_id="g", deduplication_id="same")
    assert body_of(await receive_one(h, queue.source)) == b"2"


@needs(Capability.FIFO, Capability.ATTRIBUTES)
async def group_and_sequence_are_among_the_attributes(h: QueueHarness) -> None:
    queue = await h.queue(FIFO)
    await _send(queue, "g", b"1", b"2")
    sequences = []
    for body in (b"1", b"2"):
        record = await receive_one(h, queue.source)
        assert record.attributes["MessageGroupId"] == "g"
        assert record.attributes["MessageDeduplicationId"] == f"g-{body.decode()}"
        sequences.append(int(record.attributes["SequenceNumber"]))
        await queue.source.delete([record.receipt_handle])
    assert sequences[0] < sequences[1]


# Redrive


async def _fail(h: QueueHarness, queue: OpenQueue, times: int) -> None:
    for number in range(1, times + 1):
        record = await receive_one(h, queue.source)
        assert record.receive_count == number
        await queue.source.release([record.receipt_handle])


@needs(Capability.REDRIVE)
async def record_received_too_often_goes_to_the_dead_letter_queue(h: QueueHarness) -> None:
    queue = await h.queue(QueueRequest(maximum_receive_count=2))
    assert queue.source.properties.maximum_receive_count == 2
    assert queue.dead_letters is not None
    await queue.send(b"poison", attributes={"origin": "here"})
    await _fail(h, queue, 2)
    await expect_nothing(queue.source, seconds=1)
    dead = await receive_one(h, queue.dead_letters)
    assert body_of(dead) == b"poison"
    if Capability.MESSAGE_ATTRIBUTES in h.capabilities:
        assert dead.message_attributes["origin"]["stringValue"] == "here"


@needs(Capability.REDRIVE, Capability.VISIBILITY_TIMEOUT)
async def last_permitted_receive_may_still_succeed(h: QueueHarness) -> None:
    queue = await h.queue(QueueRequest(maximum_receive_count=2, returning=True))
    assert queue.dead_letters is not None
    await queue.send(b"a")
    await _fail(h, queue, 1)
    last = await receive_one(h, queue.source)
    await expect_nothing(queue.dead_letters, seconds=1)
    await queue.source.delete([last.receipt_handle])
    await h.elapse(queue.visibility_timeout_seconds)
    await expect_nothing(queue.source, seconds=1)
    await expect_nothing(queue.dead_letters, seconds=1)


@needs(Capability.REDRIVE)
async def redrive_takes_only_the_records_at_fault(h: QueueHarness) -> None:
    queue = await h.queue(QueueRequest(maximum_receive_count=1))
    assert queue.dead_letters is not None
    await queue.send(b"poison")
    await _fail(h, queue, 1)
    await queue.send(b"good")
    assert body_of(await receive_one(h, queue.source)) == b"good"
    assert bodies(await receive_exactly(h, queue.dead_letters, 1)) == {b"poison"}


@needs(Capability.REDRIVE, Capability.FIFO)
async def redrive_lets_the_group_go_on(h: QueueHarness) -> None:
    queue = await h.queue(QueueRequest(fifo=True, maximum_receive_count=2))
    assert queue.dead_letters is not None
    await _send(queue, "g", b"poison", b"good")
    await _fail(h, queue, 2)
    assert body_of(await receive_one(h, queue.source)) == b"good"
    dead = await receive_one(h, queue.dead_letters)
    assert (body_of(dead), dead.group_id) == (b"poison", "g")


@needs(Capability.REDRIVE)
async def backlog_forgets_redriven_records(h: QueueHarness) -> None:
    queue = await h.queue(QueueRequest(maximum_receive_count=1))
    await queue.send(b"poison")
    await _fail(h, queue, 1)
    await expect_nothing(queue.source, seconds=1)

    async def empty() -> bool:
        return await queue.source.backlog() == 0

    await h.eventually(empty, "the backlog is zero after the record went to the dead-letter queue")


FIFO_CASES: Final[tuple[QueueCase, ...]] = (
    records_of_a_group_come_in_order,
    records_of_a_group_in_one_receive_are_in_order,
    group_is_blocked_while_a_record_of_it_is_in_flight,
    other_groups_go_on_while_one_is_blocked,
    waiting_receive_goes_on_when_the_group_is_free,
    released_record_comes_before_its_successors,
    unsettled_record_comes_before_its_successors,
    group_stays_blocked_while_its_first_record_is_released_with_a_delay,
    group_is_blocked_while_any_of_several_records_is_in_flight,
    deduplication_id_is_queued_once,
    deduplication_lasts_five_minutes,
    group_and_sequence_are_among_the_attributes,
)
REDRIVE_CASES: Final[tuple[QueueCase, ...]] = (
    record_received_too_often_goes_to_the_dead_letter_queue,
    last_permitted_receive_may_still_succeed,
    redrive_takes_only_the_records_at_fault,
    redrive_lets_the_group_go_on,
    backlog_forgets_redriven_records,
)
