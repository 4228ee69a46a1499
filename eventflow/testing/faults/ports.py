"""Every port with faults. Each wrapper keeps its port's contract as far as its script lets it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventflow.testing.faults.script import Faults, Script, repeated

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from eventflow.model.destinations import OutboundMessage
    from eventflow.model.invocation import QueuedEvent
    from eventflow.model.records import (
        Checkpoint,
        PartitionId,
        QueueRecord,
        SourceIdentity,
        StreamRead,
    )
    from eventflow.ports import (
        Deliver,
        DestinationSink,
        EventQueueStatistics,
        EventQueueStore,
        NotificationSource,
        PartitionOwner,
        QueueProperties,
        QueueSource,
        StreamSource,
    )

QUEUE_OPERATIONS: Final = frozenset({"receive", "delete", "release", "extend", "backlog", "aclose"})
STREAM_OPERATIONS: Final = frozenset({"run", "read", "commit", "complete", "backlog", "aclose"})
NOTIFICATION_OPERATIONS: Final = frozenset({"run", "deliver", "backlog", "aclose"})
SINK_OPERATIONS: Final = frozenset({"send", "aclose"})
EVENT_QUEUE_OPERATIONS: Final = frozenset({"put", "receive", "delete", "reschedule", "extend", "statistics", "aclose"})


def _faults(script: Script | Faults, resource: str, operations: Collection[str]) -> Faults:
    return script if isinstance(script, Faults) else Faults(resource, script, operations=operations)


class FaultyQueueSource:
    """A QueueSource with faults.

    ``duplicate`` on ``receive`` hands the same records out again with the next receive. A receipt that
    ``expire_receipt`` touched is worth nothing from then on, whatever the queue would still make of it.
    """

    def __init__(self, inner: QueueSource, script: Script | Faults) -> None:
        self.faults = _faults(script, inner.identity.arn, QUEUE_OPERATIONS)
        self._inner = inner
        self._repeat: list[QueueRecord] = []
        self._expired: set[str] = set()

    @property
    def identity(self) -> SourceIdentity:
        return self._inner.identity

    @property
    def properties(self) -> QueueProperties:
        return self._inner.properties

    async def receive(self, *, max_records: int, wait_seconds: float) -> Sequence[QueueRecord]:
        async def proceed() -> Sequence[QueueRecord]:
            if self._repeat:
                again, self._repeat = self._repeat[:max_records], self._repeat[max_records:]
                return again
            return await self._inner.receive(max_records=max_records, wait_seconds=wait_seconds)

        async def twice() -> Sequence[QueueRecord]:
            records = await proceed()
            self._repeat.extend(records)
            return records

        async def expire() -> Sequence[QueueRecord]:
            records = await proceed()
            await self._expire([record.receipt_handle for record in records])
            return records

        return await self.faults.apply("receive", proceed, twice=twice, expire=expire)

    async def delete(self, receipts: Sequence[str]) -> None:
        async def proceed() -> None:
            await self._inner.delete(self._valid(receipts))

        async def expire() -> None:
            await self._expire(receipts)

        await self.faults.apply("delete", proceed, twice=repeated(proceed), expire=expire)

    async def release(self, receipts: Sequence[str], *, after_seconds: float = 0) -> None:
        async def proceed() -> None:
            await self._inner.release(self._valid(receipts), after_seconds=after_seconds)

        async def expire() -> None:
            await self._expire(receipts)

        await self.faults.apply("release", proceed, twice=repeated(proceed), expire=expire)

    async def extend(self, receipts: Sequence[str], *, seconds: float) -> Collection[str]:
        async def proceed() -> Collection[str]:
            valid = self._valid(receipts)
            lost = await self._inner.extend(valid, seconds=seconds)
            return [*lost, *(receipt for receipt in receipts if receipt in self._expired)]

        async def expire() -> Collection[str]:
            await self._expire(receipts)
            return list(receipts)

        return await self.faults.apply("extend", proceed, twice=repeated(proceed), expire=expire)

    async def backlog(self) -> int:
        return await self.faults.apply("backlog", self._inner.backlog)

    async def aclose(self) -> None:
        await self.faults.apply("aclose", self._inner.aclose, twice=repeated(self._inner.aclose))

    def _valid(self, receipts: Sequence[str]) -> list[str]:
        return [receipt for receipt in receipts if receipt not in self._expired]

    async def _expire(self, receipts: Sequence[str]) -> None:
        await self._inner.release(self._valid(receipts))
        self._expired.update(receipts)


class FaultyStreamSource:
    """A StreamSource with faults. ``duplicate`` works on ``commit`` and ``complete``."""

    def __init__(self, inner: StreamSource, script: Script | Faults) -> None:
        self.faults = _faults(script, inner.identity.arn, STREAM_OPERATIONS)
        self._inner = inner

    @property
    def identity(self) -> SourceIdentity:
        return self._inner.identity

    async def run(self, owner: PartitionOwner) -> None:
        async def proceed() -> None:
            await self._inner.run(owner)

        await self.faults.apply("run", proceed)

    async def read(self, partition: PartitionId, *, max_records: int, wait_seconds: float) -> StreamRead:
        async def proceed() -> StreamRead:
            return await self._inner.read(partition, max_records=max_records, wait_seconds=wait_seconds)

        return await self.faults.apply("read", proceed)

    async def commit(self, partition: PartitionId, checkpoint: Checkpoint) -> None:
        async def proceed() -> None:
            await self._inner.commit(partition, checkpoint)

        await self.faults.apply("commit", proceed, twice=repeated(proceed))

    async def complete(self, partition: PartitionId) -> None:
        async def proceed() -> None:
            await self._inner.complete(partition)

        await self.faults.apply("complete", proceed, twice=repeated(proceed))

    async def backlog(self) -> int:
        return await self.faults.apply("backlog", self._inner.backlog)

    async def aclose(self) -> None:
        await self.faults.apply("aclose", self._inner.aclose, twice=repeated(self._inner.aclose))


class FaultyNotificationSource:
    """A NotificationSource with faults. ``deliver`` is counted by event: ``lose_reply`` on it makes the source
    deliver an event again that was stored, ``duplicate`` delivers it twice."""

    def __init__(self, inner: NotificationSource, script: Script | Faults) -> None:
        self.faults = _faults(script, inner.identity.arn, NOTIFICATION_OPERATIONS)
        self._inner = inner

    @property
    def identity(self) -> SourceIdentity:
        return self._inner.identity

    async def run(self, deliver: Deliver) -> None:
        async def deliver_one(payload: bytes) -> None:
            async def proceed() -> None:
                await deliver(payload)

            await self.faults.apply("deliver", proceed, twice=repeated(proceed))

        async def proceed() -> None:
            await self._inner.run(deliver_one)

        await self.faults.apply("run", proceed)

    async def backlog(self) -> int:
        return await self.faults.apply("backlog", self._inner.backlog)

    async def aclose(self) -> None:
        await self.faults.apply("aclose", self._inner.aclose, twice=repeated(self._inner.aclose))


class FaultySink:
    """A DestinationSink with faults."""

    def __init__(self, inner: DestinationSink, script: Script | Faults) -> None:
        self.faults = _faults(script, inner.arn, SINK_OPERATIONS)
        self._inner = inner

    @property
    def arn(self) -> str:
        return self._inner.arn

    async def send(self, message: OutboundMessage) -> None:
        async def proceed() -> None:
            await self._inner.send(message)

        await self.faults.apply("send", proceed, twice=repeated(proceed))

    async def aclose(self) -> None:
        await self.faults.apply("aclose", self._inner.aclose, twice=repeated(self._inner.aclose))


class FaultyEventQueueStore:
    """An EventQueueStore with faults. ``expire_receipt`` takes the claims away that ``receive`` made or
    ``extend`` was to renew."""

    def __init__(self, inner: EventQueueStore, script: Script | Faults) -> None:
        self.faults = _faults(script, "event_queue", EVENT_QUEUE_OPERATIONS)
        self._inner = inner

    @property
    def lease_seconds(self) -> float | None:
        return self._inner.lease_seconds

    async def put(self, event: QueuedEvent, *, claim: bool) -> bool:
        async def proceed() -> bool:
            return await self._inner.put(event, claim=claim)

        return await self.faults.apply("put", proceed, twice=repeated(proceed))

    async def receive(self, *, max_events: int, wait_seconds: float) -> Sequence[QueuedEvent]:
        async def proceed() -> Sequence[QueuedEvent]:
            return await self._inner.receive(max_events=max_events, wait_seconds=wait_seconds)

        async def expire() -> Sequence[QueuedEvent]:
            events = await proceed()
            await self._give_up(events)
            return events

        return await self.faults.apply("receive", proceed, expire=expire)

    async def delete(self, event: QueuedEvent) -> None:
        async def proceed() -> None:
            await self._inner.delete(event)

        await self.faults.apply("delete", proceed, twice=repeated(proceed))

    async def reschedule(self, event: QueuedEvent) -> None:
        async def proceed() -> None:
            await self._inner.reschedule(event)

        await self.faults.apply("reschedule", proceed, twice=repeated(proceed))

    async def extend(self, events: Sequence[QueuedEvent]) -> Sequence[QueuedEvent]:
        async def proceed() -> Sequence[QueuedEvent]:
            return await self._inner.extend(events)

        async def expire() -> Sequence[QueuedEvent]:
            await self._give_up(events)
            return events

        return await self.faults.apply("extend", proceed, expire=expire)

    async def statistics(self) -> EventQueueStatistics:
        return await self.faults.apply("statistics", self._inner.statistics)

    async def aclose(self) -> None:
        await self.faults.apply("aclose", self._inner.aclose, twice=repeated(self._inner.aclose))

    async def _give_up(self, events: Sequence[QueuedEvent]) -> None:
        for event in events:
            await self._inner.reschedule(event)
