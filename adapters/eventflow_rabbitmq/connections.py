"""Connections to the broker: one per virtual host and direction, made when it is needed and again when it is lost.

Publishing has a connection of its own: a broker that runs out of memory or disk stops reading from those who publish,
and acknowledgements must get through then. Reconnecting is the callers' business, who back off with jitter anyway;
nothing is restored behind their back, since whatever was received over a lost connection is somebody else's.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, Self

from aiormq.exceptions import AMQPError
from yarl import URL

from eventflow.errors import UnavailableError
from eventflow_rabbitmq.faults import fault, translated
from eventflow_rabbitmq.handshake import TalkativeConnection

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from types import TracebackType

    from aiormq import Connection
    from aiormq.abc import AbstractChannel
    from pamqp.common import FieldTable

    from eventflow.errors import AdapterError
    from eventflow_rabbitmq.options import BrokerAddress, RabbitMQOptions

_log = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 10.0
RPC_SECONDS: Final = 20.0
CLOSE_SECONDS: Final = 3.0
FRAMES: Final = 1_000
"""So many frames of a channel wait for it: a burst of small messages is read in one go."""


class Direction(StrEnum):
    """What a connection is for."""

    READING = "reading"
    PUBLISHING = "publishing"


class Connections:
    """The connections of one environment. Entered and left with the adapter."""

    def __init__(self, options: RabbitMQOptions, context: ssl.SSLContext | None) -> None:
        self._options = options
        self._context = context
        self._open: dict[tuple[str, Direction], Connection] = {}
        self._connecting: dict[tuple[str, Direction], asyncio.Lock] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        connections = list(self._open.values())
        self._open.clear()
        await asyncio.gather(*map(close, connections))

    async def get(self, virtual_host: str, direction: Direction, *, resource: str) -> Connection:
        """The open connection, or a new one. Raises ResourceNotFoundError if there is no such virtual host,
        AccessDeniedError, UnavailableError if no node answers."""
        key = virtual_host, direction
        async with self._connecting.setdefault(key, asyncio.Lock()):
            connection = self._open.get(key)
            if connection is None or not connection.is_opened:
                connection = self._open[key] = await self._connect(virtual_host, direction, resource)
            return connection

    @asynccontextmanager
    async def channel(
        self, virtual_host: str, direction: Direction, *, resource: str, doing: str
    ) -> AsyncIterator[AbstractChannel]:
        """A channel for a few questions. What it raises is translated; ``doing`` is what is tried."""
        channel = await self.open_channel(virtual_host, direction, resource=resource)
        try:
            with translated(resource, doing):
                yield channel
        finally:
            await close(channel)

    async def open_channel(self, virtual_host: str, direction: Direction, *, resource: str) -> AbstractChannel:
        """A channel that its owner closes; with confirmations if it is for publishing."""
        connection = await self.get(virtual_host, direction, resource=resource)
        with translated(resource, "opening a channel"):
            return await connection.channel(
                publisher_confirms=direction is Direction.PUBLISHING, frame_buffer_size=FRAMES, timeout=RPC_SECONDS
            )

    async def _connect(self, virtual_host: str, direction: Direction, resource: str) -> Connection:
        """Whichever node takes us, in turn. What a node says against us counts more than the silence of others."""
        errors: list[AdapterError] = []
        for address in self._options.addresses:
            try:
                return await self._connect_to(address, virtual_host, direction)
            except (AMQPError, OSError, TimeoutError, EOFError) as exc:
                errors.append(fault(resource, f"connecting to {address}", exc))
        raise next((error for error in errors if not isinstance(error, UnavailableError)), errors[-1])

    async def _connect_to(self, address: BrokerAddress, virtual_host: str, direction: Direction) -> Connection:
        options = self._options
        url = URL.build(
            scheme="amqps" if options.encrypted else "amqp",
            user=options.username,
            password=options.password,
            host=address.host,
            port=address.port,
            query={"heartbeat": str(options.heartbeat_seconds), "name": f"{options.client_id}, {direction}"},
        )
        properties: FieldTable = {"product": "eventflow", "version": version("eventflow")}
        connection = TalkativeConnection(url, context=self._context, client_properties=properties)
        connection.vhost = virtual_host
        async with asyncio.timeout(CONNECT_SECONDS):
            await connection.connect()
        return connection


async def close(closing: Connection | AbstractChannel) -> None:
    """Close in order, but wait for no broker that does not answer."""
    with suppress(AMQPError, OSError, TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await closing.close()
