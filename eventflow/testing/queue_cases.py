"""What every :class:`~eventflow.ports.QueueSource` promises, as cases over a harness.

``QUEUE_CASES`` holds all of them. Delete, release and extend are in ``settling_cases``, ordered groups,
deduplication and redrive in ``fifo_cases``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio
from anyio import lowlevel

from eventflow.errors import InvalidMessageError, ResourceNotFoundError
from eventflow.testing._receiving import (
    LONG_WAIT_SECONDS,
    bodies,
    body_of,
    expect_nothing,
    receive_all,
    receive_exactly,
    receive_into,
    receive_one,
    receive_some,
)
from eventflow.testing.fifo_cases import FIFO_CASES, REDRIVE_CASES
from eventflow.testing.harness import Capability, QueueHarness, needs
from eventflow.testing.settling_cases import RETURNING, SETTLING_CASES

if TYPE_CHECKING:
    from eventflow.model.records import QueueRecord
    from eventflow.ports import QueueSource

QueueCase: TypeAlias = Callable[[QueueHarness], Awaitable[None]]


# Receiving


async def sent_record_is_received(h: QueueHarness) -> None:
    queue = await h.queue()
    await queue.send(b"a")
    record = await receive_one(h, queue.source)
    assert (body_of(record), record.receive_count, record.group_id) == (b"a", 1, None)


async def record_sent_by_one_process_is_received_by_another(h: QueueHarness) -> None:
    queue = await h.queue()
    rival = await h.rival(queue.name)
    await queue.send(b"a")
    assert body_of(await receive_one(h, rival)) == b"a"


async def receive_returns_no_more_than_asked_for(h: QueueHarness) -> None:
    queue = await h.queue()
    for number in range(5):
        await queue.send(b"%d" % number)
    records = await receive_some(h, queue.source, 2)
    assert 1 <= len(records) <= 2
    assert len(await receive_exactly(h, queue.source, 5 - len(records))) == 5 - len(records)


async def receive_returns_no_more_than_the_queue_allows(h: QueueHarness) -> None:
    queue = await h.queue()
    most = queue.source.properties.maximum_receive
    assert most >= 1
    for number in range(min(most + 2, 20)):
        await queue.send(b"%d" % number)
    records = await receive_some(h, queue.source, most + 100)
    assert 1 <= len(records) <= most


async def receive_without_waiting_finds_what_is_there(h: QueueHarness) -> None:
    queue = await h.queue()
    await queue.send(b"a")
    await h.elapse(1)
    found: list[QueueRecord] = []

    async def check() -> bool:
        found.extend(await queue.source.receive(max_records=10, wait_seconds=0))
        return bool(found)

    await h.eventually(check, "a receive that does not wait returns the record")
    assert bodies(found) == {b"a"}


async def receive_without_waiting_returns_at_once_when_empty(h: QueueHarness) -> None:
    queue = await h.queue()
    started = anyio.current_time()
    assert not await queue.source.receive(max_records=10, wait_seconds=0)
    assert anyio.current_time() - started < LONG_WAIT_SECONDS


async def receive_returns_as_soon_as_a_record_arrives(h: QueueHarness) -> None:
    queue = await h.queue()
    received: list[QueueRecord] = []
    started = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(receive_into, queue.source, received)
        await h.elapse(1)
        assert not received
        await queue.send(b"a")
    assert bodies(received) == {b"a"}
    assert anyio.current_time() - started < LONG_WAIT_SECONDS, "the receive waited on after a record had arrived"


async def receive_of_another_process_wakes_up_too(h: QueueHarness) -> None:
    queue = await h.queue()
    received: list[QueueRecord] = []
    started = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(receive_into, await h.rival(queue.name), received)
        await h.elapse(1)
        await queue.send(b"a")
    assert bodies(received) == {b"a"}
    assert anyio.current_time() - started < LONG_WAIT_SECONDS


async def receive_waits_and_returns_nothing_from_an_empty_queue(h: QueueHarness) -> None:
    queue = await h.queue()
    started = anyio.current_time()
    assert not await queue.source.receive(max_records=10, wait_seconds=2)
    assert 1 <= anyio.current_time() - started < 2 + h.patience_seconds


@needs(Capability.VISIBILITY_TIMEOUT)
async def waiting_receive_gets_a_record_when_its_visibility_timeout_ends(h: QueueHarness) -> None:
    queue = await h.queue(RETURNING)
    await queue.send(b"a")
    first = await receive_one(h, queue.source)
    await h.elapse(max(queue.visibility_timeout_seconds - 5, 0))
    started = anyio.current_time()
    again = await queue.source.receive(max_records=10, wait_seconds=LONG_WAIT_SECONDS)
    assert [record.message_id for record in again] == [first.message_id]
    assert anyio.current_time() - started < LONG_WAIT_SECONDS


async def cancelled_receive_loses_nothing(h: QueueHarness) -> None:
    queue = await h.queue(RETURNING)
    missing = {b"%d" % number for number in range(15)}
    for number, body in enumerate(sorted(missing)):
        received: list[QueueRecord] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive_into, queue.source, received)
            await h.elapse(0.1)
            await queue.send(body)
            for _ in range(number):  # cancels at another step each time
                await lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        await queue.source.delete([record.receipt_handle for record in received])
        missing -= bodies(received)
    await h.elapse(queue.visibility_timeout_seconds)
    await receive_all(h, queue.source, missing)


# Hidden records


async def hidden_record_is_not_received_again(h: QueueHarness) -> None:
    queue = await h.queue()
    rival = await h.rival(queue.name)
    await queue.send(b"a")
    await receive_one(h, queue.source)
    await expect_nothing(queue.source, seconds=h.grace_seconds)
    await expect_nothing(rival, seconds=h.grace_seconds)


@needs(Capability.VISIBILITY_TIMEOUT)
async def unsettled_record_returns_with_a_higher_count_and_a_new_receipt(h: QueueHarness) -> None:
    queue = await h.queue(RETURNING)
    await queue.send(b"a")
    first = await receive_one(h, queue.source)
    await h.elapse(queue.visibility_timeout_seconds)
    again = await receive_one(h, queue.source)
    assert (again.message_id, body_of(again), again.receive_count) == (first.message_id, b"a", 2)
    assert again.receipt_handle != first.receipt_handle


async def records_of_a_closed_consumer_return(h: QueueHarness) -> None:
    queue = await h.queue(RETURNING)
    await queue.send(b"a")
    await receive_one(h, queue.source)
    await queue.source.aclose()
    await h.elapse(queue.visibility_timeout_seconds)
    assert body_of(await receive_one(h, await h.rival(queue.name))) == b"a"


async def two_consumers_never_hold_one_record_at_once(h: QueueHarness) -> None:
    queue = await h.queue()
    rival = await h.rival(queue.name)
    sent = {b"%d" % number for number in range(20)}
    for body in sent:
        await queue.send(body)
    received: list[QueueRecord] = []

    async def consume(source: QueueSource) -> None:
        empty = 0
        while len(received) < len(sent) and empty < h.patience_seconds:
            records = await source.receive(max_records=3, wait_seconds=1)
            empty += not records
            received.extend(records)
            await source.delete([record.receipt_handle for record in records])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(consume, queue.source)
        tasks.start_soon(consume, rival)
    assert bodies(received) == sent
    assert len(received) == len(sent), "a record was received twice"


# Sending


@needs(Capability.DELAY)
async def delayed_record_is_not_received_before_its_time(h: QueueHarness) -> None:
    queue = await h.queue()
    started = anyio.current_time()
    await queue.send(b"a", delay_seconds=6)
    assert body_of(await receive_one(h, queue.source)) == b"a"
    assert anyio.current_time() - started >= 5


@needs(Capability.DELAY)
async def waiting_receive_gets_a_delayed_record_at_its_time(h: QueueHarness) -> None:
    queue = await h.queue()
    sent_at = anyio.current_time()
    await queue.send(b"a", delay_seconds=3)
    started = anyio.current_time()
    assert bodies(await queue.source.receive(max_records=10, wait_seconds=LONG_WAIT_SECONDS)) == {b"a"}
    assert anyio.current_time() - sent_at >= 2
    assert anyio.current_time() - started < LONG_WAIT_SECONDS


async def body_arrives_unchanged(h: QueueHarness) -> None:
    queue = await h.queue()
    sent = {
        '{"name": "Zoë", "price": "9,50 €"}'.encode(),
        "日本語 🎉 \U0010ffff".encode(),
        b"line one\nline two\r\n\ttabbed  ",
        b' "quoted" \\ <tag> & \x7f',
    }
    for body in sent:
        await queue.send(body)
    assert bodies(await receive_exactly(h, queue.source, len(sent))) == sent


async def body_of_the_largest_size_arrives(h: QueueHarness) -> None:
    queue = await h.queue()
    body = b"x" * h.maximum_body_bytes
    await queue.send(body)
    assert body_of(await receive_one(h, queue.source)) == body


async def larger_body_is_refused(h: QueueHarness) -> None:
    queue = await h.queue()
    try:
        await queue.send(b"x" * (h.maximum_body_bytes + 1))
    except InvalidMessageError:
        await expect_nothing(queue.source, seconds=1)
    else:
        raise AssertionError("InvalidMessageError was not raised")


@needs(Capability.ATTRIBUTES)
async def attributes_are_those_of_sqs(h: QueueHarness) -> None:
    """Source: Lambda guide: with-sqs: every value is a string, times are milliseconds."""
    queue = await h.queue()
    before = h.clock.time()
    await queue.send(b"a")
    record = await receive_one(h, queue.source)
    assert all(isinstance(value, str) for value in record.attributes.values())
    assert record.attributes["ApproximateReceiveCount"] == "1"
    assert record.attributes["SenderId"]
    sent = int(record.attributes["SentTimestamp"]) / 1000
    received = int(record.attributes["ApproximateFirstReceiveTimestamp"]) / 1000
    assert before - 5 <= sent <= received <= h.clock.time() + 5


@needs(Capability.ATTRIBUTES)
async def first_receive_is_remembered(h: QueueHarness) -> None:
    queue = await h.queue()
    await queue.send(b"a")
    first = await receive_one(h, queue.source)
    await h.elapse(1)
    await queue.source.release([first.receipt_handle])
    again = await receive_one(h, queue.source)
    assert again.attributes["ApproximateReceiveCount"] == str(again.receive_count) == "2"
    for name in ("SentTimestamp", "ApproximateFirstReceiveTimestamp"):
        assert again.attributes[name] == first.attributes[name]


@needs(Capability.MESSAGE_ATTRIBUTES)
async def message_attributes_arrive_as_sqs_writes_them(h: QueueHarness) -> None:
    queue = await h.queue()
    await queue.send(b"a", attributes={"customer": "Zoë", "count": 7, "thumbprint": b"\x00\xff"})
    arrived = (await receive_one(h, queue.source)).message_attributes
    assert arrived.keys() == {"customer", "count", "thumbprint"}
    assert (arrived["customer"]["dataType"], arrived["customer"]["stringValue"]) == ("String", "Zoë")
    assert (arrived["count"]["dataType"], arrived["count"]["stringValue"]) == ("Number", "7")
    assert (arrived["thumbprint"]["dataType"], arrived["thumbprint"]["binaryValue"]) == ("Binary", "AP8=")


# The queue itself


@needs(Capability.MISSING_RESOURCES)
async def missing_queue_is_reported(h: QueueHarness) -> None:
    try:
        source = await h.rival("contract-no-such-queue")
        await source.receive(max_records=1, wait_seconds=1)
    except ResourceNotFoundError:
        return
    raise AssertionError("ResourceNotFoundError was not raised")


async def backlog_counts_what_is_not_deleted(h: QueueHarness) -> None:
    queue = await h.queue()
    for body in (b"a", b"b", b"c"):
        await queue.send(body)

    async def waiting() -> bool:
        return await queue.source.backlog() >= 1

    async def empty() -> bool:
        return await queue.source.backlog() == 0

    await h.eventually(waiting, "the backlog of three waiting records is positive")
    records = await receive_exactly(h, queue.source, 3)
    await h.eventually(waiting, "the backlog of three records in flight is positive")
    await queue.source.delete([record.receipt_handle for record in records])
    await h.eventually(empty, "the backlog is zero after everything was deleted")


@needs(Capability.DELAY)
async def backlog_counts_delayed_records(h: QueueHarness) -> None:
    queue = await h.queue()
    await queue.send(b"a", delay_seconds=600)

    async def waiting() -> bool:
        return await queue.source.backlog() >= 1

    await h.eventually(waiting, "the backlog of a delayed record is positive")


async def source_says_who_it_is(h: QueueHarness) -> None:
    queue = await h.queue()
    rival = await h.rival(queue.name)
    assert queue.source.identity.arn == rival.identity.arn
    assert queue.source.identity.arn
    assert queue.source.identity.region
    assert queue.source.properties == rival.properties
    assert not queue.source.properties.fifo
    assert queue.source.properties.maximum_receive_count is None


async def close_is_idempotent(h: QueueHarness) -> None:
    queue = await h.queue()
    await queue.source.aclose()
    await queue.source.aclose()


QUEUE_CASES: Final[tuple[QueueCase, ...]] = (
    sent_record_is_received,
    record_sent_by_one_process_is_received_by_another,
    receive_returns_no_more_than_asked_for,
    receive_returns_no_more_than_the_queue_allows,
    receive_without_waiting_finds_what_is_there,
    receive_without_waiting_returns_at_once_when_empty,
    receive_returns_as_soon_as_a_record_arrives,
    receive_of_another_process_wakes_up_too,
    receive_waits_and_returns_nothing_from_an_empty_queue,
    waiting_receive_gets_a_record_when_its_visibility_timeout_ends,
    cancelled_receive_loses_nothing,
    hidden_record_is_not_received_again,
    unsettled_record_returns_with_a_higher_count_and_a_new_receipt,
    records_of_a_closed_consumer_return,
    two_consumers_never_hold_one_record_at_once,
    delayed_record_is_not_received_before_its_time,
    waiting_receive_gets_a_delayed_record_at_its_time,
    body_arrives_unchanged,
    body_of_the_largest_size_arrives,
    larger_body_is_refused,
    attributes_are_those_of_sqs,
    first_receive_is_remembered,
    message_attributes_arrive_as_sqs_writes_them,
    missing_queue_is_reported,
    backlog_counts_what_is_not_deleted,
    backlog_counts_delayed_records,
    source_says_who_it_is,
    close_is_idempotent,
    *SETTLING_CASES,
    *FIFO_CASES,
    *REDRIVE_CASES,
)
