"""What users do wrong with queues, and what they are told."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from eventflow.errors import AccessDeniedError, AdapterError, ResourceNotFoundError, UnavailableError
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.invocation import QueuedEvent
from eventflow.model.subscriptions import QueueSubscription
from eventflow.ports import QueueSource
from eventflow.testing.harness import QueueRequest
from eventflow_aws import AwsAdapter
from tests.contract.aws_queues import opened
from tests.contract.aws_servers import aws_adapter
from tests.servers.process import free_port
from tests.servers.server import Server

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

DENIED = b'{"__type": "com.amazonaws.sqs#AccessDeniedException", "message": "not authorized to perform: sqs:X"}'


async def source_of(adapter: AwsAdapter, name: str) -> QueueSource:
    return await adapter.queue_source(QueueSubscription(service=Service.SQS, name=name, subscriber="test"))


@asynccontextmanager
async def denying() -> AsyncIterator[str]:
    """A server that denies everything to everybody."""

    async def deny(stream: SocketStream) -> None:
        async with stream:
            request = b""
            while b"\r\n\r\n" not in request:
                request += await stream.receive()
            await stream.send(
                b"HTTP/1.1 403 Forbidden\r\ncontent-type: application/x-amz-json-1.0\r\nconnection: close\r\n"
                b"content-length: %d\r\n\r\n%b" % (len(DENIED), DENIED)
            )

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, deny)
        yield f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
        tasks.cancel_scope.cancel()


async def test_a_queue_that_does_not_exist(elasticmq_server: Server) -> None:
    async with aws_adapter(elasticmq_server.endpoint_url) as adapter:
        with pytest.raises(ResourceNotFoundError, match=r"^sqs:nowhere: does not exist \(sqs:GetQueueUrl: "):
            await source_of(adapter, "nowhere")
        with pytest.raises(ResourceNotFoundError, match=r"^sqs:nowhere: does not exist"):
            await adapter.sink(Destination(Service.SQS, "nowhere"))
        with pytest.raises(ResourceNotFoundError, match=r"^sqs:nowhere: does not exist"):
            await adapter.event_queue("nowhere")


async def test_a_url_of_a_queue_that_does_not_exist(elasticmq_server: Server) -> None:
    resources = {"sqs:orders": f"{elasticmq_server.endpoint_url}/000000000000/nowhere"}
    async with aws_adapter(elasticmq_server.endpoint_url, resources=resources) as adapter:
        with pytest.raises(ResourceNotFoundError, match=r"^sqs:orders: does not exist"):
            await source_of(adapter, "orders")


async def test_a_queue_that_goes_away_while_it_is_read(elasticmq_server: Server) -> None:
    async with opened(elasticmq_server) as env:
        queue = await env.create_queue()
        source = await source_of(env.adapter, queue.name)
        sqs = await env.sqs()
        await sqs.delete_queue(QueueUrl=(await sqs.get_queue_url(QueueName=queue.name))["QueueUrl"])
        with pytest.raises(ResourceNotFoundError, match="does not exist"):
            await source.receive(max_records=1, wait_seconds=0)


async def test_access_that_is_denied() -> None:
    async with denying() as url, aws_adapter(url) as adapter:
        with pytest.raises(AccessDeniedError, match=r"^sqs:orders: sqs:GetQueueUrl is denied .*allow it"):
            await source_of(adapter, "orders")


async def test_who_may_send_need_not_be_allowed_to_look() -> None:
    orders = "https://sqs.us-east-1.amazonaws.com/123456789012/orders-prod"
    async with denying() as url, aws_adapter(url, resources={"sqs:orders": orders}) as adapter:
        sink = await adapter.sink(Destination(Service.SQS, "orders"))
        assert sink.arn == "arn:aws:sqs:us-east-1:123456789012:orders-prod"
        with pytest.raises(AccessDeniedError, match=r"^sqs:orders: sqs:SendMessage is denied"):
            await sink.send(OutboundMessage(body=b"a"))


async def test_credentials_that_are_missing(elasticmq_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async with aws_adapter(elasticmq_server.endpoint_url) as adapter:
        for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(variable)
        for variable in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            monkeypatch.setenv(variable, "no-such-file")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        with pytest.raises(AccessDeniedError, match=r"^aws credentials: there are none .*set AWS_PROFILE"):
            await source_of(adapter, "orders")


async def test_an_endpoint_that_nobody_listens_on() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    async with aws_adapter(url) as adapter:
        with pytest.raises(UnavailableError, match=r"^sqs:orders: sqs:GetQueueUrl: cannot connect to"):
            await source_of(adapter, "orders")


@pytest.mark.parametrize(
    ("fifo", "logical", "told"),
    [
        (True, "orders", 'which is a FIFO queue; call it "orders.fifo" in the code, or bind it to a standard queue'),
        (False, "orders.fifo", 'which is a standard queue; call it "orders" in the code, or bind it to a FIFO queue'),
    ],
)
async def test_order_that_is_not_what_the_name_says(
    fifo: bool, logical: str, told: str, elasticmq_server: Server
) -> None:
    async with opened(elasticmq_server) as env:
        queue = await env.create_queue(QueueRequest(fifo=fifo))
        resources = {f"sqs:{logical}": queue.name}
        async with aws_adapter(elasticmq_server.endpoint_url, resources=resources) as adapter:
            with pytest.raises(AdapterError, match=f"^sqs:{logical}: is bound to {queue.name}, {told}"):
                await source_of(adapter, logical)
            with pytest.raises(AdapterError, match=told):
                await adapter.sink(Destination(Service.SQS, logical))


@pytest.mark.parametrize(
    "physical", ["arn:aws:sqs:eu-west-1:123456789012:orders", "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"]
)
async def test_a_queue_of_another_region(physical: str, elasticmq_server: Server) -> None:
    async with aws_adapter(elasticmq_server.endpoint_url, resources={"sqs:orders": physical}) as adapter:
        told = f'is bound to {physical}, and this environment is in us-east-1; set region = "eu-west-1"'
        with pytest.raises(AdapterError, match=told):
            await source_of(adapter, "orders")


@pytest.mark.parametrize("kind", ["name", "arn", "url"])
async def test_a_queue_bound_in_each_way(kind: str, elasticmq_server: Server) -> None:
    async with opened(elasticmq_server) as env:
        name = (await env.create_queue()).name
        arn = f"arn:aws:sqs:us-east-1:000000000000:{name}"
        physical = {"name": name, "arn": arn, "url": f"{elasticmq_server.endpoint_url}/000000000000/{name}"}[kind]
        async with aws_adapter(elasticmq_server.endpoint_url, resources={"sqs:orders": physical}) as adapter:
            assert (await source_of(adapter, "orders")).identity.arn == arn


async def test_a_fifo_queue_for_events(elasticmq_server: Server) -> None:
    async with opened(elasticmq_server) as env:
        queue = await env.create_queue(QueueRequest(fifo=True))
        with pytest.raises(AdapterError, match="is a FIFO queue, which cannot delay single events"):
            await env.adapter.event_queue(queue.name)


async def test_an_event_queue_that_hides_nothing(elasticmq_server: Server) -> None:
    async with opened(elasticmq_server) as env:
        queue = await env.create_queue(VisibilityTimeout="0")
        with pytest.raises(AdapterError, match="has a visibility timeout of 0 s"):
            await env.adapter.event_queue(queue.name)


async def test_an_event_queue_that_takes_events_away_soon(
    elasticmq_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(elasticmq_server) as env:
        queue = await env.create_queue(QueueRequest(maximum_receive_count=3))
        await env.adapter.event_queue(queue.name)
    assert "takes events away after 3 receives, unseen by eventflow; allow 10 or more" in caplog.text


async def test_messages_in_an_event_queue_that_are_no_events(
    elasticmq_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(elasticmq_server) as env:
        queue = await env.create_queue(VisibilityTimeout="60")
        store = await env.adapter.event_queue(queue.name)
        sink = await env.adapter.sink(Destination(Service.SQS, queue.name))
        for body in (b"strange", b"stranger"):
            await sink.send(OutboundMessage(body=body))
        event = QueuedEvent("id", "shop-import", "direct", b"{}", accepted_at=0.0, due_at=0.0)
        await store.put(event, claim=False)
        received: list[QueuedEvent] = []
        with caplog.at_level(logging.WARNING), anyio.fail_after(60):
            while not received:
                received.extend(await store.receive(max_events=10, wait_seconds=1))
            await store.receive(max_events=10, wait_seconds=0)
        assert received == [event]
        assert caplog.text.count("is no event of eventflow") == 1
        assert (await store.statistics()).total == 3
