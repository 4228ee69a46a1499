"""Functions behind change streams of DocumentDB, embedded and on virtual time."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from pydantic import BaseModel, Field

from eventflow import DocumentDBEvent, DocumentDBRecord, on_documentdb, on_documentdb_batch, to_sqs
from eventflow.errors import ConfigurationError, InvalidMessageError
from eventflow.model.records import StreamRecord
from eventflow.runtime.metrics import DropReason
from eventflow.testing import TestApp
from eventflow.testing.events import documentdb_event


class Order(BaseModel):
    id: str = Field(alias="_id")
    total: float


async def test_changes_come_in_order_with_what_they_changed() -> None:
    changes = list[DocumentDBRecord]()

    @on_documentdb("shop", collection="orders")
    async def handle(change: DocumentDBRecord) -> None:
        changes.append(change)

    async with TestApp([handle]) as app:
        orders = app.documentdb("shop.orders")
        await orders.insert({"_id": "1", "total": 1})
        await orders.update("1", total=2, paid=True)
        await orders.replace({"_id": "1", "total": 3})
        await orders.delete("1")
        await app.settle()
    assert [change.operation_type for change in changes] == ["insert", "update", "replace", "delete"]
    assert {change.document_id for change in changes} == {"1"}
    assert [change.payload for change in changes] == [{"_id": "1", "total": 1}, None, {"_id": "1", "total": 3}, None]
    description = changes[1].event.update_description
    assert description is not None
    assert description.updated_fields == {"total": 2, "paid": True}
    tokens = [change.event.id["_data"] for change in changes]
    assert tokens == sorted(set(tokens))


async def test_an_update_has_its_document_if_it_is_asked_for() -> None:
    totals = list[float]()

    @on_documentdb("shop", collection="orders", full_document="UpdateLookup")
    async def handle(order: Order | None) -> None:
        totals.append(order.total if order else -1)

    async with TestApp([handle]) as app:
        orders = app.documentdb("shop.orders")
        await orders.insert({"_id": "1", "total": 1})
        await orders.update("1", total=2)
        await orders.delete("1")
        await app.settle()
        assert totals == [1, 2, -1]


async def test_a_batch_is_lambda_s_event() -> None:
    events = list[DocumentDBEvent]()

    @on_documentdb_batch("shop", collection="orders")
    async def handle(batch: DocumentDBEvent) -> None:
        events.append(batch)

    async with TestApp([handle]) as app:
        for total in range(3):
            await app.documentdb("shop.orders").insert({"total": total})
        await app.settle()
    [event] = events
    assert (event.event_source, len(event.events)) == ("aws:docdb", 3)
    assert event.event_source_arn.startswith("arn:aws:rds:us-east-1:000000000000:cluster:")
    ids = {record.document_id for record in event.events}
    assert len(ids) == 3
    assert all(len(id) == 24 for id in ids)


async def test_a_database_brings_the_changes_of_all_its_collections() -> None:
    seen: dict[str, list[Any]] = {"all": [], "orders": []}

    @on_documentdb("shop")
    async def everything(change: DocumentDBRecord) -> None:
        assert change.event.ns is not None
        seen["all"].append((change.event.ns.coll, change.event.id["_data"]))

    @on_documentdb("shop", collection="orders")
    async def orders(change: DocumentDBRecord) -> None:
        seen["orders"].append(("orders", change.event.id["_data"]))

    async with TestApp([everything, orders]) as app:
        for collection in ("orders", "customers", "orders"):
            await app.documentdb(f"shop.{collection}").insert({})
        await app.documentdb("other.orders").insert({})
        await app.settle()
    assert [collection for collection, _ in seen["all"]] == ["orders", "customers", "orders"]
    assert seen["orders"] == [change for change in seen["all"] if change[0] == "orders"]


async def test_one_batch_at_a_time_and_a_failed_one_is_repeated_as_a_whole() -> None:
    batches = list[list[int]]()
    running = 0

    @on_documentdb_batch("shop", collection="orders", batch_size=2)
    async def handle(batch: DocumentDBEvent) -> dict[str, Any]:
        nonlocal running
        running += 1
        assert running == 1
        await anyio.sleep(1)
        running -= 1
        batches.append([record.payload["n"] for record in batch.events])
        if len(batches) == 1:
            raise ValueError("again")
        return {"batchItemFailures": [{"itemIdentifier": "ignored"}]}

    async with TestApp([handle]) as app:
        for n in range(4):
            await app.documentdb("shop.orders").insert({"n": n})
        await app.settle()
        assert batches == [[0, 1], [0, 1], [2, 3]]


async def test_the_batching_window_opens_with_the_first_change() -> None:
    sizes = list[int]()

    @on_documentdb_batch("shop", collection="orders", maximum_batching_window_seconds=10)
    async def handle(batch: DocumentDBEvent) -> None:
        sizes.append(len(batch.events))

    async with TestApp([handle]) as app:
        await app.advance(7)
        began = app.time()
        for _ in range(3):
            await app.documentdb("shop.orders").insert({})
            await app.advance(4)
        await app.settle()
        assert sizes == [3]
        assert app.invocations("handle")[0].started_at == pytest.approx(began + 10)


async def test_what_fails_for_the_last_time_is_recorded_and_the_next_change_goes_on() -> None:
    seen = list[int]()

    @on_documentdb("shop", collection="orders", maximum_retry_attempts=1, on_failure=to_sqs("failures"))
    async def handle(change: DocumentDBRecord) -> None:
        if change.payload["n"] == 0:
            raise ValueError("bad")
        seen.append(change.payload["n"])

    async with TestApp([handle]) as app:
        for n in range(2):
            await app.documentdb("shop.orders").insert({"n": n})
        await app.settle()
        assert seen == [1]
        first = app.invocations("handle")[0].event
        assert isinstance(first, StreamRecord)
        [record] = [json.loads(record.body) for record in await app.sqs("failures").receive()]
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    info = record["DocumentDBBatchInfo"]
    assert (info["startResumeToken"], info["endResumeToken"], info["batchSize"]) == (first.position, first.position, 1)


@pytest.mark.parametrize("decorator", [on_documentdb, on_documentdb_batch])
async def test_a_change_that_fits_no_batch_is_dropped_and_counted(decorator: Any) -> None:
    async def handle(event: dict[str, Any]) -> None: ...

    async with TestApp([decorator("shop", collection="orders")(handle)]) as app:
        await app.documentdb("shop.orders").insert({"text": "x" * 7_000_000})
        await app.documentdb("shop.orders").insert({"text": "x"})
        await app.settle()
        assert app.supervisor.metrics.dropped[("handle", "documentdb", DropReason.OVERSIZED)] == 1
        assert len(app.invocations("handle")) == 1


async def test_what_mongodb_would_not_do_is_refused_or_changes_nothing() -> None:
    @on_documentdb("shop", collection="orders")
    async def handle(change: DocumentDBRecord) -> None: ...

    async with TestApp([handle]) as app:
        orders = app.documentdb("shop.orders")
        await orders.insert({"_id": {"$oid": "63eeb6e7d418cd98afb1c1d7"}, "a": 1})
        with pytest.raises(InvalidMessageError, match="already"):
            await orders.insert({"_id": {"$oid": "63eeb6e7d418cd98afb1c1d7"}})
        with pytest.raises(ConfigurationError, match="names no collection"):
            await app.documentdb("shop").insert({})
        with pytest.raises(ConfigurationError, match="is not a name"):
            await app.documentdb("two words.orders").insert({})
        await orders.update("unknown", a=2)
        await orders.delete("unknown")
        await orders.update({"$oid": "63eeb6e7d418cd98afb1c1d7"}, a=1)
        await app.settle()
        assert len(app.invocations("handle")) == 1


async def test_an_event_that_comes_whole_fails_whole() -> None:
    @on_documentdb("shop")
    async def handle(order: Order | None) -> None: ...

    async with TestApp([handle]) as app:
        assert (await app.invoke("handle", documentdb_event({"_id": "1", "total": 1}))).ok
        assert (await app.invoke("handle", documentdb_event({"_id": "1"}, operation="delete"))).ok
        assert not (await app.invoke("handle", documentdb_event({"_id": "1", "total": "much"}))).ok
