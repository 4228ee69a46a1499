from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from eventflow.errors import AccessDeniedError, AdapterError, UnavailableError
from eventflow.events.sns import SnsEvent
from eventflow.model.records import SourceIdentity
from eventflow.model.subscriptions import TopicSubscription
from eventflow.policy.topics import TopicFilter
from eventflow.ports import PushRequest, PushResponse
from eventflow.testing.virtual_time import VirtualClock
from eventflow_aws.notifications.http_topic import HttpTopic
from eventflow_aws.notifications.sns_events import TopicInterest
from eventflow_aws.notifications.sns_http import HttpTopicSource
from eventflow_aws.notifications.sns_signatures import Signatures
from tests.unit.aws.sns_signing import TOPIC, Signer, body, confirmation, notification

SIGNER = Signer()


@dataclass
class Listener:
    """A function of the topic: keeps its events, or fails as its store does."""

    source: HttpTopicSource
    events: list[dict[str, Any]] = field(default_factory=list)
    error: AdapterError | None = None

    async def deliver(self, payload: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.events.append(json.loads(payload))


@dataclass
class Account:
    """SNS's other side: tokens that it was shown."""

    tokens: list[str] = field(default_factory=list)
    error: AdapterError | None = None

    async def confirm(self, token: str) -> None:
        if self.error is not None:
            raise self.error
        self.tokens.append(token)


@dataclass
class Endpoint:
    topic: HttpTopic
    account: Account
    listeners: list[Listener]

    async def post(self, content: dict[str, Any] | bytes, headers: Mapping[str, str] | None = None) -> PushResponse:
        sent = content if isinstance(content, bytes) else body(content)
        return await self.listeners[0].source.handle(PushRequest(headers or {}, sent))


def interest(subscriber: str, policy: str | None = None) -> TopicInterest:
    return TopicInterest(
        TopicSubscription(name="orders", subscriber=subscriber, filter_policy=policy),
        SourceIdentity(arn=TOPIC, region="us-east-1", extras={}),
        f"{TOPIC}:{subscriber}",
        None if policy is None else TopicFilter(policy),
    )


@asynccontextmanager
async def endpoint(*interests: TopicInterest, running: bool = True) -> AsyncIterator[Endpoint]:
    """A topic with functions, all of which take events."""
    account = Account()
    topic = HttpTopic(TOPIC, "sns:orders", Signatures(SIGNER.fetch, VirtualClock()), account.confirm)
    listeners = [Listener(HttpTopicSource(topic, one)) for one in interests or (interest("fulfil"),)]
    async with anyio.create_task_group() as tasks:
        for listener in listeners if running else ():
            tasks.start_soon(listener.source.run, listener.deliver)
        await anyio.wait_all_tasks_blocked()
        yield Endpoint(topic, account, listeners)
        tasks.cancel_scope.cancel()


async def test_a_notification_becomes_the_event_that_lambda_gets() -> None:
    attributes = {"kind": {"Type": "String", "Value": "new"}}
    signed = SIGNER.signed(notification(MessageAttributes=attributes))
    async with endpoint() as here:
        assert await here.post(signed) == PushResponse(200)
    [event] = here.listeners[0].events
    SnsEvent.model_validate(event)
    assert event == {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": f"{TOPIC}:abc",
                "Sns": {
                    "Type": "Notification",
                    "MessageId": signed["MessageId"],
                    "TopicArn": TOPIC,
                    "Subject": "An order",
                    "Message": signed["Message"],
                    "Timestamp": signed["Timestamp"],
                    "SignatureVersion": "2",
                    "Signature": signed["Signature"],
                    "SigningCertUrl": signed["SigningCertURL"],
                    "UnsubscribeUrl": signed["UnsubscribeURL"],
                    "MessageAttributes": attributes,
                },
            }
        ]
    }


async def test_absent_fields_are_what_lambda_makes_of_them() -> None:
    async with endpoint() as here:
        await here.post(SIGNER.signed(notification(Subject=None)))
    message = here.listeners[0].events[0]["Records"][0]["Sns"]
    assert (message["Subject"], message["MessageAttributes"]) == (None, {})


async def test_every_function_of_the_topic_gets_what_its_filter_lets_through() -> None:
    new = interest("new", '{"kind": ["new"]}')
    old = interest("old", '{"kind": ["old"]}')
    async with endpoint(new, old, interest("all")) as here:
        attributes = {"kind": {"Type": "String", "Value": "new"}}
        assert (await here.post(SIGNER.signed(notification(MessageAttributes=attributes)))).status == 200
    assert [len(listener.events) for listener in here.listeners] == [1, 0, 1]


