"""One reader for several subscriptions, over a queue of the embedded environment on virtual time."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from eventflow.errors import AdapterError, UnavailableError
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.records import QueueRecord, SourceIdentity
from eventflow.model.subscriptions import QueueSubscription
from eventflow.ports import AdapterSettings, QueueProperties, QueueSource
from eventflow.testing.faults import FaultyQueueSource, unavailable
from eventflow.testing.virtual_time import VirtualClock
from eventflow_aws.notifications.batches import backoff
from eventflow_aws.notifications.hub import MAXIMUM_POLLERS, NotificationHub
from eventflow_aws.notifications.routes import Interest
from eventflow_local import LocalAdapter
from tests.unit.aws.notifying import bucket, bus, envelope, s3_body, s3_record, topic

NAME = "notifications"
OPTIONS = {
    "data": "memory",
    "queues": {NAME: {"maximum_receive_count": 3, "dead_letter_queue": "dead"}},
}


class Queue:
    """A queue, and what may be asked of it beside the port."""

    def __init__(self, adapter: LocalAdapter, source: QueueSource) -> None:
        self.adapter = adapter
        self.source = source

    async def send(self, *bodies: str) -> None:
        sink = await self.adapter.sink(Destination(Service.SQS, NAME))
        for body in bodies:
            await sink.send(OutboundMessage(body=body.encode()))

    async def open(self, name: str) -> QueueSource:
        return await self.adapter.queue_source(QueueSubscription(service=Service.SQS, name=name, subscriber="test"))

    async def until_empty(self) -> None:
        while await self.source.backlog():  # noqa: ASYNC110 - on virtual time; nothing tells of an empty queue
            await anyio.sleep(1)


@asynccontextmanager
async def a_queue() -> AsyncIterator[Queue]:
    settings = AdapterSettings(environment="local", options=OPTIONS, resources={}, clock=VirtualClock())
    async with LocalAdapter(settings) as adapter:
        subscription = QueueSubscription(service=Service.SQS, name=NAME, subscriber="test")
        yield Queue(adapter, await adapter.queue_source(subscription))


class Listener:
    """Takes the events of one subscription. ``accept`` may refuse them."""

    def __init__(self, interest: Interest, accept: Callable[[], Awaitable[None]] | None = None) -> None:
        self.interest = interest
        self.events: list[Any] = []
        self.tries = 0
        self._accept = accept

    async def deliver(self, payload: bytes) -> None:
        self.tries += 1
        if self._accept is not None:
            await self._accept()
        self.events.append(json.loads(payload))

    @property
    def keys(self) -> list[str]:
        return [record["s3"]["object"]["key"] for event in self.events for record in event["Records"]]


@asynccontextmanager
async def running(hub: NotificationHub, *listeners: Listener) -> AsyncIterator[None]:
    """The sources of these listeners run while the block does."""
    async with anyio.create_task_group() as tasks:
        for listener in listeners:
            tasks.start_soon(hub.run, listener.interest, listener.deliver)
        yield
        tasks.cancel_scope.cancel()


def hub_of(queue: QueueSource, *interests: Interest) -> NotificationHub:
    hub = NotificationHub(queue)
    for interest in interests:
        hub.add(interest)
    return hub


async def refuse() -> None:
    raise OSError("the event could not be stored")


async def hang() -> None:
    await anyio.sleep_forever()


def put(key: str, name: str = "b") -> str:
    return s3_body(s3_record(name, key))


async def test_nothing_is_read_until_every_source_runs() -> None:
    async with a_queue() as queue:
        one, two = Listener(bucket("b", subscriber="one")), Listener(bucket("b", subscriber="two"))
        hub = hub_of(queue.source, one.interest, two.interest)
        await queue.send(put("k"))
        async with running(hub, one):
            await anyio.sleep(1_000)
            assert one.events == []
            async with running(hub, two):
                await queue.until_empty()
        assert (one.keys, two.keys) == (["k"], ["k"])


@pytest.mark.parametrize("stopping", [0, 1], ids=["the first to run", "the last to run"])
async def test_nothing_is_read_while_a_source_has_stopped(stopping: int) -> None:
    async with a_queue() as queue:
        listeners = [Listener(bucket("b", subscriber=subscriber)) for subscriber in ("one", "two")]
        hub = hub_of(queue.source, *(listener.interest for listener in listeners))
        scopes = [anyio.CancelScope(), anyio.CancelScope()]

        async def run(listener: Listener, scope: anyio.CancelScope) -> None:
            with scope:
                await hub.run(listener.interest, listener.deliver)

        async with anyio.create_task_group() as tasks:
            for listener, scope in zip(listeners, scopes, strict=True):
                tasks.start_soon(run, listener, scope)
                await anyio.sleep(1)
            scopes[stopping].cancel()
            await queue.send(put("k"))
            await anyio.sleep(1_000)
            assert [listener.events for listener in listeners] == [[], []]
            async with running(hub, listeners[stopping]):
                await queue.until_empty()
            tasks.cancel_scope.cancel()
        assert [listener.keys for listener in listeners] == [["k"], ["k"]]


async def test_a_source_that_is_closed_is_waited_for_no_more() -> None:
    async with a_queue() as queue:
        one, two = Listener(bucket("b")), Listener(bucket("c"))
        hub = hub_of(queue.source, one.interest, two.interest)
        await queue.send(put("k"))
        async with running(hub, one):
            await anyio.sleep(100)
            hub.remove(two.interest)
            hub.remove(two.interest)
            await queue.until_empty()
        assert one.keys == ["k"]


async def test_sources_of_one_subscription_share_its_events() -> None:
    async with a_queue() as queue:
        one, two = Listener(bucket("b")), Listener(bucket("b"))
        hub = hub_of(queue.source, one.interest, two.interest)
        await queue.send(*map(put, "abcd"))
        async with running(hub, one, two):
            await queue.until_empty()
        assert sorted(one.keys + two.keys) == list("abcd")


async def test_a_failing_subscriber_does_not_starve_the_others() -> None:
    async with a_queue() as queue:
        failing, fine = Listener(bucket("b"), accept=refuse), Listener(bucket("c"))
        hub = hub_of(queue.source, failing.interest, fine.interest)
        await queue.send(*(put(f"{number}", name) for number in range(30) for name in "bc"))
        async with running(hub, failing, fine):
            await anyio.sleep(60)
        assert sorted(fine.keys) == sorted(f"{number}" for number in range(30))
        assert failing.events == []


async def test_a_message_that_one_of_two_could_not_take_comes_again_later() -> None:
    async with a_queue() as queue:
        failures = iter([OSError("the event could not be stored")])

        async def fail_once() -> None:
            for error in failures:
                raise error

        one, two = Listener(bucket("b", subscriber="one"), accept=fail_once), Listener(bucket("b", subscriber="two"))
        hub = hub_of(queue.source, one.interest, two.interest)
        await queue.send(put("k"))
        async with running(hub, one, two):
            await queue.until_empty()
        assert one.keys == ["k"]
        assert set(two.keys) == {"k"}


async def test_a_message_that_nobody_can_take_ends_as_the_queue_says() -> None:
    async with a_queue() as queue:
        failing = Listener(bucket("b"), accept=refuse)
        dead_letters = await queue.open("dead")
        await queue.send(put("k"))
        async with running(hub_of(queue.source, failing.interest), failing):
            [dead] = await dead_letters.receive(max_records=1, wait_seconds=300)
        assert dead.body == put("k")
        assert failing.tries == 3


async def test_a_subscriber_that_hangs_is_given_up_while_the_message_is_ours() -> None:
    async with a_queue() as queue:
        hanging, fine = Listener(bucket("b"), accept=hang), Listener(bucket("c"))
        hub = hub_of(queue.source, hanging.interest, fine.interest)
        await queue.send(put("1"), put("2", "c"))
        async with running(hub, hanging, fine):
            await anyio.sleep(25)  # 24 of the 30 seconds that the queue hides its messages
            await queue.send(put("3", "c"))
            await anyio.sleep(25)
        assert fine.keys == ["2", "3"]
        assert hanging.tries == 2


async def test_a_message_under_way_is_released_at_once_when_the_app_stops() -> None:
    async with a_queue() as queue:
        hanging = Listener(bucket("b"), accept=hang)
        await queue.send(put("k"))
        async with running(hub_of(queue.source, hanging.interest), hanging):
            await anyio.sleep(1)
            assert hanging.tries == 1
        [record] = await queue.source.receive(max_records=1, wait_seconds=0)
        assert record.body == put("k")


async def test_what_is_nobodys_stays_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async with a_queue() as queue:
        listener = Listener(bucket("b"))
        await queue.send(put("1", "stranger"), put("2", "stranger"), "hello")
        dead_letters = await queue.open("dead")
        with caplog.at_level(logging.WARNING):
            async with running(hub_of(queue.source, listener.interest), listener):
                found: list[QueueRecord] = []
                while len(found) < 3:
                    found += await dead_letters.receive(max_records=10, wait_seconds=300)
        assert {record.body for record in found} == {put("1", "stranger"), put("2", "stranger"), "hello"}
        assert listener.events == []
        assert len(caplog.records) == 2


async def test_what_no_filter_wants_is_deleted() -> None:
    async with a_queue() as queue:
        csv, orders = Listener(bucket("b", suffix=".csv")), Listener(topic(policy={"kind": ["order"]}))
        await queue.send(put("a.txt"), envelope("hello"))
        async with running(hub_of(queue.source, csv.interest, orders.interest), csv, orders):
            await queue.until_empty()
        assert csv.events == orders.events == []


async def test_an_unreachable_queue_ends_the_run_of_every_source() -> None:
    async with a_queue() as queue:
        faulty = FaultyQueueSource(queue.source, {("receive", 1): unavailable})
        one, two = Listener(bucket("b")), Listener(bucket("c"))
        hub = hub_of(faulty, one.interest, two.interest)
        errors: list[AdapterError] = []

        async def run(listener: Listener) -> None:
            try:
                await hub.run(listener.interest, listener.deliver)
            except UnavailableError as error:
                errors.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, one)
            tasks.start_soon(run, two)
        assert len(errors) == 2
        await queue.send(put("1"), put("2", "c"))
        async with running(hub, one, two):
            await queue.until_empty()
        assert (one.keys, two.keys) == (["1"], ["2"])


async def test_a_message_whose_deletion_failed_comes_again() -> None:
    async with a_queue() as queue:
        listener = Listener(bucket("b"))
        hub = hub_of(FaultyQueueSource(queue.source, {("delete", 1): unavailable}), listener.interest)
        await queue.send(put("k"))
        with pytest.raises(UnavailableError):
            await hub.run(listener.interest, listener.deliver)
        async with running(hub, listener):
            await queue.until_empty()
        assert listener.keys == ["k", "k"]


async def test_two_hubs_share_a_queue() -> None:
    async with a_queue() as queue:
        one, two = Listener(bucket("b")), Listener(bucket("b"))
        await queue.send(*(put(f"{number}") for number in range(100)))
        hubs = hub_of(queue.source, one.interest), hub_of(await queue.open(NAME), two.interest)
        async with running(hubs[0], one), running(hubs[1], two):
            await queue.until_empty()
        assert sorted(one.keys + two.keys) == sorted(f"{number}" for number in range(100))


async def test_two_buses_cannot_share_a_queue() -> None:
    async with a_queue() as queue:
        hub = hub_of(queue.source, bus("shop", {"source": ["shop"]}), bus("shop", {"source": ["bank"]}))
        with pytest.raises(AdapterError, match=r"eventbridge:audit.*shares the queue.*\{name\}"):
            hub.add(bus("audit", {"source": ["shop"]}))


class CountingQueue:
    """A QueueSource that notes how many receive at once."""

    def __init__(self, inner: QueueSource) -> None:
        self._inner = inner
        self.receiving = 0
        self.most = 0

    @property
    def identity(self) -> SourceIdentity:
        return self._inner.identity

    @property
    def properties(self) -> QueueProperties:
        return self._inner.properties

    async def receive(self, *, max_records: int, wait_seconds: float) -> Sequence[QueueRecord]:
        self.receiving += 1
        self.most = max(self.most, self.receiving)
        try:
            return await self._inner.receive(max_records=max_records, wait_seconds=wait_seconds)
        finally:
            self.receiving -= 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


async def test_pollers_follow_the_backlog_up_and_down() -> None:
    async with a_queue() as queue:
        counting: Any = CountingQueue(queue.source)
        busy, most_busy = 0, 0

        async def work() -> None:
            nonlocal busy, most_busy
            busy += 1
            most_busy = max(most_busy, busy)
            await anyio.sleep(0.1)
            busy -= 1

        listener = Listener(bucket("b"), accept=work)
        await queue.send(*(put(f"{number}") for number in range(500)))
        async with running(hub_of(counting, listener.interest), listener):
            await queue.until_empty()
            await anyio.sleep(10)
            assert counting.receiving == 1
        assert len(listener.events) == 500
        assert 1 < counting.most <= MAXIMUM_POLLERS
        assert 10 < most_busy <= 10 * MAXIMUM_POLLERS


async def test_receives_stop_for_a_while_when_nothing_can_be_stored() -> None:
    async with a_queue() as queue:
        listener = Listener(bucket("b"), accept=refuse)
        await queue.send(*(put(f"{number}") for number in range(100)))
        counting: Any = CountingQueue(queue.source)
        async with running(hub_of(counting, listener.interest), listener):
            await anyio.sleep(0.5)
        assert listener.tries <= 10 * MAXIMUM_POLLERS


@pytest.mark.parametrize(("count", "seconds"), [(1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (10_000, 300)])
def test_backoff_doubles_up_to_its_longest(count: int, seconds: float) -> None:
    assert backoff(count, 1, 300) == seconds
