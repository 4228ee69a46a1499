"""Message brokers and a document database: queues of RabbitMQ and ActiveMQ, changes of a DocumentDB collection.

eventflow serve examples/brokers.py
eventflow send mq orders --engine rabbitmq '{"id": "1", "total": 9.5}'
eventflow send documentdb shop.customers '{"_id": "1", "name": "Zoe"}'
"""

from __future__ import annotations

import logging

from pydantic import BaseModel, Field

from eventflow import (
    ActiveMQEvent,
    DocumentDBRecord,
    on_documentdb,
    on_mq,
    on_mq_batch,
    to_mq,
)

log = logging.getLogger(__name__)


class Order(BaseModel):
    id: str
    total: float = Field(gt=0)


@on_mq("orders", engine="rabbitmq", maximum_retry_attempts=3, on_failure=to_mq("failed-orders", engine="rabbitmq"))
async def fulfil(order: Order) -> None:
    """One message at a time, in the order of the queue; what fails four times is put aside with its data."""
    log.info("order %s for %.2f", order.id, order.total)


@on_mq_batch("invoices", engine="activemq", batch_size=10, maximum_batching_window_seconds=5)
async def print_invoices(batch: ActiveMQEvent) -> None:
    """Ten invoices at once, or what comes within five seconds of the first; all of them are acknowledged, or none."""
    log.info("printing %d invoices", len(batch.messages))


@on_documentdb("shop", collection="customers", full_document="UpdateLookup")
async def keep_in_touch(change: DocumentDBRecord) -> None:
    """Every change of a customer, in order; an update brings the whole document."""
    log.info("%s %s: %s", change.operation_type, change.document_id, change.document)