async def test_sns_tries_again_when_the_event_cannot_be_stored() -> None:
    async with endpoint() as here:
        here.listeners[0].error = UnavailableError("event queue", "away")
        assert (await here.post(SIGNER.signed(notification()))).status == 503


async def test_sns_tries_again_while_a_function_does_not_take_events_yet() -> None:
    async with endpoint(running=False) as here:
        assert (await here.post(SIGNER.signed(notification()))).status == 503


async def test_nobody_gets_what_not_everybody_can_take() -> None:
    async with endpoint(interest("fulfil")) as here:
        HttpTopicSource(here.topic, interest("late"))
        assert (await here.post(SIGNER.signed(notification()))).status == 503
    assert here.listeners[0].events == []


async def test_a_message_for_nobody_is_not_acknowledged() -> None:
    async with endpoint() as here:
        await here.listeners[0].source.aclose()
        await here.listeners[0].source.aclose()
        assert (await here.post(SIGNER.signed(notification()))).status == 503


async def test_a_subscription_of_the_topic_is_confirmed() -> None:
    async with endpoint() as here:
        assert await here.post(SIGNER.signed(confirmation())) == PushResponse(200)
    assert here.account.tokens == ["token-1"]


async def test_a_confirmation_that_fails_is_asked_for_again() -> None:
    async with endpoint() as here:
        here.account.error = AccessDeniedError("sns:orders", "denied")
        assert (await here.post(SIGNER.signed(confirmation()))).status == 503


async def test_the_end_of_a_subscription_is_acknowledged_and_nothing_else() -> None:
    async with endpoint() as here:
        assert await here.post(SIGNER.signed(confirmation("UnsubscribeConfirmation"))) == PushResponse(200)
    assert here.account.tokens == []


@pytest.mark.parametrize("make", [notification, confirmation], ids=["notification", "confirmation"])
async def test_other_topics_are_refused_however_well_signed(make: Any) -> None:
    async with endpoint() as here:
        answer = await here.post(SIGNER.signed(make(TopicArn="arn:aws:sns:us-east-1:666666666666:orders")))
    assert answer.status == 403
    assert "the endpoint of arn:aws:sns:us-east-1:123456789012:orders" in answer.text
    assert not here.account.tokens
    assert not here.listeners[0].events


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Message": "other"}, "signature is wrong"),
        ({"Timestamp": "2025-12-31T20:00:00.000Z"}, "nothing older"),
        ({"SigningCertURL": "https://example.com/a.pem"}, "SigningCertURL"),
    ],
)
@pytest.mark.parametrize("make", [notification, confirmation], ids=["notification", "confirmation"])
async def test_nothing_is_done_with_what_is_not_authentic(make: Any, change: dict[str, str], reason: str) -> None:
    async with endpoint() as here:
        answer = await here.post(SIGNER.signed(make()) | change)
    assert answer.status == 403
    assert reason in answer.text
    assert not here.account.tokens
    assert not here.listeners[0].events


async def test_raw_messages_are_refused_since_nothing_proves_where_they_are_from() -> None:
    async with endpoint() as here:
        raw = await here.post(b'{"id": "1"}', {"x-amz-sns-rawdelivery": "true"})
        marked = await here.post(SIGNER.signed(notification()), {"x-amz-sns-rawdelivery": "true"})
    assert raw == marked
    assert raw.status == 400
    assert "RawMessageDelivery" in raw.text
    assert here.listeners[0].events == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"not json",
        b"[" * 100_000,
        b"[]",
        b"{}",
        b'{"Type": ["Notification"]}',
        b'{"Type": "Other"}',
        body(notification()),
        body(SIGNER.signed(notification()) | {"Message": 1}),
        body(SIGNER.signed(notification()) | {"Subject": ["An order"]}),
        body(SIGNER.signed(notification()) | {"SigningCertURL": None}),
        body(SIGNER.signed(confirmation()) | {"Token": {}}),
        body(SIGNER.signed(notification()) | {"MessageAttributes": {"kind": "new"}}),
    ],
    ids=range(14),
)
async def test_what_is_no_message_of_sns_is_refused(content: bytes) -> None:
    async with endpoint() as here:
        assert (await here.post(content)).status == 400
    assert here.listeners[0].events == []


async def test_sources_of_one_topic_are_one_endpoint() -> None:
    async with endpoint(interest("a"), interest("b")) as here:
        assert {listener.source.http_path for listener in here.listeners} == {"/eventflow/sns/orders"}
        assert (
            await here.listeners[1].source.handle(PushRequest({}, body(SIGNER.signed(notification()))))
        ).status == 200
    assert [len(listener.events) for listener in here.listeners] == [1, 1]
    assert [await listener.source.backlog() for listener in here.listeners] == [0, 0]
