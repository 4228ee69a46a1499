"""What pushes events, by its logical name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventflow.model.destinations import Service
from eventflow.model.subscriptions import BucketNotification, BusRule, ScheduleRule, TopicSubscription

if TYPE_CHECKING:
    from eventflow.model.subscriptions import NotificationSubscription


def resource_of(subscription: NotificationSubscription) -> str:
    """The logical resource that a subscription is about, e.g. ``s3:uploads``."""
    match subscription:
        case BucketNotification():
            return f"{Service.S3}:{subscription.name}"
        case TopicSubscription():
            return f"{Service.SNS}:{subscription.name}"
        case BusRule():
            return f"{Service.EVENTBRIDGE}:{subscription.name}"
        case ScheduleRule():
            return f"{Service.SCHEDULE}:{subscription.name}"
