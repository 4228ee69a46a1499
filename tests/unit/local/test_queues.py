"""Queues as functions and senders see them. What every queue promises is in the contract cases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventflow.errors import ConfigurationError, InvalidMessageError
from eventflow.model import limits
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.records import QueueRecord
from eventflow.model.subscriptions import QueueSubscription
from eventflow.ports import DestinationSink, QueueSource
from eventflow.testing.virtual_time import START
from eventflow_local import LocalAdapter
from tests.unit.local.environments import environment

ORDERS = QueueSubscription(service=Service.SQS, name="orders", subscriber="fulfil")


class OpenQueue:
    """Both ends of one queue."""

    def __init__(self, adapter: LocalAdapter, sink: DestinationSink, source: QueueSource) -> None:
        self.adapter = adapter
        self.sink = sink
        self.source = source

    async def send(self, body: str = "a", **fields: Any) -> None:
        await self.sink.send(OutboundMessage(body=body.encode(), **fields))

    async def receive(self, *, wait_seconds: float = 0) -> list[QueueRecord]:
        return list(await self.source.receive(max_records=10, wait_seconds=wait_seconds))


@asynccontextmanager
async def queue(
    directory: Path | None = None, name: str = "orders", queues: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[OpenQueue]:
    async with environment(directory, queues={**(queues or {}), name: options}) as adapter:
        yield await open_queue(adapter, name)


async def open_queue(adapter: LocalAdapter, name: str) -> OpenQueue:
    source = await adapter.queue_source(QueueSubscription(service=Service.SQS, name=name, subscriber="fulfil"))
    return OpenQueue(adapter, await adapter.sink(Destination(Service.SQS, name)), source)


async def test_a_record_carries_what_sqs_says_of_it(directory: Path | None) -> None:
    async with queue(directory) as orders:
        await orders.send("hello", attributes={"kind": "new", "count": 3, "raw": b"\x00\xff"})
        await anyio.sleep(2)
        [record] = await orders.receive()
    assert record.body == "hello"
    assert record.attributes == {
        "ApproximateReceiveCount": "1",
        "SentTimestamp": f"{START * 1000:.0f}",
        "SenderId": "000000000000",
        "ApproximateFirstReceiveTimestamp": f"{(START + 2) * 1000:.0f}",
    }
    lists: dict[str, list[str]] = {"stringListValues": [], "binaryListValues": []}
    assert record.message_attributes == {
        "kind": {"stringValue": "new", **lists, "dataType": "String"},
        "count": {"stringValue": "3", **lists, "dataType": "Number"},
        "raw": {"binaryValue": "AP8=", **lists, "dataType": "Binary"},
    }


async def test_source_and_sink_name_the_queue_alike() -> None:
    async with queue() as orders:
        assert orders.sink.arn == orders.source.identity.arn == "arn:aws:sqs:us-east-1:000000000000:orders"


async def test_the_environment_sets_the_queue_s_attributes() -> None:
    async with queue(visibility_timeout_seconds=7, maximum_receive_count=4, dead_letter_queue="dead") as orders:
        properties = orders.source.properties
        assert (properties.visibility_timeout_seconds, properties.maximum_receive_count) == (7, 4)
        assert (properties.maximum_receive, properties.fifo) == (10, False)


async def test_the_queue_delays_messages_that_name_no_delay(directory: Path | None) -> None:
    async with queue(directory, delay_seconds=5) as orders:
        await orders.send("later")
        await orders.send("sooner", delay_seconds=1)
        started = anyio.current_time()
        assert [record.body for record in await orders.receive(wait_seconds=20)] == ["sooner"]
        assert anyio.current_time() - started == pytest.approx(1, abs=0.2)
        assert [record.body for record in await orders.receive(wait_seconds=20)] == ["later"]
        assert anyio.current_time() - started == pytest.approx(5, abs=0.2)


async def test_messages_are_kept_for_the_retention_period(directory: Path | None) -> None:
    async with queue(directory, message_retention_seconds=3_600) as orders:
        await orders.send("old")
        await anyio.sleep(3_000)
        await orders.send("young")
        assert await orders.source.backlog() == 2
        await anyio.sleep(600)
        assert await orders.source.backlog() == 1
        assert [record.body for record in await orders.receive()] == ["young"]


async def test_a_dead_letter_says_where_it_came_from(directory: Path | None) -> None:
    async with queue(directory, maximum_receive_count=1, dead_letter_queue="dead") as orders:
        await orders.send("poison", attributes={"origin": "here"})
        [first] = await orders.receive()
        await orders.source.release([first.receipt_handle])
        assert await orders.receive() == []
        dead = await open_queue(orders.adapter, "dead")
        [record] = await dead.receive()
    assert record.message_id == first.message_id
    assert record.receive_count == 1
    assert record.attributes["DeadLetterQueueSourceArn"] == orders.source.identity.arn
    assert record.attributes["SentTimestamp"] == first.attributes["SentTimestamp"]
    assert record.message_attributes == first.message_attributes


async def test_a_waiting_reader_of_the_dead_letter_queue_is_woken(directory: Path | None) -> None:
    async with queue(directory, maximum_receive_count=1, dead_letter_queue="dead") as orders:
        dead = await open_queue(orders.adapter, "dead")
        came: list[QueueRecord] = []

        async def read() -> None:
            came.extend(await dead.receive(wait_seconds=20))

        await orders.send()
        [record] = await orders.receive()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.sleep(1)
            await orders.source.release([record.receipt_handle])
            await orders.receive()
            started = anyio.current_time()
        assert len(came) == 1
        assert anyio.current_time() == started


async def test_equal_bodies_are_one_message_with_content_based_deduplication(directory: Path | None) -> None:
    async with queue(directory, name="orders.fifo", content_based_deduplication=True) as orders:
        for body in ("a", "b", "a"):
            await orders.send(body, group_id="g")
        assert [record.body for record in await orders.receive()] == ["a", "b"]


async def test_the_group_on_a_standard_queue_is_an_attribute_that_orders_nothing() -> None:
    async with queue() as orders:
        await orders.send("a", group_id="tenant")
        await orders.send("b", group_id="tenant")
        await orders.source.receive(max_records=1, wait_seconds=0)
        [record] = await orders.receive()
        assert record.group_id is None
        assert record.attributes["MessageGroupId"] == "tenant"


async def test_a_receipt_of_another_queue_is_ignored() -> None:
    async with queue() as orders:
        await orders.send()
        [record] = await orders.receive()
        other = await open_queue(orders.adapter, "other")
        await other.source.delete([record.receipt_handle, "nonsense", "1-", "-1", "²-1", f"{10**30}-1"])
        assert await orders.source.backlog() == 1


async def test_a_receive_that_is_cancelled_spends_no_receive_count(tmp_path: Path) -> None:
    async with queue(tmp_path) as orders:
        await orders.send()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(orders.receive)
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        [record] = await orders.receive(wait_seconds=5)
        assert record.receive_count == 1


async def test_a_receive_that_finds_nothing_lets_others_run() -> None:
    async with queue() as orders:
        with anyio.move_on_after(0) as scope:
            while True:
                await orders.receive()
        assert scope.cancelled_caught


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (OutboundMessage(body=b""), "empty"),
        (OutboundMessage(body=b"\xff"), "not UTF-8"),
        (OutboundMessage(body=b"bell\x07"), "'\\\\x07'"),
        (OutboundMessage(body=b"a" * (limits.SQS_MESSAGE_BYTES + 1)), "1,048,577 bytes; 1,048,576"),
        (OutboundMessage(body=b"a" * limits.SQS_MESSAGE_BYTES, attributes={"a": "b"}), "1,048,584 bytes"),
        (OutboundMessage(body=b"a", attributes={f"n{number}": "v" for number in range(11)}), "11 message attributes"),
        (OutboundMessage(body=b"a", attributes={"AWS.name": "v"}), "'AWS.name' is not allowed"),
        (OutboundMessage(body=b"a", attributes={"a..b": "v"}), "'a..b' is not allowed"),
        (OutboundMessage(body=b"a", attributes={"a": ""}), "'a' is empty"),
        (OutboundMessage(body=b"a", attributes={"a": "\x00"}), "'a' holds"),
        (OutboundMessage(body=b"a", delay_seconds=901), "delay_seconds is 901; 0 to 900"),
        (OutboundMessage(body=b"a", group_id="two words"), "group_id is 'two words'"),
        (OutboundMessage(body=b"a", deduplication_id="d"), "FIFO queues"),
    ],
)
async def test_what_sqs_refuses_is_refused(message: OutboundMessage, complaint: str) -> None:
    async with queue() as orders:
        with pytest.raises(InvalidMessageError, match=complaint):
            await orders.sink.send(message)
        assert await orders.source.backlog() == 0


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (OutboundMessage(body=b"a", deduplication_id="d"), "group_id"),
        (OutboundMessage(body=b"a", group_id="g"), "content_based_deduplication"),
        (OutboundMessage(body=b"a", group_id="g", deduplication_id="d", delay_seconds=1), "no delay_seconds"),
    ],
)
async def test_what_a_fifo_queue_refuses_is_refused(message: OutboundMessage, complaint: str) -> None:
    async with queue(name="orders.fifo") as orders:
        with pytest.raises(InvalidMessageError, match=complaint):
            await orders.sink.send(message)


async def test_the_largest_message_is_taken() -> None:
    async with queue() as orders:
        await orders.send("a" * limits.SQS_MESSAGE_BYTES)
        [record] = await orders.receive()
        assert len(record.body) == limits.SQS_MESSAGE_BYTES


@pytest.mark.parametrize("name", ["two words", "a" * 81, ".fifo", "a/b", "größe"])
async def test_a_name_that_sqs_refuses_is_refused(name: str) -> None:
    async with environment() as adapter:
        with pytest.raises(ConfigurationError, match="is not a queue name"):
            await adapter.sink(Destination(Service.SQS, name))
