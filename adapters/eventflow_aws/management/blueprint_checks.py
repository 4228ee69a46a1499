"""What an environment lacks for an app, or says that cannot be: known without asking anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventflow.errors import AdapterError, Problem
from eventflow.model.destinations import Service
from eventflow.model.subscriptions import QueueSubscription, StreamSubscription
from eventflow_aws.management.connections import brings_events
from eventflow_aws.notifications.resources import resource_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventflow.model.blueprint import Blueprint
    from eventflow_aws.environment import Environment

NO_EVENT_QUEUE: Final = "default"
"""What an environment that names no event queue asks for."""
SERVED: Final = frozenset(
    {
        Service.SQS,
        Service.SNS,
        Service.S3,
        Service.EVENTBRIDGE,
        Service.SCHEDULE,
        Service.KINESIS,
        Service.DYNAMODB,
        Service.FUNCTION,
    }
)


def missing_event_queue(environment: str) -> Problem:
    """For an environment that names no event queue."""
    return Problem(
        where=f"[environments.{environment}] event_queue",
        message="is not set, and asynchronous events have nowhere to wait",
        hint='set event_queue = "sqs:<queue>" or "postgresql:<name>"',
    )


def missing(env: Environment, blueprint: Blueprint) -> Iterator[Problem]:
    """What the environment would have to say."""
    if blueprint.event_queue == NO_EVENT_QUEUE:
        yield missing_event_queue(env.settings.environment)
    for subscription in blueprint.subscriptions:
        if isinstance(subscription, QueueSubscription | StreamSubscription):
            continue
        resource = resource_of(subscription)
        if not brings_events(env, resource):
            yield Problem(
                where=f"{subscription.subscriber} <- {resource}",
                message="no queue brings its events",
                hint=f'set notification_queue in [environments.{env.settings.environment}], e.g. "events-{{service}}"',
            )


def impossible(env: Environment, blueprint: Blueprint) -> Iterator[Problem]:
    """Names that are bound to something of another service, and services that AWS does not have."""
    for where, resource in _resources(env, blueprint):
        service = resource.partition(":")[0]
        if service not in SERVED:
            hint = f"give it an adapter of its own: [environments.{env.settings.environment}.sources.{service}]"
            yield Problem(where=where, message=f"the aws adapter does not serve {service}", hint=hint)
            continue
        try:
            env.names.plain(resource)
        except AdapterError as exc:
            yield Problem(where=where, message=exc.message, hint=exc.mend)


def _resources(env: Environment, blueprint: Blueprint) -> Iterator[tuple[str, str]]:
    """Everything that is named, with who names it."""
    if blueprint.event_queue is not None:
        yield "event_queue", f"{Service.SQS}:{blueprint.event_queue}"
    for subscription in blueprint.subscriptions:
        if isinstance(subscription, QueueSubscription | StreamSubscription):
            resource = f"{subscription.service}:{subscription.name}"
        else:
            resource = resource_of(subscription)
        if not resource.startswith(f"{Service.SCHEDULE}:"):  # bound to what sends it: a schedule, or a rule
            yield f"{subscription.subscriber} <- {resource}", resource
    if any(isinstance(subscription, StreamSubscription) for subscription in blueprint.subscriptions):
        resource = f"{Service.DYNAMODB}:{env.options.lease_table}"
        yield f"lease_table {resource}", resource
    for destination in blueprint.destinations:
        yield destination.resource, destination.resource
