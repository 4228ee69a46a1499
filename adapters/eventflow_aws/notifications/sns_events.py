"""Messages of topics, from the envelopes and raw messages that SNS puts into queues to the events that it gives Lambda.

Source: SNS guide: sns-message-and-json-formats, large payload and raw message delivery; Lambda guide: with-sns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from eventflow.model.invocation import iso_milliseconds
from eventflow_aws.notifications.messages import encoded

if TYPE_CHECKING:
    from eventflow.model.json import JsonObject
    from eventflow.model.records import QueueRecord, SourceIdentity
    from eventflow.model.subscriptions import TopicSubscription
    from eventflow.policy.topics import TopicFilter
    from eventflow_aws.notifications.messages import Message

_RENAMED: Final = {"SigningCertURL": "SigningCertUrl", "UnsubscribeURL": "UnsubscribeUrl"}
"""What an envelope calls otherwise than Lambda's event."""


@dataclass(frozen=True, slots=True, eq=False)
class TopicInterest:
    """One function's subscription to a topic. ``identity.arn`` is the topic's.

    ``subscription_arn`` stands in the event of a message that does not tell it: one of a FIFO topic, or a raw one.
    """

    subscription: TopicSubscription
    identity: SourceIdentity
    subscription_arn: str
    filter: TopicFilter | None

    @property
    def resource(self) -> str:
        return f"sns:{self.subscription.name}"

    def concerns(self, message: Message) -> bool:
        return message.topic_arn == self.identity.arn

    def payload(self, message: Message) -> bytes | None:
        """Lambda's event, if the message passes the filter policy."""
        if message.notification is None:
            return None
        event = sns_event(message.notification, self.subscription_arn)
        attributes = event["Records"][0]["Sns"]["MessageAttributes"]
        if self.filter is not None and not self.filter.matches(attributes, message.notification["Message"]):
            return None
        return encoded(event)


def sns_event(notification: JsonObject, subscription_arn: str) -> JsonObject:
    """The event that SNS gives Lambda for an envelope."""
    message: JsonObject = {"Subject": None, "MessageAttributes": {}}
    message |= {_RENAMED.get(key, key): value for key, value in notification.items()}
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": _told_arn(message.get("UnsubscribeUrl")) or subscription_arn,
        "Sns": message,
    }
    return {"Records": [record]}


def raw_notification(record: QueueRecord, body: str, topic_arn: str) -> JsonObject:
    """The envelope of a message that came without one. Its id is the queue's, and there is no signature."""
    return {
        "Type": "Notification",
        "MessageId": record.message_id,
        "TopicArn": topic_arn,
        "Message": body,
        "Timestamp": iso_milliseconds(int(record.attributes.get("SentTimestamp", 0)) / 1000),
        "MessageAttributes": {name: _attribute(value) for name, value in record.message_attributes.items()},
    }


def _attribute(attribute: JsonObject) -> JsonObject:
    binary = attribute.get("binaryValue")
    value = binary if binary is not None else attribute.get("stringValue")
    return {"Type": attribute["dataType"], "Value": value or ""}


def _told_arn(unsubscribe_url: object) -> str | None:
    """The subscription that a link to end it names."""
    if not isinstance(unsubscribe_url, str):
        return None
    try:
        arns = parse_qs(urlsplit(unsubscribe_url).query).get("SubscriptionArn", [])
    except ValueError:
        return None
    return arns[0] if arns else None
