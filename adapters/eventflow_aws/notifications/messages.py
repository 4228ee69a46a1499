"""What S3, SNS, EventBridge and schedules put into a queue, told apart.

A topic may stand between: then what was published is looked at, in the envelope of the topic.
"""

from __future__ import annotations

import json
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventflow.events.eventbridge import EVENTBRIDGE
from eventflow.events.s3 import S3
from eventflow.events.schedule import SCHEDULE

if TYPE_CHECKING:
    from eventflow.model.json import JsonObject

_CONFIRMATIONS: Final = ("SubscriptionConfirmation", "UnsubscribeConfirmation")


class Kind(Enum):
    """What the content of a message is."""

    OBJECT_CHANGES = "changes of objects"
    TEST_EVENT = "a bucket's test event"
    BUS_EVENT = "an event of a bus"
    SCHEDULED_EVENT = "a scheduled event"
    CONFIRMATION = "a topic's request to confirm"
    UNKNOWN = "nothing that S3, SNS, EventBridge or a schedule would send"


class Message(NamedTuple):
    """A queue message, read.

    ``notification`` is SNS's envelope, if it came through a topic. ``text`` is what was sent: the message in the
    envelope, or else the body. ``content`` is the JSON object in it, of the given ``kind``; ``None`` if it is none.
    """

    text: str
    content: JsonObject | None
    kind: Kind
    notification: JsonObject | None = None

    @property
    def topic_arn(self) -> str | None:
        return self.notification["TopicArn"] if self.notification is not None else None

    @property
    def payload(self) -> bytes:
        """The text as it is. JSON may spell half of a surrogate pair, which UTF-8 cannot: the runtime refuses it."""
        return self.text.encode("utf-8", "surrogatepass")


def read_message(body: str) -> Message:
    """Read the body of a queue message. Never raises: whoever may send to the queue may send anything."""
    message = _read(body)
    if message.content is None or not _is_notification(message.content):
        return message
    return _read(message.content["Message"])._replace(notification=message.content)


def encoded(event: JsonObject) -> bytes:
    """An event as JSON text."""
    return json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _read(text: str) -> Message:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        return Message(text, None, Kind.UNKNOWN)
    return Message(text, content, _kind(content))


def _kind(content: JsonObject) -> Kind:
    if content.get("Event") == "s3:TestEvent":
        return Kind.TEST_EVENT
    if content.get("Type") in _CONFIRMATIONS and isinstance(content.get("TopicArn"), str):
        return Kind.CONFIRMATION
    if S3.recognises(content) and all(map(_is_change, content["Records"])):
        return Kind.OBJECT_CHANGES
    if SCHEDULE.recognises(content) and _is_text(_first(content.get("resources"))):
        return Kind.SCHEDULED_EVENT
    if EVENTBRIDGE.recognises(content) and isinstance(content["detail"], dict) and _is_text(content["source"]):
        return Kind.BUS_EVENT
    return Kind.UNKNOWN


def _is_change(record: Any) -> bool:
    """Whether this is one of ``Records`` of an S3 event."""
    return (
        _at(record, "eventSource") == "aws:s3"
        and _is_text(_at(record, "eventName"))
        and _is_text(_at(record, "s3", "bucket", "name"))
        and _is_text(_at(record, "s3", "object", "key"))
    )


def _is_notification(content: JsonObject) -> bool:
    """Whether this is SNS's envelope around a message."""
    return (
        content.get("Type") == "Notification"
        and all(_is_text(content.get(key)) for key in ("MessageId", "TopicArn", "Message"))
        and _are_attributes(content.get("MessageAttributes", {}))
    )


def _are_attributes(attributes: Any) -> bool:
    return isinstance(attributes, dict) and all(
        _is_text(_at(attribute, "Type")) and _is_text(_at(attribute, "Value")) for attribute in attributes.values()
    )


def text_at(content: JsonObject, *path: str) -> str | None:
    """The text at a path of keys; ``None`` if there is none."""
    value = _at(content, *path)
    return value if isinstance(value, str) else None


def time_at(content: JsonObject, key: str) -> float | None:
    """The epoch time in an ISO 8601 text; ``None`` if there is none."""
    try:
        return datetime.fromisoformat(text_at(content, key) or "").timestamp()
    except (ValueError, OverflowError):
        return None


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
