"""Sinks of the AWS adapter, read back through queues, objects and eventflow's own Invoke API."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import anyio
import pytest

from eventflow.app import App
from eventflow.errors import AdapterError, InvalidMessageError
from eventflow.model import limits
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.plan.environment import Environment
from eventflow.run.runner import RunOptions, Started, run_plan
from eventflow.runtime.stopping import StopSignal
from eventflow.testing.harness import Arrival, Capability, Inbox, SinkHarness, case_name
from eventflow.testing.sink_cases import SINK_CASES, SinkCase
from eventflow.triggers.function import function
from eventflow_aws import AwsAdapter
from eventflow_aws.clients import Clients
from tests.contract.aws_servers import aws_adapter, clients_of, create_bus
from tests.contract.embedded import WallClock, skip_if_unable
from tests.servers.server import Server

if TYPE_CHECKING:
    from types_aiobotocore_sns import SNSClient
    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sqs.literals import QueueAttributeNameType

PATIENCE_SECONDS: Final = 60


def entry(body: bytes, **fields: Any) -> OutboundMessage:
    return OutboundMessage(body=body, **{"source": "contract.cases", "detail_type": "Case", **fields})


def keyed(body: bytes) -> OutboundMessage:
    return OutboundMessage(body=body, key=f"records/{uuid4()}")


def same_json(one: bytes, other: bytes) -> bool:
    return bool(json.loads(one) == json.loads(other))


@dataclass(frozen=True)
class Kind:
    """What a service's sink is to be held to."""

    service: Service
    create: Callable[[Clients], Awaitable[tuple[str, Inbox]]]
    harness: dict[str, Any]
    capabilities: frozenset[str] = field(default=frozenset({Capability.MISSING_RESOURCES, Capability.SIZE_LIMIT}))


@dataclass(frozen=True)
class QueueInbox:
    """A queue that a topic or a rule sends to."""

    sqs: SQSClient
    url: str
    arrival: Callable[[dict[str, Any]], Arrival]

    async def take(self, count: int) -> list[Arrival]:
        bodies: list[str] = []
        with anyio.fail_after(PATIENCE_SECONDS):
            while len(bodies) < count:
                answer = await self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
                for message in answer.get("Messages", ()):
                    bodies.append(message["Body"])
                    await self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return [self.arrival(json.loads(body)) for body in bodies]


async def queue(
    clients: Clients, name: str, attributes: Mapping[QueueAttributeNameType, str] | None = None
) -> tuple[SQSClient, str, str]:
    """A new queue: its client, URL and ARN."""
    sqs = await clients.sqs()
    url = (await sqs.create_queue(QueueName=name, Attributes=attributes or {}))["QueueUrl"]
    answer = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return sqs, url, answer["Attributes"]["QueueArn"]


async def topic(clients: Clients) -> tuple[str, Inbox]:
    name = f"sinks-{uuid4().hex}"
    sqs, url, queue_arn = await queue(clients, name)
    sns = await clients.sns()
    topic_arn = (await sns.create_topic(Name=name))["TopicArn"]
    await sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn)
    return name, QueueInbox(sqs, url, notification_arrival)


def notification_arrival(envelope: dict[str, Any]) -> Arrival:
    attributes = envelope.get("MessageAttributes", {})
    return Arrival(
        body=envelope["Message"].encode(),
        subject=envelope.get("Subject"),
        attributes={name: attribute_value(attribute) for name, attribute in attributes.items()},
    )


def attribute_value(attribute: dict[str, str]) -> str | int | bytes:
    match attribute["Type"]:
        case "Binary":
            return base64.b64decode(attribute["Value"])
        case "Number":
            return int(attribute["Value"])
        case _:
            return attribute["Value"]


async def bus(clients: Clients) -> tuple[str, Inbox]:
    name = f"sinks-{uuid4().hex}"
    sqs, url, queue_arn = await queue(clients, name)
    await create_bus(clients, name, queue_arn, pattern=json.dumps({"source": ["contract.cases"]}))
    return name, QueueInbox(sqs, url, lambda event: Arrival(body=json.dumps(event["detail"]).encode()))


