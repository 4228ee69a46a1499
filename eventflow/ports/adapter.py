"""An adapter: opens sources, sinks and stores by resource name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from eventflow.model.destinations import Destination
    from eventflow.model.subscriptions import (
        NotificationSubscription,
        QueueSubscription,
        StreamSubscription,
    )
    from eventflow.ports.clock import Clock
    from eventflow.ports.sinks import DestinationSink
    from eventflow.ports.sources import NotificationSource, QueueSource, StreamSource
    from eventflow.ports.storage import EventQueueStore


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterSettings:
    """What an adapter is built from.

    ``options`` is the environment's table (``data``, ``bootstrap_servers`` ...). ``resources`` binds logical
    names to physical ones (``"sqs:orders": "https://sqs..."``). ``region_is_default`` says that nobody stated
    ``region``: an adapter with a better source may use that.
    """

    environment: str
    options: Mapping[str, Any] = field(repr=False)  # may hold secrets
    resources: Mapping[str, str]
    clock: Clock
    region: str = "us-east-1"
    region_is_default: bool = True
    account_id: str = "000000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceStatus:
    """One line of ``eventflow list``: a resource and the figures worth showing of it."""

    resource: str
    figures: Mapping[str, int | str]


class Adapter(Protocol):
    """Found through the entry point group ``eventflow.adapters``: a callable that takes AdapterSettings.

    Constructing it is inert, and raises ConfigurationError if an option is wrong; entering it connects; leaving it
    closes everything it opened. Asking for a source or sink of a service the adapter does not serve raises
    ResourceNotFoundError.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    async def queue_source(self, subscription: QueueSubscription) -> QueueSource: ...

    async def stream_source(self, subscription: StreamSubscription) -> StreamSource: ...

    async def notification_source(self, subscription: NotificationSubscription) -> NotificationSource: ...

    async def sink(self, destination: Destination) -> DestinationSink: ...

    async def event_queue(self, name: str) -> EventQueueStore: ...

    async def resources(self) -> Sequence[ResourceStatus]: ...
