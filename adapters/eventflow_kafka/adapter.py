"""Apache Kafka behind the ports."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, Self

from eventflow.model.destinations import Service
from eventflow.ports.one_service import OneService, opened
from eventflow_kafka.clients import Clients
from eventflow_kafka.cluster import Cluster
from eventflow_kafka.environment import Environment, cluster_region
from eventflow_kafka.logs import without_repeats
from eventflow_kafka.options import KafkaOptions
from eventflow_kafka.security import security
from eventflow_kafka.sink import open_topic_sink
from eventflow_kafka.source import open_topic_source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from eventflow.model.destinations import Destination
    from eventflow.model.subscriptions import NotificationSubscription, QueueSubscription, StreamSubscription
    from eventflow.ports import (
        AdapterSettings,
        DestinationSink,
        EventQueueStore,
        NotificationSource,
        QueueSource,
        ResourceStatus,
        StreamSource,
    )
    from eventflow_kafka.registry import SchemaRegistry

_SERVES: Final = OneService(Service.KAFKA, "the kafka adapter serves Kafka topics only")


class KafkaAdapter:
    """An Adapter for the topics of one Kafka cluster, Amazon MSK included: streams and destinations, nothing else.
    Options: see :class:`~eventflow_kafka.options.KafkaOptions`. Topics are never made."""

    def __init__(self, settings: AdapterSettings) -> None:
        """Raises ConfigurationError if an option is wrong."""
        self._settings = settings
        self._options = KafkaOptions.parse(settings)
        where = f"[environments.{settings.environment}] adapter kafka"
        self._security = security(self._options, where=where, region=cluster_region(self._options, settings))
        self._registry: SchemaRegistry | None = None
        if self._options.schema_registry_uri is not None:
            from eventflow_kafka.registry import SchemaRegistry

            self._registry = SchemaRegistry(self._options, where=where)
        self._stack = AsyncExitStack()
        self._environment: Environment | None = None

    async def __aenter__(self) -> Self:
        """Connects to nothing yet: clients are made when they are used."""
        self._stack.enter_context(without_repeats())
        clients = await self._stack.enter_async_context(Clients(self._options, self._security))
        cluster = Cluster(clients)
        self._stack.callback(cluster.close)
        registry = await self._stack.enter_async_context(self._registry) if self._registry is not None else None
        self._environment = Environment(self._settings, self._options, clients, cluster, registry)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._environment = None
        await self._stack.aclose()

    async def stream_source(self, subscription: StreamSubscription) -> StreamSource:
        _SERVES.check(subscription)
        return await open_topic_source(self._opened, subscription)

    async def sink(self, destination: Destination) -> DestinationSink:
        _SERVES.check(destination)
        return await open_topic_sink(self._opened, destination.name)

    async def queue_source(self, subscription: QueueSubscription) -> QueueSource:
        _SERVES.refuse(subscription)

    async def notification_source(self, subscription: NotificationSubscription) -> NotificationSource:
        _SERVES.refuse_notifications(subscription)

    async def event_queue(self, name: str) -> EventQueueStore:
        _SERVES.refuse_events(name)

    async def resources(self) -> Sequence[ResourceStatus]:
        """Nothing: a cluster's topics are the cluster's."""
        return ()

    @property
    def _opened(self) -> Environment:
        return opened(self._environment, self._settings)
