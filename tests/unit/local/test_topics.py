"""Topics: what a publish reaches, and in which shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eventflow.errors import InvalidEventPatternError, InvalidMessageError
from eventflow.events.sns import SnsEvent
from eventflow.model import limits
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.subscriptions import TopicSubscription
from eventflow_local import LocalAdapter
from tests.unit.local.environments import environment
from tests.unit.local.notified import delivering


async def publish(adapter: LocalAdapter, message: OutboundMessage) -> None:
    await (await adapter.sink(Destination(Service.SNS, "news"))).send(message)


async def test_a_message_arrives_as_sns_would_hand_it_to_lambda(directory: Path | None) -> None:
    async with environment(directory) as adapter:
        source = await adapter.notification_source(TopicSubscription(name="news", subscriber="read"))
        async with delivering(source) as inbox:
            await publish(adapter, OutboundMessage(body="Zoë".encode(), subject="hello", attributes={"n": 1}))
            [wire] = await inbox.until(1)
    event: SnsEvent[Any] = SnsEvent.model_validate(wire)
    assert (event.message, event.subject) == ("Zoë", "hello")
    [record] = event.records
    assert record.sns.topic_arn == source.identity.arn == "arn:aws:sns:us-east-1:000000000000:news"
    assert record.event_subscription_arn.startswith(f"{record.sns.topic_arn}:")
    assert record.sns.timestamp == "2026-01-01T00:00:00.000Z"
    assert record.sns.message_attributes["n"].to_wire() == {"Type": "Number", "Value": "1"}


async def test_every_subscription_gets_the_same_message_id(directory: Path | None) -> None:
    async with environment(directory) as adapter:
        one = await adapter.notification_source(TopicSubscription(name="news", subscriber="one"))
        two = await adapter.notification_source(TopicSubscription(name="news", subscriber="two"))
        async with delivering(one) as first, delivering(two) as second:
            await publish(adapter, OutboundMessage(body=b"a"))
            [mine], [yours] = await first.until(1), await second.until(1)
    assert mine["Records"][0]["Sns"]["MessageId"] == yours["Records"][0]["Sns"]["MessageId"]
    assert mine["Records"][0]["EventSubscriptionArn"] != yours["Records"][0]["EventSubscriptionArn"]


async def test_what_a_filter_stops_is_not_even_stored() -> None:
    async with environment() as adapter:
        subscription = TopicSubscription(
            name="news", subscriber="read", filter_policy='{"kind": ["new"]}', filter_policy_scope="MessageBody"
        )
        source = await adapter.notification_source(subscription)
        await publish(adapter, OutboundMessage(body=b'{"kind": "old"}'))
        assert await source.backlog() == 0
        await publish(adapter, OutboundMessage(body=b'{"kind": "new"}'))
        assert await source.backlog() == 1


async def test_a_message_nobody_subscribed_to_is_gone() -> None:
    async with environment() as adapter:
        await publish(adapter, OutboundMessage(body=b"a"))
        source = await adapter.notification_source(TopicSubscription(name="news", subscriber="read"))
        assert await source.backlog() == 0


async def test_a_filter_policy_that_does_not_compile_is_refused() -> None:
    async with environment() as adapter:
        with pytest.raises(InvalidEventPatternError):
            await adapter.notification_source(TopicSubscription(name="news", subscriber="read", filter_policy="{"))


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (OutboundMessage(body=b""), "empty"),
        (OutboundMessage(body=b"\xff"), "not UTF-8"),
        (OutboundMessage(body=b"a" * (limits.SNS_MESSAGE_BYTES + 1)), "262,145 bytes; 262,144"),
        (OutboundMessage(body=b"a", subject="s" * 101), "the subject is"),
        (OutboundMessage(body=b"a", subject="two\nlines"), "the subject is"),
        (OutboundMessage(body=b"a", attributes={"": "v"}), "attribute name"),
    ],
)
async def test_what_sns_refuses_is_refused(message: OutboundMessage, complaint: str) -> None:
    async with environment() as adapter:
        with pytest.raises(InvalidMessageError, match=complaint):
            await publish(adapter, message)
