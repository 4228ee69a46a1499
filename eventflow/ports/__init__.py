"""What an adapter implements. Everything here is a protocol over values of ``eventflow.model``."""

from eventflow.ports.adapter import Adapter, AdapterSettings, ResourceStatus
from eventflow.ports.clock import Clock
from eventflow.ports.management import (
    Inspection,
    Inspector,
    Permissions,
    PermissionSource,
    ProvisionAction,
    Provisioner,
    ProvisionStep,
    Remark,
    Statement,
    Template,
    TemplateKind,
    TemplateSource,
)
from eventflow.ports.sinks import DestinationSink
from eventflow.ports.sources import (
    Deliver,
    HttpEndpoint,
    NotificationSource,
    PartitionOwner,
    PushRequest,
    PushResponse,
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
    "HttpEndpoint",
    "Inspection",
    "Inspector",
    "NotificationSource",
    "PartitionOwner",
    "PermissionSource",
    "Permissions",
    "ProvisionAction",
    "ProvisionStep",
    "Provisioner",
    "PushRequest",
    "PushResponse",
    "QueueProperties",
    "QueueSource",
    "Remark",
    "ResourceStatus",
    "Statement",
    "StreamSource",
    "Template",
    "TemplateKind",
    "TemplateSource",
]
