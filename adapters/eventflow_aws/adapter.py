"""AWS behind the ports."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from eventflow.errors import AdapterError, ResourceNotFoundError
from eventflow_aws.clients import Clients
from eventflow_aws.environment import Environment
from eventflow_aws.names import Names
from eventflow_aws.options import AwsOptions
from eventflow_aws.services import QUEUES, SINKS, STREAMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import TypeVar

    from eventflow.model.destinations import Destination, Service
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

    T = TypeVar("T")

NO_EVENT_QUEUE = "default"
"""What an environment that names no event queue asks for."""


class AwsAdapter:
    """An Adapter for AWS and for whatever speaks its API. Options: :class:`~eventflow_aws.options.AwsOptions`."""

    def __init__(self, settings: AdapterSettings) -> None:
        """Raises ConfigurationError if an option is wrong."""
        self._settings = settings
        self._options = AwsOptions.parse(settings)
        self._stack = AsyncExitStack()
        self._environment: Environment | None = None

    async def __aenter__(self) -> Self:
        """Connects to nothing yet: clients are made when they are used."""
        clients = await self._stack.enter_async_context(Clients(self._settings, self._options))
        self._environment = Environment(
            settings=self._settings,
            options=self._options,
            names=Names(self._settings.resources),
            clients=clients,
        )
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
        opener = _known(QUEUES, subscription.service, subscription.name)
        return await opener(self._opened, subscription)

    async def stream_source(self, subscription: StreamSubscription) -> StreamSource:
        opener = _known(STREAMS, subscription.service, subscription.name)
        return await opener(self._opened, subscription)

    async def notification_source(self, subscription: NotificationSubscription) -> NotificationSource:
        from eventflow_aws.notifications import open_notification_source

        return await open_notification_source(self._opened, subscription)

    async def sink(self, destination: Destination) -> DestinationSink:
        return await _known(SINKS, destination.service, destination.name)(self._opened, destination.name)

    async def event_queue(self, name: str) -> EventQueueStore:
        """The SQS queue with this logical name as an event queue."""
        from eventflow_aws.event_queue import open_event_queue

        if name == NO_EVENT_QUEUE:
            message = 'asynchronous events have nowhere to wait; set event_queue = "sqs:<queue>" or "postgresql:<name>"'
            raise AdapterError(self._settings.environment, message)
        return await open_event_queue(self._opened, name)

    async def resources(self) -> Sequence[ResourceStatus]:
        """Nothing: an account's resources are the account's. ``eventflow check`` looks at those of an app."""
        return ()

    @property
    def _opened(self) -> Environment:
        if self._environment is None:
            raise AdapterError(self._settings.environment, "the environment is not open; use `async with` first")
        return self._environment


def _known(openers: Mapping[Service, T], service: Service, name: str) -> T:
    opener = openers.get(service)
    if opener is None:
        message = (
            f"the aws adapter does not serve {service} here; give it an adapter under [environments.<name>.sources]"
        )
        raise ResourceNotFoundError(f"{service}:{name}", message)
    return opener
