"""Making what an app names: queues first, then what is read and sent to, then the connections between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventflow.model.destinations import Service
from eventflow.model.subscriptions import (
    BucketNotification,
    BusRule,
    QueueSubscription,
    ScheduleRule,
    StreamSubscription,
    TopicSubscription,
)
from eventflow_aws.arns import Arns
from eventflow_aws.management.buckets import make_bucket, notify_queue
from eventflow_aws.management.buses import make_bus, route_events, route_schedule
from eventflow_aws.management.connections import connections_of
from eventflow_aws.management.provisioning_run import Provisioning
from eventflow_aws.management.queues import QueueNeed, make_queue, permit_senders
from eventflow_aws.management.streams import make_lease_table, make_stream, make_table
from eventflow_aws.management.topics import make_topic, subscribe
from eventflow_aws.notifications.resources import resource_of
from eventflow_aws.sqs.source import ADVISED_TIMEOUTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from eventflow.model.blueprint import Blueprint
    from eventflow.ports import ProvisionStep
    from eventflow_aws.environment import Environment
    from eventflow_aws.management.connections import Connection

EVENT_QUEUE_VISIBILITY_SECONDS: Final = 60
NOTIFICATION_VISIBILITY_SECONDS: Final = 60
"""Storing an event takes far less."""


async def provision(env: Environment, blueprint: Blueprint, *, dry_run: bool) -> AsyncIterator[ProvisionStep]:
    """See :meth:`eventflow.ports.Provisioner.provision`."""
    account_id = await env.clients.account_id()
    arns = Arns(
        env.names,
        partition=env.clients.partition,
        region=env.clients.region,
        account_id=account_id,
    )
    run = Provisioning(env, arns, account_id, dry_run)
    connections = connections_of(env, blueprint)
    for queue in _queues(blueprint, connections):
        async for step in make_queue(run, queue):
            yield step
    async for step in _make_resources(run, blueprint):
        yield step
    for connection in connections:
        async for step in _connect(run, blueprint.app_name, connection):
            yield step


def _queues(blueprint: Blueprint, connections: Sequence[Connection]) -> Iterator[QueueNeed]:
    """Each queue once: as a source if it is one, since sources need the most."""
    needs: dict[str, QueueNeed] = {}
    for subscription in blueprint.subscriptions:
        if isinstance(subscription, QueueSubscription):
            visibility = max(30, ADVISED_TIMEOUTS * subscription.timeout_seconds)
            need = QueueNeed(f"sqs:{subscription.name}", visibility_seconds=visibility, redrive=True)
            before = needs.get(need.resource)
            needs[need.resource] = max(before, need, key=lambda item: item.visibility_seconds) if before else need
    for connection in connections:
        if connection.queue is not None:
            need = QueueNeed(connection.queue, visibility_seconds=NOTIFICATION_VISIBILITY_SECONDS, redrive=True)
            needs.setdefault(need.resource, need)
    if blueprint.event_queue is not None:
        # No redrive policy: waiting for a retry receives an event many times.
        need = QueueNeed(f"sqs:{blueprint.event_queue}", visibility_seconds=EVENT_QUEUE_VISIBILITY_SECONDS)
        needs.setdefault(need.resource, need)
    for destination in blueprint.destinations:
        if destination.service is Service.SQS:
            needs.setdefault(destination.resource, QueueNeed(destination.resource))
    yield from needs.values()


async def _make_resources(run: Provisioning, blueprint: Blueprint) -> AsyncIterator[ProvisionStep]:
    """Everything but queues: topics, buses, buckets, streams and tables, each once."""
    sources = [item for item in blueprint.subscriptions if not isinstance(item, QueueSubscription)]
    streams = [item for item in sources if isinstance(item, StreamSubscription)]
    for stream in streams:
        run.arns.of(f"{stream.service}:{stream.name}")  # refuses what AWS does not have
        yield await (make_table(run, stream) if stream.service is Service.DYNAMODB else make_stream(run, stream.name))
    if streams:
        yield await make_lease_table(run)
    named = {resource_of(item) for item in sources if not isinstance(item, StreamSubscription)}
    named |= {destination.resource for destination in blueprint.destinations}
    makers = {Service.SNS: make_topic, Service.EVENTBRIDGE: make_bus, Service.S3: make_bucket}
    for resource in sorted(named):
        service, _, _ = resource.partition(":")
        if service in makers:
            yield await makers[Service(service)](run, resource)
    for destination in blueprint.destinations:
        if destination.service is Service.KINESIS:
            yield await make_stream(run, destination.name)


async def _connect(run: Provisioning, app_name: str, connection: Connection) -> AsyncIterator[ProvisionStep]:
    if connection.queue is None:
        yield await subscribe(run, connection)
        return
    match connection.subscriptions[0]:
        case TopicSubscription():
            yield await permit_senders(run, connection.queue, "sns", run.arns.of(connection.resource).arn)
            yield await subscribe(run, connection)
        case BucketNotification():
            yield await permit_senders(run, connection.queue, "s3", run.arns.of(connection.resource).arn)
            yield await notify_queue(run, app_name, connection.queue, connection)
        case BusRule():
            async for step in route_events(run, app_name, connection.queue, connection):
                yield step
        case ScheduleRule():
            async for step in route_schedule(run, connection.queue, connection):
                yield step
