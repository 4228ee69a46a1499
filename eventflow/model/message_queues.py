"""Queues of message brokers. Source: Lambda guide: with-mq."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from eventflow.model.destinations import Service

DEFAULT_VIRTUAL_HOST: Final = "/"
ACTIVEMQ_REDELIVERIES: Final = 6
"""How often ActiveMQ's own clients see a message again, as Lambda does, before it goes to the dead-letter queue."""
_SEPARATOR: Final = "::"


class MqEngine(StrEnum):
    """Which broker it is. Each engine is a service of its own: its events and its adapter differ."""

    RABBITMQ = "rabbitmq"
    ACTIVEMQ = "activemq"

    @property
    def service(self) -> Service:
        return Service(self)


class QueueAddress(NamedTuple):
    """A queue and its virtual host, which only RabbitMQ has.

    Written ``queue`` on the default virtual host and ``queue::virtual_host`` on others, so that a resource name says
    both: ``rabbitmq:orders::shop``.
    """

    queue: str
    virtual_host: str = DEFAULT_VIRTUAL_HOST

    @classmethod
    def parse(cls, name: str) -> QueueAddress:
        """The inverse of ``name``."""
        queue, _, virtual_host = name.partition(_SEPARATOR)
        return cls(queue, virtual_host or DEFAULT_VIRTUAL_HOST)

    @property
    def name(self) -> str:
        """The logical name of the resource."""
        return self.queue if self.virtual_host == DEFAULT_VIRTUAL_HOST else self.wire

    @property
    def wire(self) -> str:
        """The key of the queue in a RabbitMQ event: ``orders::/``."""
        return f"{self.queue}{_SEPARATOR}{self.virtual_host}"
