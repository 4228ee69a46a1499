"""The event queue over queues of the embedded environment: hours pass at once here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import pytest

from eventflow.errors import UnavailableError
from eventflow.model.destinations import Destination, Service
from eventflow.model.invocation import QueuedEvent
from eventflow.model.subscriptions import QueueSubscription
from eventflow.ports import Adapter, AdapterSettings, Clock, EventQueueStatistics
from eventflow.testing.event_queue_cases import (
    EVENT_QUEUE_CASES,
    EventQueueCase,
    statistics_forget_deleted_events,
    statistics_tell_waiting_scheduled_and_claimed_events,
)
from eventflow.testing.faults import FaultyQueueSource, FaultySink, lose_reply, unavailable
from eventflow.testing.faults.script import Script
from eventflow.testing.harness import Capability, EventQueueHarness, case_name, skip_reason
from eventflow.testing.virtual_time import VirtualClock
from eventflow_aws.background import Background
from eventflow_aws.sqs.event_queue import SqsEventQueueStore
from eventflow_aws.sqs.queues import QueueCounts
from eventflow_local import LocalAdapter

VISIBILITY_SECONDS = 30
HOUR = 3600.0


class Stores:
    """Opens event queues that are on queues of one environment."""

    def __init__(self, adapter: LocalAdapter, clock: Clock, background: Background) -> None:
        self.adapter = adapter
        self.clock = clock
        self.background = background

    async def event_queue(
        self, name: str, *, source: Script | None = None, sink: Script | None = None
    ) -> SqsEventQueueStore:
        subscription = QueueSubscription(service=Service.SQS, name=name, subscriber="events")
        inner = await self.adapter.queue_source(subscription)

        async def counts() -> QueueCounts:
            return QueueCounts(visible=await inner.backlog(), in_flight=0, delayed=0)

        return SqsEventQueueStore(
            f"sqs:{name}",
            FaultyQueueSource(inner, source or {}),
            FaultySink(await self.adapter.sink(Destination(Service.SQS, name)), sink or {}),
            counts=counts,
            clock=self.clock,
            background=self.background,
        )

    async def backlog(self, name: str) -> int:
        subscription = QueueSubscription(service=Service.SQS, name=name, subscriber="events")
        return await (await self.adapter.queue_source(subscription)).backlog()


@asynccontextmanager
async def opened() -> AsyncIterator[Stores]:
    clock = VirtualClock()
    options: dict[str, Any] = {
        "data": "memory",
        "queues": {"events": {"visibility_timeout_seconds": VISIBILITY_SECONDS}},
    }
    settings = AdapterSettings(environment="test", options=options, resources={}, clock=clock)
    async with AsyncExitStack() as stack:
        adapter = await stack.enter_async_context(LocalAdapter(settings))
        yield Stores(adapter, clock, await stack.enter_async_context(Background()))


def event(clock: Clock, *, due_in_seconds: float = 0, request_id: str = "one") -> QueuedEvent:
    now = clock.time()
    return QueuedEvent(request_id, "shop-import", "direct", b"{}", accepted_at=now, due_at=now + due_in_seconds)


CASES = [
    case
    for case in EVENT_QUEUE_CASES
    if case not in (statistics_forget_deleted_events, statistics_tell_waiting_scheduled_and_claimed_events)
]


@pytest.mark.parametrize("case", CASES, ids=case_name)
async def test_event_queues(case: EventQueueCase) -> None:
    async with opened() as stores:
        adapter = cast("Adapter", stores)
        harness = EventQueueHarness(
            adapter=adapter,
            other_adapter=adapter,
            clock=stores.clock,
            capabilities=frozenset({Capability.LEASES}),
            name="events",
        )
        if reason := skip_reason(case, harness):
            pytest.skip(reason)
        await case(harness)


@pytest.mark.parametrize("due_in_seconds", [0.5, 1, 899.5, 900, 901, 6 * HOUR, 13 * HOUR, 40 * HOUR])
async def test_an_event_comes_when_it_is_due_however_far_that_is(due_in_seconds: float) -> None:
    async with opened() as stores:
        store = await stores.event_queue("events")
        waiting = event(stores.clock, due_in_seconds=due_in_seconds)
        await store.put(waiting, claim=False)
        while not (events := await store.receive(max_events=10, wait_seconds=300)):
            assert stores.clock.time() < waiting.due_at + 300
        assert events == [waiting]
        assert waiting.due_at <= stores.clock.time() < waiting.due_at + 2
        await store.delete(waiting)
        assert await stores.backlog("events") == 0


async def test_what_comes_too_early_is_hidden_until_it_is_due_and_no_longer() -> None:
    async with opened() as stores:
        store = await stores.event_queue("events", source={("release", 1): unavailable})
        waiting = event(stores.clock, due_in_seconds=1000)
        await store.put(waiting, claim=False)
        await asyncio.sleep(900)
        assert await store.receive(max_events=1, wait_seconds=1) == []  # could not be hidden
        assert await store.receive(max_events=1, wait_seconds=150) == [waiting]


async def test_a_second_copy_of_an_event_that_is_being_worked_on_is_dropped() -> None:
    async with opened() as stores:
        store = await stores.event_queue("events")
        once = event(stores.clock)
        await store.put(once, claim=False)
        await store.put(once, claim=False)
        assert await store.receive(max_events=10, wait_seconds=1) == [once]
        await store.delete(once)
        assert await stores.backlog("events") == 0


async def test_a_send_whose_answer_was_lost_and_is_repeated_makes_no_second_run() -> None:
    async with opened() as stores:
        store = await stores.event_queue("events", sink={("send", 1): lose_reply})
        once = event(stores.clock)
        with pytest.raises(UnavailableError):
            await store.put(once, claim=False)
        await store.put(once, claim=False)
        assert await store.receive(max_events=1, wait_seconds=1) == [once]
        assert await store.receive(max_events=1, wait_seconds=1) == []


async def test_an_event_whose_claim_ran_out_is_handed_out_again() -> None:
    async with opened() as stores:
        store = await stores.event_queue("events")
        once = event(stores.clock)
        await store.put(once, claim=False)
        await store.receive(max_events=1, wait_seconds=1)
        await asyncio.sleep(VISIBILITY_SECONDS)
        assert await store.extend([once]) == [once]
        assert await store.receive(max_events=1, wait_seconds=1) == [once]
        assert await store.extend([once]) == []


async def test_a_reschedule_that_is_repeated_does_not_send_twice() -> None:
    async with opened() as stores:
        store = await stores.event_queue("events", source={("delete", 1): unavailable})
        await store.put(event(stores.clock), claim=False)
        [first] = await store.receive(max_events=1, wait_seconds=1)
        again = first.at(stores.clock.time() + 60, attempt=1)
        with pytest.raises(UnavailableError):
            await store.reschedule(again)
        await store.reschedule(again)
        assert await stores.backlog("events") == 1
        assert await store.receive(max_events=10, wait_seconds=61) == [again]


async def test_the_new_version_is_kept_while_the_old_one_could_not_be_deleted() -> None:
    async with opened() as stores:
        store = await stores.event_queue("events", source={("delete", 1): unavailable})
        await store.put(event(stores.clock), claim=True)
        [first] = await store.receive(max_events=1, wait_seconds=0)
        again = first.at(stores.clock.time(), attempt=1)
        with pytest.raises(UnavailableError):
            await store.reschedule(again)
        assert await store.receive(max_events=1, wait_seconds=0) == []  # the old version is still ours
        await store.reschedule(again)
        assert await store.receive(max_events=1, wait_seconds=2 * VISIBILITY_SECONDS) == [again]


async def test_a_reschedule_that_could_not_send_keeps_the_old_version() -> None:
    async with opened() as stores:
        store = await stores.event_queue("events", sink={("send", 2): unavailable})
        await store.put(event(stores.clock), claim=False)
        [first] = await store.receive(max_events=1, wait_seconds=1)
        with pytest.raises(UnavailableError):
            await store.reschedule(first.at(stores.clock.time() + 60, attempt=1))
        assert await store.receive(max_events=10, wait_seconds=VISIBILITY_SECONDS + 1) == [first]


async def test_a_reschedule_of_what_is_not_ours_does_nothing() -> None:
    async with opened() as stores:
        store = await stores.event_queue("events")
        await store.reschedule(event(stores.clock))
        assert await stores.backlog("events") == 0


async def test_many_events_come_in_one_receive() -> None:
    async with opened() as stores:
        store = await stores.event_queue("events")
        for number in range(75):
            await store.put(event(stores.clock, request_id=str(number)), claim=False)
        events = await store.receive(max_events=60, wait_seconds=1)
        assert len({one.request_id for one in events}) == 60


async def test_events_that_came_before_the_queue_went_away_are_kept() -> None:
    async with opened() as stores:
        store = await stores.event_queue("events", source={("receive", 3): unavailable})
        for number in range(40):
            await store.put(event(stores.clock, request_id=str(number)), claim=False)
        assert len(await store.receive(max_events=40, wait_seconds=1)) >= 10


async def test_a_receive_that_is_cancelled_gives_back_what_came_for_it() -> None:
    async with opened() as stores:
        store = await stores.event_queue("events")
        sent = [event(stores.clock, request_id=str(number)) for number in range(20)]
        for one in sent:
            await store.put(one, claim=False)
        for steps in range(20):
            receiving = asyncio.ensure_future(store.receive(max_events=20, wait_seconds=1))
            for _ in range(steps):
                await asyncio.sleep(0)
            receiving.cancel()
            await asyncio.wait([receiving])
            if not receiving.cancelled():
                break
        else:
            receiving = asyncio.ensure_future(store.receive(max_events=20, wait_seconds=5))
            await asyncio.wait([receiving])
        assert {one.request_id for one in receiving.result()} == {one.request_id for one in sent}


async def test_statistics_are_the_queue_s() -> None:
    async with opened() as stores:
        store = await stores.event_queue("events")
        await store.put(event(stores.clock), claim=False)
        assert await store.statistics() == EventQueueStatistics(waiting=1)
