"""Buckets, topics, buses and schedules, whose events come through queues."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from eventflow.errors import AdapterError
from eventflow.model.destinations import Service
from eventflow.model.records import SourceIdentity
from eventflow.model.subscriptions import (
    BucketNotification,
    BusRule,
    QueueSubscription,
    ScheduleRule,
    TopicSubscription,
)
from eventflow.policy.patterns import EventPattern
from eventflow.policy.schedules import parse_schedule
from eventflow.policy.topics import TopicFilter
from eventflow_aws.names import Arn
from eventflow_aws.notifications.eventbridge_events import BusInterest, ScheduleInterest
from eventflow_aws.notifications.resources import resource_of
from eventflow_aws.notifications.s3_events import BucketInterest
from eventflow_aws.notifications.schedule_names import schedule_name
from eventflow_aws.notifications.sns_events import TopicInterest

if TYPE_CHECKING:
    from eventflow.model.subscriptions import NotificationSubscription
    from eventflow.ports import Deliver, NotificationSource, QueueSource
    from eventflow_aws.environment import Environment
    from eventflow_aws.notifications.hub import NotificationHub
    from eventflow_aws.notifications.hubs import NotificationHubs
    from eventflow_aws.notifications.routes import Interest


async def open_notification_source(env: Environment, subscription: NotificationSubscription) -> NotificationSource:
    """Join those who read the queue that brings the events of a bucket, topic, bus or schedule, or those whom a topic
    reaches over HTTP.

    Raises AdapterError if no queue is known or it cannot serve this too, ResourceNotFoundError if there is none,
    UnavailableError; InvalidEventPatternError and InvalidScheduleExpressionError for what does not compile.
    """
    resource = resource_of(subscription)
    if isinstance(subscription, TopicSubscription) and env.options.topic_url(resource) is not None:
        from eventflow_aws.notifications.sns_http import open_http_topic_source  # loads cryptography

        return open_http_topic_source(env, await _topic(env, subscription))
    queue = env.options.notification_queue_of(resource)
    if queue is None:
        message = (
            "no queue brings its events here; set notification_queue in the environment, and let "
            "`eventflow provision` connect them"
        )
        raise AdapterError(resource, message)
    interest = await _interest(env, subscription)
    return HubSource(env.hubs, await env.hubs.join(partial(_open_queue, env, queue), interest), interest)


async def _open_queue(env: Environment, name: str) -> QueueSource:
    from eventflow_aws.sqs.source import open_queue_source  # topics that are pushed need no queue

    return await open_queue_source(env, QueueSubscription(service=Service.SQS, name=name, subscriber="notifications"))


class HubSource:
    """A NotificationSource: one subscription's part in a hub. ``backlog`` is that of the whole queue."""

    def __init__(self, hubs: NotificationHubs, hub: NotificationHub, interest: Interest) -> None:
        self._hubs = hubs
        self._hub = hub
        self._interest = interest

    @property
    def identity(self) -> SourceIdentity:
        return self._interest.identity

    async def run(self, deliver: Deliver) -> None:
        await self._hub.run(self._interest, deliver)

    async def backlog(self) -> int:
        return await self._hub.queue.backlog()

    async def aclose(self) -> None:
        await self._hubs.leave(self._hub, self._interest)


async def _interest(env: Environment, subscription: NotificationSubscription) -> Interest:
    match subscription:
        case BucketNotification():
            return _bucket(env, subscription)
        case TopicSubscription():
            return await _topic(env, subscription)
        case BusRule():
            arn = await _arn(env, f"eventbridge:{subscription.name}", "events", "event-bus/")
            return BusInterest(subscription, _identity(env, arn), EventPattern(subscription.pattern))
        case _:
            return await _schedule(env, subscription)


def _bucket(env: Environment, subscription: BucketNotification) -> BucketInterest:
    name = env.names.plain(f"s3:{subscription.name}")
    return BucketInterest(subscription, _identity(env, f"arn:{env.clients.partition}:s3:::{name}"), name)


async def _topic(env: Environment, subscription: TopicSubscription) -> TopicInterest:
    policy = subscription.filter_policy
    chosen = None if policy is None else TopicFilter(policy, subscription.filter_policy_scope)
    arn = await _arn(env, f"sns:{subscription.name}", "sns", "")
    made_up = f"{arn}:{uuid5(NAMESPACE_URL, f'{arn} {subscription.subscriber}')}"
    return TopicInterest(subscription, _identity(env, arn), made_up, chosen)


async def _schedule(env: Environment, rule: ScheduleRule) -> ScheduleInterest:
    parse_schedule(rule.expression, timezone=rule.timezone)
    bound = env.names.physical(f"schedule:{rule.name}")
    if Arn.parse(bound) is not None:
        return ScheduleInterest(rule, _identity(env, bound), bound, provisioned=bound)
    provisioned = schedule_name(env.names, rule)
    name = provisioned if bound == rule.name else bound
    service, kind = ("events", "rule/") if env.options.scheduler_role is None else ("scheduler", "schedule/default/")
    arn = await _made_arn(env, service, kind + name)
    return ScheduleInterest(rule, _identity(env, arn), bound, provisioned)


async def _arn(env: Environment, resource: str, service: str, prefix: str) -> str:
    """The ARN that a resource is bound to, else the one it has in this account and region.

    Raises AdapterError if it is bound to another service's.
    """
    physical = env.names.physical(resource)
    if Arn.parse(physical) is None:
        return await _made_arn(env, service, prefix + physical)
    env.names.plain(resource)  # is it of this service?
    return physical


async def _made_arn(env: Environment, service: str, resource: str) -> str:
    account_id = await env.clients.account_id()
    return str(Arn(env.clients.partition, service, env.clients.region, account_id, resource))


def _identity(env: Environment, arn: str) -> SourceIdentity:
    parsed = Arn.parse(arn)
    region = parsed.region if parsed is not None and parsed.region else env.clients.region
    return SourceIdentity(arn=arn, region=region, extras={})
