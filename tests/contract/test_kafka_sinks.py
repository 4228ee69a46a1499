"""The sink of topics on Apache Kafka, read back through the adapter's own source, in real time."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

import anyio
import pytest
from aiokafka import TopicPartition

from eventflow.errors import InvalidMessageError, ResourceNotFoundError, UnavailableError
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.records import StreamRecord
from eventflow.testing.harness import Arrival, Capability, Inbox, SinkHarness, case_name, skip_reason
from eventflow.testing.inboxes import StreamInbox
from eventflow.testing.sink_cases import SINK_CASES, SinkCase
from eventflow_kafka import sink as sink_module
from eventflow_kafka.sink import TOMBSTONE
from tests.contract.embedded import WallClock
from tests.contract.kafka_topics import (
    PATIENCE_SECONDS,
    Processes,
    create_topic,
    kafka_adapter,
    processes,
    stream_harness,
)
from tests.servers.server import Server

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"], scope="module")

MAXIMUM_BODY_BYTES = 1_048_588
CLUSTER = "arn:aws:kafka:eu-west-1:123456789012:cluster/orders/9a1b-5"


@pytest.fixture(scope="module")
async def opened(kafka_server: Server, anyio_backend: str) -> AsyncIterator[Processes]:
    async with processes(kafka_server) as both:
        yield both


def keyed(body: bytes) -> OutboundMessage:
    return OutboundMessage(body=body, key=hashlib.sha256(body).hexdigest())


def arrival(record: StreamRecord) -> Arrival:
    assert isinstance(record.key, bytes)
    return Arrival(body=record.data or b"", key=record.key.decode())


def sink_harness(opened: Processes) -> SinkHarness:
    streams = replace(stream_harness(opened), adapter=opened.other_adapter)

    async def create() -> tuple[str, Inbox]:
        name = await create_topic(opened.admin, 1)
        return name, StreamInbox(streams, name, arrival)

    return SinkHarness(
        adapter=opened.adapter,
        other_adapter=opened.other_adapter,
        clock=WallClock(),
        capabilities=frozenset({Capability.MISSING_RESOURCES, Capability.SIZE_LIMIT}),
        patience_seconds=PATIENCE_SECONDS,
        grace_seconds=1,
        service=Service.KAFKA,
        create=create,
        message=keyed,
        maximum_body_bytes=MAXIMUM_BODY_BYTES,
        refused={"a tombstone with a body": OutboundMessage(body=b"{}", key="k", attributes={TOMBSTONE: "true"})},
    )


@pytest.mark.parametrize("case", SINK_CASES, ids=case_name)
async def test_sinks(case: SinkCase, opened: Processes) -> None:
    harness = sink_harness(opened)
    if reason := skip_reason(case, harness):
        pytest.skip(reason)
    await case(harness)


async def test_messages_go_on_after_one_was_refused_by_the_broker(opened: Processes) -> None:
    harness = sink_harness(opened)
    name, inbox = await harness.create()
    topic = await harness.open(name)
    await topic.send(keyed(b"before"))
    with pytest.raises(InvalidMessageError):
        await topic.send(keyed(b"x" * MAXIMUM_BODY_BYTES))
    await topic.send(keyed(b"after"))
    assert [message.body for message in await inbox.take(2)] == [b"before", b"after"]


async def test_a_topic_stays_known_when_another_is_looked_for(kafka_server: Server, opened: Processes) -> None:
    """A message that waits for the one before it could not be sent any more, once nobody knows its topic's leader."""
    early = await create_topic(opened.admin, 1)
    async with kafka_adapter(kafka_server) as adapter:
        producer = await vars(adapter)["_environment"].clients.producer()  # which begins with every topic there is
        await (await adapter.sink(Destination(Service.KAFKA, early))).send(keyed(b"1"))
        late = await create_topic(opened.admin, 1)
        await (await adapter.sink(Destination(Service.KAFKA, late))).send(keyed(b"2"))
        leaders = {producer.client.cluster.leader_for_partition(TopicPartition(name, 0)) for name in (early, late)}
    assert None not in leaders


async def test_a_topic_that_is_deleted_is_missing_not_away(opened: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    name = await create_topic(opened.admin, 1)
    topic = await opened.adapter.sink(Destination(Service.KAFKA, name))
    await topic.send(keyed(b"1"))
    await opened.admin.delete_topics([name])
    monkeypatch.setattr(sink_module, "SEND_SECONDS", 2)

    async def send_on() -> None:
        while True:  # brokers learn of it when they do
            with suppress(UnavailableError):
                await topic.send(keyed(b"2"))

    with pytest.raises(ResourceNotFoundError, match=name), anyio.fail_after(PATIENCE_SECONDS):
        await send_on()


async def test_a_cluster_that_is_not_there_is_unavailable() -> None:
    async with kafka_adapter("127.0.0.1:1") as adapter:
        with pytest.raises(UnavailableError, match=r"127\.0\.0\.1"):
            await adapter.sink(Destination(Service.KAFKA, "orders"))


async def test_a_topic_of_msk_has_an_arn(kafka_server: Server, opened: Processes) -> None:
    name = await create_topic(opened.admin, 1)
    async with kafka_adapter(kafka_server, cluster_arn=CLUSTER) as adapter:
        topic = await adapter.sink(Destination(Service.KAFKA, name))
        assert topic.arn == f"arn:aws:kafka:eu-west-1:123456789012:topic/orders/9a1b-5/{name}"
    assert (await opened.adapter.sink(Destination(Service.KAFKA, name))).arn == f"kafka://{name}"
