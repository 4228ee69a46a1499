"""The event queue of teams whose one durable store is PostgreSQL."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, NoReturn, Self

from eventflow.errors import AdapterError, ResourceNotFoundError
from eventflow.ports import ResourceStatus
from eventflow_postgresql.event_queue import PostgresqlEventQueueStore
from eventflow_postgresql.events import all_statistics
from eventflow_postgresql.link import Link
from eventflow_postgresql.options import PostgresqlOptions
from eventflow_postgresql.schema import make_tables

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
        StreamSource,
    )

RESOURCE = "postgresql"


class PostgresqlAdapter:
    """An Adapter that serves event queues and nothing else. Options: see
    :class:`~eventflow_postgresql.options.PostgresqlOptions`.

    Needs PostgreSQL 12 or newer and sessions of its own: a pooler in front of it has to be in session mode.
    """

    def __init__(self, settings: AdapterSettings) -> None:
        """Raises ConfigurationError if an option is wrong."""
        self._settings = settings
        self._options = PostgresqlOptions.parse(settings)
        self._stack = AsyncExitStack()
        self._open = False

    async def __aenter__(self) -> Self:
        """Makes the tables, if they are not there. Raises UnavailableError if the server cannot be reached,
        AccessDeniedError, and AdapterError if a newer eventflow made the tables."""
        link = Link(self._options, RESOURCE)
        try:
            await link.run(partial(make_tables, resource=RESOURCE, options=self._options))
        finally:
            await link.aclose()
        self._open = True
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open = False
        await self._stack.aclose()

    async def queue_source(self, subscription: QueueSubscription) -> QueueSource:
        self._refuse(f"{subscription.service}:{subscription.name}")

    async def stream_source(self, subscription: StreamSubscription) -> StreamSource:
        self._refuse(f"{subscription.service}:{subscription.name}")

    async def notification_source(self, subscription: NotificationSubscription) -> NotificationSource:
        self._refuse(subscription.name)

    async def sink(self, destination: Destination) -> DestinationSink:
        self._refuse(destination.resource)

    async def event_queue(self, name: str) -> EventQueueStore:
        self._check_open()
        store = PostgresqlEventQueueStore(self._options, name, clock=self._settings.clock)
        self._stack.push_async_callback(store.aclose)
        return store

    async def resources(self) -> Sequence[ResourceStatus]:
        """Every event queue that holds events, and how many."""
        self._check_open()
        link = Link(self._options, RESOURCE)
        try:
            work = partial(all_statistics, options=self._options, now=self._settings.clock.time())
            queues = await link.run(work)
        finally:
            await link.aclose()
        return [
            ResourceStatus(
                resource=f"event queue:{name}",
                figures={"waiting": queue.waiting, "scheduled": queue.scheduled, "claimed": queue.claimed},
            )
            for name, queue in queues.items()
        ]

    def _check_open(self) -> None:
        if not self._open:
            raise AdapterError(self._settings.environment, "the environment is not open; use `async with` first")

    def _refuse(self, resource: str) -> NoReturn:
        message = "PostgreSQL serves event queues only; give this an adapter under [environments.<name>.sources]"
        raise ResourceNotFoundError(resource, message)
