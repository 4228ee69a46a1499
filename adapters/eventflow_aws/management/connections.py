"""The ways between what pushes events (buckets, topics, buses, schedules) and the queue that brings them here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from eventflow.errors import ResourceNotFoundError
from eventflow.model.destinations import Service
from eventflow.model.subscriptions import (
    BucketNotification,
    BusRule,
    QueueSubscription,
    ScheduleRule,
    StreamSubscription,
    TopicSubscription,
)
from eventflow_aws.faults import translated
from eventflow_aws.notifications.resources import resource_of
from eventflow_aws.notifications.schedule_names import is_schedule_of, schedule_names
from eventflow_aws.outbound import regional_arn
from eventflow_aws.sqs.queues import find_queue

if TYPE_CHECKING:
    from eventflow.model.blueprint import Blueprint
    from eventflow.model.subscriptions import NotificationSubscription
    from eventflow_aws.environment import Environment


class Connection(NamedTuple):
    """All that functions want of one bucket, topic, bus or schedule. ``queue`` is the logical name of what brings its
    events (``sqs:shop-events``); ``None`` if it sends to ``url``."""

    resource: str
    queue: str | None
    url: str | None
    subscriptions: tuple[NotificationSubscription, ...]


def connections_of(env: Environment, blueprint: Blueprint) -> list[Connection]:
    """One per resource, in the order of the app. Resources for which neither a queue nor a URL is configured have
    none."""
    found: dict[str, list[NotificationSubscription]] = {}
    for subscription in blueprint.subscriptions:
        if not isinstance(subscription, QueueSubscription | StreamSubscription):
            found.setdefault(resource_of(subscription), []).append(subscription)
    return [
        _connection(env, resource, subscriptions)
        for resource, subscriptions in found.items()
        if brings_events(env, resource)
    ]


def brings_events(env: Environment, resource: str) -> bool:
    """Whether a queue or a URL is configured for a bucket, topic, bus or schedule."""
    return _url(env, resource) is not None or env.options.notification_queue_of(resource) is not None


def _connection(env: Environment, resource: str, subscriptions: list[NotificationSubscription]) -> Connection:
    url = _url(env, resource)
    queue = None if url else env.options.notification_queue_of(resource)
    return Connection(resource, f"sqs:{queue}" if queue else None, url, tuple(subscriptions))


def _url(env: Environment, resource: str) -> str | None:
    return env.options.topic_url(resource) if resource.startswith(f"{Service.SNS}:") else None


async def is_connected(env: Environment, connection: Connection) -> bool:
    """Whether the resource sends to the queue or URL. Raises AdapterError if it is not there or may not be asked."""
    match connection.subscriptions[0]:
        case BucketNotification():
            return await _bucket_notifies(env, connection)
        case TopicSubscription():
            endpoint = connection.url or await _queue_arn(env, connection)
            return await subscription_of(env, connection.resource, endpoint) is not None
        case BusRule():
            bus = env.names.plain(connection.resource)
            return bool(await _rules_of(env, connection, bus))
        case ScheduleRule():
            return all([await _is_scheduled(env, connection, item) for item in connection.subscriptions])


async def subscription_of(env: Environment, resource: str, endpoint: str) -> str | None:
    """The ARN of a topic's subscription for a queue's ARN or a URL; ``None`` if there is none."""
    topic = str(await regional_arn(env, resource))
    sns = await env.clients.sns()
    with translated(resource, "sns:ListSubscriptionsByTopic"):
        async for page in sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic):
            for subscription in page.get("Subscriptions", []):
                if subscription.get("Endpoint") == endpoint:
                    return str(subscription["SubscriptionArn"])
    return None


async def _bucket_notifies(env: Environment, connection: Connection) -> bool:
    """Directly, or through EventBridge or a topic: then nobody can tell from the bucket where its events end."""
    with translated(connection.resource, "s3:GetBucketNotification"):
        s3 = await env.clients.s3()
        bucket = env.names.plain(connection.resource)
        answer: dict[str, Any] = dict(await s3.get_bucket_notification_configuration(Bucket=bucket))
    queue = await _queue_arn(env, connection)
    direct = any(item["QueueArn"] == queue for item in answer.get("QueueConfigurations", []))
    return direct or "EventBridgeConfiguration" in answer or bool(answer.get("TopicConfigurations"))


async def _rules_of(env: Environment, connection: Connection, bus: str) -> list[str]:
    """The rules of a bus that send to the queue."""
    queue = await _queue_arn(env, connection)
    events = await env.clients.events()
    found: list[str] = []
    with translated(connection.resource, "events:ListRuleNamesByTarget"):
        pages = events.get_paginator("list_rule_names_by_target").paginate(TargetArn=queue, EventBusName=bus)
        async for page in pages:
            found += page["RuleNames"]
    return found


async def _is_scheduled(env: Environment, connection: Connection, rule: NotificationSubscription) -> bool:
    """By Scheduler, or by a rule of the default bus."""
    if not isinstance(rule, ScheduleRule):
        return False
    if any(is_schedule_of(env.names, rule, name) for name in await _rules_of(env, connection, "default")):
        return True
    scheduler = await env.clients.scheduler()
    for name in schedule_names(env.names, rule):
        try:
            with translated(connection.resource, "scheduler:GetSchedule"):
                await scheduler.get_schedule(Name=name)
        except ResourceNotFoundError:
            continue
        return True
    return False


async def _queue_arn(env: Environment, connection: Connection) -> str:
    assert connection.queue is not None  # only topics send elsewhere
    return str((await find_queue(env, connection.queue)).arn)
