"""The outbox between those who publish and the functions that subscribed."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest

from eventflow.errors import UnavailableError
from eventflow.model.subscriptions import TopicSubscription
from eventflow.testing.virtual_time import VirtualClock
from eventflow_local.database import Database
from eventflow_local.notifications import SETTLING_SECONDS, NotificationQueue, channel, enqueue
from eventflow_local.owners import Owner
from eventflow_local.schema import NOTIFICATIONS

NEWS = TopicSubscription(name="news", subscriber="read")
SPORTS = TopicSubscription(name="sports", subscriber="read")


class Process:
    """One process's outbox."""

    def __init__(self, database: Database, owner: Owner) -> None:
        self.database = database
        self.owner = owner
        self.queue = NotificationQueue(database, owner)
        self.delivered: list[bytes] = []
        self.failures = 0

    async def enqueue(self, subscription: str, *payloads: bytes, due_in: float = 0) -> None:
        due_at = self.database.clock.time() + due_in
        for payload in payloads:
            await self.database.run(partial(enqueue, subscription=subscription, payload=payload, due_at=due_at))
        self.database.notify(channel(subscription))

    async def deliver(self, payload: bytes) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("not now")
        self.delivered.append(payload)

    @asynccontextmanager
    async def running(self, *subscriptions: str) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            for subscription in subscriptions:
                tasks.start_soon(self.queue.run_source, subscription, self.deliver)
            yield
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def process(directory: Path | None) -> AsyncIterator[Process]:
    path = directory and directory / "state.db"
    database = await Database.open(path, clock=VirtualClock(), schema=NOTIFICATIONS)
    owner = Owner.open(directory and directory / "owners")
    try:
        yield Process(database, owner)
    finally:
        await database.aclose()
        owner.close()


async def test_events_are_delivered_in_order_and_forgotten(directory: Path | None) -> None:
    async with process(directory) as one:
        news = await one.queue.register(NEWS)
        sent = [b"%02d" % number for number in range(25)]
        await one.enqueue(news, *sent)
        assert await one.queue.backlog(news) == 25
        async with one.running(news):
            await anyio.sleep(1)
        assert one.delivered == sent
        assert await one.queue.backlog(news) == 0


async def test_an_event_waits_until_it_is_due(directory: Path | None) -> None:
    async with process(directory) as one:
        news = await one.queue.register(NEWS)
        async with one.running(news):
            await one.enqueue(news, b"later", due_in=100)
            await anyio.sleep(99)
            assert one.delivered == []
            await anyio.sleep(1.1)
            assert one.delivered == [b"later"]


async def test_an_event_that_cannot_be_handed_over_holds_back_the_next_and_is_tried_again(
    directory: Path | None,
) -> None:
    async with process(directory) as one:
        news = await one.queue.register(NEWS)
        one.failures = 3
        await one.enqueue(news, b"1", b"2")
        async with one.running(news):
            await anyio.sleep(3)
            assert one.delivered == []
            await anyio.sleep(1)
        assert one.delivered == [b"1", b"2"]


async def test_one_process_delivers_and_another_takes_over_when_it_is_gone(tmp_path: Path) -> None:
    async with process(tmp_path) as survivor:
        news = await survivor.queue.register(NEWS)
        async with process(tmp_path) as casualty:
            await casualty.queue.register(NEWS)
            async with casualty.running(news):
                await anyio.sleep(1)
                async with survivor.running(news):
                    await survivor.enqueue(news, b"1", b"2")
                    await anyio.sleep(5)
        assert (casualty.delivered, survivor.delivered) == ([b"1", b"2"], [])
        async with survivor.running(news):
            await survivor.enqueue(news, b"3")
            await anyio.sleep(5)
        assert survivor.delivered == [b"3"]


async def test_a_subscription_goes_on_when_one_of_the_processes_that_declare_it_is_gone(tmp_path: Path) -> None:
    async with process(tmp_path) as survivor:
        news = await survivor.queue.register(NEWS)
        async with process(tmp_path) as casualty:
            await casualty.queue.register(NEWS)
        async with survivor.running(news):
            await anyio.sleep(SETTLING_SECONDS + 1)
            async with process(tmp_path) as newcomer, newcomer.running(await newcomer.queue.register(SPORTS)):
                await anyio.sleep(SETTLING_SECONDS + 1)
            await survivor.enqueue(news, b"1")
            await anyio.sleep(5)
        assert survivor.delivered == [b"1"]


async def test_a_subscription_that_is_not_declared_any_more_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with process(tmp_path) as before:
        sports = await before.queue.register(SPORTS)
        await before.enqueue(sports, b"dropped")
    async with process(tmp_path) as after:
        news = await after.queue.register(NEWS)
        async with after.running(news):
            await anyio.sleep(SETTLING_SECONDS + 1)
        assert await after.queue.backlog(sports) == 0
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "1 waiting events were dropped" in caplog.text


async def test_a_subscription_that_is_declared_again_keeps_what_waits(tmp_path: Path) -> None:
    async with process(tmp_path) as before:
        sports = await before.queue.register(SPORTS)
        await before.enqueue(sports, b"kept")
    async with process(tmp_path) as after:
        async with after.running(await after.queue.register(NEWS)):
            await anyio.sleep(1)  # some triggers start before others are registered
            async with after.running(await after.queue.register(SPORTS)):
                await anyio.sleep(2 * SETTLING_SECONDS)
        assert after.delivered == [b"kept"]


async def test_what_waited_goes_to_the_changed_subscription(tmp_path: Path) -> None:
    async with process(tmp_path) as before:
        await before.enqueue(await before.queue.register(NEWS), b"kept")
    async with process(tmp_path) as after:
        changed = TopicSubscription(name="news", subscriber="read", filter_policy='{"kind": ["new"]}')
        async with after.running(await after.queue.register(changed)):
            await anyio.sleep(2 * SETTLING_SECONDS)
        assert after.delivered == [b"kept"]


async def test_subscriptions_of_other_functions_are_left_alone(tmp_path: Path) -> None:
    async with process(tmp_path) as before:
        other = await before.queue.register(TopicSubscription(name="news", subscriber="archive"))
        await before.enqueue(other, b"kept")
    async with process(tmp_path) as after:
        async with after.running(await after.queue.register(NEWS)):
            await anyio.sleep(2 * SETTLING_SECONDS)
        assert await after.queue.backlog(other) == 1


async def test_errors_of_the_database_reach_the_caller_as_they_are(tmp_path: Path) -> None:
    async with process(tmp_path) as one:
        news = await one.queue.register(NEWS)
        await one.database.run(lambda connection: connection.execute("DROP TABLE notifications").close())
        with pytest.raises(UnavailableError, match="no such table"):
            await one.queue.run_source(news, one.deliver)
