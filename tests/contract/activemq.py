"""Queues of ActiveMQ, as contract cases use them: the broker makes them on first use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4

import pytest

from eventflow.model.destinations import Service
from eventflow.ports import AdapterSettings
from eventflow.testing.harness import Capability, CreatedQueue, QueueHarness, QueueRequest
from eventflow_activemq import ActiveMQAdapter
from eventflow_activemq.messages import MESSAGE_BYTES
from eventflow_activemq.options import SIGN_IN
from tests.contract.embedded import WallClock
from tests.servers.activemq import PASSWORD, USER
from tests.servers.server import Server

PATIENCE_SECONDS: Final = 60
CAPABILITIES: Final = frozenset({Capability.RELEASE_DELAY})
GRACE_SECONDS: Final = 2


@contextmanager
def password(value: str = PASSWORD) -> Iterator[None]:
    """The environment's variable, while adapters are made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SIGN_IN.password_variable, value)
        yield


def activemq_adapter(server: Server | str, **options: Any) -> ActiveMQAdapter:
    """An adapter on a server, or on addresses."""
    brokers = server if isinstance(server, str) else f"amqp://{server.addresses['amqp']}"
    given = {"brokers": brokers, "username": USER, "maximum_redeliveries": -1, **options}
    settings = AdapterSettings(environment="test", options=given, resources={}, clock=WallClock())
    if "password_file" in options:
        return ActiveMQAdapter(settings)
    with password():
        return ActiveMQAdapter(settings)


class Opened(NamedTuple):
    """Two processes that see one broker."""

    adapter: ActiveMQAdapter
    other_adapter: ActiveMQAdapter


@asynccontextmanager
async def opened(server: Server, **options: Any) -> AsyncIterator[Opened]:
    async with activemq_adapter(server, **options) as adapter, activemq_adapter(server, **options) as other_adapter:
        yield Opened(adapter, other_adapter)


async def create_queue(_request: QueueRequest) -> CreatedQueue:
    """A name that nobody else has."""
    return CreatedQueue(name=f"case-{uuid4().hex}")


def queue_harness(both: Opened) -> QueueHarness:
    return QueueHarness(
        adapter=both.adapter,
        other_adapter=both.other_adapter,
        clock=WallClock(),
        capabilities=CAPABILITIES,
        patience_seconds=PATIENCE_SECONDS,
        grace_seconds=GRACE_SECONDS,
        service=Service.ACTIVEMQ,
        create=create_queue,
        maximum_body_bytes=MESSAGE_BYTES,
    )


def certificates(server: Server) -> Path:
    assert server.certificates is not None
    return server.certificates
