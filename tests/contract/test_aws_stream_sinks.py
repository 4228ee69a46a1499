"""Sinks of streams and tables, read back through the AWS adapter's own sources, in real time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import pytest

from eventflow.events.attribute_values import deserialise_item
from eventflow.model import limits
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.records import StreamRecord
from eventflow.testing.harness import Arrival, Capability, Inbox, SinkHarness, case_name, skip_reason
from eventflow.testing.inboxes import StreamInbox
from eventflow.testing.sink_cases import SINK_CASES, SinkCase
from eventflow_aws.streams.dynamodb_sink import ITEM_BYTES, OPERATION
from tests.contract.aws_streams import PATIENCE_SECONDS, Processes, create_table, processes, stream_harness
from tests.contract.embedded import WallClock
from tests.servers.server import Server

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"], scope="module")

FAULTS: Final[Mapping[tuple[Service, str], str]] = {}
"""Cases that the service's server cannot express: ``{(service, case): its fault}``."""
TOO_LONG: Final = OutboundMessage(body=b"{}", key="k" * 2_000)


def keyed(body: bytes) -> OutboundMessage:
    return OutboundMessage(body=body, key=hashlib.sha256(body).hexdigest())


def item(body: bytes) -> OutboundMessage:
    """Items are JSON objects with a key, so the body becomes an attribute."""
    document = {"id": hashlib.sha256(body).hexdigest(), "body": body.decode()}
    return OutboundMessage(body=json.dumps(document).encode())


def stream_arrival(record: StreamRecord) -> Arrival:
    assert isinstance(record.key, str)
    return Arrival(body=record.data or b"", key=record.key)


def item_arrival(record: StreamRecord) -> Arrival:
    return Arrival(body=deserialise_item(record.attributes["dynamodb"]["NewImage"])["body"].encode())


@dataclass(frozen=True)
class Kind:
    """What a service's sink is to be held to."""

    service: Service
    harness: dict[str, Any]
    capabilities: frozenset[str] = field(default=frozenset({Capability.MISSING_RESOURCES, Capability.SIZE_LIMIT}))


STREAMS: Final = Kind(
    Service.KINESIS,
    {
        "message": keyed,
        "maximum_body_bytes": limits.KINESIS_RECORD_BYTES,
        "refused": {
            "no partition key": OutboundMessage(body=b"{}"),
            "a key of 2,000 characters": TOO_LONG,
            "no hash key": OutboundMessage(body=b"{}", key="k", attributes={"ExplicitHashKey": "-1"}),
        },
    },
)
TABLES: Final = Kind(
    Service.DYNAMODB,
    {
        "message": item,
        "maximum_body_bytes": ITEM_BYTES,
        "refused": {
            "a body that is no object": OutboundMessage(body=b"[1]"),
            "a body that is no JSON": OutboundMessage(body=b"{"),
            "a number that DynamoDB does not have": OutboundMessage(body=b'{"id": "x", "n": NaN}'),
            "an item without its key": OutboundMessage(body=b'{"name": "x"}'),
            "an unknown operation": OutboundMessage(body=b'{"id": "x"}', attributes={OPERATION: "merge"}),
        },
    },
)


@pytest.fixture(scope="module")
async def kinesis(anyio_backend: str, kinesis_server: Server, moto_server: Server) -> AsyncIterator[Processes]:
    async with processes({"KINESIS": kinesis_server, "DYNAMODB": moto_server}) as opened:
        yield opened


@pytest.fixture(scope="module")
async def tables(anyio_backend: str, moto_server: Server) -> AsyncIterator[Processes]:
    async with processes({"DYNAMODB": moto_server, "DYNAMODB_STREAMS": moto_server}) as opened:
        yield opened


async def run(case: SinkCase, kind: Kind, opened: Processes) -> None:
    async def create() -> tuple[str, Inbox]:
        streams = stream_harness(opened, kind.service)
        arrival = item_arrival if kind.service is Service.DYNAMODB else stream_arrival
        name = await streams.create(1)
        return name, StreamInbox(streams, name, arrival)

    harness = SinkHarness(
        adapter=opened.adapter,
        other_adapter=opened.other_adapter,
        clock=WallClock(),
        patience_seconds=PATIENCE_SECONDS,
        capabilities=kind.capabilities,
        service=kind.service,
        create=create,
        **kind.harness,
    )
    if reason := FAULTS.get((kind.service, case_name(case))) or skip_reason(case, harness):
        pytest.skip(reason)
    try:
        await case(harness)
    finally:
        await opened.tidy()


@pytest.mark.parametrize("case", SINK_CASES, ids=case_name)
async def test_kinesis(case: SinkCase, kinesis: Processes) -> None:
    await run(case, STREAMS, kinesis)


@pytest.mark.parametrize("case", SINK_CASES, ids=case_name)
async def test_tables(case: SinkCase, tables: Processes) -> None:
    await run(case, TABLES, tables)


async def test_items_are_deleted_by_their_key(tables: Processes) -> None:
    name = await create_table(tables.clients)
    destination = Destination(Service.DYNAMODB, name)
    await tables.send(destination, OutboundMessage(body=b'{"id": "a", "total": 9.5}'))
    await tables.send(destination, OutboundMessage(body=b'{"id": "b"}'))
    await tables.send(destination, OutboundMessage(body=b'{"id": "a"}', attributes={OPERATION: "delete"}))
    left = await (await tables.clients.dynamodb()).scan(TableName=name)
    assert left["Items"] == [{"id": {"S": "b"}}]
    await tables.tidy()


async def test_many_records_share_few_requests(kinesis: Processes) -> None:
    name = await kinesis.create_stream(1)
    sink = await kinesis.adapter.sink(Destination(Service.KINESIS, name))
    client = await kinesis.clients.kinesis()
    requests: list[int] = []

    def count(params: dict[str, Any], **_: object) -> None:
        requests.append(len(params["Records"]))

    client.meta.events.register("provide-client-params.kinesis.PutRecords", count)
    inbox = StreamInbox(stream_harness(kinesis, Service.KINESIS), name, stream_arrival)
    async with anyio.create_task_group() as tasks:
        for number in range(1_200):
            tasks.start_soon(sink.send, keyed(b"%d" % number))
    await sink.aclose()
    client.meta.events.unregister("provide-client-params.kinesis.PutRecords", count)
    assert requests == [500, 500, 200]
    assert len(await inbox.take(1_200)) == 1_200
    await kinesis.tidy()
