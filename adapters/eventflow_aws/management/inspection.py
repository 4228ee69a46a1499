"""Looking at what an app is bound to, and changing nothing: what is missing, denied, not connected or misconfigured."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import anyio

from eventflow.errors import AccessDeniedError, AdapterError, ResourceNotFoundError, UnavailableError
from eventflow.model.destinations import Destination, Service
from eventflow.model.subscriptions import QueueSubscription, StreamSubscription
from eventflow.ports import Inspection
from eventflow_aws.advice import advised
from eventflow_aws.faults import translated
from eventflow_aws.management.blueprint_checks import NO_EVENT_QUEUE, missing
from eventflow_aws.management.connections import connections_of, is_connected
from eventflow_aws.management.inspection_rules import (
    DENIED,
    EARLY_REDRIVE,
    EVENT_QUEUE_REDRIVE,
    MISSING,
    NO_REDRIVE,
    NOT_CONNECTED,
    UNREACHABLE,
    UNUSABLE,
    VISIBILITY,
)
from eventflow_aws.management.queues import MAXIMUM_RECEIVE_COUNT
from eventflow_aws.services import SINKS
from eventflow_aws.sqs.queues import find_queue
from eventflow_aws.sqs.source import ADVISED_TIMEOUTS
from eventflow_aws.streams.dynamodb_source import table_stream
from eventflow_aws.streams.kinesis_source import stream_arn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventflow.model.blueprint import Blueprint
    from eventflow_aws.environment import Environment
    from eventflow_aws.management.connections import Connection
    from eventflow_aws.sqs.queues import Queue

Look: TypeAlias = Callable[[], Awaitable[Sequence[Inspection]]]

_RULES: Final[tuple[tuple[type[AdapterError], str], ...]] = (
    (ResourceNotFoundError, MISSING),
    (AccessDeniedError, DENIED),
    (UnavailableError, UNREACHABLE),
    (AdapterError, UNUSABLE),
)
_OTHERWISE: Final = "bind the name to something else under resources, or change what it is bound to"
LOOK_SECONDS: Final = 60.0


class _Part(NamedTuple):
    """One thing to look at."""

    resource: str
    look: Look


async def inspect(env: Environment, blueprint: Blueprint) -> Sequence[Inspection]:
    """What is wrong with each part, in the order of the app; all are looked at side by side."""
    parts = list(_parts(env, blueprint))
    found: list[list[Inspection]] = [[] for _ in parts]

    async def look(part: _Part, into: list[Inspection]) -> None:
        into += await _look(env, part)

    async with anyio.create_task_group() as tasks:
        for part, into in zip(parts, found, strict=True):
            tasks.start_soon(look, part, into)
    lacking = [
        Inspection(rule=UNUSABLE, resource=problem.where, message=problem.message, mend=problem.hint or _OTHERWISE)
        for problem in missing(env, blueprint)
    ]
    return list(dict.fromkeys([*lacking, *(inspection for inspections in found for inspection in inspections)]))


async def _look(env: Environment, part: _Part) -> Sequence[Inspection]:
    try:
        with advised(env):
            with anyio.move_on_after(LOOK_SECONDS):
                return await part.look()
            raise UnavailableError(part.resource, f"there is no answer within {LOOK_SECONDS:g} s")
    except AdapterError as exc:
        rule = next(rule for kind, rule in _RULES if isinstance(exc, kind))
        return [Inspection(rule=rule, resource=exc.resource, message=exc.message, mend=exc.mend or _OTHERWISE)]


def _parts(env: Environment, blueprint: Blueprint) -> Iterator[_Part]:
    if blueprint.event_queue not in (None, NO_EVENT_QUEUE):
        resource = f"sqs:{blueprint.event_queue}"
        yield _Part(resource, partial(_event_queue, env, resource))
    for subscription in blueprint.subscriptions:
        match subscription:
            case QueueSubscription():
                resource = f"{Service.SQS}:{subscription.name}"
                yield _Part(resource, partial(_queue, env, resource, subscription))
            case StreamSubscription():
                resource = f"{subscription.service}:{subscription.name}"
                yield _Part(resource, partial(_stream, env, resource, subscription))
    if any(isinstance(subscription, StreamSubscription) for subscription in blueprint.subscriptions):
        resource = f"{Service.DYNAMODB}:{env.options.lease_table}"
        yield _Part(resource, partial(_lease_table, env, resource))
    for connection in connections_of(env, blueprint):
        if connection.queue is not None:
            yield _Part(connection.queue, partial(_notification_queue, env, connection.queue))
        yield _Part(connection.resource, partial(_connection, env, connection))
    for destination in blueprint.destinations:
        yield _Part(destination.resource, partial(_destination, env, destination))


async def _event_queue(env: Environment, resource: str) -> list[Inspection]:
    queue = await find_queue(env, resource)
    if queue.maximum_receive_count is None:
        return []
    message = "has a redrive policy, and an event that waits for a retry is received many times"
    mend = "take the policy away: events that fail for good go to their function's own destinations"
    return [Inspection(rule=EVENT_QUEUE_REDRIVE, resource=resource, message=message, mend=mend)]


async def _queue(env: Environment, resource: str, subscription: QueueSubscription) -> list[Inspection]:
    queue = await find_queue(env, resource)
    found = _redrive(resource, queue)
    visibility = queue.visibility_timeout_seconds
    if visibility < subscription.timeout_seconds:
        message = f"its visibility timeout ({visibility} s) is below timeout_seconds={subscription.timeout_seconds:g}"
        mend = (
            f"set it to {ADVISED_TIMEOUTS * subscription.timeout_seconds:g} s, six times the timeout, as Lambda advises"
        )
        found.append(Inspection(rule=VISIBILITY, resource=resource, message=message, mend=mend))
    return found


def _redrive(resource: str, queue: Queue) -> list[Inspection]:
    count = queue.maximum_receive_count
    if count is None:
        message = "has no dead-letter queue: a message that always fails comes back until it expires"
        mend = f"give it a redrive policy with maxReceiveCount {MAXIMUM_RECEIVE_COUNT}"
        return [Inspection(rule=NO_REDRIVE, resource=resource, message=message, mend=mend)]
    if count < MAXIMUM_RECEIVE_COUNT:
        message = f"its maxReceiveCount is {count}: throttling alone can move messages to the dead-letter queue"
        mend = f"raise it to at least {MAXIMUM_RECEIVE_COUNT}, as Lambda advises"
        return [Inspection(rule=EARLY_REDRIVE, resource=resource, message=message, mend=mend)]
    return []


async def _stream(env: Environment, resource: str, subscription: StreamSubscription) -> list[Inspection]:
    match subscription.service:
        case Service.KINESIS:
            await stream_arn(env, await env.clients.kinesis(), resource)
        case Service.DYNAMODB:
            await table_stream(env, resource, subscription.view_type)
        case service:
            raise _unserved(resource, service)
    return []


async def _lease_table(env: Environment, resource: str) -> list[Inspection]:
    with translated(resource, "dynamodb:DescribeTable"):
        await (await env.clients.dynamodb()).describe_table(TableName=env.names.physical(resource))
    return []


async def _notification_queue(env: Environment, resource: str) -> list[Inspection]:
    return _redrive(resource, await find_queue(env, resource))


async def _connection(env: Environment, connection: Connection) -> list[Inspection]:
    """A bucket, topic, bus or schedule, and the way between it and the queue that brings its events."""
    service, _, name = connection.resource.partition(":")
    if service != Service.SCHEDULE:
        await _destination(env, Destination(Service(service), name))  # opening it tells whether it is there
    if await is_connected(env, connection):
        return []
    message = f"sends nothing to {connection.queue or connection.url}"
    mend = "`eventflow provision` connects them"
    return [Inspection(rule=NOT_CONNECTED, resource=connection.resource, message=message, mend=mend)]


async def _destination(env: Environment, destination: Destination) -> list[Inspection]:
    opener = SINKS.get(destination.service)
    if opener is None:
        raise _unserved(destination.resource, destination.service)
    sink = await opener(env, destination.name)
    await sink.aclose()
    return []


def _unserved(resource: str, service: Service) -> ResourceNotFoundError:
    mend = f"give it an adapter of its own: [environments.<name>.sources.{service}]"
    return ResourceNotFoundError(resource, f"the aws adapter does not serve {service}", mend=mend)
