"""The sink of queues on RabbitMQ, read back through the adapter's own source, in real time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import anyio
import pytest

from eventflow.errors import InvalidMessageError, ResourceNotFoundError, UnavailableError
from eventflow.events.rabbitmq import RabbitMQMessage
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.testing.harness import Arrival, Capability, Inbox, SinkHarness, case_name, skip_reason
from eventflow.testing.sink_cases import SINK_CASES, SinkCase
from eventflow_rabbitmq import sink as sink_module
from eventflow_rabbitmq.options import SIGN_IN
from tests.contract.embedded import WallClock
from tests.contract.rabbitmq_queues import (
    PATIENCE_SECONDS,
    TYPES,
    Processes,
    administration,
    create_queue,
    processes,
    rabbitmq_adapter,
)
from tests.servers.rabbitmq import MAXIMUM_MESSAGE_BYTES, PASSWORD, VIRTUAL_HOST, control
from tests.servers.running import PrivateServer
from tests.servers.server import Server

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"], scope="module")


@pytest.fixture(scope="module", params=TYPES)
async def opened(
    rabbitmq_server: Server, anyio_backend: str, request: pytest.FixtureRequest
) -> AsyncIterator[Processes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SIGN_IN.password_variable, PASSWORD)
        async with processes(rabbitmq_server, request.param) as both:
            yield both


class QueueInbox:
    """Reads a queue as another process."""

    def __init__(self, opened: Processes, name: str) -> None:
        self._opened = opened
        self._name = name

    async def take(self, count: int) -> list[Arrival]:
        source = await self._opened.source(self._name, other_process=True)
        arrivals: list[Arrival] = []
        while len(arrivals) < count:
            records = await source.receive(max_records=count, wait_seconds=PATIENCE_SECONDS)
            assert records, f"{count - len(arrivals)} messages are missing"
            await source.delete([record.receipt_handle for record in records])
            for record in records:
                message = RabbitMQMessage.model_validate(
                    {"basicProperties": record.attributes["basicProperties"], "redelivered": False, "data": ""}
                )
                names = message.basic_properties.headers or {}
                assert isinstance(record.body, bytes)
                attributes = {name: message.header(name) for name in names}
                arrivals.append(Arrival(body=record.body, attributes=attributes))
        await source.aclose()
        return arrivals


def sink_harness(opened: Processes) -> SinkHarness:
    async def create() -> tuple[str, Inbox]:
        name = await opened.create()
        return name, QueueInbox(opened, name)

    return SinkHarness(
        adapter=opened.adapter,
        other_adapter=opened.other_adapter,
        clock=WallClock(),
        capabilities=frozenset({Capability.MISSING_RESOURCES, Capability.SIZE_LIMIT, Capability.MESSAGE_ATTRIBUTES}),
        patience_seconds=PATIENCE_SECONDS,
        grace_seconds=1,
        service=Service.RABBITMQ,
        create=create,
        maximum_body_bytes=MAXIMUM_MESSAGE_BYTES,
        refused={
            "a delay": OutboundMessage(body=b"{}", delay_seconds=1),
            "a header with a long name": OutboundMessage(body=b"{}", attributes={"n" * 256: "1"}),
            "a header without a name": OutboundMessage(body=b"{}", attributes={"": "1"}),
            "a number that is too large": OutboundMessage(body=b"{}", attributes={"n": 2**63}),
            "headers larger than a frame": OutboundMessage(body=b"{}", attributes={"n": "x" * 130_000}),
            "a long correlation id": OutboundMessage(body=b"{}", attributes={"correlation_id": "x" * 256}),
        },
    )


@pytest.mark.parametrize("case", SINK_CASES, ids=case_name)
async def test_sinks(case: SinkCase, opened: Processes) -> None:
    harness = sink_harness(opened)
    if reason := skip_reason(case, harness):
        pytest.skip(reason)
    await case(harness)


async def test_a_message_that_is_too_large_takes_none_with_it(opened: Processes) -> None:
    harness = sink_harness(opened)
    name, inbox = await harness.create()
    queue = await harness.open(name)
    bodies = [b"1", b"x" * (MAXIMUM_MESSAGE_BYTES + 1), b"2", b"3"]
    outcomes = await asyncio.gather(
        *(queue.send(OutboundMessage(body=body)) for body in bodies), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), InvalidMessageError, type(None), type(None)]
    assert {arrival.body for arrival in await inbox.take(3)} == {b"1", b"2", b"3"}


async def test_a_message_that_reaches_no_queue_is_no_success(opened: Processes) -> None:
    name = await opened.create()
    queue = await opened.adapter.sink(Destination(Service.RABBITMQ, name))
    await queue.send(OutboundMessage(body=b"1"))
    await opened.channel.queue_delete(name)
    with pytest.raises(ResourceNotFoundError, match="reached no queue"):
        await queue.send(OutboundMessage(body=b"2"))


async def test_a_queue_that_is_full_is_unavailable(opened: Processes) -> None:
    name = await opened.create(max_length=1, overflow="reject-publish")
    queue = await opened.adapter.sink(Destination(Service.RABBITMQ, name))

    async def fill() -> None:
        for _ in range(10):
            await queue.send(OutboundMessage(body=b"1"))

    with pytest.raises(UnavailableError, match="takes no more messages"):
        await fill()


async def test_a_broker_that_blocks_publishers_is_unavailable_until_it_does_not(
    start_server: Callable[[str], PrivateServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SIGN_IN.password_variable, PASSWORD)
    server = start_server("rabbitmq").server  # nobody else is to be blocked
    async with processes(server, TYPES[0]) as opened:
        harness = sink_harness(opened)
        name, inbox = await harness.create()
        queue = await harness.open(name)
        await asyncio.to_thread(control, server, "set_vm_memory_high_watermark", "0.0000001")
        with monkeypatch.context() as patch:
            patch.setattr(sink_module, "SEND_SECONDS", 2)

            async def send_on() -> None:
                while True:  # the alarm is raised a moment after the command
                    await queue.send(OutboundMessage(body=b"1"))

            with pytest.raises(UnavailableError, match="blocks whoever publishes"), anyio.fail_after(PATIENCE_SECONDS):
                await send_on()
        await asyncio.to_thread(control, server, "set_vm_memory_high_watermark", "0.4")
        await queue.send(OutboundMessage(body=b"2"))
        while (await inbox.take(1))[0].body != b"2":  # what was given up may arrive all the same
            pass


async def test_attributes_and_correlation_id_arrive_in_their_places(opened: Processes) -> None:
    name = await opened.create()
    queue = await opened.adapter.sink(Destination(Service.RABBITMQ, name))
    await queue.send(OutboundMessage(body=b"1", attributes={"correlation_id": "c-1", "n": 7}))
    source = await opened.source(name)
    [record] = await source.receive(max_records=1, wait_seconds=PATIENCE_SECONDS)
    properties = record.attributes["basicProperties"]
    assert (properties["correlationId"], properties["headers"], properties["deliveryMode"]) == ("c-1", {"n": 7}, 2)
    await source.aclose()
    assert queue.arn == f"rabbitmq://{name}::/"


async def test_a_broker_that_is_not_there_is_unavailable() -> None:
    async with rabbitmq_adapter("amqp://127.0.0.1:1") as adapter:
        with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1"):
            await adapter.sink(Destination(Service.RABBITMQ, "orders"))


async def test_a_queue_on_another_virtual_host(rabbitmq_server: Server, opened: Processes) -> None:
    async with administration(rabbitmq_server, VIRTUAL_HOST) as channel:
        name = await create_queue(channel, opened.kind)
    queue = await opened.adapter.sink(Destination(Service.RABBITMQ, f"{name}::{VIRTUAL_HOST}"))
    await queue.send(OutboundMessage(body=b"1"))
    source = await opened.source(f"{name}::{VIRTUAL_HOST}")
    [record] = await source.receive(max_records=1, wait_seconds=PATIENCE_SECONDS)
    assert record.attributes["queue"] == f"{name}::{VIRTUAL_HOST}"
    await source.aclose()
    with pytest.raises(ResourceNotFoundError, match=name):
        await opened.source(name)
