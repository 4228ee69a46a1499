"""What goes wrong between the ActiveMQ adapter and its broker, and what the broker does its own way."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest
from proton import Delivery, Message

from eventflow.errors import AccessDeniedError, AdapterError, UnavailableError
from eventflow.model.blueprint import Blueprint
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.records import QueueRecord
from eventflow.model.subscriptions import QueueSubscription
from eventflow.ports import DestinationSink, QueueSource
from eventflow.testing._receiving import bodies, body_of, expect_nothing, receive_exactly, receive_one
from eventflow.testing.harness import QueueHarness
from eventflow_activemq import ActiveMQAdapter
from tests.contract.activemq import Opened, activemq_adapter, certificates, opened, queue_harness
from tests.servers.activemq import PASSWORD, USER
from tests.servers.process import free_port
from tests.servers.proxy import Proxy
from tests.servers.running import PrivateServer
from tests.servers.server import Server

pytestmark = [pytest.mark.parametrize("anyio_backend", ["asyncio"], scope="module"), pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
async def both(activemq_server: Server, anyio_backend: str) -> AsyncIterator[Opened]:
    async with opened(activemq_server) as both:
        yield both


@pytest.fixture
def harness(both: Opened) -> QueueHarness:
    return queue_harness(both)


def subscription(name: str) -> QueueSubscription:
    return QueueSubscription(service=Service.ACTIVEMQ, name=name, subscriber="contract")


def new_queue() -> str:
    return f"fault-{uuid4().hex}"


async def ends_of(adapter: ActiveMQAdapter, name: str) -> tuple[QueueSource, DestinationSink]:
    return await adapter.queue_source(subscription(name)), await adapter.sink(Destination(Service.ACTIVEMQ, name))


async def send(sink: DestinationSink, *texts: str) -> None:
    for text in texts:
        await sink.send(OutboundMessage(body=text.encode()))


def send_as_stomp(server: Server, queue: str, body: bytes, **headers: str) -> None:
    """What a client of another protocol sends: with a content length it is bytes, without it text."""
    host, _, port = server.addresses["stomp"].rpartition(":")
    hello = f"CONNECT\naccept-version:1.2\nhost:{host}\nlogin:{USER}\npasscode:{PASSWORD}\n\n\0"
    lines = "".join(f"{name.replace('_', '-')}:{value}\n" for name, value in headers.items())
    message = f"SEND\ndestination:/queue/{queue}\nreceipt:r\n{lines}\n".encode() + body + b"\0"
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(hello.encode() + message)
        answers = b""
        while b"RECEIPT\n" not in answers:
            answers += connection.recv(4096)


# Who is let in


@pytest.mark.parametrize("client", [False, True], ids=["the broker's certificate", "the client's, too"])
async def test_tls(activemq_server: Server, harness: QueueHarness, client: bool) -> None:
    directory = certificates(activemq_server)
    options: dict[str, str] = {"ca_file": str(directory / "ca.pem")}
    if client:
        options |= {"cert_file": str(directory / "client.pem"), "key_file": str(directory / "client.key")}
    async with activemq_adapter(f"amqps://{activemq_server.addresses['amqps']}", **options) as adapter:
        source, sink = await ends_of(adapter, new_queue())
        await send(sink, "a")
        assert body_of(await receive_one(harness, source)) == b"a"


async def test_a_certificate_of_an_unknown_authority_is_not_trusted(activemq_server: Server) -> None:
    async with activemq_adapter(f"amqps://{activemq_server.addresses['amqps']}") as adapter:
        with pytest.raises(AccessDeniedError, match=r"certificate is not trusted.*ca_file"):
            await adapter.queue_source(subscription("orders"))


async def test_a_port_without_tls_is_no_encrypted_connection(activemq_server: Server) -> None:
    async with activemq_adapter(f"amqps://{activemq_server.addresses['amqp']}") as adapter:
        with pytest.raises(UnavailableError, match="does the broker speak TLS"):
            await adapter.queue_source(subscription("orders"))


async def test_a_wrong_password_is_denied_and_not_repeated(activemq_server: Server, tmp_path: Path) -> None:
    wrong = tmp_path / "password"
    wrong.write_text("a-secret-that-nobody-may-read\n")
    async with activemq_adapter(activemq_server, password_file=str(wrong)) as adapter:
        with pytest.raises(AccessDeniedError, match="check the username and the password") as source_denied:
            await adapter.queue_source(subscription("orders"))
        with pytest.raises(AccessDeniedError, match="check the username and the password") as sink_denied:
            await adapter.sink(Destination(Service.ACTIVEMQ, "orders"))
    for denied in (source_denied, sink_denied):
        assert "a-secret" not in repr(denied.value) + str(denied.value)


async def test_check_says_what_is_denied_and_what_is_away(activemq_server: Server, tmp_path: Path) -> None:
    blueprint = Blueprint(
        app_name="shop",
        subscriptions=(subscription("orders"),),
        destinations=(Destination(Service.ACTIVEMQ, "failed"),),
    )
    wrong = tmp_path / "password"
    wrong.write_text("wrong")
    async with activemq_adapter(activemq_server, password_file=str(wrong)) as adapter:
        found = await adapter.inspect(blueprint)
    assert {(one.rule, one.resource) for one in found} == {
        ("access-denied", "activemq:orders"),
        ("access-denied", "activemq:failed"),
    }
    async with activemq_adapter(f"amqp://127.0.0.1:{free_port()}") as adapter:
        found = await adapter.inspect(blueprint)
    assert {one.rule for one in found} == {"unreachable"}
    async with activemq_adapter(activemq_server) as adapter:
        assert not await adapter.inspect(blueprint)


async def test_the_broker_of_a_pair_that_answers_is_taken(activemq_server: Server, harness: QueueHarness) -> None:
    brokers = f"amqp://127.0.0.1:{free_port()}, amqp://{activemq_server.addresses['amqp']}"
    async with activemq_adapter(brokers) as adapter:
        source, sink = await ends_of(adapter, new_queue())
        await send(sink, "a")
        assert body_of(await receive_one(harness, source)) == b"a"


# Messages


async def test_messages_of_other_protocols_are_as_lambda_writes_them(
    activemq_server: Server, both: Opened, harness: QueueHarness
) -> None:
    name = new_queue()
    send_as_stomp(
        activemq_server, name, b"text", persistent="true", priority="7", correlation_id="c-1", region="eu", type="order"
    )
    send_as_stomp(activemq_server, name, b"\x00\xff", content_length="2")
    source = await both.adapter.queue_source(subscription(name))
    text, binary = await receive_exactly(harness, source, 2)
    assert text.message_id.startswith("ID:")
    assert (text.body, binary.body) == ("text", b"\x00\xff")
    wanted = {
        "messageType": "jms/text-message",
        "deliveryMode": 2,
        "replyTo": None,
        "type": "order",
        "expiration": "0",
        "priority": 7,
        "correlationId": "c-1",
        "redelivered": False,
        "destination": {"physicalName": name},
        "properties": {"region": "eu"},
    }
    assert {key: text.attributes[key] for key in wanted} == wanted
    assert binary.attributes["messageType"] == "jms/bytes-message"
    assert binary.attributes["deliveryMode"] == 1
    assert abs(text.attributes["timestamp"] / 1000 - harness.clock.time()) < 60


async def test_what_a_selector_does_not_match_is_left_for_others(activemq_server: Server, both: Opened) -> None:
    harness, name = queue_harness(both), new_queue()
    other, sink = await ends_of(both.other_adapter, name)
    async with activemq_adapter(activemq_server, selectors={name: "region = 'eu' AND total > 5"}) as adapter:
        source = await adapter.queue_source(subscription(name))
        for region, total in (("us", 9), ("eu", 9), ("eu", 1)):
            attributes: dict[str, str | int | bytes] = {"region": region, "total": total}
            await sink.send(OutboundMessage(body=f"{region}-{total}".encode(), attributes=attributes))
        assert body_of(await receive_one(harness, source)) == b"eu-9"
        await expect_nothing(source, seconds=1)
        assert bodies(await receive_exactly(harness, other, 2)) == {b"us-9", b"eu-1"}


async def test_a_selector_that_is_none_is_refused(activemq_server: Server) -> None:
    async with activemq_adapter(activemq_server, selectors={"orders": "region ="}) as adapter:
        with pytest.raises(AdapterError, match="selectors"):
            await adapter.queue_source(subscription("orders"))


async def test_what_is_neither_text_nor_bytes_goes_to_the_dead_letter_queue(
    activemq_server: Server, both: Opened, harness: QueueHarness, caplog: pytest.LogCaptureFixture
) -> None:
    name = new_queue()
    source, sink = await ends_of(both.adapter, name)
    await send_raw(both.adapter, name, Message({"a": 1}, durable=True, id="ID:map").encode())
    await send(sink, "good")
    assert body_of(await receive_one(harness, source)) == b"good"
    assert "a message with a body of the type dict goes to the dead-letter queue" in caplog.text
    dead = await both.other_adapter.queue_source(subscription(f"DLQ.{name}"))

    async def buried() -> bool:
        return await dead.backlog() == 1

    await eventually(buried)


async def send_raw(adapter: ActiveMQAdapter, name: str, data: bytes) -> None:
    link = await adapter._opened.producer.link(name)
    await link.send(data)


async def eventually(check: Callable[[], Any]) -> None:
    with anyio.fail_after(60):
        while not await check():  # noqa: ASYNC110 (the broker tells nobody)
            await anyio.sleep(0.1)


# Redelivery


async def test_deliveries_are_counted_and_the_last_goes_to_the_dead_letter_queue(
    activemq_server: Server, both: Opened, harness: QueueHarness
) -> None:
    name = new_queue()
    async with activemq_adapter(activemq_server, maximum_redeliveries=2) as adapter:
        source, sink = await ends_of(adapter, name)
        await send(sink, "poison")
        for count in (1, 2, 3):
            record = await receive_one(harness, source)
            assert (record.receive_count, record.attributes["redelivered"]) == (count, count > 1)
            await source.release([record.receipt_handle], after_seconds=0.2)
        await expect_nothing(source, seconds=1)
    dead = await both.adapter.queue_source(subscription(f"DLQ.{name}"))
    assert body_of(await receive_one(harness, dead)) == b"poison"


async def test_a_mapping_that_gives_up_messages_itself_gets_them_all(
    activemq_server: Server, harness: QueueHarness
) -> None:
    async with activemq_adapter(activemq_server, maximum_redeliveries=0) as adapter:
        name = new_queue()
        source = await adapter.queue_source(replace(subscription(name), maximum_retry_attempts=100))
        await send(await adapter.sink(Destination(Service.ACTIVEMQ, name)), "a")
        for count in (1, 2, 3):
            record = await receive_one(harness, source)
            assert record.receive_count == count
            await source.release([record.receipt_handle], after_seconds=0.1)


async def test_giving_back_without_a_delay_never_ends_in_the_dead_letter_queue(
    activemq_server: Server, both: Opened, harness: QueueHarness
) -> None:
    """So a shutdown does not bury what it interrupts."""
    name = new_queue()
    async with activemq_adapter(activemq_server, maximum_redeliveries=0) as adapter:
        source, sink = await ends_of(adapter, name)
        await send(sink, "a")
        for _ in range(3):
            record = await receive_one(harness, source)
            await source.release([record.receipt_handle])
        assert body_of(await receive_one(harness, source)) == b"a"


async def test_a_message_comes_back_while_others_of_its_receive_are_worked_on(
    both: Opened, harness: QueueHarness
) -> None:
    source, sink = await ends_of(both.adapter, new_queue())
    await send(sink, "a", "b")
    first, second = await receive_exactly(harness, source, 2)
    for count in (2, 3):
        await source.release([first.receipt_handle], after_seconds=0.3)
        first = await receive_one(harness, source)
        assert (body_of(first), first.receive_count) == (b"a", count)
    assert not await source.extend([second.receipt_handle], seconds=30)
    await source.delete([first.receipt_handle, second.receipt_handle])
    await expect_nothing(source, seconds=1)


async def test_more_messages_than_a_byte_can_number_are_held_at_once(both: Opened, harness: QueueHarness) -> None:
    source, sink = await ends_of(both.adapter, new_queue())
    async with anyio.create_task_group() as tasks:
        for number in range(300):
            tasks.start_soon(send, sink, str(number))
    records = await receive_exactly(harness, source, 300)
    await source.delete([record.receipt_handle for record in records])
    await expect_nothing(source, seconds=0.5)


async def test_many_that_fail_at_once_come_back_and_none_is_lost(both: Opened, harness: QueueHarness) -> None:
    source, sink = await ends_of(both.adapter, new_queue())
    sent = [str(number) for number in range(60)]
    await send(sink, *sent)
    handled: set[bytes] = set()

    async def consume() -> None:
        while len(handled) < len(sent):
            for record in await source.receive(max_records=3, wait_seconds=0.5):
                if record.receive_count < 3:
                    await source.release([record.receipt_handle], after_seconds=0.1 * record.receive_count)
                else:
                    await source.delete([record.receipt_handle])
                    handled.add(body_of(record))

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(consume)
    assert handled == {text.encode() for text in sent}
    await expect_nothing(source, seconds=1)


async def test_messages_that_are_sent_as_receives_end_are_not_forgotten(both: Opened, harness: QueueHarness) -> None:
    """The broker leaves some of them behind on the links of those receives."""
    name = new_queue()
    source, sink = await ends_of(both.adapter, name)
    sent = [str(number) for number in range(200)]
    handled: set[bytes] = set()

    async def consume() -> None:
        while len(handled) < 150:
            records = await source.receive(max_records=5, wait_seconds=0)
            handled.update(map(body_of, records))
            await source.delete([record.receipt_handle for record in records])

    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(consume)
        for start in range(8):
            tasks.start_soon(send, sink, *sent[start::8])
    rest = len(sent) - len(handled)
    other = await both.other_adapter.queue_source(subscription(name))
    handled |= bodies(await receive_exactly(harness, other, rest)) if rest else set()
    assert handled == {text.encode() for text in sent}


async def test_a_message_that_stayed_behind_comes_while_others_are_worked_on(
    both: Opened, harness: QueueHarness
) -> None:
    source, sink = await ends_of(both.adapter, new_queue())
    await send(sink, "a", "b")
    records = list(await source.receive(max_records=10, wait_seconds=20))
    if len(records) < 2:
        pytest.skip("the broker sent them one by one")
    behind = vars(source)["_held"].pop(records[1].receipt_handle)
    delivery = vars(behind.lane)["_deliveries"].pop(behind.number)
    delivery.update(Delivery.RELEASED)  # that is where the broker has it then
    delivery.settle()
    behind.lane.held -= 1
    assert body_of(await receive_one(harness, source)) == b"b"
    assert not await source.extend([records[0].receipt_handle], seconds=30)


async def test_a_lane_that_nobody_uses_is_given_up(both: Opened, harness: QueueHarness) -> None:
    """The broker may have put a message on it after it was told that no more is wanted."""
    source, sink = await ends_of(both.adapter, new_queue())
    await send(sink, "a", "b")
    one = await receive_one(harness, source)
    two = await receive_one(harness, source)
    lanes = vars(source)["_lanes"]
    assert len(lanes) == 2
    await source.delete([one.receipt_handle])

    async def given_up() -> bool:
        return len(lanes) == 1

    await eventually(given_up)
    assert not await source.extend([two.receipt_handle], seconds=30)


async def test_order_is_kept_where_nothing_fails_and_by_what_is_given_back(both: Opened, harness: QueueHarness) -> None:
    name = new_queue()
    source, sink = await ends_of(both.adapter, name)
    await send(sink, *"abcdef")
    first = await receive_exactly(harness, source, 3)
    await source.release([record.receipt_handle for record in first])
    again = await receive_exactly(harness, await both.other_adapter.queue_source(subscription(name)), 6)
    assert [body_of(record) for record in again] == [b"a", b"b", b"c", b"d", b"e", b"f"]


# Connections


async def test_a_lost_connection_takes_its_receipts_along(activemq_server: Server, harness: QueueHarness) -> None:
    port = int(activemq_server.addresses["amqp"].rpartition(":")[2])
    async with Proxy(port) as proxy, activemq_adapter(f"amqp://127.0.0.1:{proxy.port}") as adapter:
        source, sink = await ends_of(adapter, new_queue())
        await send(sink, "a")
        record = await receive_one(harness, source)
        assert not await source.extend([record.receipt_handle], seconds=30)
        proxy.cut()

        async def lost() -> bool:
            return list(await source.extend([record.receipt_handle], seconds=30)) == [record.receipt_handle]

        await eventually(lost)
        await source.delete([record.receipt_handle])
        with pytest.raises(UnavailableError):
            await source.receive(max_records=1, wait_seconds=0)
        with pytest.raises(UnavailableError):
            await send(sink, "b")
        await proxy.restore()
        again = await receive_one(harness, source)
        assert (body_of(again), again.receive_count) == (b"a", 2)
        await send(sink, "b")


async def test_a_network_that_is_silent_is_noticed(activemq_server: Server, harness: QueueHarness) -> None:
    port = int(activemq_server.addresses["amqp"].rpartition(":")[2])
    async with (
        Proxy(port) as proxy,
        activemq_adapter(f"amqp://127.0.0.1:{proxy.port}", heartbeat_seconds=2) as adapter,
    ):
        source, sink = await ends_of(adapter, new_queue())
        await send(sink, "a")
        for _ in range(5):  # a machine that pauses misses heartbeats
            record = await receive_one(harness, source)
            await anyio.sleep(3)
            if not await source.extend([record.receipt_handle], seconds=30):
                break
        else:
            raise AssertionError("heartbeats do not keep a quiet connection open")
        proxy.hush()

        async def lost() -> bool:
            return bool(await source.extend([record.receipt_handle], seconds=30))

        await eventually(lost)


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
async def test_a_broker_that_is_restarted_loses_nothing(
    start_server: Callable[[str], PrivateServer], kill: bool
) -> None:
    private = start_server("activemq")
    async with activemq_adapter(private.server) as adapter:
        source, sink = await ends_of(adapter, "work")
        sent = [str(number) for number in range(100)]
        await send(sink, *sent)
        handled: set[bytes] = set()
        held: list[QueueRecord] = []
        while len(handled) < 40:
            for record in await source.receive(max_records=7, wait_seconds=1):
                handled.add(body_of(record))
                held.append(record)
            await source.delete([record.receipt_handle for record in held[:-2]])
            held = held[-2:]
        stopping = anyio.to_thread.run_sync(private.kill if kill else private.stop)
        await stopping
        with pytest.raises(UnavailableError):
            await source.receive(max_records=7, wait_seconds=1)
        assert len(await source.extend([record.receipt_handle for record in held], seconds=30)) == 2
        await anyio.to_thread.run_sync(private.restart)
        missing = {text.encode() for text in sent} - handled | bodies(held)
        counts: dict[bytes, int] = {}
        with anyio.fail_after(60):
            while not missing <= counts.keys():
                records = await source.receive(max_records=7, wait_seconds=2)
                counts |= {body_of(record): record.receive_count for record in records}
                await source.delete([record.receipt_handle for record in records])
        assert all(counts[body_of(record)] == 2 for record in held), "the broker forgets counts; the source does not"


async def test_a_send_that_gets_no_answer_is_given_up(activemq_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventflow_activemq.sink.SEND_SECONDS", 1.0)
    port = int(activemq_server.addresses["amqp"].rpartition(":")[2])
    async with (
        Proxy(port) as proxy,
        activemq_adapter(f"amqp://127.0.0.1:{proxy.port}") as adapter,
    ):
        _, sink = await ends_of(adapter, new_queue())
        proxy.hush()
        with pytest.raises(UnavailableError, match="is its store or its memory full"):
            await send(sink, "a")
