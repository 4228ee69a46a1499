"""``examples/warehouse.py``, run on virtual time."""

from __future__ import annotations

import json

from eventflow.testing import TestApp
from examples import warehouse


async def test_a_delivery_is_unloaded_and_a_wrong_one_fails() -> None:
    async with TestApp(warehouse) as app:
        await app.sqs("deliveries").send({"id": "1", "pallets": 2})
        await app.sqs("deliveries").send({"id": "2", "pallets": -2})
        await app.advance(5)
        assert sorted(run.outcome.ok for run in app.invocations("unload")) == [False, True]


async def test_a_delivery_note_is_filed() -> None:
    async with TestApp(warehouse) as app:
        await app.s3("delivery-notes").put("today.txt", b"2 pallets")
        await app.settle()
        [message] = await app.sqs("filed").receive()
        assert json.loads(message.body)["responsePayload"] == {"today.txt": 9}


async def test_an_empty_delivery_note_is_not() -> None:
    async with TestApp(warehouse) as app:
        await app.s3("delivery-notes").put("today.txt", b"")
        await app.settle()
        [message] = await app.sqs("unfiled").receive()
        assert json.loads(message.body)["requestContext"]["condition"] == "RetriesExhausted"


async def test_high_alarms_evacuate_and_others_do_not() -> None:
    async with TestApp(warehouse) as app:
        for severity in ("high", "low"):
            await app.sns("alarms").publish({"zone": severity, "degrees": 99}, attributes={"severity": severity})
        await app.settle()
        [run] = app.invocations("evacuate")
        assert run.outcome.ok


async def test_orders_are_picked() -> None:
    async with TestApp(warehouse) as app:
        await app.eventbridge("operations").put({"order": 7}, source="shop", detail_type="OrderPlaced")
        await app.settle()
        [run] = app.invocations("pick")
        assert run.outcome.ok


async def test_temperatures_and_stock_are_watched() -> None:
    async with TestApp(warehouse) as app:
        await app.kinesis("temperatures").put({"zone": "a", "degrees": 4}, key="a")
        await app.dynamodb("stock").put({"id": "bolts", "count": 3})
        await app.settle()
        assert [len(app.invocations(name)) for name in ("watch", "reorder")] == [1, 1]
