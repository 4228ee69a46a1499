"""``examples/shop.py``, run on virtual time."""

from __future__ import annotations

import json

from eventflow.testing import TestApp
from examples import shop


async def test_orders_are_created_over_http() -> None:
    async with TestApp(shop) as app:
        created = await app.http.post("/orders", {"id": "1", "total": 9.5})
        assert (created.status, created.header("location"), created.json()) == (
            201,
            "/orders/1",
            {"id": "1", "total": 9.5},
        )
        found = await app.http.get("/orders/1")
        assert found.json() == {"id": "1", "asked_from": "127.0.0.1"}
        refused = await app.http.post("/orders", {"id": "1"})
        assert refused.status == 400
        assert (await app.http.get("/nowhere")).status == 404


async def test_a_batch_reports_what_failed_and_only_that_comes_back() -> None:
    async with TestApp(
        shop, options={"queues": {"orders": {"dead_letter_queue": "bad", "maximum_receive_count": 2}}}
    ) as app:
        for id, total in (("1", 9.5), ("2", -1.0), ("3", 3.0)):
            await app.sqs("orders").send({"id": id, "total": total})
        await app.settle()
        batches = [len(run.event["Records"]) for run in app.invocations("fulfil")]
        assert sum(batches) == 4
        assert batches[-1] == 1
        [bad] = await app.sqs("bad").receive()
        assert json.loads(bad.body)["id"] == "2"


async def test_urgent_orders_are_typed() -> None:
    async with TestApp(
        shop, options={"queues": {"orders-urgent": {"dead_letter_queue": "bad", "maximum_receive_count": 1}}}
    ) as app:
        await app.sqs("orders-urgent").send({"id": "1", "total": 1})
        await app.sqs("orders-urgent").send({"id": "no total"})
        await app.settle()
        assert sorted(run.outcome.ok for run in app.invocations("expedite")) == [False, True]
        assert len(await app.sqs("bad").receive()) == 1


async def test_a_file_is_imported_and_its_result_recorded() -> None:
    async with TestApp(shop) as app:
        await app.s3("uploads").put("2026/orders 1.csv", "id,total\n1,2\n")
        await app.s3("uploads").put("ignored.txt", "x")
        await app.settle()
        [run] = app.invocations("import_csv")
        assert run.outcome.ok
        [record] = await app.sqs("imports").receive()
        assert json.loads(record.body)["responsePayload"]["imported"] == {"2026/orders 1.csv": 13}


async def test_an_empty_file_fails_three_times_and_lands_in_its_destination() -> None:
    async with TestApp(shop) as app:
        await app.s3("uploads").put("empty.csv", "")
        await app.settle()
        assert len(app.invocations("import_csv")) == 3
        [record] = await app.sqs("import-failures").receive()
        wire = json.loads(record.body)
        assert wire["requestContext"]["condition"] == "RetriesExhausted"
        assert wire["responsePayload"]["errorMessage"] == "empty.csv is empty"
        assert await app.sqs("imports").receive() == []


async def test_the_audit_function_is_invoked_directly() -> None:
    async with TestApp(shop) as app:
        assert (await app.invoke("audit", {"actor": "me"})).ok
        await app.invoke_async("audit", {})
        await app.settle()
        assert len(await app.sqs("audit-failures").receive()) == 1


async def test_the_schedule_runs_every_five_minutes() -> None:
    async with TestApp(shop) as app:
        await app.advance(3600)
        assert len(app.invocations("tidy_up")) == 12
