"""What RabbitMQ has beyond the queue cases: counts, delays, demand, and queues, channels and connections that end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import aio_pika
import anyio
import pytest

from eventflow.errors import ResourceNotFoundError, UnavailableError
from eventflow.events.rabbitmq import RABBITMQ
from eventflow.model.records import QueueRecord
from eventflow.ports import QueueSource
from eventflow_rabbitmq import consumer as consumer_module
from eventflow_rabbitmq.options import SIGN_IN
from eventflow_rabbitmq.source import RabbitMQSource
from tests.contract.rabbitmq_queues import (
    PATIENCE_SECONDS,
    TYPES,
    Processes,
    processes,
    rabbitmq_adapter,
    subscription,
)
from tests.servers.rabbitmq import PASSWORD, control
from tests.servers.running import PrivateServer
from tests.servers.server import Server

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"], scope="module")
SAMPLES = Path(__file__).parents[1] / "samples" / "rabbitmq"


@pytest.fixture(scope="module", params=TYPES)
async def opened(
    rabbitmq_server: Server, anyio_backend: str, request: pytest.FixtureRequest
) -> AsyncIterator[Processes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SIGN_IN.password_variable, PASSWORD)
        async with processes(rabbitmq_server, request.param) as both:
            yield both


async def publish(opened: Processes, queue: str, *bodies: bytes, **properties: object) -> None:
    for body in bodies:
        message = aio_pika.Message(body, delivery_mode=2, **properties)  # type: ignore[arg-type]
        await opened.channel.default_exchange.publish(message, routing_key=queue)


async def receive(source: QueueSource, count: int = 1) -> list[QueueRecord]:
    records: list[QueueRecord] = []
    with anyio.fail_after(PATIENCE_SECONDS):
        while len(records) < count:
            records += await source.receive(max_records=count - len(records), wait_seconds=PATIENCE_SECONDS)
    return records


def receipts(records: Sequence[QueueRecord]) -> list[str]:
    return [record.receipt_handle for record in records]


async def eventually(look: Callable[[], Awaitable[object]], wanted: object) -> None:
    with anyio.fail_after(PATIENCE_SECONDS):
        while await look() != wanted:  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.02)


async def ready(opened: Processes, queue: str) -> int:
    """How many messages nobody holds."""
    declared = await opened.channel.declare_queue(queue, passive=True)
    return declared.declaration_result.message_count or 0


async def consumers(opened: Processes, queue: str) -> int:
    declared = await opened.channel.declare_queue(queue, passive=True)
    return declared.declaration_result.consumer_count or 0


async def credit_of(source: QueueSource) -> int:
    """A quorum queue counts consumers that are cancelled and hold messages."""
    assert isinstance(source, RabbitMQSource)
    return source._consumer._credit() if source._consumer is not None else 0


async def tune(server: Server, setting: str, value: int) -> None:
    await asyncio.to_thread(control, server, "eval", f"application:set_env(rabbit, {setting}, {value}).")


async def test_failures_are_counted(opened: Processes) -> None:
    """By a quorum queue itself, and for a classic one by this process."""
    name = await opened.create()
    await publish(opened, name, b"1", message_id="m-1")
    source = await opened.source(name)
    for count in (1, 2, 3, 4):
        [record] = await receive(source)
        assert (record.receive_count, record.attributes["redelivered"]) == (count, count > 1)
        await source.release(receipts([record]), after_seconds=0.05)
    await source.aclose()


async def test_twins_without_an_id_are_counted_by_their_content(opened: Processes) -> None:
    name = await opened.create()
    await publish(opened, name, b"fails", b"works")
    source = await opened.source(name)
    first, second = await receive(source, 2)
    await source.release(receipts([first]), after_seconds=0.05)
    await source.delete(receipts([second]))
    await source.release(receipts(await receive(source)), after_seconds=0.05)
    [again] = await receive(source)
    assert (again.body, again.receive_count) == (b"fails", 3)
    await source.aclose()


async def test_what_waits_for_another_try_blocks_nobody(opened: Processes) -> None:
    name = await opened.create()
    await publish(opened, name, *(b"bad" for _ in range(20)), b"good")
    source = await opened.source(name)
    for _ in range(20):
        [record] = await receive(source)
        assert record.body == b"bad"
        await source.release(receipts([record]), after_seconds=300)
    [record] = await receive(source)
    assert record.body == b"good"
    await source.delete(receipts([record]))
    assert await source.backlog() >= 20
    await source.aclose()
    rival = await opened.source(name, other_process=True)
    assert {record.body for record in await receive(rival, 20)} == {b"bad"}
    await rival.aclose()


async def test_nothing_is_received_that_nobody_waits_for(opened: Processes) -> None:
    name = await opened.create()
    source = await opened.source(name)
    await publish(opened, name, *(b"%d" % number for number in range(10)))
    await receive(source, 3)
    await eventually(lambda: ready(opened, name), 7)
    await source.aclose()


async def test_credit_is_withdrawn_while_nobody_waits(opened: Processes) -> None:
    name = await opened.create()
    source = await opened.source(name)
    await publish(opened, name, b"first")
    [first] = await source.receive(max_records=100, wait_seconds=PATIENCE_SECONDS)
    await eventually(lambda: credit_of(source), 0)
    rival = await opened.source(name, other_process=True)
    waiting = asyncio.create_task(receive(rival, 5))
    await eventually(lambda: credit_of(rival), 5)
    await publish(opened, name, *(b"%d" % number for number in range(5)))
    assert len(await waiting) == 5, "the first process took what it did not want"
    await source.delete(receipts([first]))
    await source.aclose()
    await rival.aclose()


async def test_credit_that_a_settlement_frees_is_withdrawn_too(opened: Processes) -> None:
    """A poller that waits for a permit settles a message, and does not ask for the next one."""
    name = await opened.create()
    await publish(opened, name, b"first")
    source = await opened.source(name)
    assert isinstance(source, RabbitMQSource)
    [first] = await receive(source)

    async def looked() -> bool:
        return source._consumer is not None and source._consumer._timer is None

    await eventually(looked, True)
    await source.delete(receipts([first]))
    assert await credit_of(source) == 1
    await eventually(lambda: credit_of(source), 0)
    await source.aclose()


async def test_messages_that_came_unasked_for_are_given_back(
    opened: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "LINGER_SECONDS", 0.5)
    monkeypatch.setattr(consumer_module, "HELD_SECONDS", 1.0)
    name = await opened.create()
    source = await opened.source(name)
    await publish(opened, name, b"1")
    await source.receive(max_records=10, wait_seconds=PATIENCE_SECONDS)
    await publish(opened, name, b"2", b"3")  # within the time for which credit lingers
    rival = await opened.source(name, other_process=True)
    came = {record.body for record in await receive(rival, 2)}
    assert came == {b"2", b"3"}, "the first one is held"
    await source.aclose()
    await rival.aclose()


async def test_many_messages_are_settled_in_any_order(opened: Processes) -> None:
    name = await opened.create()
    await publish(opened, name, *(b"%d" % number for number in range(60)))
    source = await opened.source(name)
    records = await receive(source, 60)
    odd = [record for record in records if int(record.body) % 2]
    front = [record for record in records if int(record.body) % 2 == 0][:10]
    await asyncio.gather(source.delete(receipts(odd)), source.delete(receipts(front)), source.delete(receipts(odd)))
    await source.aclose()
    rival = await opened.source(name, other_process=True)
    left = await receive(rival, 20)
    assert {int(record.body) for record in left} == set(range(20, 60, 2))
    await rival.delete(receipts(left))
    assert not await rival.receive(max_records=10, wait_seconds=1)
    await rival.aclose()


async def test_a_lost_channel_invalidates_its_receipts(opened: Processes) -> None:
    """The broker ends the channel of a consumer that takes too long; here, all connections are closed."""
    name = await opened.create()
    await publish(opened, name, b"1")
    async with rabbitmq_adapter(opened.server) as adapter:
        source = await adapter.queue_source(subscription(name))
        [record] = await receive(source)
        assert not await source.extend(receipts([record]), seconds=30)
        connection = next(iter(adapter._opened.connections._open.values()))
        await connection.close(ConnectionError("the network is gone"))
        assert list(await source.extend(receipts([record]), seconds=30)) == receipts([record])
        await source.delete(receipts([record]))
        [again] = await receive(source)
        assert (again.body, again.attributes["redelivered"]) == (b"1", True)
        assert again.receipt_handle != record.receipt_handle
        await source.delete(receipts([again]))
        await source.aclose()


async def test_a_queue_that_is_deleted_is_missing_until_it_is_back(opened: Processes) -> None:
    name = await opened.create()
    source = await opened.source(name)
    async with anyio.create_task_group() as tasks:

        async def wait() -> None:
            with pytest.raises((UnavailableError, ResourceNotFoundError)):
                await source.receive(max_records=1, wait_seconds=PATIENCE_SECONDS)

        tasks.start_soon(wait)
        await eventually(lambda: consumers(opened, name), 1)
        await opened.channel.queue_delete(name)
    with pytest.raises(ResourceNotFoundError, match="does not exist"):
        await source.receive(max_records=1, wait_seconds=1)
    await opened.channel.declare_queue(name, durable=True, arguments={"x-queue-type": opened.kind})
    await publish(opened, name, b"1")
    [record] = await receive(source)
    assert record.body == b"1"
    await source.aclose()


async def test_a_consumer_that_takes_too_long_loses_its_messages(
    start_server: Callable[[str], PrivateServer], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Source: RabbitMQ documentation: consumers: delivery acknowledgement timeout."""
    monkeypatch.setenv(SIGN_IN.password_variable, PASSWORD)
    server = start_server("rabbitmq").server  # the timeout is the broker's: nobody else is to lose messages
    await tune(server, "consumer_timeout", 200)
    await tune(server, "channel_tick_interval", 500)
    async with processes(server, TYPES[0]) as opened:
        name = await opened.create()
        await publish(opened, name, b"1")
        source = await opened.source(name)
        held = receipts(await receive(source))
        await eventually(lambda: source.extend(held, seconds=30), held)
        await source.aclose()
        assert "held for too long" in caplog.text
        await tune(server, "consumer_timeout", 1_800_000)
        rival = await opened.source(name, other_process=True)
        [again] = await receive(rival)
        await rival.delete(receipts([again]))
        await rival.aclose()


