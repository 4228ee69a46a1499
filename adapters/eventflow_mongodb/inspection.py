"""Looking at what an app is bound to, and changing nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from eventflow.errors import AccessDeniedError, AdapterError, UnavailableError
from eventflow.model.destinations import Service
from eventflow.model.subscriptions import StreamSubscription
from eventflow.ports import Inspection
from eventflow_mongodb.faults import ChangesNotEnabledError, HistoryLostError, NoReplicaSetError
from eventflow_mongodb.source import subscription_id, watching

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.model.blueprint import Blueprint
    from eventflow_mongodb.environment import Environment

UNREACHABLE: Final = "unreachable"
DENIED: Final = "access-denied"
NO_REPLICA_SET: Final = "no-replica-set"
NOT_ENABLED: Final = "change-streams-disabled"
HISTORY_LOST: Final = "history-lost"
UNUSABLE: Final = "unusable"
RULES: Final = (UNREACHABLE, DENIED, NO_REPLICA_SET, NOT_ENABLED, HISTORY_LOST, UNUSABLE)

_KINDS: Final[tuple[tuple[type[AdapterError], str], ...]] = (
    (UnavailableError, UNREACHABLE),
    (AccessDeniedError, DENIED),
    (NoReplicaSetError, NO_REPLICA_SET),
    (ChangesNotEnabledError, NOT_ENABLED),
    (HistoryLostError, HISTORY_LOST),
    (AdapterError, UNUSABLE),
)
_OTHERWISE: Final = "bind the name to something else under resources, or change what it is bound to"


async def inspect(env: Environment, blueprint: Blueprint) -> Sequence[Inspection]:
    """What is wrong with each subscription, in the order of the app; all are looked at side by side."""
    found: list[list[Inspection]] = [[] for _ in blueprint.subscriptions]

    async def look(subscription: StreamSubscription, into: list[Inspection]) -> None:
        try:
            await _look(env, subscription)
        except AdapterError as exc:
            into.append(_inspection(exc))

    async with anyio.create_task_group() as tasks:
        for subscription, into in zip(blueprint.subscriptions, found, strict=True):
            if isinstance(subscription, StreamSubscription) and subscription.service is Service.DOCUMENTDB:
                tasks.start_soon(look, subscription, into)
            else:
                service = getattr(subscription, "service", type(subscription).__name__)
                into.append(_unserved(f"{service}:{subscription.name}"))
    found.append([_unserved(destination.resource) for destination in blueprint.destinations])
    return list(dict.fromkeys(inspection for inspections in found for inspection in inspections))


async def _look(env: Environment, subscription: StreamSubscription) -> None:
    """Open the change stream where the subscription would go on, and ask for its lease."""
    streams = watching(env, subscription)
    await streams.now()
    await env.leases.check()
    lease = await env.leases.read(subscription_id(subscription))
    if lease is not None:
        await (await streams.open(lease.place)).close()


def _inspection(exc: AdapterError) -> Inspection:
    rule = next(rule for kind, rule in _KINDS if isinstance(exc, kind))
    return Inspection(rule=rule, resource=exc.resource, message=exc.message, mend=exc.mend or _OTHERWISE)


def _unserved(resource: str) -> Inspection:
    mend = "give it an adapter of its own: [environments.<name>.sources.<service>]"
    message = "the mongodb adapter serves change streams only"
    return Inspection(rule=UNUSABLE, resource=resource, message=message, mend=mend)
