"""What the sources and sinks of one open ActiveMQ environment share."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from eventflow.model.destinations import Service
from eventflow.model.message_queues import QueueAddress
from eventflow.model.partitions import partition_of

if TYPE_CHECKING:
    from eventflow.ports import AdapterSettings, Clock
    from eventflow_activemq.brokers import Brokers
    from eventflow_activemq.options import ActiveMQOptions
    from eventflow_activemq.producer import Producer


class Environment(NamedTuple):
    """Handed to what opens a source or a sink."""

    settings: AdapterSettings
    options: ActiveMQOptions
    brokers: Brokers
    producer: Producer

    @property
    def clock(self) -> Clock:
        return self.settings.clock

    @property
    def region(self) -> str:
        """The region of the broker's ARN, else the environment's."""
        arn = self.options.broker_arn
        return arn.split(":")[3] if arn else self.settings.region

    @property
    def broker_arn(self) -> str:
        """The broker's ARN; of one that is not Amazon's, one that looks alike."""
        return self.options.broker_arn or (
            f"arn:{partition_of(self.region)}:mq:{self.region}:{self.settings.account_id}:broker:activemq:b-self-managed"
        )

    def queue(self, name: str) -> str:
        """The queue that a logical name is bound to; the name itself without a binding."""
        return self.settings.resources.get(f"{Service.ACTIVEMQ}:{name}") or QueueAddress.parse(name).queue
