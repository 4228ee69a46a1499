"""Queues of SQS at work: what the cases, which hold for every queue, do not ask."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

import anyio
import pytest

from eventflow.model import limits
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.records import QueueRecord
from eventflow.model.subscriptions import QueueSubscription
from eventflow.ports import QueueSource
from eventflow.testing.harness import QueueRequest
from eventflow_aws import AwsAdapter
from tests.contract.aws_queues import Opened, opened
from tests.contract.aws_servers import aws_adapter, clients_of
from tests.servers.server import Server

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
PATIENCE_SECONDS = 60


@pytest.fixture
async def env(elasticmq_server: Server) -> AsyncIterator[Opened]:
    async with opened(elasticmq_server) as env:
        yield env


async def source_of(adapter: AwsAdapter, name: str) -> QueueSource:
    return await adapter.queue_source(QueueSubscription(service=Service.SQS, name=name, subscriber="test"))


async def send(env: Opened, name: str, *bodies: bytes) -> None:
    """All at once."""
    sink = await env.adapter.sink(Destination(Service.SQS, name))
    async with anyio.create_task_group() as tasks:
        for body in bodies:
            tasks.start_soon(sink.send, OutboundMessage(body=body))
    await sink.aclose()


async def send_in_order(env: Opened, name: str, group_id: str, bodies: Sequence[str]) -> None:
    sink = await env.adapter.sink(Destination(Service.SQS, name))
    for body in bodies:
        deduplication_id = f"{group_id}-{body}"
        await sink.send(OutboundMessage(body=body.encode(), group_id=group_id, deduplication_id=deduplication_id))
    await sink.aclose()


async def take(source: QueueSource, count: int) -> list[QueueRecord]:
    records: list[QueueRecord] = []
    with anyio.fail_after(PATIENCE_SECONDS):
        while len(records) < count:
            records.extend(await source.receive(max_records=10, wait_seconds=5))
    return records


async def count_requests(adapter: AwsAdapter, operation: str) -> list[str]:
    """Gets one entry for every request from now on."""
    requests: list[str] = []
    sqs = await clients_of(adapter).sqs()
    sqs.meta.events.register(f"before-call.sqs.{operation}", lambda **_: requests.append(operation))
    return requests


async def test_what_a_dead_receiver_held_goes_to_another(elasticmq_server: Server, env: Opened) -> None:
    queue = await env.create_queue(VisibilityTimeout="2")
    await send(env, queue.name, *(b"%d" % number for number in range(8)))
    async with aws_adapter(elasticmq_server.endpoint_url) as dying:
        held = await take(await source_of(dying, queue.name), 1)
    source = await source_of(env.other_adapter, queue.name)
    counts: dict[str, int] = {}
    with anyio.fail_after(PATIENCE_SECONDS):
        while len(counts) < 8:
            records = await source.receive(max_records=10, wait_seconds=5)
            counts |= {str(record.body): record.receive_count for record in records}
            await source.delete([record.receipt_handle for record in records])
    assert counts.keys() == {str(number) for number in range(8)}
    assert all(counts[str(record.body)] > 1 for record in held)


async def test_two_hundred_deletes_at_once_take_few_requests(env: Opened) -> None:
    queue = await env.create_queue(VisibilityTimeout="60")
    await send(env, queue.name, *(b"%d" % number for number in range(200)))
    source = await source_of(env.adapter, queue.name)
    records = await take(source, 200)
    requests = await count_requests(env.adapter, "DeleteMessageBatch")
    async with anyio.create_task_group() as tasks:
        for record in records:
            tasks.start_soon(source.delete, [record.receipt_handle])
    assert len(requests) == 20
    assert await (await source_of(env.other_adapter, queue.name)).backlog() == 0


async def test_a_binary_attribute_arrives_whichever_way_the_answer_took(env: Opened) -> None:
    """The first receive is botocore's, the next ones are ours."""
    queue = await env.create_queue(VisibilityTimeout="60")
    sink = await env.adapter.sink(Destination(Service.SQS, queue.name))
    source = await source_of(env.adapter, queue.name)
    for number in range(3):
        await sink.send(OutboundMessage(body=b"%d" % number, attributes={"bytes": b"\x00\xff", "text": "\xe4"}))
        [record] = await take(source, 1)
        assert record.body == str(number)
        assert record.message_attributes["bytes"]["binaryValue"] == "AP8="
        assert record.message_attributes["text"]["stringValue"] == "\xe4"
        await source.delete([record.receipt_handle])
    await sink.aclose()


