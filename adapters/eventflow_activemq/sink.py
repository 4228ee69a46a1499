"""Queues as destinations."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Final

from eventflow.errors import UnavailableError
from eventflow_activemq.faults import translated
from eventflow_activemq.messages import encoded, written

if TYPE_CHECKING:
    from eventflow.model.destinations import OutboundMessage
    from eventflow_activemq.environment import Environment

SEND_SECONDS: Final = 30.0
"""A broker whose store is full says nothing until there is room. What is given up here may still arrive."""


async def open_queue_sink(env: Environment, name: str) -> ActiveMQSink:
    """Raises UnavailableError, AccessDeniedError."""
    sink = ActiveMQSink(env, name)
    await sink.open()
    return sink


class ActiveMQSink:
    """A DestinationSink that sends to one queue, which the broker makes if it is new."""

    def __init__(self, env: Environment, name: str) -> None:
        self._env = env
        self._resource = f"activemq:{name}"
        self._queue = env.queue(name)

    @property
    def arn(self) -> str:
        """Queues have no ARN, not even Amazon MQ's."""
        return f"activemq://{self._queue}"

    async def open(self) -> None:
        """See that the queue lets us write."""
        with translated(self._resource, "opening"):
            await self._env.producer.link(self._queue)

    async def send(self, message: OutboundMessage) -> None:
        now, identifier = self._env.clock.time(), f"ID:{uuid.uuid4()}"
        data = encoded(
            written(message, resource=self._resource, identifier=identifier, now=now), resource=self._resource
        )
        with translated(self._resource, "sending"):
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    link = await self._env.producer.link(self._queue)
                    await link.send(data)
            except TimeoutError as exc:
                self._env.producer.hang_up()
                mend = "is its store or its memory full?"
                text = f"sending: the broker has not stored it within {SEND_SECONDS:.0f} s"
                raise UnavailableError(self._resource, text, mend=mend) from exc

    async def aclose(self) -> None:
        """The link belongs to the environment."""
