"""``examples/brokers.py``, run on virtual time."""

from __future__ import annotations

import json

import pytest

from eventflow import RabbitMQEvent
from eventflow.testing import TestApp
from examples import brokers


async def test_orders_are_fulfilled_in_order() -> None:
    async with TestApp(brokers) as app:
        for number in range(5):
            await app.mq("orders", engine="rabbitmq").send({"id": str(number), "total": 1})
        await app.settle()
        handled = [json.loads(run.event.body)["id"] for run in app.invocations("fulfil")]
        assert handled == [str(number) for number in range(5)]


async def test_an_order_that_fails_four_times_is_put_aside_with_its_data() -> None:
    async with TestApp(brokers) as app:
        await app.mq("orders", engine="rabbitmq").send({"id": "bad", "total": -1})
        await app.settle()
        assert len(app.invocations("fulfil")) == 4
        [failed] = await app.mq("failed-orders", engine="rabbitmq").receive()
        [message] = RabbitMQEvent.model_validate(json.loads(failed.body)["payload"]).messages
        assert message.payload == {"id": "bad", "total": -1}


async def test_invoices_are_printed_five_seconds_after_the_first() -> None:
    async with TestApp(brokers) as app:
        began = app.time()
        for number in range(3):
            await app.mq("invoices", engine="activemq").send(f"invoice {number}")
        await app.settle()
        [run] = app.invocations("print_invoices")
        assert len(run.event["messages"]) == 3
        assert run.started_at == pytest.approx(began + 5)


async def test_every_change_of_a_customer_brings_the_customer() -> None:
    async with TestApp(brokers) as app:
        customers = app.documentdb("shop.customers")
        await customers.insert({"_id": "1", "name": "Zoe"})
        await customers.update("1", city="Bern")
        await app.settle()
        changes = [json.loads(run.event.data) for run in app.invocations("keep_in_touch")]
        assert [change["operationType"] for change in changes] == ["insert", "update"]
        assert changes[1]["fullDocument"] == {"_id": "1", "name": "Zoe", "city": "Bern"}
