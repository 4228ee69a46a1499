"""What every :class:`~eventflow.ports.NotificationSource` promises, as cases over a harness.

``NOTIFICATION_CASES`` hold for buckets, topics and buses alike. ``BUCKET_CASES``, ``TOPIC_CASES``, ``BUS_CASES``
and ``SCHEDULE_CASES`` are about one service each: its filters and the shape of its events.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio
from anyio import lowlevel

from eventflow.model.destinations import OutboundMessage, Service
from eventflow.model.subscriptions import BucketNotification, BusRule, TopicSubscription
from eventflow.testing._listener import listening
from eventflow.testing.filter_cases import BUCKET_CASES, BUS_CASES, SCHEDULE_CASES, TOPIC_CASES
from eventflow.testing.harness import Capability, NotificationHarness, needs, returning

if TYPE_CHECKING:
    from eventflow.model.json import JsonObject
    from eventflow.model.subscriptions import NotificationSubscription
    from eventflow.ports import NotificationSource

__all__ = ["BUCKET_CASES", "BUS_CASES", "NOTIFICATION_CASES", "SCHEDULE_CASES", "TOPIC_CASES", "NotificationCase"]

NotificationCase: TypeAlias = Callable[[NotificationHarness], Awaitable[None]]


def everything(service: Service, name: str, subscriber: str = "contract") -> NotificationSubscription:
    """A subscription to all that :func:`token_message` makes."""
    match service:
        case Service.S3:
            return BucketNotification(name=name, subscriber=subscriber, events=("s3:ObjectCreated:*",))
        case Service.SNS:
            return TopicSubscription(name=name, subscriber=subscriber)
        case _:
            return BusRule(name=name, subscriber=subscriber, pattern='{"source": ["contract.cases"]}')


def token_message(service: Service, token: str) -> OutboundMessage:
    """A message whose event :func:`~eventflow.testing._listener.token_of` recognises."""
    match service:
        case Service.S3:
            return OutboundMessage(body=b"x", key=token)
        case Service.SNS:
            return OutboundMessage(body=token.encode())
        case _:
            detail = json.dumps({"token": token}).encode()
            return OutboundMessage(body=detail, source="contract.cases", detail_type="Token")


async def _open(h: NotificationHarness, name: str, *, other_process: bool = False) -> NotificationSource:
    return await h.subscribe(everything(h.service, name), other_process=other_process)


async def _publish(h: NotificationHarness, name: str, *tokens: str) -> None:
    for token in tokens:
        await h.publish(name, token_message(h.service, token))


async def events_are_delivered(h: NotificationHarness) -> None:
    name = await h.create()
    async with listening(h, await _open(h, name)) as listener:
        await _publish(h, name, "one", "two", "three")
        await listener.expect_only("one", "two", "three")


async def event_published_before_anybody_runs_is_delivered(h: NotificationHarness) -> None:
    name = await h.create()
    source = await _open(h, name)
    await _publish(h, name, "one")
    async with listening(h, source) as listener:
        await listener.expect_only("one")


@returning
async def event_is_forgotten_only_after_deliver_returned(h: NotificationHarness) -> None:
    name = await h.create()
    delivering = anyio.Event()

    async def hang(_: JsonObject) -> None:
        delivering.set()
        await anyio.sleep_forever()

    async with listening(h, await _open(h, name), accept=hang):
        await _publish(h, name, "one")
        with anyio.fail_after(h.patience_seconds):
            await delivering.wait()
    async with listening(h, await _open(h, name)) as listener:
        await listener.until(1)
        assert set(listener.tokens) == {"one"}


async def delivered_event_is_not_delivered_again(h: NotificationHarness) -> None:
    name = await h.create()
    source = await _open(h, name)
    async with listening(h, source) as listener:
        await _publish(h, name, "one")
        await listener.expect_only("one")
    async with listening(h, source) as listener:
        await _publish(h, name, "two")
        await listener.expect_only("two")


@returning
async def event_that_could_not_be_delivered_comes_again(h: NotificationHarness) -> None:
    name = await h.create()
    failures = iter(range(2))

    async def fail_twice(_: JsonObject) -> None:
        if next(failures, None) is not None:
            raise OSError("the event could not be stored")

    async with listening(h, await _open(h, name), accept=fail_twice) as listener:
        await _publish(h, name, "one", "two")
        await listener.until_all("one", "two")


@returning
async def cancelled_run_loses_nothing(h: NotificationHarness) -> None:
    name = await h.create()
    source = await _open(h, name)
    missing: set[str] = set()
    for number in range(10):
        token = f"token-{number}"
        missing.add(token)
        async with listening(h, source) as listener:
            await _publish(h, name, token)
            for _ in range(number):  # cancels at another step each time
                await lowlevel.checkpoint()
        missing -= set(listener.tokens)
    async with listening(h, source) as listener:
        await listener.until_all(*missing)


async def every_subscriber_gets_every_event(h: NotificationHarness) -> None:
    name = await h.create()
    one, two = [await h.subscribe(everything(h.service, name, subscriber)) for subscriber in ("one", "two")]
    async with listening(h, one) as first, listening(h, two) as second:
        await _publish(h, name, "token")
        await first.expect_only("token")
        await second.expect_only("token")


async def processes_of_one_subscriber_share_its_events(h: NotificationHarness) -> None:
    name = await h.create()
    one, two = await _open(h, name), await _open(h, name, other_process=True)
    async with listening(h, one) as first, listening(h, two) as second:
        await _publish(h, name, "a", "b", "c", "d")

        async def all_came() -> bool:
            return len(first.events) + len(second.events) >= 4

        await h.eventually(all_came, "four events are delivered")
        await h.elapse(h.grace_seconds)
        assert sorted(first.tokens + second.tokens) == ["a", "b", "c", "d"]


async def other_resources_are_not_heard(h: NotificationHarness) -> None:
    name, other = await h.create(), await h.create()
    async with listening(h, await _open(h, name)) as listener:
        await _publish(h, other, "elsewhere")
        await _publish(h, name, "here")
        await listener.expect_only("here")


@returning
@needs(Capability.DURABLE_SUBSCRIPTIONS)
async def events_are_kept_while_nobody_listens(h: NotificationHarness) -> None:
    name = await h.create()
    source = await _open(h, name)
    async with listening(h, source) as listener:
        await _publish(h, name, "before")
        await listener.expect_only("before")
    await source.aclose()
    await _publish(h, name, "meanwhile")
    async with listening(h, await _open(h, name, other_process=True)) as listener:
        await listener.expect_only("meanwhile")


async def backlog_counts_what_is_not_delivered(h: NotificationHarness) -> None:
    name = await h.create()
    source = await _open(h, name)
    await _publish(h, name, "one", "two")

    async def waiting() -> bool:
        return await source.backlog() >= 1

    async def empty() -> bool:
        return await source.backlog() == 0

    await h.eventually(waiting, "the backlog of two undelivered events is positive")
    async with listening(h, source) as listener:
        await listener.until(2)
        await h.eventually(empty, "the backlog is zero after everything was delivered")


async def source_says_who_it_is(h: NotificationHarness) -> None:
    source = await _open(h, await h.create())
    assert source.identity.arn
    assert source.identity.region


async def close_is_idempotent(h: NotificationHarness) -> None:
    source = await _open(h, await h.create())
    await source.aclose()
    await source.aclose()


NOTIFICATION_CASES: Final[tuple[NotificationCase, ...]] = (
    events_are_delivered,
    event_published_before_anybody_runs_is_delivered,
    event_is_forgotten_only_after_deliver_returned,
    delivered_event_is_not_delivered_again,
    event_that_could_not_be_delivered_comes_again,
    cancelled_run_loses_nothing,
    every_subscriber_gets_every_event,
    processes_of_one_subscriber_share_its_events,
    other_resources_are_not_heard,
    events_are_kept_while_nobody_listens,
    backlog_counts_what_is_not_delivered,
    source_says_who_it_is,
    close_is_idempotent,
)
