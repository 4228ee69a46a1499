"""An adapter whose sources, sinks and stores have faults, so that a whole app runs on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self, TypeVar

from eventflow.model.destinations import Service
from eventflow.model.subscriptions import BucketNotification, BusRule, ScheduleRule, TopicSubscription
from eventflow.testing.faults.ports import (
    EVENT_QUEUE_OPERATIONS,
    NOTIFICATION_OPERATIONS,
    QUEUE_OPERATIONS,
    SINK_OPERATIONS,
    STREAM_OPERATIONS,
    FaultyEventQueueStore,
    FaultyNotificationSource,
    FaultyQueueSource,
    FaultySink,
    FaultyStreamSource,
)
from eventflow.testing.faults.script import Faults, Script

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from types import TracebackType

    from eventflow.model.destinations import Destination
    from eventflow.model.subscriptions import NotificationSubscription, QueueSubscription, StreamSubscription
    from eventflow.ports import (
        Adapter,
        DestinationSink,
        EventQueueStore,
        NotificationSource,
        QueueSource,
        ResourceStatus,
        StreamSource,
    )

OPEN: Final = "open"
OPERATIONS: Final = frozenset(
    {
        OPEN,
        *QUEUE_OPERATIONS,
        *STREAM_OPERATIONS,
        *NOTIFICATION_OPERATIONS,
        *SINK_OPERATIONS,
        *EVENT_QUEUE_OPERATIONS,
    }
)
_SERVICES: Final[dict[type[NotificationSubscription], Service]] = {
    BucketNotification: Service.S3,
    TopicSubscription: Service.SNS,
    BusRule: Service.EVENTBRIDGE,
    ScheduleRule: Service.SCHEDULE,
}

P = TypeVar("P")


class FaultyAdapter:
    """Wraps an adapter. ``scripts`` are by resource: ``sqs:orders``, ``s3:uploads``, ``event_queue:<name>``.

    Beside the operations of its port, a resource has ``open``: ``("open", 1): unavailable`` is a source that
    cannot be reached when the app starts. Calls are counted per resource, over everything opened of it.
    Resources without a script are not wrapped.
    """

    def __init__(self, inner: Adapter, scripts: Mapping[str, Script]) -> None:
        self.faults: Mapping[str, Faults] = {
            resource: Faults(resource, script, operations=OPERATIONS) for resource, script in scripts.items()
        }
        self._inner = inner

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._inner.__aexit__(exc_type, exc, traceback)

    @property
    def unused(self) -> set[tuple[str, str, int]]:
        """Entries of the scripts that no call has met: resource, operation, number."""
        return {
            (resource, operation, number)
            for resource, faults in self.faults.items()
            for operation, number in faults.unused
        }

    async def queue_source(self, subscription: QueueSubscription) -> QueueSource:
        return await self._open(
            f"{subscription.service}:{subscription.name}",
            lambda: self._inner.queue_source(subscription),
            FaultyQueueSource,
        )

    async def stream_source(self, subscription: StreamSubscription) -> StreamSource:
        return await self._open(
            f"{subscription.service}:{subscription.name}",
            lambda: self._inner.stream_source(subscription),
            FaultyStreamSource,
        )

    async def notification_source(self, subscription: NotificationSubscription) -> NotificationSource:
        return await self._open(
            f"{_SERVICES[type(subscription)]}:{subscription.name}",
            lambda: self._inner.notification_source(subscription),
            FaultyNotificationSource,
        )

    async def sink(self, destination: Destination) -> DestinationSink:
        return await self._open(destination.resource, lambda: self._inner.sink(destination), FaultySink)

    async def event_queue(self, name: str) -> EventQueueStore:
        return await self._open(f"event_queue:{name}", lambda: self._inner.event_queue(name), FaultyEventQueueStore)

    async def resources(self) -> Sequence[ResourceStatus]:
        return await self._inner.resources()

    async def _open(self, resource: str, opening: Callable[[], Awaitable[P]], wrap: Callable[[P, Faults], P]) -> P:
        faults = self.faults.get(resource)
        if faults is None:
            return await opening()
        return wrap(await faults.apply(OPEN, opening), faults)