@dataclass(frozen=True)
class BucketInbox:
    clients: Clients
    bucket: str

    async def take(self, count: int) -> list[Arrival]:
        s3 = await self.clients.s3()
        listed = await s3.list_objects_v2(Bucket=self.bucket)
        keys = [entry["Key"] for entry in listed.get("Contents", ())]
        assert len(keys) == count
        return [Arrival(body=await self._read(key), key=key) for key in keys]

    async def _read(self, key: str) -> bytes:
        s3 = await self.clients.s3()
        async with (await s3.get_object(Bucket=self.bucket, Key=key))["Body"] as stream:
            content: bytes = await stream.read()
            return content


async def bucket(clients: Clients) -> tuple[str, Inbox]:
    name = f"sinks-{uuid4().hex}"
    await (await clients.s3()).create_bucket(Bucket=name)
    return name, BucketInbox(clients, name)


KINDS = [
    Kind(
        Service.SNS,
        topic,
        {
            "maximum_body_bytes": limits.SNS_MESSAGE_BYTES,
            "refused": {
                "an empty message": OutboundMessage(body=b""),
                "a message that is not UTF-8": OutboundMessage(body=b"\xff\xfe"),
                "a subject of 101 characters": OutboundMessage(body=b"a", subject="s" * 101),
            },
        },
        frozenset({Capability.MESSAGE_ATTRIBUTES, Capability.MISSING_RESOURCES, Capability.SIZE_LIMIT}),
    ),
    Kind(
        Service.EVENTBRIDGE,
        bus,
        {
            "message": entry,
            "same_body": same_json,
            "maximum_body_bytes": limits.EVENTBRIDGE_ENTRY_BYTES,
            "refused": {
                "a body that is not JSON": entry(b"not json"),
                "an event without a source": OutboundMessage(body=b"{}", detail_type="Case"),
                "an event without a detail type": OutboundMessage(body=b"{}", source="contract.cases"),
            },
        },
    ),
    Kind(
        Service.S3,
        bucket,
        {
            "message": keyed,
            "refused": {
                "no key": OutboundMessage(body=b"{}"),
                "a key of 2,000 bytes": OutboundMessage(body=b"{}", key="k" * 2_000),
                "a key that is not UTF-8": OutboundMessage(body=b"{}", key=b"\xff\xfe"),
            },
        },
        frozenset({Capability.MISSING_RESOURCES}),
    ),
]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Real time, and one loop for all, so that the clients are made once."""
    return "asyncio"


@pytest.fixture(scope="module", params=["moto", "localstack"])
async def adapter(request: pytest.FixtureRequest) -> AsyncIterator[AwsAdapter]:
    server: Server = request.getfixturevalue(f"{request.param}_server")
    async with aws_adapter(server.endpoint_url) as entered:
        yield entered


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.service)
@pytest.mark.parametrize("case", SINK_CASES, ids=case_name)
async def test_sinks(case: SinkCase, kind: Kind, adapter: AwsAdapter) -> None:
    skip_if_unable(case, kind)
    await run(case, kind, adapter, clients_of(adapter))


async def run(case: SinkCase, kind: Kind, adapter: AwsAdapter, clients: Clients) -> None:
    async def create() -> tuple[str, Inbox]:
        return await kind.create(clients)

    harness = SinkHarness(
        adapter=adapter,
        other_adapter=adapter,
        clock=WallClock(),
        capabilities=kind.capabilities,
        service=kind.service,
        create=create,
        **kind.harness,
    )
    await case(harness)


class EventInbox:
    """A function that keeps the events it is invoked with."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.arrived = asyncio.Event()

        @function(name="billing")
        async def billing(event: Any) -> None:
            self.events.append(event)
            self.arrived.set()

        self.function = billing

    async def take(self, count: int) -> list[Arrival]:
        with anyio.fail_after(PATIENCE_SECONDS):
            while len(self.events) < count:
                self.arrived.clear()
                await self.arrived.wait()
        return [Arrival(body=json.dumps(event).encode()) for event in self.events]


@asynccontextmanager
async def serving(handler: Callable[..., Any]) -> AsyncIterator[str]:
    """eventflow itself, which speaks the Invoke API, with one function; yields its address."""
    plan = App([handler]).freeze(Environment(options={"data": "memory"}))
    stop = StopSignal()
    addresses: asyncio.Queue[Started] = asyncio.Queue()
    async with anyio.create_task_group() as tasks:
        run = partial(run_plan, plan, RunOptions(port=0), stop=stop, on_started=addresses.put_nowait)
        tasks.start_soon(run)
        yield str((await addresses.get()).address)
        stop.request()


