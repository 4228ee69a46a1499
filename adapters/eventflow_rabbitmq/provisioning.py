"""Making the queues that an app names: quorum queues, with dead letters where they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventflow.model.message_queues import QueueAddress
from eventflow.model.subscriptions import QueueSubscription
from eventflow.ports import ProvisionAction, ProvisionStep
from eventflow_rabbitmq import questions
from eventflow_rabbitmq.connections import RPC_SECONDS, Direction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from eventflow.model.blueprint import Blueprint
    from eventflow_rabbitmq.environment import Environment

DELIVERY_LIMIT: Final = 20
"""RabbitMQ's own since 4.0."""
DEAD_LETTERS: Final = "-dead-letters"
MAKING: Final = "making the queue"


async def provision(env: Environment, blueprint: Blueprint, *, dry_run: bool) -> AsyncIterator[ProvisionStep]:
    """See :meth:`eventflow.ports.Provisioner.provision`. Virtual hosts, users and their rights are nobody's business
    but the broker's administrator's."""
    read = [item.name for item in blueprint.subscriptions if isinstance(item, QueueSubscription)]
    limits = {
        item.name: max(DELIVERY_LIMIT, (item.maximum_retry_attempts or 0) + 1)
        for item in blueprint.subscriptions
        if isinstance(item, QueueSubscription)
    }
    for name in dict.fromkeys([*read, *(destination.name for destination in blueprint.destinations)]):
        resource, address = f"rabbitmq:{name}", env.address(name)
        if await questions.exists(env.connections, address, resource=resource):
            yield ProvisionStep(resource=resource, action=ProvisionAction.EXISTS, detail=address.wire)
            continue
        arguments: dict[str, Any] = {"x-queue-type": "quorum"}
        detail = f"{address.wire}, quorum"
        if name in limits:
            dead_letters = QueueAddress(address.queue + DEAD_LETTERS, address.virtual_host)
            async for step in _make_dead_letters(env, name, dead_letters, dry_run=dry_run):
                yield step
            arguments |= {
                "x-delivery-limit": limits[name],
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": dead_letters.queue,
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",  # which that strategy needs
            }
            detail += f", to {dead_letters.queue} after {limits[name]} failures"
        if not dry_run:
            await _make(env, address, arguments, resource=resource)
        yield ProvisionStep(resource=resource, action=ProvisionAction.CREATE, detail=detail)


async def _make_dead_letters(
    env: Environment, name: str, address: QueueAddress, *, dry_run: bool
) -> AsyncIterator[ProvisionStep]:
    resource = f"rabbitmq:{QueueAddress.parse(name).queue}{DEAD_LETTERS}"
    if await questions.exists(env.connections, address, resource=resource):
        yield ProvisionStep(resource=resource, action=ProvisionAction.EXISTS, detail=address.wire)
        return
    if not dry_run:
        await _make(env, address, {"x-queue-type": "quorum"}, resource=resource)
    yield ProvisionStep(resource=resource, action=ProvisionAction.CREATE, detail=f"{address.wire}, quorum")


async def _make(env: Environment, address: QueueAddress, arguments: dict[str, Any], *, resource: str) -> None:
    where = (address.virtual_host, Direction.READING)
    async with env.connections.channel(*where, resource=resource, doing=MAKING) as channel:
        await channel.queue_declare(address.queue, durable=True, arguments=arguments, timeout=RPC_SECONDS)
