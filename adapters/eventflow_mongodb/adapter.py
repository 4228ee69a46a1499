"""DocumentDB and MongoDB behind the ports."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, Self

from eventflow.errors import ResourceNotFoundError
from eventflow.model.destinations import Service
from eventflow.ports import ResourceStatus
from eventflow.ports.one_service import OneService, opened
from eventflow_mongodb.client import make_client
from eventflow_mongodb.environment import Environment
from eventflow_mongodb.inspection import RULES, inspect
from eventflow_mongodb.lease_table import LeaseTable
from eventflow_mongodb.options import MongodbOptions
from eventflow_mongodb.source import open_change_source

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
        StreamSource,
    )

_SERVES: Final = OneService(Service.DOCUMENTDB, "the mongodb adapter serves change streams only")


class MongodbAdapter:
    """An Adapter for the change streams of one DocumentDB or MongoDB cluster, and nothing else; and its Inspector.
    Options: see :class:`~eventflow_mongodb.options.MongodbOptions`. Collections are never made, but for the leases."""

    def __init__(self, settings: AdapterSettings) -> None:
        """Raises ConfigurationError if an option is wrong."""
        self._settings = settings
        self._options = MongodbOptions.parse(settings)
        self._where = f"[environments.{settings.environment}] adapter mongodb"
        self._environment: Environment | None = None

    async def __aenter__(self) -> Self:
        """Connects to nothing yet: the driver does when it is used."""
        client = make_client(self._options, where=self._where)
        self._environment = Environment(self._settings, self._options, client, LeaseTable.of(client, self._options))
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        environment, self._environment = self._environment, None
        if environment is not None:
            await environment.client.close()

    async def stream_source(self, subscription: StreamSubscription) -> StreamSource:
        _SERVES.check(subscription)
        return await open_change_source(self._opened, subscription)

    async def queue_source(self, subscription: QueueSubscription) -> QueueSource:
        _SERVES.refuse(subscription)

    async def notification_source(self, subscription: NotificationSubscription) -> NotificationSource:
        _SERVES.refuse_notifications(subscription)

    async def sink(self, destination: Destination) -> DestinationSink:
        _SERVES.check(destination)
        mend = "write documents with a client of MongoDB's; `eventflow send documentdb` is for the embedded environment"
        raise ResourceNotFoundError(
            destination.resource, "the mongodb adapter reads changes and writes nothing", mend=mend
        )

    async def event_queue(self, name: str) -> EventQueueStore:
        _SERVES.refuse_events(name)

    async def resources(self) -> Sequence[ResourceStatus]:
        """What has subscriptions, and the functions that have them."""
        subscribers: defaultdict[str, list[str]] = defaultdict(list)
        for lease in await self._opened.leases.all():
            subscriber, _, name = lease.subscription.partition("/")
            subscribers[name].append(subscriber)
        return [
            ResourceStatus(resource=f"{Service.DOCUMENTDB}:{name}", figures={"subscribers": ", ".join(functions)})
            for name, functions in subscribers.items()
        ]

    @property
    def inspection_rules(self) -> Collection[str]:
        return RULES

    async def inspect(self, blueprint: Blueprint) -> Sequence[Inspection]:
        return await inspect(self._opened, blueprint)

    @property
    def _opened(self) -> Environment:
        return opened(self._environment, self._settings)
