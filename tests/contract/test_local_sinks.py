from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from eventflow.events.attribute_values import deserialise_item
from eventflow.model import limits
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.records import StreamRecord
from eventflow.model.subscriptions import BucketNotification, BusRule, QueueSubscription, TopicSubscription
from eventflow.testing.harness import Arrival, Capability, Inbox, SinkHarness, case_name
from eventflow.testing.inboxes import NotificationInbox, QueueInbox, StreamInbox
from eventflow.testing.sink_cases import SINK_CASES, SinkCase
from eventflow_local.buckets import BucketSink
from eventflow_local.collections import DOCUMENT_BYTES
from eventflow_local.message_queues import MESSAGE_BYTES
from tests.contract.embedded import Embedded, Processes, skip_if_unable
from tests.contract.test_local_notifications import notification_harness
from tests.contract.test_local_streams import stream_harness

NAME = "contract"
TOO_LONG = OutboundMessage(body=b"{}", key="k" * 2_000)


def keyed(body: bytes) -> OutboundMessage:
    return OutboundMessage(body=body, key=hashlib.sha256(body).hexdigest())


def entry(body: bytes, **fields: Any) -> OutboundMessage:
    return OutboundMessage(body=body, **{"source": "contract.cases", "detail_type": "Case", **fields})


def item(body: bytes) -> OutboundMessage:
    """Items are JSON objects with a key, so the body becomes an attribute."""
    document = {"id": hashlib.sha256(body).hexdigest(), "body": body.decode()}
    return OutboundMessage(body=json.dumps(document).encode())


def document(body: bytes) -> OutboundMessage:
    return OutboundMessage(body=json.dumps({"body": body.decode()}).encode())


def same_json(one: bytes, other: bytes) -> bool:
    return bool(json.loads(one) == json.loads(other))


@dataclass(frozen=True)
class Kind:
    """What a service's sink is to be held to."""

    service: Service
    harness: dict[str, Any]
    capabilities: frozenset[str] = field(default=frozenset())


KINDS = [
    Kind(
        Service.SQS,
        {
            "maximum_body_bytes": limits.SQS_MESSAGE_BYTES,
            "refused": {
                "an empty body": OutboundMessage(body=b""),
                "a character that XML does not have": OutboundMessage(body=b"a\x00b"),
                "a body that is not UTF-8": OutboundMessage(body=b"\xff\xfe"),
                "more than ten attributes": OutboundMessage(body=b"a", attributes={f"a{n}": "x" for n in range(11)}),
            },
        },
        frozenset({Capability.MESSAGE_ATTRIBUTES, Capability.SIZE_LIMIT}),
    ),
    Kind(
        Service.SNS,
        {
            "maximum_body_bytes": limits.SNS_MESSAGE_BYTES,
            "refused": {
                "an empty message": OutboundMessage(body=b""),
                "a subject of 101 characters": OutboundMessage(body=b"a", subject="s" * 101),
            },
        },
        frozenset({Capability.MESSAGE_ATTRIBUTES, Capability.SIZE_LIMIT}),
    ),
    Kind(
        Service.EVENTBRIDGE,
        {
            "message": entry,
            "same_body": same_json,
            "maximum_body_bytes": limits.EVENTBRIDGE_ENTRY_BYTES,
            "refused": {
                "a body that is not JSON": entry(b"not json"),
                "a body that is no object": entry(b"[1]"),
                "an event without a source": OutboundMessage(body=b"{}", detail_type="Case"),
                "an event without a detail type": OutboundMessage(body=b"{}", source="contract.cases"),
            },
        },
        frozenset({Capability.SIZE_LIMIT}),
    ),
    Kind(
        Service.KINESIS,
        {
            "message": keyed,
            "maximum_body_bytes": limits.KINESIS_RECORD_BYTES,
            "refused": {"no partition key": OutboundMessage(body=b"{}"), "a key of 2,000 characters": TOO_LONG},
        },
        frozenset({Capability.SIZE_LIMIT}),
    ),
    Kind(
        Service.DYNAMODB,
        {
            "message": item,
            "maximum_body_bytes": 400 * 1024,
            "refused": {
                "a body that is no object": OutboundMessage(body=b"[1]"),
                "an item without its key": OutboundMessage(body=b'{"name": "x"}'),
            },
        },
        frozenset({Capability.SIZE_LIMIT}),
    ),
    Kind(
        Service.DOCUMENTDB,
        {
            "message": document,
            "maximum_body_bytes": DOCUMENT_BYTES,
            "refused": {
                "a body that is not JSON": OutboundMessage(body=b"not json"),
                "a body that is no object": OutboundMessage(body=b"[1]"),
                "an operation that does not exist": OutboundMessage(body=b"{}", attributes={"operation": "upsert"}),
                "an update without an _id": OutboundMessage(body=b'{"a": 1}', attributes={"operation": "update"}),
            },
        },
        frozenset({Capability.SIZE_LIMIT}),
    ),
    Kind(Service.RABBITMQ, {"maximum_body_bytes": MESSAGE_BYTES}, frozenset({Capability.SIZE_LIMIT})),
    Kind(
        Service.ACTIVEMQ,
        {
            "maximum_body_bytes": MESSAGE_BYTES,
            "refused": {"a property of bytes": OutboundMessage(body=b"{}", attributes={"raw": b"\xff"})},
        },
        frozenset({Capability.SIZE_LIMIT}),
    ),
    Kind(Service.KAFKA, {"message": keyed, "maximum_body_bytes": 1_048_588}, frozenset({Capability.SIZE_LIMIT})),
]
BUCKETS = Kind(
    Service.S3,
    {"message": keyed, "refused": {"no key": OutboundMessage(body=b"{}"), "a key of 2,000 bytes": TOO_LONG}},
)


