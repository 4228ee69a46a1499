"""ActiveMQ behind the ports."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, Self

from eventflow.model.destinations import Service
from eventflow.ports.one_service import OneService, opened
from eventflow_activemq.brokers import Brokers
from eventflow_activemq.environment import Environment
from eventflow_activemq.inspection import RULES, inspect
from eventflow_activemq.options import ActiveMQOptions
from eventflow_activemq.producer import Producer
from eventflow_activemq.sink import open_queue_sink
from eventflow_activemq.source import open_queue_source

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from types import TracebackType

    from eventflow.model.blueprint import Blueprint
    from eventflow.model.destinations import Destination
    from eventflow.model.subscriptions import NotificationSubscription, QueueSubscription, StreamSubscription
    from eventflow.ports import (
        AdapterSettings,
        DestinationSink,
        EventQueueStore,
        Inspection,
        NotificationSource,
        QueueSource,
        ResourceStatus,
        StreamSource,
    )

_SERVES: Final = OneService(Service.ACTIVEMQ, "the activemq adapter serves queues of ActiveMQ only")


class ActiveMQAdapter:
    """An Adapter and Inspector for the queues of one ActiveMQ Classic broker, or of a pair, Amazon MQ's included.
    Options: see :class:`~eventflow_activemq.options.ActiveMQOptions`."""

    def __init__(self, settings: AdapterSettings) -> None:
        """Raises ConfigurationError if an option is wrong."""
        self._settings = settings
        self._options = ActiveMQOptions.parse(settings)
        self._tls = self._options.ssl_context(f"[environments.{settings.environment}] adapter activemq")
        self._stack = AsyncExitStack()
        self._environment: Environment | None = None

    async def __aenter__(self) -> Self:
        """Connects to nothing yet: every source has a connection of its own, and the sinks have one together."""
        brokers = Brokers(self._options, self._tls)
        producer = Producer(brokers)
        self._stack.push_async_callback(producer.aclose)
        self._environment = Environment(self._settings, self._options, brokers, producer)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._environment = None
        await self._stack.aclose()

    async def queue_source(self, subscription: QueueSubscription) -> QueueSource:
        _SERVES.check(subscription)
        source = await open_queue_source(self._opened, subscription)
        self._stack.push_async_callback(source.aclose)
        return source

    async def sink(self, destination: Destination) -> DestinationSink:
        _SERVES.check(destination)
        return await open_queue_sink(self._opened, destination.name)

    async def stream_source(self, subscription: StreamSubscription) -> StreamSource:
        _SERVES.refuse(subscription)

    async def notification_source(self, subscription: NotificationSubscription) -> NotificationSource:
        _SERVES.refuse_notifications(subscription)

    async def event_queue(self, name: str) -> EventQueueStore:
        _SERVES.refuse_events(name)

    async def resources(self) -> Sequence[ResourceStatus]:
        """Nothing: a broker's queues are the broker's, and AMQP does not list them."""
        return ()

    @property
    def inspection_rules(self) -> Collection[str]:
        return RULES

    async def inspect(self, blueprint: Blueprint) -> Sequence[Inspection]:
        return await inspect(self._opened, blueprint)

    @property
    def _opened(self) -> Environment:
        return opened(self._environment, self._settings)
