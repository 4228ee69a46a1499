"""RabbitMQ behind the ports."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, Self

from eventflow.model.destinations import Service
from eventflow.ports.one_service import OneService, opened
from eventflow_rabbitmq.connections import Connections
from eventflow_rabbitmq.environment import Environment
from eventflow_rabbitmq.inspection_rules import RULES
from eventflow_rabbitmq.logs import quiet
from eventflow_rabbitmq.options import RabbitMQOptions
from eventflow_rabbitmq.sink import open_queue_sink
from eventflow_rabbitmq.source import open_queue_source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence
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
        ProvisionStep,
        QueueSource,
        ResourceStatus,
        StreamSource,
    )

_SERVES: Final = OneService(Service.RABBITMQ, "the rabbitmq adapter serves RabbitMQ's queues only")


class RabbitMQAdapter:
    """An Adapter for the queues of one RabbitMQ broker, Amazon MQ included: sources and destinations, nothing else.
    Options: see :class:`~eventflow_rabbitmq.options.RabbitMQOptions`."""

    def __init__(self, settings: AdapterSettings) -> None:
        """Raises ConfigurationError if an option is wrong."""
        self._settings = settings
        self._options = RabbitMQOptions.parse(settings)
        where = f"[environments.{settings.environment}] adapter rabbitmq"
        self._context = self._options.ssl_context(where)
        self._stack = AsyncExitStack()
        self._environment: Environment | None = None

    async def __aenter__(self) -> Self:
        """Connects to nothing yet: connections are made when they are used."""
        self._stack.enter_context(quiet())
        connections = await self._stack.enter_async_context(Connections(self._options, self._context))
        self._environment = Environment(self._settings, self._options, connections)
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
        return await open_queue_source(self._opened, subscription)

    async def sink(self, destination: Destination) -> DestinationSink:
        _SERVES.check(destination)
        return await open_queue_sink(self._opened, destination.name)

    async def stream_source(self, subscription: StreamSubscription) -> StreamSource:
        _SERVES.refuse(subscription)

    async def notification_source(self, subscription: NotificationSubscription) -> NotificationSource:
        _SERVES.refuse_notifications(subscription)

    async def event_queue(self, name: str) -> EventQueueStore:
        _SERVES.refuse_events(name)

    async def provision(self, blueprint: Blueprint, *, dry_run: bool) -> AsyncIterator[ProvisionStep]:
        """Make the queues that the app names. Raises AdapterError."""
        from eventflow_rabbitmq.provisioning import provision

        async for step in provision(self._opened, blueprint, dry_run=dry_run):
            yield step

    @property
    def inspection_rules(self) -> Collection[str]:
        return RULES

    async def inspect(self, blueprint: Blueprint) -> Sequence[Inspection]:
        """What is wrong with the queues that the app is bound to."""
        from eventflow_rabbitmq.inspection import inspect

        return await inspect(self._opened, blueprint)

    async def resources(self) -> Sequence[ResourceStatus]:
        """The queues that the environment binds, with how much waits in them."""
        from eventflow_rabbitmq.listing import resources

        return await resources(self._opened)

    @property
    def _opened(self) -> Environment:
        return opened(self._environment, self._settings)
