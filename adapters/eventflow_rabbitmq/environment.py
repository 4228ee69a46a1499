"""What the sources and sinks of one open RabbitMQ environment share."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from eventflow.model.message_queues import DEFAULT_VIRTUAL_HOST, QueueAddress
from eventflow.model.partitions import partition_of

if TYPE_CHECKING:
    from eventflow.ports import AdapterSettings
    from eventflow_rabbitmq.connections import Connections
    from eventflow_rabbitmq.options import RabbitMQOptions


class Environment(NamedTuple):
    """Handed to what opens a source or a sink."""

    settings: AdapterSettings
    options: RabbitMQOptions
    connections: Connections

    @property
    def region(self) -> str:
        """The region of the broker's ARN, else the environment's."""
        arn = self.options.broker_arn
        return arn.split(":")[3] if arn else self.settings.region

    @property
    def arn(self) -> str:
        """The broker's, as events carry it; made up from its first address where the broker is nobody's but ours."""
        return self.options.broker_arn or (
            f"arn:{partition_of(self.region)}:mq:{self.region}:{self.settings.account_id}:broker:rabbitmq:"
            f"{self.options.addresses[0].host}"
        )

    def address(self, name: str) -> QueueAddress:
        """The queue that a logical name is bound to. What is bound to a plain queue keeps its virtual host."""
        logical = QueueAddress.parse(name)
        physical = QueueAddress.parse(self.settings.resources.get(f"rabbitmq:{name}") or name)
        for virtual_host in (physical.virtual_host, logical.virtual_host):
            if virtual_host != DEFAULT_VIRTUAL_HOST:
                return QueueAddress(physical.queue, virtual_host)
        return QueueAddress(physical.queue, self.options.virtual_host)
