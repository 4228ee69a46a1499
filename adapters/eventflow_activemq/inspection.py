"""Looking at the queues that an app is bound to: whether the broker is there, lets us in, and lets us read or write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventflow.errors import AccessDeniedError, AdapterError, UnavailableError
from eventflow.model.destinations import Service
from eventflow.model.subscriptions import QueueSubscription
from eventflow.ports import Inspection
from eventflow_activemq.sink import open_queue_sink
from eventflow_activemq.source import open_queue_source

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator, Sequence

    from eventflow.model.blueprint import Blueprint
    from eventflow_activemq.environment import Environment

UNREACHABLE: Final = "unreachable"
DENIED: Final = "access-denied"
UNUSABLE: Final = "unusable"
RULES: Final = (UNREACHABLE, DENIED, UNUSABLE)

_OTHERWISE: Final = "see that the broker runs, and listens for AMQP 1.0 at one of `brokers`"


async def inspect(env: Environment, blueprint: Blueprint) -> Sequence[Inspection]:
    """Read and write links are opened and closed again, which makes queues that are not there: the protocol has no
    question without that effect."""
    found: list[Inspection] = []
    for look in _looks(env, blueprint):
        try:
            await look
        except AdapterError as exc:
            found.append(
                Inspection(rule=_rule(exc), resource=exc.resource, message=exc.message, mend=exc.mend or _OTHERWISE)
            )
    return list(dict.fromkeys(found))


def _looks(env: Environment, blueprint: Blueprint) -> Iterator[Awaitable[None]]:
    for subscription in blueprint.subscriptions:
        if isinstance(subscription, QueueSubscription) and subscription.service is Service.ACTIVEMQ:
            yield _read(env, subscription)
    for destination in blueprint.destinations:
        if destination.service is Service.ACTIVEMQ:
            yield _write(env, destination.name)


async def _read(env: Environment, subscription: QueueSubscription) -> None:
    source = await open_queue_source(env, subscription)
    await source.aclose()


async def _write(env: Environment, name: str) -> None:
    await open_queue_sink(env, name)


def _rule(exc: AdapterError) -> str:
    if isinstance(exc, AccessDeniedError):
        return DENIED
    return UNREACHABLE if isinstance(exc, UnavailableError) else UNUSABLE
