"""Topics on a Kafka broker, as contract cases use them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import anyio
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.ports import AdapterSettings, DestinationSink
from eventflow.testing.harness import Capability, StreamHarness
from eventflow_kafka import KafkaAdapter, member, silence
from eventflow_kafka.sink import TOMBSTONE
from tests.contract.embedded import WallClock
from tests.servers.server import Server

PATIENCE_SECONDS: Final = 60
CAPABILITIES: Final = frozenset(
    {
        Capability.AHEAD,
        Capability.PARTITIONS,
        Capability.STARTING_TIMESTAMP,
        Capability.HEADERS,
        Capability.SEVERAL_TOPICS,
        Capability.TOMBSTONES,
        Capability.LONG_WAITS,
    }
)


GONE_SECONDS: Final = 30
"""When a group gives up a member that is silent or does not let go: a busy machine may pause for a while."""


def kafka_adapter(server: Server | str, **options: Any) -> KafkaAdapter:
    """An adapter on a server, or on an address."""
    address = server if isinstance(server, str) else server.addresses["PLAINTEXT"]
    times = {"session_timeout_seconds": GONE_SECONDS, "rebalance_timeout_seconds": GONE_SECONDS}
    given = {"bootstrap_servers": address, **times, **options}
    return KafkaAdapter(AdapterSettings(environment="test", options=given, resources={}, clock=WallClock()))


@asynccontextmanager
async def administration(server: Server) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=server.addresses["PLAINTEXT"])
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def create_topic(admin: AIOKafkaAdminClient, partitions: int, **configs: str) -> str:
    """A topic of its own for every test."""
    name = f"topic-{uuid4().hex}"
    answer = await admin.create_topics(
        [NewTopic(name, num_partitions=partitions, replication_factor=1, topic_configs=configs)]
    )
    assert all(error[1] == 0 for error in answer.topic_errors), answer
    with anyio.fail_after(PATIENCE_SECONDS):
        while await _leaders(admin, name) < partitions:  # noqa: ASYNC110 (the broker tells nobody)
            await anyio.sleep(0.02)
    return name


async def _leaders(admin: AIOKafkaAdminClient, topic: str) -> int:
    """How many partitions of a topic the broker knows to have a leader."""
    found = {description["topic"]: description["partitions"] for description in await admin.describe_topics()}
    return sum(partition["leader"] >= 0 for partition in found.get(topic, ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Two adapters on one broker."""

    adapter: KafkaAdapter
    other_adapter: KafkaAdapter
    admin: AIOKafkaAdminClient
    _sinks: dict[str, DestinationSink] = field(default_factory=dict)

    async def send(self, name: str, message: OutboundMessage) -> None:
        sink = self._sinks.get(name)
        if sink is None:
            sink = self._sinks[name] = await self.adapter.sink(Destination(Service.KAFKA, name))
        await sink.send(message)


@asynccontextmanager
async def processes(server: Server) -> AsyncIterator[Processes]:
    """Open them. They wait for the broker as long as the cases do."""
    async with AsyncExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(silence, "SILENT_SECONDS", PATIENCE_SECONDS)
        patch.setattr(member, "COMMIT_SECONDS", PATIENCE_SECONDS)
        yield Processes(
            adapter=await stack.enter_async_context(kafka_adapter(server)),
            other_adapter=await stack.enter_async_context(kafka_adapter(server)),
            admin=await stack.enter_async_context(administration(server)),
        )


def stream_harness(opened: Processes) -> StreamHarness:
    async def create(partitions: int) -> str:
        return await create_topic(opened.admin, partitions)

    async def write_tombstone(name: str, key: str) -> None:
        await opened.send(name, OutboundMessage(body=b"", key=key, attributes={TOMBSTONE: "true"}))

    return StreamHarness(
        adapter=opened.adapter,
        other_adapter=opened.other_adapter,
        clock=WallClock(),
        capabilities=CAPABILITIES,
        patience_seconds=PATIENCE_SECONDS,
        grace_seconds=1,
        service=Service.KAFKA,
        create=create,
        write=opened.send,
        write_tombstone=write_tombstone,
    )
