"""What a function asks of a source: the values that adapters open sources from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from eventflow.model.destinations import Service
    from eventflow.model.mapping import StreamMapping, StreamViewType


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSubscription:
    """Records of one queue. ``subscriber`` is the function that reads it, for at most ``timeout_seconds`` each time:
    a queue that is made on first use hides its records for that long. With ``gives_up`` the mapping itself gives up
    records that fail too often, so that an adapter which does so in a broker's stead leaves them to it."""

    service: Service
    name: str
    subscriber: str
    timeout_seconds: float = 0
    gives_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSubscription:
    """Records of one stream, table or topic. ``subscriber`` is stable over restarts: progress is kept under it.

    ``view_type`` is set for DynamoDB tables only.
    """

    service: Service
    name: str
    subscriber: str
    mapping: StreamMapping
    view_type: StreamViewType | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketNotification:
    """Changes of one bucket. ``events`` are S3's names (``s3:ObjectCreated:*``)."""

    name: str
    subscriber: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSubscription:
    """Messages of one topic. ``filter_policy`` is JSON text."""

    name: str
    subscriber: str
    filter_policy: str | None = None
    filter_policy_scope: Literal["MessageAttributes", "MessageBody"] = "MessageAttributes"


@dataclass(frozen=True, slots=True, kw_only=True)
class BusRule:
    """Events of one bus that match ``pattern`` (JSON text)."""

    name: str
    subscriber: str
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRule:
    """A clock. ``expression`` is ``rate(...)``, ``cron(...)`` or ``at(...)``; ``input`` replaces the event
    (JSON text)."""

    name: str
    subscriber: str
    expression: str
    timezone: str = "UTC"
    input: str | None = None


NotificationSubscription: TypeAlias = BucketNotification | TopicSubscription | BusRule | ScheduleRule
Subscription: TypeAlias = QueueSubscription | StreamSubscription | NotificationSubscription
