"""Schemas, and the registry that has them, over real HTTP."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from fastavro import parse_schema as parse_avro
from fastavro import schemaless_writer

from eventflow.errors import AccessDeniedError, ConfigurationError, UnavailableError
from eventflow.ports import AdapterSettings
from eventflow_kafka import registry as registry_module
from eventflow_kafka.options import REGISTRY_SIGN_IN, KafkaOptions
from eventflow_kafka.registry import SchemaRegistry
from eventflow_kafka.schemas import SchemaMismatchError, parse_schema
from tests.contract.embedded import WallClock
from tests.servers.registry import Registry, schema_registry

ORDER = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "total", "type": "double"},
        {"name": "note", "type": "bytes"},
    ],
}
JSON_ORDER = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "total": {"type": "number"}},
    "required": ["id"],
}


def avro(schema: Any, value: object) -> bytes:
    stream = io.BytesIO()
    schemaless_writer(stream, parse_avro(schema), value)
    return stream.getvalue()


def test_avro_becomes_json() -> None:
    schema = parse_schema("AVRO", json.dumps(ORDER))
    data = avro(ORDER, {"id": "ö", "total": 1.5, "note": b"\x00\xff"})
    assert json.loads(schema.to_json(data)) == {"id": "ö", "total": 1.5, "note": "\x00\xff"}


def test_what_json_has_not_becomes_text() -> None:
    kind = {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}
    assert json.loads(parse_schema("AVRO", json.dumps(kind)).to_json(avro(kind, Decimal("12.50")))) == "12.50"
    day = {"type": "int", "logicalType": "date"}
    assert json.loads(parse_schema("AVRO", json.dumps(day)).to_json(avro(day, 1))) == "1970-01-02"


@pytest.mark.parametrize(
    ("data", "why"), [(b"", "not what its Avro schema says"), (b"\x80" * 20, "not what its Avro schema says")]
)
def test_what_is_no_avro_of_the_schema_is_a_mismatch(data: bytes, why: str) -> None:
    with pytest.raises(SchemaMismatchError, match=why):
        parse_schema("AVRO", json.dumps(ORDER)).to_json(data)


def test_more_than_the_schema_says_is_a_mismatch() -> None:
    data = avro(ORDER, {"id": "1", "total": 1.5, "note": b""})
    with pytest.raises(SchemaMismatchError, match="longer"):
        parse_schema("AVRO", json.dumps(ORDER)).to_json(data + b"x")


def test_json_that_fits_stays_as_it_is() -> None:
    data = b'{ "id" : "1" }'
    assert parse_schema("JSON", json.dumps(JSON_ORDER)).to_json(data) == data


def test_json_that_does_not_fit_is_a_mismatch_that_keeps_values_to_itself() -> None:
    with pytest.raises(SchemaMismatchError, match=r"breaks 'type' of its JSON schema at \$\.id") as raised:
        parse_schema("JSON", json.dumps(JSON_ORDER)).to_json(b'{"id": 4711}')
    assert "4711" not in str(raised.value)
    with pytest.raises(SchemaMismatchError, match="not JSON"):
        parse_schema("JSON", json.dumps(JSON_ORDER)).to_json(b"{")


def test_reference_to_elsewhere_is_not_followed(registry: Registry) -> None:
    schema = parse_schema("JSON", json.dumps({"$ref": f"{registry.uri}/schemas/ids/1"}))
    with pytest.raises(SchemaMismatchError, match="cannot be applied"):
        schema.to_json(b"{}")
    assert registry.asked == []


@pytest.mark.parametrize(("kind", "text"), [("AVRO", '{"type": "nothing"}'), ("JSON", '{"type": 1}'), ("AVRO", "{")])
def test_what_is_no_schema_is_a_mismatch(kind: str, text: str) -> None:
    with pytest.raises(SchemaMismatchError, match="cannot be read"):
        parse_schema(kind, text)


def test_protocol_buffers_are_refused() -> None:
    with pytest.raises(SchemaMismatchError, match="PROTOBUF; AVRO and JSON can be read"):
        parse_schema("PROTOBUF", "")


# The registry


@pytest.fixture
def registry() -> Iterator[Registry]:
    with schema_registry() as registry:
        yield registry


def options(registry: Registry, **given: Any) -> KafkaOptions:
    table = {"bootstrap_servers": "127.0.0.1:9092", "schema_registry_uri": registry.uri, **given}
    return KafkaOptions.parse(AdapterSettings(environment="test", options=table, resources={}, clock=WallClock()))


@asynccontextmanager
async def reading(registry: Registry, **given: Any) -> AsyncIterator[SchemaRegistry]:
    async with SchemaRegistry(options(registry, **given), where="test") as reader:
        yield reader


in_real_time = pytest.mark.parametrize("anyio_backend", ["asyncio"])


@in_real_time
async def test_a_schema_is_fetched_once(registry: Registry) -> None:
    number = registry.add(ORDER)
    async with reading(registry) as reader:
        assert await reader.fetch(number) is await reader.fetch(number) is reader.known(number)
    assert registry.asked == [f"/schemas/ids/{number}"]


@in_real_time
async def test_only_so_many_schemas_are_kept(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "CACHED_SCHEMAS", 2)
    first, second, third = (registry.add({"type": "fixed", "name": f"F{size}", "size": size}) for size in (1, 2, 3))
    async with reading(registry) as reader:
        for number in (first, second, first, third):
            await reader.fetch(number)
        assert reader.known(second) is None
        assert reader.known(first) is not None


@in_real_time
async def test_an_id_that_is_not_there_is_a_mismatch_and_asked_for_again(registry: Registry) -> None:
    async with reading(registry) as reader:
        with pytest.raises(SchemaMismatchError, match="its schema 1 is not in the registry"):
            await reader.fetch(1)
        registry.add(ORDER)
        await reader.fetch(1)


@in_real_time
async def test_a_registry_that_fails_is_unavailable(registry: Registry) -> None:
    registry.add(ORDER)
    registry.status = 500
    async with reading(registry) as reader:
        with pytest.raises(UnavailableError, match="HTTP status 500"):
            await reader.fetch(1)
        registry.status = 200
        await reader.fetch(1)


@in_real_time
async def test_a_redirect_is_not_followed(registry: Registry) -> None:
    with schema_registry() as other:
        other.add(ORDER)
        registry.status, registry.location = 302, f"{other.uri}/schemas/ids/1"
        async with reading(registry) as reader:
            with pytest.raises(UnavailableError, match="HTTP status 302"):
                await reader.fetch(1)
        assert other.asked == []


@in_real_time
async def test_an_answer_that_is_too_large_is_not_read(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "ANSWER_BYTES", 100)
    registry.add({"type": "enum", "name": "E", "symbols": ["x" * 200]})
    async with reading(registry) as reader:
        with pytest.raises(SchemaMismatchError, match="larger than 100 bytes"):
            await reader.fetch(1)


def refer(name: str, subject: str) -> dict[str, Any]:
    return {"name": name, "subject": subject, "version": 1}


@in_real_time
async def test_avro_schemas_that_others_refer_to_are_read_first(registry: Registry) -> None:
    city = {"type": "enum", "name": "shop.City", "symbols": ["ROME", "OSLO"]}
    customer = {"type": "record", "name": "shop.Customer", "fields": [{"name": "city", "type": "shop.City"}]}
    order = {"type": "record", "name": "shop.Order", "fields": [{"name": "by", "type": "shop.Customer"}]}
    registry.subjects["a city/ö"] = registry.add(city)
    registry.subjects["customer"] = registry.add(customer, references=[refer("shop.City", "a city/ö")])
    number = registry.add(order, references=[refer("shop.Customer", "customer"), refer("shop.City", "a city/ö")])
    async with reading(registry) as reader:
        schema = await reader.fetch(number)
    whole = {**order, "fields": [{"name": "by", "type": {**customer, "fields": [{"name": "city", "type": city}]}}]}
    assert json.loads(schema.to_json(avro(whole, {"by": {"city": "OSLO"}}))) == {"by": {"city": "OSLO"}}
    assert len(registry.asked) == 3


@in_real_time
@pytest.mark.parametrize("base", [{}, {"$id": "https://example.com/schemas/order.json"}], ids=["no id", "an id"])
async def test_json_schemas_that_others_refer_to_are_applied(registry: Registry, base: dict[str, str]) -> None:
    customer = {"type": "object", "properties": {"city": {"$ref": "city.json"}}, "required": ["city"]}
    registry.subjects["city"] = registry.add({"enum": ["ROME", "OSLO"]}, "JSON")
    registry.subjects["customer"] = registry.add(customer, "JSON", references=[refer("city.json", "city")])
    order = {**base, "type": "object", "properties": {"by": {"$ref": "customer.json"}}}
    number = registry.add(order, "JSON", references=[refer("customer.json", "customer")])
    async with reading(registry) as reader:
        schema = await reader.fetch(number)
    fits = b'{"by": {"city": "OSLO"}}'
    assert schema.to_json(fits) == fits
    with pytest.raises(SchemaMismatchError, match=r"breaks 'enum' of its JSON schema at \$\.by\.city"):
        schema.to_json(b'{"by": {"city": "PARIS"}}')


@in_real_time
async def test_a_reference_to_nothing_is_a_mismatch(registry: Registry) -> None:
    number = registry.add(ORDER, references=[refer("Customer", "customer")])
    async with reading(registry) as reader:
        with pytest.raises(SchemaMismatchError, match="its schema customer version 1 is not in the registry"):
            await reader.fetch(number)


@in_real_time
async def test_references_in_circles_end(registry: Registry) -> None:
    number = registry.subjects["order"] = registry.add(ORDER, references=[refer("Order", "order")])
    async with reading(registry) as reader:
        await reader.fetch(number)
    assert registry.asked == [f"/schemas/ids/{number}", "/subjects/order/versions/1"]


@in_real_time
async def test_there_may_be_only_so_many_references(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "REFERRED_SCHEMAS", 2)
    registry.subjects["one"] = registry.add({"type": "fixed", "name": "F", "size": 1})
    references = [refer(name, "one") for name in ("a", "b", "c")]
    number = registry.add(ORDER, references=references)
    async with reading(registry) as reader:
        with pytest.raises(SchemaMismatchError, match="more than 2 others"):
            await reader.fetch(number)


@in_real_time
async def test_the_password_is_sent_and_never_shown(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.add(ORDER)
    registry.credentials = "reader:s3cret"
    monkeypatch.setenv(REGISTRY_SIGN_IN.password_variable, "s3cret")
    assert "s3cret" not in repr(options(registry, schema_registry_username="reader"))
    async with reading(registry, schema_registry_username="reader") as reader:
        await reader.fetch(1)
    monkeypatch.setenv(REGISTRY_SIGN_IN.password_variable, "wr0ng")
    async with reading(registry, schema_registry_username="reader") as reader:
        with pytest.raises(AccessDeniedError, match="check schema_registry_username") as raised:
            await reader.fetch(1)
        assert "wr0ng" not in str(raised.value)


@in_real_time
async def test_a_registry_that_is_not_there_is_unavailable(registry: Registry) -> None:
    nowhere = Registry(uri="http://127.0.0.1:1")
    async with reading(nowhere) as reader:
        with pytest.raises(UnavailableError, match=r"http://127\.0\.0\.1:1 does not answer"):
            await reader.fetch(1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"schema_registry_uri": "ftp://registry"}, "schema_registry_uri: the address is not allowed (https://host"),
        ({"schema_registry_uri": "https://me:secret@registry"}, "without a name, a password"),
        ({"schema_registry_uri": None, "schema_registry_username": "me"}, "there is no schema_registry_uri"),
        ({"schema_registry_uri": "https://registry", "schema_registry_username": "me"}, "there is no password"),
        ({"schema_registry_uri": "http://registry.example.com", "schema_registry_username": "me"}, "not encrypted"),
        ({"schema_registry_password_file": __file__}, "whose is it?"),
    ],
)
def test_options_that_cannot_be(given: dict[str, Any], message: str, registry: Registry) -> None:
    table = {"bootstrap_servers": "127.0.0.1:9092", "schema_registry_uri": registry.uri, **given}
    table = {key: value for key, value in table.items() if value is not None}
    settings = AdapterSettings(environment="test", options=table, resources={}, clock=WallClock())
    with pytest.raises(ConfigurationError) as raised:
        KafkaOptions.parse(settings)
    assert message in str(raised.value)
    assert "secret" not in str(raised.value)
