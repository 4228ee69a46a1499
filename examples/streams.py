"""Ordered sources: a Kinesis stream, a DynamoDB table's changes, a Kafka topic.

eventflow serve examples/streams.py
"""

from __future__ import annotations

import logging
from typing import Any

from pydantic import BaseModel

from eventflow import (
    DynamoDBRecord,
    KafkaRecord,
    KinesisStreamEvent,
    on_dynamodb_stream,
    on_kafka,
    on_kinesis_batch,
    to_sqs,
)

log = logging.getLogger(__name__)


class Reading(BaseModel):
    sensor: str
    value: float


@on_kinesis_batch("readings", tumbling_window_seconds=60, maximum_retry_attempts=5, on_failure=to_sqs("lost-readings"))
async def highest(batch: KinesisStreamEvent[Reading]) -> dict[str, Any]:
    """The highest reading of every minute, per shard: state is carried from batch to batch of a window."""
    state: dict[str, float] = dict(batch.state or {})
    for record in batch.records:
        reading = record.payload
        state[reading.sensor] = max(reading.value, state.get(reading.sensor, reading.value))
    if batch.is_final_invoke_for_window:
        log.info("highest: %s", state)
    return {"state": state}


@on_dynamodb_stream("customers", parallelization_factor=4)
async def welcome(change: DynamoDBRecord) -> None:
    """One change at a time, in order per item, four items at once."""
    if change.event_name == "INSERT":
        log.info("welcome %s", change.keys)


@on_kafka("payments", parallelization_factor=8, maximum_retry_attempts=3, on_failure=to_sqs("failed-payments"))
async def book(payment: KafkaRecord) -> None:
    """One record at a time, in order per key; a key that fails does not hold up the others."""
    log.info("booked %s", payment.value_bytes)
