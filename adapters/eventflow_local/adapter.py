"""The embedded environment: every service in one directory, or in memory."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, Self

from eventflow.errors import AdapterError, ResourceNotFoundError
from eventflow_local.database import Database
from eventflow_local.event_queue import LocalEventQueueStore
from eventflow_local.notifications import NotificationQueue
from eventflow_local.options import LocalOptions
from eventflow_local.owners import Owner
from eventflow_local.schema import SCHEMA
from eventflow_local.services import NOTIFICATIONS, QUEUES, SINKS, STREAMS, Environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import TypeVar

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

    K = TypeVar("K")
    V = TypeVar("V")

DATABASE_FILE: Final = "state.db"
OWNERS_DIRECTORY: Final = "owners"


class LocalAdapter:
    """An Adapter that needs no server and no account.

    Options: ``data``, a directory (default ``.eventflow``) that several processes may share, or ``"memory"``;
    and the tables of :mod:`eventflow_local.options`. Resources are made on first use.
    """

    def __init__(self, settings: AdapterSettings) -> None:
        """Raises ConfigurationError if an option is wrong."""
        self._settings = settings
        self._options = LocalOptions.parse(settings)
        self._stack = AsyncExitStack()
        self._environment: Environment | None = None

    async def __aenter__(self) -> Self:
        """Raises DataDirectoryError if the directory cannot be used."""
        data = self._options.data
        async with AsyncExitStack() as stack:
            path = data and data / DATABASE_FILE
            database = await Database.open(path, clock=self._settings.clock, schema=SCHEMA)
            stack.push_async_callback(database.aclose)
            owner = Owner.open(data and data / OWNERS_DIRECTORY)
            stack.callback(owner.close)
            queue = NotificationQueue(database, owner)
            self._environment = Environment(self._settings, self._options, database, owner, queue)
            self._stack = stack.pop_all()
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
        opener = _known(QUEUES, subscription.service, f"{subscription.service}:{subscription.name}")
        return await opener(self._opened, subscription)

    async def stream_source(self, subscription: StreamSubscription) -> StreamSource:
        opener = _known(STREAMS, subscription.service, f"{subscription.service}:{subscription.name}")
        return await opener(self._opened, subscription)

    async def notification_source(self, subscription: NotificationSubscription) -> NotificationSource:
        return await NOTIFICATIONS[type(subscription)](self._opened, subscription)

    async def sink(self, destination: Destination) -> DestinationSink:
        return await _known(SINKS, destination.service, destination.resource)(self._opened, destination.name)

    async def event_queue(self, name: str) -> EventQueueStore:
        environment = self._opened
        return await LocalEventQueueStore.open(environment.database, environment.owner, name)

    async def resources(self) -> Sequence[ResourceStatus]:
        from eventflow_local.listing import resources  # only the command line needs it

        return await resources(self._opened)

    @property
    def _opened(self) -> Environment:
        if self._environment is None:
            raise AdapterError(self._settings.environment, "the environment is not open; use `async with` first")
        return self._environment


def _known(openers: Mapping[K, V], service: K, resource: str) -> V:
    opener = openers.get(service)
    if opener is None:
        raise ResourceNotFoundError(resource, f"the embedded environment does not serve {service} here")
    return opener
