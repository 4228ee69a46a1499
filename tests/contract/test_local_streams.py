from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from eventflow.events.attribute_values import deserialise_item
from eventflow.model.destinations import OutboundMessage, Service
from eventflow.model.mapping import StreamViewType
from eventflow.model.records import StreamRecord
from eventflow.testing.harness import Capability, StreamHarness, case_name
from eventflow.testing.stream_cases import STREAM_CASES, StreamCase
from eventflow_local import LocalAdapter
from eventflow_local.kafka import TOMBSTONE
from eventflow_local.shards import open_shards
from eventflow_local.streams import split_shard
from eventflow_local.tables import split_table_shard
from tests.contract.embedded import Embedded, Processes, skip_if_unable

PARTITIONS = range(1, 5)
COMMON = frozenset({Capability.LONG_WAITS})
CAPABILITIES = {
    Service.KINESIS: COMMON | {Capability.PARTITIONS, Capability.RESHARD, Capability.STARTING_TIMESTAMP},
    Service.KAFKA: COMMON
    | {
        Capability.PARTITIONS,
        Capability.STARTING_TIMESTAMP,
        Capability.HEADERS,
        Capability.SEVERAL_TOPICS,
        Capability.TOMBSTONES,
    },
    Service.DYNAMODB: COMMON | {Capability.RESHARD},
    Service.DOCUMENTDB: COMMON | {Capability.STARTING_TIMESTAMP},
}


def stream_name(partitions: int) -> str:
    return f"stream-{partitions}"


def stream_options() -> dict[str, dict[str, dict[str, Any]]]:
    """The environment's tables: how many shards and partitions there are is declared."""
    return {
        "streams": {stream_name(number): {"shards": number} for number in PARTITIONS},
        "kafka": {stream_name(number): {"partitions": number} for number in PARTITIONS},
    }


def item(message: OutboundMessage) -> OutboundMessage:
    """What to put into a table: the message's key is the item's."""
    document = {"id": message.key, "body": base64.b64encode(message.body).decode()}
    return OutboundMessage(body=json.dumps(document).encode())


def item_value(record: StreamRecord) -> bytes:
    return base64.b64decode(deserialise_item(record.attributes["dynamodb"]["NewImage"])["body"])


def document(message: OutboundMessage) -> OutboundMessage:
    """What to insert into a collection."""
    return OutboundMessage(body=json.dumps({"body": base64.b64encode(message.body).decode()}).encode())


def document_value(record: StreamRecord) -> bytes:
    return base64.b64decode(json.loads(record.data or b"")["fullDocument"]["body"])


def stream_value(record: StreamRecord) -> bytes | None:
    return record.data


def unchanged(message: OutboundMessage) -> OutboundMessage:
    return message


SENT_AS = {Service.DYNAMODB: item, Service.DOCUMENTDB: document}
VALUES: dict[Service, Callable[[StreamRecord], bytes | None]] = {
    Service.DYNAMODB: item_value,
    Service.DOCUMENTDB: document_value,
}


def stream_harness(processes: Processes, service: Service) -> StreamHarness:
    async def create(partitions: int) -> str:
        return f"{stream_name(partitions)}.items" if service is Service.DOCUMENTDB else stream_name(partitions)

    async def write(name: str, message: OutboundMessage) -> None:
        await harness.send(service, name, SENT_AS.get(service, unchanged)(message))

    async def write_tombstone(name: str, key: str) -> None:
        await harness.send(service, name, OutboundMessage(body=b"", key=key, attributes={TOMBSTONE: "true"}))

    async def reshard(name: str) -> None:
        await split_first_shard(processes.adapter, service, name)

    harness = StreamHarness(
        adapter=processes.adapter,
        other_adapter=processes.other_adapter,
        clock=processes.clock,
        capabilities=CAPABILITIES[service],
        service=service,
        create=create,
        write=write,
        value=VALUES.get(service, stream_value),
        view_type=StreamViewType.NEW_AND_OLD_IMAGES if service is Service.DYNAMODB else None,
        reshard=reshard,
        write_tombstone=write_tombstone,
    )
    return harness


async def split_first_shard(adapter: LocalAdapter, service: Service, name: str) -> None:
    """Shards are split through the adapter's database: no port has a verb for it."""
    database = adapter._opened.database
    shards = await database.run(lambda connection: open_shards(connection, f"{service}:{name}"))
    split = split_table_shard if service is Service.DYNAMODB else split_shard
    await split(database, name, shards[0].name)


@pytest.mark.parametrize("service", CAPABILITIES)
@pytest.mark.parametrize("case", STREAM_CASES, ids=case_name)
async def test_streams(case: StreamCase, service: Service, embedded: Embedded) -> None:
    async with embedded.processes(**stream_options()) as processes:
        harness = stream_harness(processes, service)
        skip_if_unable(case, harness)
        await case(harness)
