"""What an adapter implements. Everything here is a protocol over values of ``eventflow.model``."""

from eventflow.ports.adapter import Adapter, AdapterSettings, ResourceStatus
from eventflow.ports.clock import Clock
from eventflow.ports.http import HttpClient, OutboundRequest, OutboundResponse
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
from eventflow.ports.signing import Credentials, SignatureVerifier, SignedRequest
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
    RequestVerifier,
    StreamSource,
)
from eventflow.ports.storage import EventQueueStatistics, EventQueueStore

__all__ = [
    "Adapter",
    "AdapterSettings",
    "Clock",
    "Credentials",
    "Deliver",
    "DestinationSink",
    "EventQueueStatistics",
    "EventQueueStore",
    "HttpClient",
    "HttpEndpoint",
    "Inspection",
    "Inspector",
    "NotificationSource",
    "OutboundRequest",
    "OutboundResponse",
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
    "RequestVerifier",
    "ResourceStatus",
    "SignatureVerifier",
    "SignedRequest",
    "Statement",
    "StreamSource",
    "Template",
    "TemplateKind",
    "TemplateSource",
]