async def test_the_event_is_lambdas(opened: Processes) -> None:
    """Every property, as in the samples that AWS publishes."""
    name = await opened.create()
    [sample] = json.loads((SAMPLES / "default_virtual_host.json").read_text())["rmqMessagesByQueue"].values()
    expected = sample[0] | {"data": "eyJpZCI6IjEifQ=="}
    expected["basicProperties"] = expected["basicProperties"] | {
        "userId": "test",  # the broker checks it
        "bodySize": 10,
        "correlationId": "c-1",
        "replyTo": "answers",
        "messageId": "m-1",
        "type": "order",
        "appId": "shop",
        "contentEncoding": "utf-8",
    }
    if opened.kind == "quorum":
        expected["basicProperties"]["deliveryMode"] = 1
    message = aio_pika.Message(
        b'{"id":"1"}',
        content_type="text/plain",
        content_encoding="utf-8",
        headers={"header1": "value1", "accent": "é", "numberInHeader": 10},
        delivery_mode=1,
        priority=34,
        correlation_id="c-1",
        reply_to="answers",
        expiration=60,
        message_id="m-1",
        timestamp=datetime(1970, 1, 1, 0, 33, 41, tzinfo=UTC),
        type="order",
        user_id="test",
        app_id="shop",
    )
    await opened.channel.default_exchange.publish(message, routing_key=name)
    source = await opened.source(name)
    records = await receive(source)
    event = RABBITMQ.wire_event(records, source.identity)
    await source.delete(receipts(records))
    await source.aclose()
    assert event.keys() == {"eventSource", "eventSourceArn", "rmqMessagesByQueue"}
    assert event["eventSource"] == "aws:rmq"
    assert event["eventSourceArn"].startswith("arn:aws:mq:us-east-1:")
    [(queue, [wire])] = event["rmqMessagesByQueue"].items()
    assert queue == f"{name}::/"
    assert wire["basicProperties"].keys() == sample[0]["basicProperties"].keys()
    assert wire == expected
    json.dumps(event, allow_nan=False)


async def test_headers_of_every_type_are_json(opened: Processes) -> None:
    name = await opened.create()
    headers: dict[str, object] = {"flag": True, "ratio": 0.5, "none": None, "list": ["a", 1], "table": {"k": "v"}}
    when = datetime(2026, 1, 1, 13, tzinfo=UTC)
    await publish(opened, name, b"1", headers={**headers, "when": when, "raw": bytearray(b"\xff")})
    source = await opened.source(name)
    [record] = await receive(source)
    await source.delete(receipts([record]))
    await source.aclose()
    assert record.attributes["basicProperties"]["headers"] == {
        "flag": True,
        "ratio": 0.5,
        "none": None,
        "list": [{"bytes": [97]}, 1],
        "table": {"k": {"bytes": [118]}},
        "when": "Jan 1, 2026, 1:00:00 PM",
        "raw": {"bytes": [-1]},
    }
