"""Queues as message brokers have them, behind the ports: RabbitMQ's and ActiveMQ's.

They are rows of the same queues as SQS's, under names that begin with the service. What a consumer does not acknowledge
it has to release; if its process dies, its messages come back when their visibility timeout ends.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from eventflow.errors import ConfigurationError, InvalidMessageError, Problem
from eventflow.events.activemq import message_headers
from eventflow.events.rabbitmq import QUEUE, basic_properties
from eventflow.model.destinations import Service
from eventflow.model.message_queues import QueueAddress
from eventflow.model.partitions import partition_of
from eventflow.model.records import QueueRecord
from eventflow_local.queue_engine import Delivery, NewMessage, Queue
from eventflow_local.queues import LocalQueueSink, LocalQueueSource

if TYPE_CHECKING:
    from eventflow.model.destinations import OutboundMessage
    from eventflow.model.json import JsonObject
    from eventflow.model.subscriptions import QueueSubscription
    from eventflow.ports import AdapterSettings
    from eventflow_local.database import Database
    from eventflow_local.options import LocalOptions

MAXIMUM_RECEIVE: Final = 1_000
MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""What RabbitMQ takes unless it is told otherwise. Source: RabbitMQ documentation: max_message_size."""
CORRELATION_ID: Final = "correlation_id"
"""The message attribute that becomes the correlation id instead of a header or property."""


def message_queue_named(
    service: Service, settings: AdapterSettings, options: LocalOptions, name: str, *, timeout_seconds: float = 0
) -> Queue:
    """The queue with the logical name ``name``: ``orders``, or ``orders::shop`` on another virtual host."""
    rules = options.message_queue(service, name, timeout_seconds=timeout_seconds)
    if rules.dead_letter_queue is not None:
        rules = replace(rules, dead_letter_queue=f"{service}:{rules.dead_letter_queue}")
    address = QueueAddress.parse(name)
    to_record = _rabbitmq_record if service is Service.RABBITMQ else _activemq_record
    return Queue(
        name=f"{service}:{name}",
        arn=f"arn:{partition_of(settings.region)}:mq:{settings.region}:{settings.account_id}:broker:{service}:b-local",
        options=rules,
        to_record=partial(to_record, address),
    )


async def open_message_queue_source(
    database: Database, settings: AdapterSettings, options: LocalOptions, subscription: QueueSubscription
) -> LocalQueueSource:
    """Read a queue, made if it is new. Raises ConfigurationError if no broker could have it."""
    queue = await _opened(
        database, settings, options, subscription.service, subscription.name, subscription.timeout_seconds
    )
    return LocalQueueSource(database, queue, settings.region, maximum_receive=MAXIMUM_RECEIVE, redelivers=False)


async def open_message_queue_sink(
    database: Database, settings: AdapterSettings, options: LocalOptions, service: Service, name: str
) -> LocalQueueSink:
    """Send to a queue, made if it is new. Raises ConfigurationError if no broker could have it."""
    queue = await _opened(database, settings, options, service, name, 0)
    return LocalQueueSink(database, queue, _rabbitmq_message if service is Service.RABBITMQ else _activemq_message)


async def _opened(
    database: Database,
    settings: AdapterSettings,
    options: LocalOptions,
    service: Service,
    name: str,
    timeout_seconds: float,
) -> Queue:
    if not QueueAddress.parse(name).queue:
        hint = "a queue, or queue::virtual_host"
        raise ConfigurationError([Problem(where=f"{service}:{name}", message="names no queue", hint=hint)])
    queue = message_queue_named(service, settings, options, name, timeout_seconds=timeout_seconds)
    await database.run(queue.create)
    return queue


def _rabbitmq_message(queue: Queue, message: OutboundMessage) -> NewMessage:
    """Attributes become headers."""
    correlation_id, headers = _split(message)
    properties = basic_properties(message.body, headers=headers, correlation_id=correlation_id)
    return _checked(queue, message, properties)


def _activemq_message(queue: Queue, message: OutboundMessage) -> NewMessage:
    """Attributes become properties, which JMS allows no bytes in."""
    correlation_id, properties = _split(message)
    for name, value in properties.items():
        if isinstance(value, bytes):
            raise InvalidMessageError(queue.resource, f"the property {name!r} is bytes; text and numbers are allowed")
    return _checked(queue, message, {"correlation_id": correlation_id, "properties": properties})


def _checked(queue: Queue, message: OutboundMessage, stored: JsonObject) -> NewMessage:
    if len(message.body) > MESSAGE_BYTES:
        problem = f"the message has {len(message.body):,} bytes; {MESSAGE_BYTES:,} are allowed"
        raise InvalidMessageError(queue.resource, problem)
    if message.delay_seconds < 0:
        raise InvalidMessageError(queue.resource, f"delay_seconds is {message.delay_seconds:g}; it cannot be negative")
    return NewMessage(message.body, json.dumps(stored), delay_seconds=message.delay_seconds or None)


def _split(message: OutboundMessage) -> tuple[str | None, dict[str, str | int | bytes]]:
    """The correlation id, and what else there is."""
    attributes = dict(message.attributes)
    correlation_id = attributes.pop(CORRELATION_ID, None)
    return None if correlation_id is None else str(correlation_id), attributes


def _rabbitmq_record(address: QueueAddress, delivery: Delivery) -> QueueRecord:
    properties = json.loads(delivery.row["attributes"])
    attributes = {QUEUE: address.wire, "basicProperties": properties, "redelivered": delivery.row["receives"] > 1}
    return _record(delivery, delivery.row["message_id"], attributes)


def _activemq_record(address: QueueAddress, delivery: Delivery) -> QueueRecord:
    row = delivery.row
    headers = message_headers(
        address.queue,
        sent_at=row["sent_at"],
        delivered_at=delivery.now,
        redelivered=row["receives"] > 1,
        binary=not _is_text(row["body"]),
        **json.loads(row["attributes"]),
    )
    return _record(delivery, f"ID:local-{row['message_id']}", headers)


def _record(delivery: Delivery, message_id: str, attributes: JsonObject) -> QueueRecord:
    row = delivery.row
    return QueueRecord(
        message_id=message_id,
        receipt_handle=delivery.receipt_handle,
        body=row["body"],
        receive_count=row["receives"],
        group_id=None,
        attributes=attributes,
        message_attributes={},
    )


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
