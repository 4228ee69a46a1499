"""The queue source of RabbitMQ."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from eventflow.errors import UnavailableError
from eventflow.model.records import SourceIdentity
from eventflow.ports import QueueProperties
from eventflow_rabbitmq import questions
from eventflow_rabbitmq.attempts import Attempts
from eventflow_rabbitmq.connections import Direction
from eventflow_rabbitmq.consumer import Consumer
from eventflow_rabbitmq.records import RecordFactory

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from eventflow.model.records import QueueRecord
    from eventflow.model.subscriptions import QueueSubscription
    from eventflow_rabbitmq.environment import Environment

MAXIMUM_RECEIVE: Final = 1_000
BACKLOG_SECONDS: Final = 1.0
"""How old a figure of the backlog may be."""
LOOK_SECONDS: Final = 10.0
"""A message is ours as long as its channel lives. Whether it does is looked at after half of this time, and then every
quarter of a minute, so that handlers of messages that are somebody else's by now are stopped."""


async def open_queue_source(env: Environment, subscription: QueueSubscription) -> RabbitMQSource:
    """Raises ResourceNotFoundError if there is no such queue or virtual host, AccessDeniedError if we may not read
    it, UnavailableError."""
    source = RabbitMQSource(env, subscription)
    await source.check()
    return source


class RabbitMQSource:
    """A QueueSource over one queue, classic or quorum."""

    def __init__(self, env: Environment, subscription: QueueSubscription) -> None:
        self._env = env
        self._resource = f"{subscription.service}:{subscription.name}"
        self._address = env.address(subscription.name)
        self._attempts = Attempts()
        self._consumer: Consumer | None = None
        self._opening = asyncio.Lock()
        self._backlog = 0
        self._backlog_until = -1.0
        self._closed = False

    @property
    def identity(self) -> SourceIdentity:
        return SourceIdentity(arn=self._env.arn, region=self._env.region, extras={})

    @property
    def properties(self) -> QueueProperties:
        return QueueProperties(
            visibility_timeout_seconds=LOOK_SECONDS, maximum_receive=MAXIMUM_RECEIVE, redelivers=False
        )

    async def check(self) -> None:
        """Whether the queue is there and may be read."""
        await questions.check_reading(self._env.connections, self._address, resource=self._resource)

    async def receive(self, *, max_records: int, wait_seconds: float) -> Sequence[QueueRecord]:
        consumer = await self._current()
        return await consumer.receive(min(max_records, MAXIMUM_RECEIVE), wait_seconds)

    async def delete(self, receipts: Sequence[str]) -> None:
        if self._consumer is not None and receipts:
            await self._consumer.acknowledge(receipts)

    async def release(self, receipts: Sequence[str], *, after_seconds: float = 0) -> None:
        """What is released at once was not tried; what is released later has failed."""
        if self._consumer is None:
            return
        if after_seconds > 0:
            self._consumer.fail(receipts, after_seconds=after_seconds)
        else:
            await self._consumer.give_back(receipts)

    async def extend(self, receipts: Sequence[str], *, seconds: float) -> Collection[str]:
        return list(receipts) if self._consumer is None else self._consumer.lost(receipts)

    async def backlog(self) -> int:
        """What nobody holds, and what we hold: RabbitMQ does not tell over AMQP what others hold."""
        now = asyncio.get_running_loop().time()
        if now >= self._backlog_until:
            connections, resource = self._env.connections, self._resource
            waiting = await questions.waiting(connections, self._address, resource=resource)
            self._backlog, self._backlog_until = waiting, now + BACKLOG_SECONDS
        return self._backlog + (0 if self._consumer is None else self._consumer.unsettled)

    async def aclose(self) -> None:
        """The broker gives what was not settled to others."""
        self._closed = True
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.aclose()

    async def _current(self) -> Consumer:
        consumer = self._consumer
        if consumer is not None and not consumer.is_lost:
            return consumer
        async with self._opening:
            if self._closed:
                raise UnavailableError(self._resource, "is closed")
            if self._consumer is None or self._consumer.is_lost:
                if self._consumer is not None:
                    await self._consumer.aclose()
                self._consumer = await self._open()
            return self._consumer

    async def _open(self) -> Consumer:
        virtual_host = self._address.virtual_host
        channel = await self._env.connections.open_channel(virtual_host, Direction.READING, resource=self._resource)
        return Consumer(
            channel,
            self._address.queue,
            resource=self._resource,
            records=RecordFactory(self._address.wire, self._attempts),
            attempts=self._attempts,
        )
