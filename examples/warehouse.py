"""A warehouse: the same file on a laptop and on AWS, with every kind of source that both have.

eventflow serve examples/warehouse.py                           # embedded, nothing to install
cd examples && eventflow provision warehouse.py --env aws       # make its queues, topics, streams ...
cd examples && eventflow serve warehouse.py --env aws           # AWS, or what AWS_ENDPOINT_URL names
"""

from __future__ import annotations

import logging

from pydantic import BaseModel

from eventflow import (
    DynamoDBRecord,
    S3Event,
    function,
    on_dynamodb_stream,
    on_eventbridge,
    on_http,
    on_kinesis,
    on_s3,
    on_sns,
    on_sqs,
    to_eventbridge,
    to_sns,
    to_sqs,
)

log = logging.getLogger(__name__)


class Delivery(BaseModel):
    id: str
    pallets: int


class Alarm(BaseModel):
    zone: str
    degrees: float


@on_http("GET /")
async def hello() -> dict[str, str]:
    return {"message": "a warehouse; put a delivery note into the bucket delivery-notes"}


@on_sqs("deliveries")
async def unload(delivery: Delivery) -> None:
    """One message, typed. One that fails comes back; one that keeps failing goes to the dead-letter queue."""
    if delivery.pallets < 0:
        raise ValueError(f"delivery {delivery.id} has {delivery.pallets} pallets")
    log.info("unloaded %s", delivery.id)


@on_s3("delivery-notes", events="s3:ObjectCreated:*", suffix=".txt")
@function(on_success=to_sqs("filed"), on_failure=to_sqs("unfiled"), maximum_retry_attempts=0)
async def file_note(event: S3Event) -> dict[str, int | None]:
    """What it returns goes to ``filed``, in Lambda's record; what fails goes to ``unfiled``."""
    if not event.records[0].s3.object.size:
        raise ValueError(f"{event.records[0].object_key} is empty")
    return {record.object_key: record.s3.object.size for record in event.records}


@on_sns("alarms", filter_policy={"severity": ["high"]})
@function(on_success=to_eventbridge("operations"))
async def evacuate(alarm: Alarm) -> dict[str, str]:
    log.warning("evacuating %s at %s degrees", alarm.zone, alarm.degrees)
    return {"evacuated": alarm.zone}


@on_eventbridge({"source": ["shop"], "detail-type": ["OrderPlaced"]}, bus="operations")
@function(on_success=to_sns("picked"))
async def pick(event: dict[str, object]) -> object:
    """A raw event, as Lambda would hand it over."""
    return event["detail"]


@on_kinesis("temperatures", parallelization_factor=2, maximum_retry_attempts=3, on_failure=to_sqs("unread"))
async def watch(alarm: Alarm) -> None:
    """In order per partition key."""
    log.info("%s has %s degrees", alarm.zone, alarm.degrees)


@on_dynamodb_stream("stock", maximum_retry_attempts=3, on_failure=to_sqs("unread"))
async def reorder(change: DynamoDBRecord) -> None:
    log.info("%s %s", change.event_name, change.keys)
