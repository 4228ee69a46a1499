"""What every :class:`~eventflow.ports.EventQueueStore` promises, as cases over a harness."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import uuid4

import anyio
from anyio import lowlevel

from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.invocation import PendingDelivery, QueuedEvent
from eventflow.ports import EventQueueStatistics
from eventflow.testing._receiving import ATTEMPTS, LONG_WAIT_SECONDS, first_found
from eventflow.testing.harness import Capability, EventQueueHarness, needs, returning

if TYPE_CHECKING:
    from eventflow.ports import EventQueueStore

EventQueueCase: TypeAlias = Callable[[EventQueueHarness], Awaitable[None]]


def new_event(h: EventQueueHarness, *, due_in_seconds: float = 0, **fields: Any) -> QueuedEvent:
    """An event with an id of its own."""
    now = h.clock.time()
    defaults: dict[str, Any] = {
        "request_id": str(uuid4()),
        "function_name": "shop-import",
        "source": "s3",
        "payload": '{"name": "Zoë", "n": 1}'.encode(),
        "accepted_at": now,
        "due_at": now + due_in_seconds,
    }
    return QueuedEvent(**{**defaults, **fields})


async def _take_some(h: EventQueueHarness, store: EventQueueStore, most: int) -> list[QueuedEvent]:
    """Claim events; see :func:`~eventflow.testing._receiving.first_found`."""
    return await first_found(h, partial(store.receive, max_events=most, wait_seconds=1))


async def _take(h: EventQueueHarness, store: EventQueueStore, number: int) -> list[QueuedEvent]:
    """Claim so many events, over as many receives as it needs."""
    events: list[QueuedEvent] = []
    while len(events) < number and (claimed := await _take_some(h, store, number - len(events))):
        events.extend(claimed)
    assert len(events) == number, f"{number} events were due, {len(events)} came"
    return events


async def _take_all(h: EventQueueHarness, store: EventQueueStore, wanted: set[str]) -> None:
    """Claim events until all with these request ids came, whatever comes twice."""
    missing = set(wanted)
    while missing and (events := await _take_some(h, store, 10)):
        missing -= {event.request_id for event in events}
    assert not missing, f"{sorted(missing)} did not come"


async def _take_at_its_time(h: EventQueueHarness, store: EventQueueStore, event: QueuedEvent) -> None:
    """Claim the only event, not before it is due."""
    assert await _take(h, store, 1) == [event]
    assert h.clock.time() >= event.due_at - 1


async def _expect_nothing(store: EventQueueStore, *, seconds: float) -> None:
    claimed = await store.receive(max_events=10, wait_seconds=seconds)
    assert not claimed, f"nothing was due, yet {[event.request_id for event in claimed]} came"


# Putting and receiving


async def event_round_trips(h: EventQueueHarness) -> None:
    store = await h.open()
    event = new_event(h, attempt=1, backoffs=3)
    assert await store.put(event, claim=False) is False
    assert await _take(h, store, 1) == [event]


async def event_put_by_one_process_is_received_by_another(h: EventQueueHarness) -> None:
    store, other = await h.open(), await h.open(other_process=True)
    event = new_event(h)
    await store.put(event, claim=False)
    assert await _take(h, other, 1) == [event]


@needs(Capability.IDEMPOTENT_PUT)
async def put_is_idempotent(h: EventQueueHarness) -> None:
    store = await h.open()
    event = new_event(h)
    await store.put(event, claim=False)
    changed = new_event(h, request_id=event.request_id, payload=b'"another"')
    assert await store.put(changed, claim=False) is False
    assert await store.put(changed, claim=True) is False
    assert await _take(h, store, 1) == [event]
    assert await store.put(changed, claim=True) is False
    await _expect_nothing(store, seconds=1)


async def claimed_event_is_not_received(h: EventQueueHarness) -> None:
    store, other = await h.open(), await h.open(other_process=True)
    event = new_event(h)
    claimed = await store.put(event, claim=True)
    if claimed:
        await _expect_nothing(store, seconds=1)
        await _expect_nothing(other, seconds=1)
    else:
        assert await _take(h, store, 1) == [event]


async def received_event_is_not_received_again(h: EventQueueHarness) -> None:
    store, other = await h.open(), await h.open(other_process=True)
    await store.put(new_event(h), claim=False)
    await _take(h, store, 1)
    await _expect_nothing(store, seconds=1)
    await _expect_nothing(other, seconds=1)


async def receive_returns_no_more_than_asked_for(h: EventQueueHarness) -> None:
    store = await h.open()
    for _ in range(5):
        await store.put(new_event(h), claim=False)
    claimed = await _take_some(h, store, 2)
    assert 1 <= len(claimed) <= 2
    await _take(h, store, 5 - len(claimed))


@needs(Capability.DUE_ORDER)
async def events_come_in_the_order_they_are_due(h: EventQueueHarness) -> None:
    store = await h.open()
    events = [new_event(h, due_in_seconds=seconds) for seconds in (-1, -5, -3, -4, -2)]
    for event in events:
        await store.put(event, claim=False)
    due = sorted(events, key=lambda event: event.due_at)
    assert await _take(h, store, 2) == due[:2]
    assert await _take(h, store, 3) == due[2:]


async def event_is_not_received_before_it_is_due(h: EventQueueHarness) -> None:
    store = await h.open()
    event = new_event(h, due_in_seconds=4)
    await store.put(event, claim=False)
    await _take_at_its_time(h, store, event)


async def two_receivers_never_claim_one_event(h: EventQueueHarness) -> None:
    store, other = await h.open(), await h.open(other_process=True)
    for _ in range(30):
        await store.put(new_event(h), claim=False)
    claimed: list[QueuedEvent] = []

    async def receive(receiver: EventQueueStore) -> None:
        empty = 0
        while len(claimed) < 30 and empty < h.patience_seconds:
            events = await receiver.receive(max_events=4, wait_seconds=1)
            empty += not events
            claimed.extend(events)

    async with anyio.create_task_group() as tasks:
        for receiver in (store, store, other, other):
            tasks.start_soon(receive, receiver)
    assert len(claimed) == len({event.request_id for event in claimed}) == 30


# Waiting


async def _time_of_receive(store: EventQueueStore, wait_seconds: float) -> tuple[list[QueuedEvent], float]:
    started = anyio.current_time()
    claimed = await store.receive(max_events=10, wait_seconds=wait_seconds)
    return list(claimed), anyio.current_time() - started


async def receive_without_waiting_returns_at_once(h: EventQueueHarness) -> None:
    store = await h.open()
    claimed, seconds = await _time_of_receive(store, 0)
    assert not claimed
    assert seconds < LONG_WAIT_SECONDS


async def receive_waits_and_returns_nothing_when_nothing_is_due(h: EventQueueHarness) -> None:
    store = await h.open()
    await store.put(new_event(h, due_in_seconds=1_000), claim=False)
    claimed, seconds = await _time_of_receive(store, 2)
    assert not claimed
    assert 1 <= seconds < 2 + h.patience_seconds


async def waiting_receive_wakes_up_when_an_event_is_due(h: EventQueueHarness) -> None:
    store = await h.open()
    event = new_event(h, due_in_seconds=3)
    await store.put(event, claim=False)
    claimed, seconds = await _time_of_receive(store, LONG_WAIT_SECONDS)
    assert claimed == [event]
    assert h.clock.time() >= event.due_at - 1
    assert seconds < LONG_WAIT_SECONDS


async def _wakes_up(h: EventQueueHarness, receiver: EventQueueStore, cause: Callable[[], Awaitable[object]]) -> None:
    async def later() -> None:
        await h.elapse(1)
        await cause()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(later)
        claimed, seconds = await _time_of_receive(receiver, 30)
    assert len(claimed) == 1
    assert seconds < 30, "the receive waited on after an event had become due"


async def waiting_receive_wakes_up_when_an_event_is_put(h: EventQueueHarness) -> None:
    store = await h.open()
    await _wakes_up(h, store, lambda: store.put(new_event(h), claim=False))


async def waiting_receive_wakes_up_when_another_process_puts_an_event(h: EventQueueHarness) -> None:
    store, other = await h.open(), await h.open(other_process=True)
    await _wakes_up(h, store, lambda: other.put(new_event(h), claim=False))


async def waiting_receive_wakes_up_when_an_event_is_rescheduled(h: EventQueueHarness) -> None:
    store = await h.open()
    await store.put(new_event(h), claim=False)
    [event] = await _take(h, store, 1)
    await _wakes_up(h, store, lambda: store.reschedule(event.at(h.clock.time() + 1)))


async def waiting_receive_wakes_up_for_an_event_put_to_be_due_earlier(h: EventQueueHarness) -> None:
    store = await h.open()
    await store.put(new_event(h, due_in_seconds=1_000), claim=False)
    await _wakes_up(h, store, lambda: store.put(new_event(h, due_in_seconds=1), claim=False))


@returning
async def cancelled_receive_loses_nothing(h: EventQueueHarness) -> None:
    store = await h.open()
    missing: set[str] = set()
    for number in range(15):
        claimed: list[QueuedEvent] = []
        event = new_event(h)
        missing.add(event.request_id)

        async def wait(claimed: list[QueuedEvent] = claimed) -> None:
            claimed.extend(await store.receive(max_events=10, wait_seconds=30))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await h.elapse(0.1)
            await store.put(event, claim=False)
            for _ in range(number):  # cancels at another step each time
                await lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        for event in claimed:
            missing.discard(event.request_id)
            await store.delete(event)  # so that it does not come back when its lease ends
    await h.elapse(store.lease_seconds or 0)
    await _take_all(h, store, missing)


# Settling


async def deleted_event_never_returns(h: EventQueueHarness) -> None:
    store = await h.open()
    await store.put(new_event(h), claim=False)
    [event] = await _take(h, store, 1)
    await store.delete(event)
    await store.delete(event)
    await store.aclose()
    await _expect_nothing(await h.open(other_process=True), seconds=2)


async def delete_of_an_event_claimed_by_its_put(h: EventQueueHarness) -> None:
    store = await h.open()
    event = new_event(h)
    if not await store.put(event, claim=True):
        assert await _take(h, store, 1) == [event]
    await store.delete(event)
    await store.aclose()
    await _expect_nothing(await h.open(other_process=True), seconds=1)


async def reschedule_replaces_the_event_and_gives_up_the_claim(h: EventQueueHarness) -> None:
    store, other = await h.open(), await h.open(other_process=True)
    await store.put(new_event(h), claim=False)
    [event] = await _take(h, store, 1)
    changed = event.at(h.clock.time() + 4, attempt=2, backoffs=1)
    await store.reschedule(changed)
    await _take_at_its_time(h, other, changed)
    await _expect_nothing(store, seconds=1)


async def reschedule_of_an_event_claimed_by_its_put(h: EventQueueHarness) -> None:
    store = await h.open()
    event = new_event(h)
    if not await store.put(event, claim=True):
        assert await _take(h, store, 1) == [event]
    changed = event.at(h.clock.time(), attempt=1)
    await store.reschedule(changed)
    assert await _take(h, store, 1) == [changed]


async def deliveries_round_trip_exactly(h: EventQueueHarness) -> None:
    store = await h.open()
    await store.put(new_event(h), claim=False)
    [event] = await _take(h, store, 1)
    everything = OutboundMessage(
        body=b"\x00\xff not text",
        key="a/b.json",
        attributes={"text": "Zoë", "number": 7, "bytes": b"\xfe\x00"},
        group_id="g",
        deduplication_id="d",
        delay_seconds=1.5,
        subject="s",
        source="shop",
        detail_type="t",
        resources=("arn:one", "arn:two"),
    )
    deliveries = (
        PendingDelivery(destination=Destination(Service.SQS, "failures"), message=everything),
        PendingDelivery(
            destination=Destination(Service.FUNCTION, "audit"), message=OutboundMessage(body=b"{}", key=b"\xff\x00")
        ),
    )
    finished = event.at(h.clock.time(), attempt=3, deliveries=deliveries, delivery_attempt=2)
    await store.reschedule(finished)
    [arrived] = await _take(h, store, 1)
    assert arrived == finished
    assert isinstance(arrived.deliveries, tuple)
    assert isinstance(arrived.deliveries[0].message.resources, tuple)


async def large_and_binary_payloads_round_trip(h: EventQueueHarness) -> None:
    """The largest event of an asynchronous invocation is 1 MiB. Source: Lambda guide: Lambda quotas."""
    store = await h.open()
    events = [new_event(h, payload=b'"' + b"x" * (1024 * 1024 - 2) + b'"'), new_event(h, payload="🎉".encode())]
    for event in events:
        await store.put(event, claim=False)
        assert await _take(h, store, 1) == [event]


# Claims


@returning
async def claims_of_a_closed_store_come_back(h: EventQueueHarness) -> None:
    store = await h.open()
    put, received = new_event(h), new_event(h)
    await store.put(received, claim=False)
    assert await _take(h, store, 1) == [received]
    await store.put(put, claim=True)
    await store.aclose()
    other = await h.open(other_process=True)
    await _take_all(h, other, {put.request_id, received.request_id})


@returning
@needs(Capability.LEASES)
async def claim_that_runs_out_comes_back(h: EventQueueHarness) -> None:
    store, other = await h.open(), await h.open(other_process=True)
    assert store.lease_seconds is not None
    await store.put(new_event(h), claim=False)
    [event] = await _take(h, store, 1)
    await h.elapse(store.lease_seconds)
    assert await _take(h, other, 1) == [event]
    assert await store.extend([event]) == [event]


@returning
async def extended_claim_stays(h: EventQueueHarness) -> None:
    store, other = await h.open(), await h.open(other_process=True)
    await store.put(new_event(h), claim=False)
    for _ in range(ATTEMPTS):
        if await _stays_extended(h, store, other):
            return
        await h.elapse(store.lease_seconds or 0)
    raise AssertionError(f"no claim was extended in time, {ATTEMPTS} times")


async def _stays_extended(h: EventQueueHarness, store: EventQueueStore, other: EventQueueStore) -> bool:
    """Keep the only event for longer than a lease. False if the machine paused for as long: then it may be lost."""
    lease_seconds = store.lease_seconds or 10
    asked_at = anyio.current_time()
    [event] = await _take(h, store, 1)
    for _ in range(2):
        await h.elapse(lease_seconds / 2)
        before, asked_at = asked_at, anyio.current_time()
        lost = await store.extend([event])
        if anyio.current_time() - before > lease_seconds:
            return False
        assert not lost
    claimed = await other.receive(max_events=10, wait_seconds=1)
    if anyio.current_time() - asked_at > lease_seconds:
        return False
    assert not claimed
    return True


# Figures


async def statistics_tell_waiting_scheduled_and_claimed_events(h: EventQueueHarness) -> None:
    store = await h.open()
    await store.put(new_event(h), claim=False)
    await store.put(new_event(h), claim=False)
    await store.put(new_event(h, due_in_seconds=1_000), claim=False)
    await _take(h, store, 1)
    await _settles(h, store, EventQueueStatistics(waiting=1, scheduled=1, claimed=1))


async def statistics_forget_deleted_events(h: EventQueueHarness) -> None:
    store = await h.open()
    await store.put(new_event(h), claim=False)
    [event] = await _take(h, store, 1)
    await store.delete(event)
    await _settles(h, store, EventQueueStatistics())


async def _settles(h: EventQueueHarness, store: EventQueueStore, expected: EventQueueStatistics) -> None:
    async def check() -> bool:
        return await store.statistics() == expected

    await h.eventually(check, f"the statistics are {expected}")


async def close_is_idempotent(h: EventQueueHarness) -> None:
    store = await h.open()
    await store.aclose()
    await store.aclose()


EVENT_QUEUE_CASES: Final[tuple[EventQueueCase, ...]] = (
    event_round_trips,
    event_put_by_one_process_is_received_by_another,
    put_is_idempotent,
    claimed_event_is_not_received,
    received_event_is_not_received_again,
    receive_returns_no_more_than_asked_for,
    events_come_in_the_order_they_are_due,
    event_is_not_received_before_it_is_due,
    two_receivers_never_claim_one_event,
    receive_without_waiting_returns_at_once,
    receive_waits_and_returns_nothing_when_nothing_is_due,
    waiting_receive_wakes_up_when_an_event_is_due,
    waiting_receive_wakes_up_when_an_event_is_put,
    waiting_receive_wakes_up_when_another_process_puts_an_event,
    waiting_receive_wakes_up_when_an_event_is_rescheduled,
    waiting_receive_wakes_up_for_an_event_put_to_be_due_earlier,
    cancelled_receive_loses_nothing,
    deleted_event_never_returns,
    delete_of_an_event_claimed_by_its_put,
    reschedule_replaces_the_event_and_gives_up_the_claim,
    reschedule_of_an_event_claimed_by_its_put,
    deliveries_round_trip_exactly,
    large_and_binary_payloads_round_trip,
    claims_of_a_closed_store_come_back,
    claim_that_runs_out_comes_back,
    extended_claim_stays,
    statistics_tell_waiting_scheduled_and_claimed_events,
    statistics_forget_deleted_events,
    close_is_idempotent,
)
