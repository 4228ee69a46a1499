"""Queues on a RabbitMQ broker, as contract cases use them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import aio_pika

from eventflow.model.destinations import Service
from eventflow.model.subscriptions import QueueSubscription
from eventflow.ports import AdapterSettings, QueueSource
from eventflow.testing.harness import Capability, CreatedQueue, QueueHarness, QueueRequest
from eventflow_rabbitmq import RabbitMQAdapter
from tests.contract.embedded import WallClock
from tests.servers.rabbitmq import MAXIMUM_MESSAGE_BYTES, USER
from tests.servers.server import Server

PATIENCE_SECONDS: Final = 60
TYPES: Final = ("classic", "quorum")
CAPABILITIES: Final = frozenset({Capability.MISSING_RESOURCES, Capability.RELEASE_DELAY})


def rabbitmq_adapter(
    server: Server | str, *, resources: Mapping[str, str] | None = None, **options: Any
) -> RabbitMQAdapter:
    """An adapter on a server, or on an address. The password comes from the environment: see ``sign_in``."""
    url = server if isinstance(server, str) else f"amqp://127.0.0.1:{server.port}"
    given = {"url": url, "username": USER, **options}
    return RabbitMQAdapter(
        AdapterSettings(environment="test", options=given, resources=resources or {}, clock=WallClock())
    )


@asynccontextmanager
async def administration(server: Server, virtual_host: str = "/") -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    """A plain client's channel."""
    connection = await aio_pika.connect(server.endpoint_url + virtual_host.lstrip("/"))
    async with connection, connection.channel() as channel:
        yield channel


async def create_queue(channel: aio_pika.abc.AbstractChannel, kind: str, **arguments: Any) -> str:
    """A queue of its own for every test."""
    name = f"queue-{uuid4().hex}"
    named = {f"x-{key.replace('_', '-')}": value for key, value in arguments.items()}
    await channel.declare_queue(name, durable=True, arguments={"x-queue-type": kind, **named})
    return name


def subscription(name: str) -> QueueSubscription:
    return QueueSubscription(service=Service.RABBITMQ, name=name, subscriber="test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Two adapters on one broker, for queues of one type."""

    server: Server
    kind: str
    adapter: RabbitMQAdapter
    other_adapter: RabbitMQAdapter
    channel: aio_pika.abc.AbstractChannel

    async def create(self, **arguments: Any) -> str:
        return await create_queue(self.channel, self.kind, **arguments)

    async def source(self, name: str, *, other_process: bool = False) -> QueueSource:
        adapter = self.other_adapter if other_process else self.adapter
        return await adapter.queue_source(subscription(name))


@asynccontextmanager
async def processes(server: Server, kind: str) -> AsyncIterator[Processes]:
    async with AsyncExitStack() as stack:
        yield Processes(
            server=server,
            kind=kind,
            adapter=await stack.enter_async_context(rabbitmq_adapter(server)),
            other_adapter=await stack.enter_async_context(rabbitmq_adapter(server)),
            channel=await stack.enter_async_context(administration(server)),
        )


def queue_harness(opened: Processes) -> QueueHarness:
    async def create(request: QueueRequest) -> CreatedQueue:
        assert not request.fifo
        assert request.maximum_receive_count is None
        return CreatedQueue(name=await opened.create())

    return QueueHarness(
        adapter=opened.adapter,
        other_adapter=opened.other_adapter,
        clock=WallClock(),
        capabilities=CAPABILITIES,
        patience_seconds=PATIENCE_SECONDS,
        grace_seconds=1,
        service=Service.RABBITMQ,
        create=create,
        maximum_body_bytes=MAXIMUM_MESSAGE_BYTES,
    )
