"""A per-record handler behind a whole event."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import pytest

from eventflow import KinesisRecord, SqsRecord, function, on_kinesis, on_sqs
from eventflow.app import App
from eventflow.errors import EventValidationError
from eventflow.plan.endpoint import Endpoint
from eventflow.plan.endpoints import direct_endpoint
from eventflow.plan.environment import Environment
from eventflow.plan.record_batches import batch_endpoint

CONTEXT: Any = None


def endpoint_of(handler: Callable[..., Any]) -> Endpoint:
    plan = App([handler]).freeze(Environment())
    [function] = plan.functions.values()
    [endpoint] = function.endpoints.values()
    return batch_endpoint(endpoint)


def message(id: str, *, group: str | None = None) -> dict[str, Any]:
    attributes = {"ApproximateReceiveCount": "1"} | ({"MessageGroupId": group} if group else {})
    return {
        "messageId": id,
        "receiptHandle": id,
        "body": id,
        "attributes": attributes,
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:q",
        "awsRegion": "us-east-1",
    }


def failed(response: Any) -> list[Any]:
    return [item["itemIdentifier"] for item in response["batchItemFailures"]]


BATCH = {
    "Records": [message("a1", group="a"), message("bad", group="a"), message("a2", group="a"), message("b1", group="b")]
}


def test_a_plain_handler_is_called_for_each_record_and_a_failure_blocks_its_group() -> None:
    seen: list[str] = []

    @on_sqs("q.fifo")
    def handler(record: SqsRecord) -> None:
        seen.append(record.body)
        if record.body == "bad":
            raise ValueError("x")

    assert failed(endpoint_of(handler).call(BATCH, CONTEXT)) == ["bad", "a2"]
    assert seen == ["a1", "bad", "b1"]


def test_an_async_handler_is_awaited_for_each_record() -> None:
    seen: list[str] = []

    @on_sqs("q.fifo")
    async def handler(record: SqsRecord) -> None:
        seen.append(record.body)
        if record.body == "bad":
            raise ValueError("x")

    assert failed(asyncio.run(endpoint_of(handler).call(BATCH, CONTEXT))) == ["bad", "a2"]
    assert seen == ["a1", "bad", "b1"]


def test_records_without_an_order_do_not_block_each_other() -> None:
    @on_sqs("q")
    def handler(record: SqsRecord) -> None:
        if record.body == "bad":
            raise ValueError("x")

    batch = {"Records": [message("1"), message("bad"), message("2")]}
    assert failed(endpoint_of(handler).call(batch, CONTEXT)) == ["bad"]


def test_a_stream_stops_at_the_first_failure() -> None:
    @on_kinesis("s", starting_position="LATEST")
    def handler(record: KinesisRecord) -> None:
        if record.kinesis.sequence_number == "2":
            raise ValueError("x")

    def wire(number: int) -> dict[str, Any]:
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "k",
                "sequenceNumber": str(number),
                "data": "eA==",
                "approximateArrivalTimestamp": 1.0,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"shardId-000000000000:{number}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "",
            "awsRegion": "us-east-1",
            "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/s",
        }

    response = endpoint_of(handler).call({"Records": [wire(number) for number in (1, 2, 3)]}, CONTEXT)
    assert failed(response) == ["2", "3"]


def test_a_hidden_coroutine_fails_its_record_instead_of_never_running() -> None:
    def innocent(call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def wrapper(*arguments: Any) -> Any:
            return call(*arguments)

        return wrapper

    @on_sqs("q")
    @innocent
    async def handler(record: SqsRecord) -> None:
        pytest.fail("it ran")

    batch = {"Records": [message("1")]}
    assert failed(endpoint_of(handler).call(batch, CONTEXT)) == ["1"]


@pytest.mark.parametrize("event", [None, [], {}, {"Records": 1}, {"Records": [{}]}])
def test_what_is_no_event_of_the_source_is_an_error(event: Any) -> None:
    @on_sqs("q")
    def handler(record: SqsRecord) -> None: ...

    with pytest.raises(EventValidationError):
        endpoint_of(handler).call(event, CONTEXT)


def test_a_function_without_a_source_has_no_records() -> None:
    @function
    def handler(event: Any) -> None: ...

    [definition] = App([handler]).functions
    endpoint, _ = direct_endpoint(definition)
    assert endpoint is not None
    with pytest.raises(ValueError, match="handler has no source"):
        batch_endpoint(endpoint)