async def test_sends_at_once_share_requests(env: Opened) -> None:
    queue = await env.create_queue()
    requests = await count_requests(env.adapter, "SendMessageBatch")
    await send(env, queue.name, *(b"%d" % number for number in range(50)))
    assert len(requests) == 5


async def test_messages_of_half_a_mebibyte_go_in_requests_of_one(env: Opened) -> None:
    queue = await env.create_queue(VisibilityTimeout="60")
    sent = [os.urandom(limits.SQS_MESSAGE_BYTES // 4).hex().encode() for _ in range(3)]
    requests = await count_requests(env.adapter, "SendMessageBatch")
    await send(env, queue.name, *sent)
    assert len(requests) == 2
    records = await take(await source_of(env.adapter, queue.name), 3)
    assert sorted(str(record.body).encode() for record in records) == sorted(sent)


async def test_every_group_of_a_fifo_queue_keeps_its_order_while_others_run(env: Opened) -> None:
    queue = await env.create_queue(QueueRequest(fifo=True), VisibilityTimeout="60")
    groups = {f"group-{number}": [str(message) for message in range(6)] for number in range(4)}
    async with anyio.create_task_group() as tasks:
        for group, bodies in groups.items():
            tasks.start_soon(send_in_order, env, queue.name, group, bodies)
    handled: dict[str, list[str]] = defaultdict(list)

    async def handle(source: QueueSource) -> None:
        failed = False
        while sum(map(len, handled.values())) < 24:
            records = await source.receive(max_records=3, wait_seconds=1)
            if records and not failed:  # a failure comes back before what follows it
                failed = True
                await source.release([record.receipt_handle for record in records])
                continue
            for record in records:
                handled[record.group_id or ""].append(str(record.body))
            await source.delete([record.receipt_handle for record in records])

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            for adapter in (env.adapter, env.other_adapter):
                tasks.start_soon(handle, await source_of(adapter, queue.name))
    assert handled == groups


@pytest.mark.parametrize("kind", ["elasticmq", "moto"])
async def test_the_trace_header_is_among_the_attributes(kind: str, request: pytest.FixtureRequest) -> None:
    async with opened(request.getfixturevalue(f"{kind}_server")) as env:
        queue = await env.create_queue()
        sqs = await env.sqs()
        url = (await sqs.get_queue_url(QueueName=queue.name))["QueueUrl"]
        await sqs.send_message(
            QueueUrl=url,
            MessageBody="a",
            MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": TRACE}},
        )
        [record] = await take(await source_of(env.adapter, queue.name), 1)
        assert record.attributes["AWSTraceHeader"] == TRACE


async def cancelled_receive(source: QueueSource) -> None:
    """Leaves a long poll behind."""
    with anyio.move_on_after(0.2) as scope:
        await source.receive(max_records=10, wait_seconds=20)
    assert scope.cancelled_caught


async def test_the_next_receive_gets_what_a_cancelled_one_was_sent(env: Opened) -> None:
    queue = await env.create_queue(VisibilityTimeout="600")
    source = await source_of(env.adapter, queue.name)
    requests = await count_requests(env.adapter, "ReceiveMessage")
    await cancelled_receive(source)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send, env, queue.name, b"a")
        [record] = await take(source, 1)
    assert (record.body, record.receive_count) == ("a", 1)
    assert len(requests) == 1


async def test_what_a_cancelled_receive_was_sent_is_visible_at_once_if_nobody_else_asks(env: Opened) -> None:
    queue = await env.create_queue(VisibilityTimeout="600")
    await cancelled_receive(await source_of(env.adapter, queue.name))
    await send(env, queue.name, b"a")
    [record] = await take(await source_of(env.other_adapter, queue.name), 1)
    assert record.body == "a"
