"""``examples/streams.py``, run on virtual time."""

from __future__ import annotations

from eventflow.testing import TestApp
from examples import streams


async def test_a_window_keeps_the_highest_reading() -> None:
    async with TestApp(streams) as app:
        for value in (1.0, 7.0, 3.0):
            await app.kinesis("readings").put({"sensor": "a", "value": value}, key="a")
        await app.advance(300)
        runs = app.invocations("highest")
        assert all(run.outcome.ok for run in runs)
        assert runs[-1].event["isFinalInvokeForWindow"]
        assert runs[-1].event["state"] == {"a": 7.0}


async def test_changes_of_a_table_arrive_in_order_per_item() -> None:
    async with TestApp(streams) as app:
        for n in range(3):
            await app.dynamodb("customers").put({"id": "1", "n": n})
        await app.dynamodb("customers").delete({"id": "1"})
        await app.settle()
        changes = [run.event.attributes["eventName"] for run in app.invocations("welcome")]
        assert changes == ["INSERT", "MODIFY", "MODIFY", "REMOVE"]


async def test_payments_are_booked_in_order_per_key() -> None:
    async with TestApp(streams) as app:
        for n in range(20):
            await app.kafka("payments").put(str(n), key=str(n % 3))
        await app.settle()
        booked = [int(run.event.data) for run in app.invocations("book")]
        assert sorted(booked) == list(range(20))
        for key in range(3):
            of_key = [n for n in booked if n % 3 == key]
            assert of_key == sorted(of_key)
