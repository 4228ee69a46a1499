"""A shop: HTTP in, queues and files behind it, results and failures to where somebody looks.

eventflow serve examples/shop.py
"""

from __future__ import annotations

import logging

from pydantic import BaseModel

from eventflow import (
    Context,
    HttpEvent,
    S3Event,
    SqsEvent,
    function,
    on_http,
    on_s3,
    on_schedule,
    on_sqs,
    on_sqs_batch,
    to_eventbridge,
    to_sqs,
)

log = logging.getLogger(__name__)


class Order(BaseModel):
    id: str
    total: float


@on_http("GET /")
async def hello() -> dict[str, str]:
    return {"message": "POST /orders, GET /orders/{id}, or drop a CSV into .eventflow/s3/uploads/"}


@on_http("POST /orders")
async def create_order(order: Order, context: Context) -> dict[str, object]:
    """The body is validated before this runs; a bad one is answered with 400."""
    log.info("order %s", order.id)
    return {"statusCode": 201, "body": order.model_dump_json(), "headers": {"location": f"/orders/{order.id}"}}


@on_http("GET /orders/{id}")
async def get_order(id: str, event: HttpEvent) -> dict[str, object]:
    return {"id": id, "asked_from": event.request_context.http.source_ip}


@on_sqs_batch("orders", batch_size=100, maximum_batching_window_seconds=5, report_batch_item_failures=True)
async def fulfil(batch: SqsEvent[Order]) -> dict[str, object]:
    """The whole batch, under Lambda's own contract: name what failed, the rest is deleted."""
    failed = []
    for record in batch.records:
        if record.payload.total < 0:
            failed.append({"itemIdentifier": record.message_id})
        else:
            log.info("fulfilled %s", record.payload.id)
    return {"batchItemFailures": failed}


@on_sqs("orders-urgent")
async def expedite(order: Order) -> None:
    """One message at a time, typed; an exception fails its own message only."""
    log.info("expedited %s", order.id)


@on_s3("uploads", events="s3:ObjectCreated:*", suffix=".csv")
@function(
    timeout_seconds=60,
    maximum_retry_attempts=2,
    on_success=to_sqs("imports"),
    on_failure=to_sqs("import-failures"),
)
def import_csv(event: S3Event, context: Context) -> dict[str, object]:
    """A plain function runs in a thread. Its result goes to ``imports``; what fails three times, elsewhere."""
    imported = {}
    for record in event.records:
        if not record.s3.object.size:
            raise ValueError(f"{record.object_key} is empty")
        imported[record.object_key] = record.s3.object.size
    return {"imported": imported, "request": context.aws_request_id}


@function(on_failure=to_sqs("audit-failures"), on_success=to_eventbridge("audit"))
async def audit(event: dict[str, object]) -> dict[str, object]:
    """No source of its own: invoked through the Invoke API, or ``eventflow invoke``."""
    if "actor" not in event:
        raise ValueError("an audit entry needs an actor")
    return {"audited": event["actor"]}


@on_schedule("rate(5 minutes)")
async def tidy_up() -> None:
    log.info("tidied up")
