"""A whole app over days of virtual time: the delays are Lambda's, the waiting is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eventflow import (
    Context,
    KinesisRecord,
    SnsEvent,
    SqsRecord,
    function,
    on_kinesis,
    on_schedule,
    on_sns,
    on_sqs,
    to_sqs,
)
from eventflow.testing import START, TestApp

HOUR = 3600.0
DAY = 24 * HOUR


async def test_six_hours_of_retries_a_schedule_and_a_days_record_age() -> None:
    @on_schedule("cron(0 * * * ? *)")
    async def hourly() -> None: ...

    @on_sns("alerts")
    @function(on_failure=to_sqs("undelivered"))
    async def unavailable(event: SnsEvent) -> None:
        raise RuntimeError("still down")

    @on_sqs("orders")
    async def order(record: SqsRecord) -> None:
        if int(record.attributes["ApproximateReceiveCount"]) < 73:
            raise RuntimeError("not yet")

    @on_kinesis("readings", maximum_record_age_seconds=DAY, on_failure=to_sqs("too-old"))
    async def reading(record: KinesisRecord) -> None:
        raise RuntimeError("poison")

    queues = {"orders": {"visibility_timeout_seconds": 300}}
    async with TestApp([hourly, unavailable, order, reading], options={"queues": queues}) as app:
        await app.sns("alerts").publish("fire")
        await app.sqs("orders").send("1")
        await app.kinesis("readings").put("x", key="k")
        await app.settle()

        assert len(app.invocations("unavailable")) == 3
        assert [item.attempt for item in app.invocations("unavailable")] == [1, 2, 3]
        [undelivered] = await app.sqs("undelivered").receive()
        assert json.loads(undelivered.body)["requestContext"]["condition"] == "RetriesExhausted"

        orders = app.invocations("order")
        assert len(orders) == 73
        assert orders[-1].started_at - orders[0].started_at == pytest.approx(6 * HOUR, rel=0.01)

        [too_old] = await app.sqs("too-old").receive()
        assert json.loads(too_old.body)["requestContext"]["condition"] == "RecordAgeExceeded"
        assert app.time() - START >= DAY
        assert len(app.invocations("hourly")) == 24


async def test_an_event_is_retried_after_one_minute_and_then_two() -> None:
    @function(on_failure=to_sqs("failed"), dead_letter_queue=to_sqs("dead"))
    async def handler(event: dict[str, Any], context: Context) -> None:
        raise ValueError("no")

    async with TestApp([handler]) as app:
        request_id = await app.invoke_async("handler", {"n": 1})
        await app.settle()
        runs = app.invocations("handler")
        assert {run.request_id for run in runs} == {request_id}
        assert [round(run.started_at - START) for run in runs] == [0, 60, 180]
        [record] = await app.sqs("failed").receive()
        wire = json.loads(record.body)
        assert list(wire) == [
            "version",
            "timestamp",
            "requestContext",
            "requestPayload",
            "responseContext",
            "responsePayload",
        ]
        assert wire["requestContext"] == {
            "requestId": request_id,
            "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:handler:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        }
        assert wire["responseContext"] == {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        }
        assert wire["responsePayload"]["errorType"] == "ValueError"
        [dead] = await app.sqs("dead").receive()
        assert json.loads(dead.body) == {"n": 1}
        assert dead.message_attributes["ErrorCode"]["stringValue"] == "200"
        assert dead.message_attributes["RequestID"]["stringValue"] == request_id
        assert dead.message_attributes["ErrorMessage"]["stringValue"] == "no"
