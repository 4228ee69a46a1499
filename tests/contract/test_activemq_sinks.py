"""The sink of ActiveMQ's queues, read back through the adapter's own source, in real time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import anyio
import pytest

from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.subscriptions import QueueSubscription
from eventflow.testing._receiving import receive_exactly, receive_one
from eventflow.testing.harness import Capability, Inbox, SinkHarness, case_name, skip_reason
from eventflow.testing.inboxes import QueueInbox
from eventflow.testing.sink_cases import SINK_CASES, SinkCase
from eventflow_activemq.messages import MESSAGE_BYTES
from tests.contract.activemq import GRACE_SECONDS, PATIENCE_SECONDS, Opened, opened, queue_harness
from tests.contract.embedded import WallClock
from tests.servers.server import Server

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"], scope="module")

REFUSED = {
    "a property of bytes": OutboundMessage(body=b"{}", attributes={"thumbprint": b"\x00"}),
    "a number beyond 64 bits": OutboundMessage(body=b"{}", attributes={"count": 2**63}),
    "a delay into the past": OutboundMessage(body=b"{}", delay_seconds=-1),
}


@pytest.fixture(scope="module")
async def both(activemq_server: Server, anyio_backend: str) -> AsyncIterator[Opened]:
    async with opened(activemq_server) as both:
        yield both


def subscription(name: str) -> QueueSubscription:
    return QueueSubscription(service=Service.ACTIVEMQ, name=name, subscriber="contract")


@pytest.mark.parametrize("case", SINK_CASES, ids=case_name)
async def test_sinks(case: SinkCase, both: Opened) -> None:
    async def create() -> tuple[str, Inbox]:
        name = f"sink-{uuid4().hex}"
        source = await both.other_adapter.queue_source(subscription(name))
        return name, QueueInbox(queue_harness(both), source)

    harness = SinkHarness(
        adapter=both.adapter,
        other_adapter=both.other_adapter,
        clock=WallClock(),
        capabilities=frozenset({Capability.SIZE_LIMIT}),
        patience_seconds=PATIENCE_SECONDS,
        grace_seconds=GRACE_SECONDS,
        service=Service.ACTIVEMQ,
        create=create,
        maximum_body_bytes=MESSAGE_BYTES,
        refused=REFUSED,
    )
    if reason := skip_reason(case, harness):
        pytest.skip(reason)
    await case(harness)


async def test_text_and_bytes_are_kept_apart_and_attributes_are_properties(both: Opened) -> None:
    harness, name = queue_harness(both), f"sink-{uuid4().hex}"
    source = await both.adapter.queue_source(subscription(name))
    sink = await both.adapter.sink(Destination(Service.ACTIVEMQ, name))
    attributes: dict[str, str | int | bytes] = {"customer": "Zoë", "count": 7, "correlation_id": "c-1"}
    await sink.send(OutboundMessage(body="Zoë".encode(), attributes=attributes))
    await sink.send(OutboundMessage(body=b"\xff\x00"))
    text, binary = await receive_exactly(harness, source, 2)
    assert (text.body, text.attributes["messageType"]) == ("Zoë", "jms/text-message")
    assert (binary.body, binary.attributes["messageType"]) == (b"\xff\x00", "jms/bytes-message")
    assert text.attributes["properties"] == {"customer": "Zoë", "count": "7"}
    assert text.attributes["correlationId"] == "c-1"
    assert text.attributes["deliveryMode"] == 2
    assert text.message_id != binary.message_id


async def test_a_message_with_a_delay_comes_after_it(both: Opened) -> None:
    harness, name = queue_harness(both), f"sink-{uuid4().hex}"
    source = await both.adapter.queue_source(subscription(name))
    sink = await both.adapter.sink(Destination(Service.ACTIVEMQ, name))
    sent_at = anyio.current_time()
    await sink.send(OutboundMessage(body=b"later", delay_seconds=3))
    assert (await receive_one(harness, source)).body == "later"
    assert anyio.current_time() - sent_at >= 2
