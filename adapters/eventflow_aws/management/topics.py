"""Topics, and the subscriptions through which they send to a queue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from eventflow.errors import ResourceNotFoundError
from eventflow.model.subscriptions import TopicSubscription
from eventflow.ports import ProvisionAction, ProvisionStep
from eventflow_aws.faults import translated
from eventflow_aws.management.connections import subscription_of

if TYPE_CHECKING:
    from eventflow_aws.management.connections import Connection
    from eventflow_aws.management.provisioning_run import Provisioning


async def make_topic(run: Provisioning, resource: str) -> ProvisionStep:
    arn, name = run.arns.of(resource).arn, run.env.names.plain(resource)
    sns = await run.env.clients.sns()
    try:
        with translated(resource, "sns:GetTopicAttributes"):
            await sns.get_topic_attributes(TopicArn=arn)
        return ProvisionStep(resource=resource, action=ProvisionAction.EXISTS, detail=arn)
    except ResourceNotFoundError:
        if not run.dry_run:
            attributes = {"FifoTopic": "true"} if name.endswith(".fifo") else {}
            with translated(resource, "sns:CreateTopic"):
                await sns.create_topic(Name=name, Attributes=attributes)
    return ProvisionStep(resource=resource, action=ProvisionAction.CREATE, detail=arn)


async def subscribe(run: Provisioning, connection: Connection) -> ProvisionStep:
    """One subscription per topic and endpoint, which is all that SNS allows; its filter is the functions' own if
    there is only one of them, and none otherwise: eventflow filters again."""
    topic = run.arns.of(connection.resource).arn
    protocol, endpoint = _endpoint(run, connection)
    wanted = _attributes(connection)
    detail = f"sends to {connection.queue or endpoint}" + (
        ", filtered" if wanted.get("FilterPolicy", "{}") != "{}" else ""
    )
    found = await _subscription(run, connection.resource, endpoint)
    sns = await run.env.clients.sns()
    if found is None:
        if not run.dry_run:
            with translated(connection.resource, "sns:Subscribe"):
                await sns.subscribe(
                    TopicArn=topic, Protocol=protocol, Endpoint=endpoint, ReturnSubscriptionArn=True, Attributes=wanted
                )
        return ProvisionStep(resource=connection.resource, action=ProvisionAction.CREATE, detail=detail)
    with translated(connection.resource, "sns:GetSubscriptionAttributes"):
        answer = await sns.get_subscription_attributes(SubscriptionArn=found)
    changed = {key: value for key, value in wanted.items() if not _same(key, answer["Attributes"].get(key), value)}
    if not changed:
        return ProvisionStep(resource=connection.resource, action=ProvisionAction.EXISTS, detail=detail)
    if not run.dry_run:
        for key, value in changed.items():
            with translated(connection.resource, "sns:SetSubscriptionAttributes"):
                await sns.set_subscription_attributes(SubscriptionArn=found, AttributeName=key, AttributeValue=value)
    return ProvisionStep(resource=connection.resource, action=ProvisionAction.UPDATE, detail=detail)


def _attributes(connection: Connection) -> dict[str, str]:
    subscriptions = [item for item in connection.subscriptions if isinstance(item, TopicSubscription)]
    if len(subscriptions) > 1 or subscriptions[0].filter_policy is None:
        return {"FilterPolicy": "{}"}
    [only] = subscriptions
    return {"FilterPolicyScope": only.filter_policy_scope, "FilterPolicy": only.filter_policy or "{}"}


def _same(key: str, before: str | None, wanted: str) -> bool:
    if key == "FilterPolicy":
        parsed: Any = json.loads(before or "{}")
        return bool(parsed == json.loads(wanted))
    return (before or "MessageAttributes") == wanted


def _endpoint(run: Provisioning, connection: Connection) -> tuple[str, str]:
    """Protocol and endpoint."""
    if connection.queue is not None:
        return "sqs", run.arns.of(connection.queue).arn
    url = connection.url or ""
    return url.partition(":")[0], url


async def _subscription(run: Provisioning, resource: str, endpoint: str) -> str | None:
    try:
        return await subscription_of(run.env, resource, endpoint)
    except ResourceNotFoundError:  # a dry run: the topic is not there yet
        return None
