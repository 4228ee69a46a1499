"""Whom a message is for, among the subscriptions that one queue serves.

What AWS filters (filter policies, event types, prefixes, patterns) is filtered here again, so one queue serves
several functions. A message that none of them wants is done with. One that belongs to nobody here stays in the queue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from eventflow_aws.notifications.eventbridge_events import ScheduleInterest, struck_arn
from eventflow_aws.notifications.messages import Kind, Message, read_message
from eventflow_aws.notifications.s3_events import BucketInterest, bucket_name, object_changes
from eventflow_aws.notifications.sns_events import TopicInterest, raw_notification

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.model.records import QueueRecord, SourceIdentity
    from eventflow.model.subscriptions import NotificationSubscription


class Interest(Protocol):
    """What one function wants of one resource."""

    @property
    def subscription(self) -> NotificationSubscription: ...

    @property
    def resource(self) -> str:
        """The logical name: ``s3:uploads``."""

    @property
    def identity(self) -> SourceIdentity: ...

    def concerns(self, message: Message) -> bool:
        """Whether the message is of this resource."""

    def payload(self, message: Message) -> bytes | None:
        """The event for the function; ``None`` if its filter does not let it through. Only of what concerns it."""


class Delivery(NamedTuple):
    """An event (JSON text) for one subscription."""

    interest: Interest
    payload: bytes


class Route(NamedTuple):
    """Where a message goes. With ``stays`` it is nobody's here, and is left in the queue. ``warning`` is to be told."""

    deliveries: tuple[Delivery, ...] = ()
    stays: bool = False
    warning: str | None = None


class Router:
    """The subscriptions of one queue."""

    def __init__(self, interests: Sequence[Interest]) -> None:
        self._interests = tuple(interests)
        self._buckets = {each.bucket for each in interests if isinstance(each, BucketInterest)}
        self._topics = {each.identity.arn for each in interests if isinstance(each, TopicInterest)}
        self._only_topics = all(isinstance(each, TopicInterest) for each in interests)

    def route(self, record: QueueRecord) -> Route:
        """Whom a message of the queue is for."""
        message = read_message(_text(record))
        if message.topic_arn in self._topics:
            return self._from_subscribed_topic(message)
        if message.kind is Kind.TEST_EVENT:
            return Route()
        if self._is_raw(message):
            [topic_arn] = self._topics
            notification = raw_notification(record, message.text, topic_arn)
            return self._to_hearers(message._replace(notification=notification))
        return self._problem(message) or self._to_hearers(message)

    def _to_hearers(self, message: Message) -> Route:
        hearers = [interest for interest in self._interests if interest.concerns(message)]
        if not hearers:
            return Route(stays=True, warning=f"nobody here subscribes to {describe(message)}")
        events = [(interest, interest.payload(message)) for interest in hearers]
        return Route(tuple(Delivery(interest, payload) for interest, payload in events if payload is not None))

    def _from_subscribed_topic(self, message: Message) -> Route:
        """What is published to a topic that a function subscribes to is that function's text: an S3 event in it
        proves nothing, since whoever may publish can write one."""
        route = self._to_hearers(message._replace(content=None, kind=Kind.UNKNOWN))
        buckets = sorted(self._buckets.intersection(map(bucket_name, object_changes(message))))
        if not buckets:
            return route
        warning = (
            f"{message.topic_arn} carries events of s3:{buckets[0]}, which reach its own subscribers alone, since a "
            "function subscribes to the topic itself; let the bucket notify the queue, or another topic"
        )
        return route._replace(warning=warning)

    def _is_raw(self, message: Message) -> bool:
        """Whether this is the bare text of the only topic. Beside other sources only what none of them would send."""
        if message.notification is not None or len(self._topics) != 1 or message.kind is Kind.CONFIRMATION:
            return False
        return self._only_topics or message.kind is Kind.UNKNOWN

    def _problem(self, message: Message) -> Route | None:
        """Why a message can be given to nobody, although somebody subscribes to its resource."""
        if message.kind is Kind.OBJECT_CHANGES:
            strangers = sorted({bucket_name(record) for record in object_changes(message)} - self._buckets)
            if strangers:
                return Route(stays=True, warning=f"nobody here subscribes to s3:{strangers[0]}")
        return self._ambiguity(message) if message.kind is Kind.SCHEDULED_EVENT else None

    def _ambiguity(self, message: Message) -> Route | None:
        """Two schedules of one function that are bound to one name cannot be told apart."""
        hearers = [each for each in self._interests if isinstance(each, ScheduleInterest) and each.concerns(message)]
        if any(each.is_provisioned(message) for each in hearers):
            return None
        resources = [each.resource for each in hearers]
        twice = next((resource for resource in resources if resources.count(resource) > 1), None)
        if twice is None:
            return None
        names = ", ".join(each.provisioned for each in hearers if each.resource == twice)
        warning = f"{struck_arn(message)} may be any of several schedules of {twice}; call them {names}"
        return Route(stays=True, warning=warning)


def describe(message: Message) -> str:
    """The resource that a message is of, for people."""
    for change in object_changes(message):
        return f"s3:{bucket_name(change)}"
    if message.kind is Kind.SCHEDULED_EVENT:
        return f"the schedule {struck_arn(message)}"
    if message.kind is Kind.BUS_EVENT and message.content is not None:
        return f"events of {message.content['source']}"
    if message.kind is Kind.CONFIRMATION and message.content is not None:
        return f"{message.content['TopicArn']}, which wants its subscription confirmed"
    if message.topic_arn is not None:
        return message.topic_arn
    return "a message that is none of S3's, SNS's, EventBridge's or a schedule's"


def _text(record: QueueRecord) -> str:
    return record.body if isinstance(record.body, str) else record.body.decode(errors="replace")
