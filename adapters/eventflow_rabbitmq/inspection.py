"""Looking at the queues that an app is bound to, and changing nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from eventflow.errors import AccessDeniedError, AdapterError, ResourceNotFoundError, UnavailableError
from eventflow.model.subscriptions import QueueSubscription
from eventflow.ports import Inspection
from eventflow_rabbitmq import questions
from eventflow_rabbitmq.inspection_rules import (
    CLASSIC_RETRIES,
    DENIED,
    EARLY_LIMIT,
    MISSING,
    NO_DEAD_LETTERS,
    NO_LIMIT,
    UNREACHABLE,
    UNUSABLE,
)
from eventflow_rabbitmq.management import QUORUM, queue_settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from eventflow.model.blueprint import Blueprint
    from eventflow_rabbitmq.environment import Environment
    from eventflow_rabbitmq.management import QueueSettings

_RULES: Final[tuple[tuple[type[AdapterError], str], ...]] = (
    (ResourceNotFoundError, MISSING),
    (AccessDeniedError, DENIED),
    (UnavailableError, UNREACHABLE),
    (AdapterError, UNUSABLE),
)
_OTHERWISE: Final = "is the broker running, and the network open?"
_UNLIMITED: Final = -1


async def inspect(env: Environment, blueprint: Blueprint) -> Sequence[Inspection]:
    """What is wrong with each queue, in the order of the app; all are looked at side by side."""
    parts: list[Awaitable[list[Inspection]]] = [
        _source(env, item) for item in blueprint.subscriptions if isinstance(item, QueueSubscription)
    ]
    parts += [_destination(env, item.name) for item in blueprint.destinations]
    found: list[list[Inspection]] = [[] for _ in parts]

    async def look(part: Awaitable[list[Inspection]], into: list[Inspection]) -> None:
        try:
            into += await part
        except AdapterError as exc:
            rule = next(rule for kind, rule in _RULES if isinstance(exc, kind))
            mend = exc.mend or _OTHERWISE
            into.append(Inspection(rule=rule, resource=exc.resource, message=exc.message, mend=mend))

    async with anyio.create_task_group() as tasks:
        for part, into in zip(parts, found, strict=True):
            tasks.start_soon(look, part, into)
    return list(dict.fromkeys(inspection for inspections in found for inspection in inspections))


async def _source(env: Environment, subscription: QueueSubscription) -> list[Inspection]:
    resource = f"{subscription.service}:{subscription.name}"
    address = env.address(subscription.name)
    await questions.check_reading(env.connections, address, resource=resource)
    settings = await queue_settings(env.options, address, resource=resource)
    if settings is None:
        return []
    retries = subscription.maximum_retry_attempts
    if retries is None or retries == _UNLIMITED:
        return _left_to_the_broker(resource, settings)
    return _given_up_by_us(resource, settings, retries)


async def _destination(env: Environment, name: str) -> list[Inspection]:
    await questions.check_publishing(env.connections, env.address(name), resource=f"rabbitmq:{name}")
    return []


def _left_to_the_broker(resource: str, settings: QueueSettings) -> list[Inspection]:
    if settings.delivery_limit is None:
        message = "has no delivery limit: a message that always fails comes back for ever"
        mend = "set maximum_retry_attempts and on_failure, or make it a quorum queue with x-delivery-limit"
        return [Inspection(rule=NO_LIMIT, resource=resource, message=message, mend=mend)]
    if not settings.dead_letters:
        message = f"has no dead-letter exchange: what fails {settings.delivery_limit} times is dropped by the broker"
        mend = "give it one, or set maximum_retry_attempts below the limit, and on_failure"
        return [Inspection(rule=NO_DEAD_LETTERS, resource=resource, message=message, mend=mend)]
    return []


def _given_up_by_us(resource: str, settings: QueueSettings, retries: int) -> list[Inspection]:
    if settings.delivery_limit is not None and settings.delivery_limit < retries:
        message = f"its delivery limit is {settings.delivery_limit}, below maximum_retry_attempts={retries}"
        mend = "raise the limit: what the broker takes away never reaches on_failure"
        return [Inspection(rule=EARLY_LIMIT, resource=resource, message=message, mend=mend)]
    if settings.type != QUORUM and retries > 1:
        message = f"is a {settings.type} queue, which does not count: every process counts what it saw for itself"
        mend = "make it a quorum queue, or expect more retries than maximum_retry_attempts after a restart"
        return [Inspection(rule=CLASSIC_RETRIES, resource=resource, message=message, mend=mend)]
    return []