@pytest.mark.parametrize("case", SINK_CASES, ids=case_name)
async def test_functions(case: SinkCase) -> None:
    arns = {
        f"function:{name}": f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
        for name in ("billing", "contract-no-such-destination")
    }
    inbox = EventInbox()

    async def create(clients: Clients) -> tuple[str, Inbox]:
        return "billing", inbox

    refused = {"an event that is not JSON": OutboundMessage(body=b"not json")}
    limit = limits.ASYNCHRONOUS_REQUEST_BYTES
    kind = Kind(Service.FUNCTION, create, {"same_body": same_json, "maximum_body_bytes": limit, "refused": refused})
    skip_if_unable(case, kind)  # before there is a task group
    async with serving(inbox.function) as address, aws_adapter(address, resources=arns) as adapter:
        await run(case, kind, adapter, clients_of(adapter))


async def test_messages_sent_together_share_requests(adapter: AwsAdapter) -> None:
    clients = clients_of(adapter)
    name, inbox = await topic(clients)
    sink = await adapter.sink(Destination(Service.SNS, name))
    requests = counted(await clients.sns(), "PublishBatch")
    async with anyio.create_task_group() as tasks:
        for number in range(25):
            tasks.start_soon(sink.send, OutboundMessage(body=b"%d" % number))
    arrived = await inbox.take(25)
    assert sorted(int(arrival.body) for arrival in arrived) == list(range(25))
    assert len(requests) == 3


async def test_a_fifo_topic_keeps_the_order_of_concurrent_senders(adapter: AwsAdapter) -> None:
    clients = clients_of(adapter)
    name, inbox = await fifo_topic(clients)
    sink = await adapter.sink(Destination(Service.SNS, name))
    async with anyio.create_task_group() as tasks:
        for number in range(15):
            message = OutboundMessage(body=b"%d" % number, group_id="one", deduplication_id=str(number))
            tasks.start_soon(sink.send, message)
    arrived = await inbox.take(15)
    with pytest.raises(InvalidMessageError, match="MessageGroupId"):
        await sink.send(OutboundMessage(body=b"without a group"))
    assert [int(arrival.body) for arrival in arrived] == list(range(15))


async def test_a_bad_event_does_not_take_others_of_its_request_with_it(adapter: AwsAdapter) -> None:
    name, inbox = await bus(clients_of(adapter))
    sink = await adapter.sink(Destination(Service.EVENTBRIDGE, name))
    bodies = [b'{"n": 1}', b"not json", b'{"n": 2}']
    results = await asyncio.gather(*(sink.send(entry(body)) for body in bodies), return_exceptions=True)
    arrived = await inbox.take(2)
    assert [type(result) for result in results] == [type(None), InvalidMessageError, type(None)]
    assert sorted(arrival.body for arrival in arrived) == [b'{"n": 1}', b'{"n": 2}']


async def test_a_topic_of_another_region_is_refused_at_the_start() -> None:
    arn = "arn:aws:sns:eu-west-1:123456789012:alarms"
    async with aws_adapter("http://127.0.0.1:1", resources={"sns:alarms": arn}) as adapter:
        with pytest.raises(AdapterError, match='set region = "eu-west-1"'):
            await adapter.sink(Destination(Service.SNS, "alarms"))


def counted(client: SNSClient, operation: str) -> list[object]:
    """One entry for each request of this kind that the client is asked for from now on."""
    requests: list[object] = []
    client.meta.events.register(f"before-call.sns.{operation}", lambda params, **_: requests.append(params))
    return requests


async def fifo_topic(clients: Clients) -> tuple[str, Inbox]:
    name = f"sinks-{uuid4().hex}.fifo"
    sqs, url, queue_arn = await queue(clients, name, {"FifoQueue": "true"})
    sns = await clients.sns()
    topic_arn = (await sns.create_topic(Name=name, Attributes={"FifoTopic": "true"}))["TopicArn"]
    await sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn)
    return name, QueueInbox(sqs, url, notification_arrival)
