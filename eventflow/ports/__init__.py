"""What an adapter implements. Everything here is a protocol over values of ``eventflow.model``."""

from eventflow.ports.adapter import Adapter, AdapterSettings, ResourceStatus
from eventflow.ports.clock import Clock
from eventflow.ports.sinks import DestinationSink
from eventflow.ports.sources import (
    Deliver,
    NotificationSource,
    PartitionOwner,
    QueueProperties,
    QueueSource,
    StreamSource,
)
from eventflow.ports.storage import EventQueueStatistics, EventQueueStore

__all__ = [
    "Adapter",
    "AdapterSettings",
    "Clock",
    "Deliver",
    "DestinationSink",
    "EventQueueStatistics",
    "EventQueueStore",
    "NotificationSource",
    "PartitionOwner",
    "QueueProperties",
    "QueueSource",
    "ResourceStatus",
    "StreamSource",
]
