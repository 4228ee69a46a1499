"""Sending to queues. A message is stored when the broker has confirmed it; one that reaches no queue comes back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiormq.exceptions import DeliveryError, PublishError
from pamqp.commands import Basic
from pamqp.exceptions import PAMQPException

from eventflow.errors import AdapterError, InvalidMessageError, ResourceNotFoundError, UnavailableError
from eventflow_rabbitmq import questions
from eventflow_rabbitmq.connections import Direction, close
from eventflow_rabbitmq.faults import CREATE_QUEUE, translated

if TYPE_CHECKING:
    from aiormq.abc import AbstractChannel

    from eventflow.model.destinations import OutboundMessage
    from eventflow_rabbitmq.environment import Environment

SENDING: Final = "sending"
SEND_SECONDS: Final = 30.0
"""What is given up here may still arrive, and twice if it is sent again."""
PAUSES_SECONDS: Final = (0.05, 0.2)
"""Before a message is sent again whose channel or connection has ended."""
PERSISTENT: Final = 2
CORRELATION_ID: Final = "correlation_id"
"""The attribute that becomes the message's correlation id instead of a header."""
MAXIMUM_HEADER_BYTES: Final = 96 * 1024
"""Properties travel in one frame, and brokers take frames of 128 KB; one that is larger would end the connection."""
MAXIMUM_NAME_BYTES: Final = 255


async def open_queue_sink(env: Environment, name: str) -> RabbitMQSink:
    """Raises ResourceNotFoundError if there is no such queue or virtual host, AccessDeniedError, UnavailableError."""
    sink = RabbitMQSink(env, name)
    await questions.check_publishing(env.connections, sink.address, resource=sink.resource)
    return sink


class RabbitMQSink:
    """A DestinationSink that sends to one queue, over the default exchange: attributes become headers."""

    def __init__(self, env: Environment, name: str) -> None:
        self.resource = f"rabbitmq:{name}"
        self.address = env.address(name)
        self._env = env
        self._channel: AbstractChannel | None = None
        self._opening = asyncio.Lock()
        self._one_by_one = asyncio.Lock()

    @property
    def arn(self) -> str:
        """``rabbitmq://orders::/``: Lambda has no such destination."""
        return f"rabbitmq://{self.address.wire}"

    async def send(self, message: OutboundMessage) -> None:
        properties = self._properties(message)
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._send(message.body, properties)
        except TimeoutError as exc:
            problem = f"{SENDING}: the broker has not confirmed the message within {SEND_SECONDS:.0f} s"
            mend = "is it out of memory or disk space? then it blocks whoever publishes"
            raise UnavailableError(self.resource, problem, mend=mend) from exc

    async def aclose(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            await close(channel)

    async def _send(self, body: bytes, properties: Basic.Properties) -> None:
        channel = await self._current()
        try:
            await self._publish(channel, body, properties)
        except AdapterError:
            if not channel.is_closed:
                raise
            # The broker ends a channel over one bad message, which may be another than this.
            async with self._one_by_one:
                await self._send_alone(body, properties)

    async def _send_alone(self, body: bytes, properties: Basic.Properties) -> None:
        """Over a channel where nobody else's messages do harm. Messages that were on their way when a channel ended may
        have ended the connection, too."""
        for pause_seconds in (*PAUSES_SECONDS, None):
            try:
                channel = await self._open()
                try:
                    return await self._publish(channel, body, properties)
                finally:
                    await close(channel)
            except UnavailableError:
                if pause_seconds is None:
                    raise
                await asyncio.sleep(pause_seconds)

    async def _publish(self, channel: AbstractChannel, body: bytes, properties: Basic.Properties) -> None:
        try:
            with translated(self.resource, SENDING):
                await self._confirmed(channel, body, properties)
        except (PAMQPException, ValueError, TypeError) as exc:
            raise InvalidMessageError(self.resource, f"{SENDING}: {exc}") from exc

    async def _confirmed(self, channel: AbstractChannel, body: bytes, properties: Basic.Properties) -> None:
        queue = self.address.queue
        try:
            await channel.basic_publish(body, routing_key=queue, properties=properties, mandatory=True)
        except PublishError as exc:
            problem = f"the message reached no queue: there is none called {queue!r} any more"
            raise ResourceNotFoundError(self.resource, problem, mend=CREATE_QUEUE) from exc
        except DeliveryError as exc:
            raise UnavailableError(self.resource, f"{SENDING}: the queue takes no more messages now") from exc

    def _properties(self, message: OutboundMessage) -> Basic.Properties:
        """Raises InvalidMessageError if no broker would take them."""
        if message.delay_seconds:
            problem = f"delay_seconds is {message.delay_seconds:g}; RabbitMQ delays no messages"
            raise InvalidMessageError(self.resource, problem)
        attributes = dict(message.attributes)
        correlation_id = attributes.pop(CORRELATION_ID, None)
        for name, value in [*attributes.items(), (CORRELATION_ID, None)]:
            if not 0 < len(name.encode()) <= MAXIMUM_NAME_BYTES:
                problem = f"the header name {name[:20]!r}... has not 1 to {MAXIMUM_NAME_BYTES} bytes"
                raise InvalidMessageError(self.resource, problem)
            if isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise InvalidMessageError(self.resource, f"the header {name!r} is {value}; 64 bits are allowed")
        correlation = None if correlation_id is None else _text(correlation_id)
        if correlation is not None and len(correlation.encode()) > MAXIMUM_NAME_BYTES:
            raise InvalidMessageError(self.resource, f"{CORRELATION_ID} has more than {MAXIMUM_NAME_BYTES} bytes")
        size = sum(len(name.encode()) + len(_bytes(value)) + 16 for name, value in attributes.items())
        if size > MAXIMUM_HEADER_BYTES:
            problem = f"the headers have {size:,} bytes; {MAXIMUM_HEADER_BYTES:,} are allowed"
            raise InvalidMessageError(self.resource, problem)
        headers = {name: bytearray(value) if isinstance(value, bytes) else value for name, value in attributes.items()}
        return Basic.Properties(
            headers=headers or None,  # type: ignore[arg-type]  # values of a table are invariant
            delivery_mode=PERSISTENT,
            correlation_id=correlation,
        )

    async def _current(self) -> AbstractChannel:
        async with self._opening:
            if self._channel is None or self._channel.is_closed:
                self._channel = await self._open()
            return self._channel

    async def _open(self) -> AbstractChannel:
        virtual_host = self.address.virtual_host
        return await self._env.connections.open_channel(virtual_host, Direction.PUBLISHING, resource=self.resource)


def _text(value: str | int | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _bytes(value: str | int | bytes) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