@dataclass(frozen=True)
class BucketInbox:
    """Hears of objects, and reads them."""

    events: NotificationInbox
    sink: BucketSink

    async def take(self, count: int) -> list[Arrival]:
        keys = [arrival.key or "" for arrival in await self.events.take(count)]
        return [Arrival(body=await self.sink.read(key) or b"", key=key) for key in keys]


def stream_arrival(record: StreamRecord) -> Arrival:
    key = record.key.decode() if isinstance(record.key, bytes) else record.key
    return Arrival(body=record.data or b"", key=key)


def item_arrival(record: StreamRecord) -> Arrival:
    document = deserialise_item(record.attributes["dynamodb"]["NewImage"])
    return Arrival(body=document["body"].encode())


def document_arrival(record: StreamRecord) -> Arrival:
    return Arrival(body=json.loads(record.data or b"")["fullDocument"]["body"].encode())


ARRIVALS = {Service.DYNAMODB: item_arrival, Service.DOCUMENTDB: document_arrival}


def name_of(service: Service) -> str:
    return f"{NAME}.documents" if service is Service.DOCUMENTDB else NAME


async def open_inbox(processes: Processes, service: Service) -> Inbox:
    notifications = notification_harness(processes, service)
    match service:
        case Service.SQS | Service.RABBITMQ | Service.ACTIVEMQ:
            subscription = QueueSubscription(service=service, name=NAME, subscriber="inbox")
            return QueueInbox(notifications, await processes.adapter.queue_source(subscription))
        case Service.SNS:
            topic = TopicSubscription(name=NAME, subscriber="inbox")
            return NotificationInbox(notifications, await notifications.subscribe(topic))
        case Service.EVENTBRIDGE:
            rule = BusRule(name=NAME, subscriber="inbox", pattern='{"source": ["contract.cases"]}')
            return NotificationInbox(notifications, await notifications.subscribe(rule))
        case Service.S3:
            bucket = BucketNotification(name=NAME, subscriber="inbox", events=("s3:ObjectCreated:*",))
            sink = await processes.adapter.sink(Destination(Service.S3, NAME))
            assert isinstance(sink, BucketSink)
            return BucketInbox(NotificationInbox(notifications, await notifications.subscribe(bucket)), sink)
        case _:
            arrival = ARRIVALS.get(service, stream_arrival)
            return StreamInbox(stream_harness(processes, service), name_of(service), arrival)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.service)
@pytest.mark.parametrize("case", SINK_CASES, ids=case_name)
async def test_sinks(case: SinkCase, kind: Kind, embedded: Embedded) -> None:
    await run(case, kind, embedded)


@pytest.mark.parametrize("case", SINK_CASES, ids=case_name)
async def test_buckets_in_memory(case: SinkCase) -> None:
    await run(case, BUCKETS, Embedded(None))


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # in real time: the operating system tells of files
@pytest.mark.parametrize("case", SINK_CASES, ids=case_name)
async def test_buckets_in_directories(case: SinkCase, tmp_path: Path) -> None:
    await run(case, BUCKETS, Embedded(tmp_path / "data"))


def sink_harness(processes: Processes, kind: Kind) -> SinkHarness:
    async def create() -> tuple[str, Inbox]:
        return name_of(kind.service), await open_inbox(processes, kind.service)

    return SinkHarness(
        adapter=processes.adapter,
        other_adapter=processes.other_adapter,
        clock=processes.clock,
        capabilities=kind.capabilities,
        service=kind.service,
        create=create,
        **kind.harness,
    )


async def run(case: SinkCase, kind: Kind, embedded: Embedded) -> None:
    async with embedded.processes() as processes:
        harness = sink_harness(processes, kind)
        skip_if_unable(case, harness)
        await case(harness)
