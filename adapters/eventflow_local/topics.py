"""Topics as SNS has them: a published message is copied to every subscription whose filter it passes."""

from __future__ import annotations

import json
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from eventflow.errors import InvalidMessageError
from eventflow.events.sns import sns_wire_event
from eventflow.model import limits
from eventflow.model.partitions import partition_of
from eventflow.model.records import SourceIdentity
from eventflow.model.subscriptions import TopicSubscription
from eventflow.policy.topics import TopicFilter
from eventflow_local import messages, notifications
from eventflow_local.notifications import QueuedNotificationSource, Registered

if TYPE_CHECKING:
    import sqlite3

    from eventflow.model.destinations import OutboundMessage
    from eventflow.ports import AdapterSettings
    from eventflow_local.database import Database
    from eventflow_local.notifications import NotificationQueue

MAXIMUM_SUBJECT_CHARACTERS: Final = 100


def topic_arn(settings: AdapterSettings, name: str) -> str:
    return f"arn:{partition_of(settings.region)}:sns:{settings.region}:{settings.account_id}:{name}"


async def open_topic_source(
    queue: NotificationQueue, settings: AdapterSettings, subscription: TopicSubscription
) -> QueuedNotificationSource:
    """Subscribe to a topic. Raises InvalidEventPatternError if the filter policy does not compile."""
    if subscription.filter_policy is not None:
        TopicFilter(subscription.filter_policy, subscription.filter_policy_scope)
    identity = SourceIdentity(arn=topic_arn(settings, subscription.name), region=settings.region, extras={})
    return QueuedNotificationSource(queue, await queue.register(subscription), identity)


class LocalTopicSink:
    """A DestinationSink that publishes to one topic."""

    def __init__(self, database: Database, settings: AdapterSettings, name: str) -> None:
        self._database = database
        self._name = name
        self._arn = topic_arn(settings, name)

    @property
    def arn(self) -> str:
        return self._arn

    async def send(self, message: OutboundMessage) -> None:
        text = _text(f"sns:{self._name}", message)
        publish = partial(self._publish, message, text, self._database.clock.time())
        for subscription in await self._database.run(publish):
            self._database.notify(notifications.channel(subscription))

    async def aclose(self) -> None:
        """Nothing to give up."""

    def _publish(self, message: OutboundMessage, text: str, now: float, connection: sqlite3.Connection) -> list[str]:
        """One event per subscription, all in one transaction; returns the subscriptions that got one."""
        message_id = str(uuid4())
        reached = []
        for registered in notifications.registered(connection, TopicSubscription, self._name):
            event = sns_wire_event(
                topic_arn=self._arn,
                message_id=message_id,
                message=text,
                subject=message.subject,
                attributes=message.attributes,
                timestamp=now,
                subscription_arn=f"{self._arn}:{registered.uuid}",
            )
            if _passes(registered, event["Records"][0]["Sns"]["MessageAttributes"], text):
                payload = json.dumps(event, ensure_ascii=False).encode()
                notifications.enqueue(connection, registered.id, payload, now)
                reached.append(registered.id)
        return reached


def _passes(registered: Registered[TopicSubscription], attributes: dict[str, dict[str, str]], text: str) -> bool:
    subscription = registered.subscription
    if subscription.filter_policy is None:
        return True
    return _filter(subscription.filter_policy, subscription.filter_policy_scope).matches(attributes, text)


@lru_cache(256)
def _filter(policy: str, scope: str) -> TopicFilter:
    return TopicFilter(policy, "MessageBody" if scope == "MessageBody" else "MessageAttributes")


def _text(resource: str, message: OutboundMessage) -> str:
    """The message as text. Raises InvalidMessageError if SNS would refuse it. Source: SNS API: Publish."""
    try:
        text = message.body.decode()
    except UnicodeDecodeError as error:
        raise InvalidMessageError(resource, f"the message is not UTF-8 text: {error}") from error
    size = len(message.body) + messages.attributes_size(message.attributes)
    if not text:
        raise InvalidMessageError(resource, "the message is empty")
    if size > limits.SNS_MESSAGE_BYTES:
        raise InvalidMessageError(
            resource, f"message and attributes have {size:,} bytes; {limits.SNS_MESSAGE_BYTES:,} are allowed"
        )
    subject = message.subject
    if subject is not None and (not 0 < len(subject) <= MAXIMUM_SUBJECT_CHARACTERS or not subject.isprintable()):
        raise InvalidMessageError(
            resource, f"the subject is {subject!r}; 1 to {MAXIMUM_SUBJECT_CHARACTERS} printable characters are allowed"
        )
    for problem in messages.attribute_problems(message.attributes):
        raise InvalidMessageError(resource, problem)
    return text
