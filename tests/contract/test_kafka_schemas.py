"""Records that were written with schemas, on Apache Kafka and a registry over HTTP, in real time."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_writer

from eventflow.errors import ConfigurationError, EventValidationError, UnavailableError
from eventflow.events.kafka import KAFKA
from eventflow.model.destinations import OutboundMessage, Service
from eventflow.model.kafka import EventRecordFormat, SchemaAttribute, SchemaValidation
from eventflow.model.mapping import BatchSettings, StartingPosition, StreamMapping
from eventflow.model.records import SourceIdentity, StreamRecord
from eventflow.model.subscriptions import StreamSubscription
from eventflow.ports import StreamSource
from eventflow.testing._member import joined
from eventflow.testing.harness import StreamHarness
from eventflow_kafka import KafkaAdapter
from tests.contract.kafka_topics import Processes, kafka_adapter, processes, stream_harness
from tests.servers.registry import Registry, framed, schema_registry
from tests.servers.server import Server

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"], scope="module")

ORDER = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}]}
JSON_KEY = {"type": "string"}


@pytest.fixture(scope="module")
async def opened(kafka_server: Server, anyio_backend: str) -> AsyncIterator[Processes]:
    async with processes(kafka_server) as both:
        yield both


@pytest.fixture
def registry() -> Iterator[Registry]:
    with schema_registry() as registry:
        yield registry


@pytest.fixture
async def adapter(kafka_server: Server, registry: Registry) -> AsyncIterator[KafkaAdapter]:
    async with kafka_adapter(kafka_server, schema_registry_uri=registry.uri) as adapter:
        yield adapter


@pytest.fixture
def h(opened: Processes, adapter: KafkaAdapter) -> StreamHarness:
    return replace(stream_harness(opened), adapter=adapter)


def avro(value: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    schemaless_writer(stream, parse_schema(ORDER), value)
    return stream.getvalue()


async def opened_with(h: StreamHarness, name: str, validation: SchemaValidation) -> StreamSource:
    mapping = StreamMapping(
        batch=BatchSettings(batch_size=100),
        starting_position=StartingPosition.TRIM_HORIZON,
        schema_validation=validation,
    )
    wanted = StreamSubscription(service=Service.KAFKA, name=name, subscriber="schemas", mapping=mapping)
    return await h.adapter.stream_source(wanted)


VALUES = SchemaValidation(attributes=(SchemaAttribute.VALUE,))


def wire(record: StreamRecord) -> Any:
    return KAFKA.wire_record(record, SourceIdentity(arn="", region="", extras={}))


async def test_values_are_decoded_and_name_their_schema(h: StreamHarness, registry: Registry) -> None:
    number = registry.add(ORDER)
    name = await h.create(1)
    await h.write(name, OutboundMessage(body=framed(number, avro({"id": "1"})), key="k"))
    async with joined(h, await opened_with(h, name, VALUES)) as reader:
        await reader.owns(1)
        [record] = await reader.take(1)
    assert json.loads(record.data or b"") == {"id": "1"}
    assert wire(record)["valueSchemaMetadata"] == {"dataFormat": "AVRO", "schemaId": str(number)}
    assert KAFKA.record_model.model_validate(wire(record)).to_wire() == wire(record)


async def test_keys_are_decoded_and_order_by_what_was_written(h: StreamHarness, registry: Registry) -> None:
    number = registry.add(JSON_KEY, "JSON")
    written = framed(number, b'"customer-1"')
    name = await h.create(1)
    await h.write(name, OutboundMessage(body=b"plain", key=written))
    both = SchemaValidation(attributes=(SchemaAttribute.KEY,))
    async with joined(h, await opened_with(h, name, both)) as reader:
        await reader.owns(1)
        [record] = await reader.take(1)
    assert record.key == written
    parsed = KAFKA.record_model.model_validate(wire(record))
    assert parsed.key_bytes == b'"customer-1"'  # type: ignore[attr-defined]  # the model is KafkaRecord
    assert record.data == b"plain"


async def test_source_format_keeps_what_was_written_without_the_header(h: StreamHarness, registry: Registry) -> None:
    number, data = registry.add(ORDER), avro({"id": "1"})
    name = await h.create(1)
    await h.write(name, OutboundMessage(body=framed(number, data), key="k"))
    source = SchemaValidation(attributes=(SchemaAttribute.VALUE,), event_record_format=EventRecordFormat.SOURCE)
    async with joined(h, await opened_with(h, name, source)) as reader:
        await reader.owns(1)
        [record] = await reader.take(1)
    assert record.data == data


async def test_what_does_not_fit_fails_in_its_event_and_nothing_else_does(h: StreamHarness, registry: Registry) -> None:
    number = registry.add(ORDER)
    name = await h.create(1)
    bad = {
        b"plain": "magic byte",
        framed(9, b"x"): "its schema 9 is not in the registry",
        framed(number, b""): "not what",
    }
    for body in (*bad, framed(number, avro({"id": "1"}))):
        await h.write(name, OutboundMessage(body=body, key="k"))
    async with joined(h, await opened_with(h, name, VALUES)) as reader:
        await reader.owns(1)
        *broken, whole = await reader.take(4)
    for record, why in zip(broken, bad.values(), strict=True):
        with pytest.raises(EventValidationError, match=why):
            KAFKA.record_payload(record)
        with pytest.raises(EventValidationError, match=why):
            wire(record)
    assert [record.data for record in broken] == list(bad), "what was written is kept"
    assert KAFKA.record_payload(whole)


async def test_tombstone_has_nothing_to_decode(h: StreamHarness, registry: Registry) -> None:
    name = await h.create(1)
    assert h.write_tombstone is not None
    await h.write_tombstone(name, "k")
    async with joined(h, await opened_with(h, name, VALUES)) as reader:
        await reader.owns(1)
        [record] = await reader.take(1)
    assert record.data is None
    assert registry.asked == []


async def test_records_wait_for_a_registry_that_is_away(h: StreamHarness, registry: Registry) -> None:
    number = registry.add(ORDER)
    name = await h.create(1)
    for value in ("1", "2"):
        await h.write(name, OutboundMessage(body=framed(number, avro({"id": value})), key="k"))
    registry.status = 503
    source = await opened_with(h, name, VALUES)
    async with joined(h, source) as reader:
        await reader.owns(1)
        for _ in range(2):
            with pytest.raises(UnavailableError, match="503"):
                await source.read(f"{name}-0", max_records=10, wait_seconds=60)
        registry.status = 200
        records = await reader.take(2)
    assert [json.loads(record.data or b"")["id"] for record in records] == ["1", "2"]


async def test_function_that_needs_a_registry_is_refused_without_one(h: StreamHarness, opened: Processes) -> None:
    name = await h.create(1)
    with pytest.raises(ConfigurationError, match=f"schema_registry_uri: is missing: a function reads kafka:{name}"):
        await opened_with(replace(h, adapter=opened.adapter), name, VALUES)
