"""Where results and failures go: ``to_sqs`` and its siblings name a destination, an environment binds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventflow.model.destinations import Destination, Service

if TYPE_CHECKING:
    from eventflow.triggers._engines import MqEngineName


def to_sqs(queue: str) -> Destination:
    """A standard SQS queue, by its logical name."""
    return Destination(Service.SQS, queue)


def to_sns(topic: str) -> Destination:
    """A standard SNS topic, by its logical name."""
    return Destination(Service.SNS, topic)


def to_eventbridge(bus: str = "default") -> Destination:
    """An EventBridge bus, by its logical name."""
    return Destination(Service.EVENTBRIDGE, bus)


def to_function(name: str) -> Destination:
    """Another function, invoked asynchronously with the record as its event."""
    return Destination(Service.FUNCTION, name)


def to_s3(bucket: str) -> Destination:
    """An S3 bucket; ``on_failure`` only. Objects are keyed as Lambda keys them."""
    return Destination(Service.S3, bucket)


def to_kafka(topic: str) -> Destination:
    """A Kafka topic, for the ``on_failure`` of a Kafka mapping: one message per record, with its payload."""
    return Destination(Service.KAFKA, topic)


def to_mq(queue: str, *, engine: MqEngineName) -> Destination:
    """A queue of a message broker, for the ``on_failure`` of such a queue: one message per record, with its payload.

    ``engine`` as in :func:`~eventflow.on_mq`. A queue on another virtual host of RabbitMQ is ``queue::virtual_host``.
    """
    from eventflow.triggers._engines import engine_of  # most destinations are no message queues

    return Destination(engine_of(engine, where=f'to_mq("{queue}")').service, queue)
