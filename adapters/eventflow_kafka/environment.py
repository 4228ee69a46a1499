"""What the sources and sinks of one open Kafka environment share."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from eventflow.ports import AdapterSettings, Clock
    from eventflow_kafka.clients import Clients
    from eventflow_kafka.cluster import Cluster
    from eventflow_kafka.options import KafkaOptions
    from eventflow_kafka.registry import SchemaRegistry


class Environment(NamedTuple):
    """Handed to what opens a source or a sink."""

    settings: AdapterSettings
    options: KafkaOptions
    clients: Clients
    cluster: Cluster
    registry: SchemaRegistry | None = None

    @property
    def clock(self) -> Clock:
        return self.settings.clock

    @property
    def region(self) -> str:
        return cluster_region(self.options, self.settings)

    def topic(self, name: str) -> str:
        """The topic that a logical name is bound to; the name itself without a binding."""
        return self.settings.resources.get(f"kafka:{name}") or name


def cluster_region(options: KafkaOptions, settings: AdapterSettings) -> str:
    """The region of the cluster's ARN, else the environment's."""
    return options.cluster_arn.split(":")[3] if options.cluster_arn else settings.region
