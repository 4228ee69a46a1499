"""What can be asked about a queue over AMQP without changing anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import uuid4

from aiormq.exceptions import ChannelPreconditionFailed, PublishError

from eventflow.errors import ResourceNotFoundError
from eventflow_rabbitmq.connections import RPC_SECONDS, Direction

if TYPE_CHECKING:
    from aiormq.abc import DeliveredMessage

    from eventflow.model.message_queues import QueueAddress
    from eventflow_rabbitmq.connections import Connections

LOOKING: Final = "looking for the queue"
READING: Final = "reading"
PUBLISHING: Final = "publishing"
_IMPOSSIBLE: Final = {"x-priority": "a number is wanted here"}


async def waiting(connections: Connections, address: QueueAddress, *, resource: str) -> int:
    """How many messages of a queue nobody holds. Raises ResourceNotFoundError if there is no such queue,
    AccessDeniedError, UnavailableError."""
    where = (address.virtual_host, Direction.READING)
    async with connections.channel(*where, resource=resource, doing=LOOKING) as channel:
        answer = await channel.queue_declare(address.queue, passive=True, timeout=RPC_SECONDS)
        return answer.message_count or 0


async def exists(connections: Connections, address: QueueAddress, *, resource: str) -> bool:
    """Raises AccessDeniedError, UnavailableError; ResourceNotFoundError if there is no such virtual host."""
    try:
        await waiting(connections, address, resource=resource)
    except ResourceNotFoundError as exc:
        if exc.mend is not None and "virtual" in exc.message:
            raise
        return False
    return True


async def check_reading(connections: Connections, address: QueueAddress, *, resource: str) -> None:
    """Raises ResourceNotFoundError, AccessDeniedError, UnavailableError if nobody could consume here.

    The broker is asked for a consumer that cannot be. It looks for the queue and our permission first, and hands out
    nothing.
    """
    where = (address.virtual_host, Direction.READING)

    async def ignore(_: DeliveredMessage) -> None:
        """Nothing ever comes."""

    async with connections.channel(*where, resource=resource, doing=READING) as channel:
        await channel.queue_declare(address.queue, passive=True, timeout=RPC_SECONDS)
        await channel.basic_qos(prefetch_count=1, timeout=RPC_SECONDS)
        try:
            await channel.basic_consume(address.queue, ignore, arguments=dict(_IMPOSSIBLE), timeout=RPC_SECONDS)
        except ChannelPreconditionFailed:
            return


async def check_publishing(connections: Connections, address: QueueAddress, *, resource: str) -> None:
    """Raises ResourceNotFoundError, AccessDeniedError, UnavailableError if nothing could be sent here.

    A message to nobody comes back if we may publish at all.
    """
    await waiting(connections, address, resource=resource)
    where = (address.virtual_host, Direction.PUBLISHING)
    async with connections.channel(*where, resource=resource, doing=PUBLISHING) as channel:
        try:
            nobody = f"eventflow-asks-{uuid4()}"
            await channel.basic_publish(b"", routing_key=nobody, mandatory=True, timeout=RPC_SECONDS)
        except PublishError:
            return
