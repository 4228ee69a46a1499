"""The app that is killed: every handler writes the ids it handled to a ledger, one line each."""

from __future__ import annotations

import json
import os
from typing import Any

from eventflow import (
    DynamoDBRecord,
    EventBridgeEvent,
    KafkaRecord,
    KinesisStreamEvent,
    S3Event,
    SnsEvent,
    SqsEvent,
    function,
    on_dynamodb_stream,
    on_eventbridge,
    on_kafka,
    on_kinesis_batch,
    on_s3,
    on_sns,
    on_sqs,
    on_sqs_batch,
    to_sqs,
)

_LEDGER = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def handled(*ids: str) -> None:
    """Append ids to the ledger: one write, so that a kill leaves whole lines."""
    os.write(_LEDGER, "".join(f"{id}\n" for id in ids).encode())


@on_sqs("records")
async def record(id: str) -> None:
    handled(id)


@on_sqs_batch("batches", batch_size=50, maximum_batching_window_seconds=1)
async def batch(event: SqsEvent) -> None:
    handled(*(item.body for item in event.records))


@on_sqs("ordered.fifo")
async def ordered(id: str) -> None:
    handled(id)


@on_sns("topic")
async def topic(event: SnsEvent) -> None:
    handled(event.records[0].sns.message)


@on_eventbridge({"source": ["crash.test"]})
async def bus(event: EventBridgeEvent[dict[str, str]]) -> None:
    handled(event.payload["id"])


@on_s3("bucket")
async def bucket(event: S3Event) -> None:
    handled(*(item.object_key for item in event.records))


@on_kinesis_batch("stream", parallelization_factor=2)
async def stream(event: KinesisStreamEvent[str]) -> None:
    handled(*(item.payload for item in event.records))


@on_dynamodb_stream("table")
async def table(change: DynamoDBRecord) -> None:
    handled(change.keys["id"])


@on_kafka("log", parallelization_factor=4)
async def log(record: KafkaRecord) -> None:
    handled((record.value_bytes or b"").decode())


@function(maximum_retry_attempts=0, on_failure=to_sqs("failures"))
async def fails(event: dict[str, str]) -> None:
    """Its events are handled by nobody, and must all arrive in its destination."""
    raise RuntimeError(event["id"])


@function(on_success=to_sqs("successes"))
async def succeeds(event: dict[str, str]) -> str:
    return event["id"]


@on_sqs("failures")
async def failure(wire: dict[str, Any]) -> None:
    handled(json.loads(wire["body"])["requestPayload"]["id"])


@on_sqs("successes")
async def success(wire: dict[str, Any]) -> None:
    handled(json.loads(wire["body"])["responsePayload"])
