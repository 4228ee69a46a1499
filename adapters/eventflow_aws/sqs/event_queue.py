"""The durable queue behind asynchronous invocation, on a standard queue of SQS that any number of processes share.

SQS delays a message for 15 minutes at most. An event that is due later is received before its time and hidden again,
for up to 12 hours each time; nobody gets it early.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Final

from eventflow.errors import AdapterError
from eventflow.model import limits
from eventflow.ports import EventQueueStatistics
from eventflow_aws.sqs.event_messages import to_event, to_message
from eventflow_aws.sqs.queues import find_queue
from eventflow_aws.sqs.sink import MAXIMUM_DELAY_SECONDS, SqsQueueSink
from eventflow_aws.sqs.source import SqsQueueSource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from eventflow.model.invocation import QueuedEvent
    from eventflow.model.records import QueueRecord
    from eventflow.ports import Clock, DestinationSink, QueueSource
    from eventflow_aws.background import Background
    from eventflow_aws.environment import Environment
    from eventflow_aws.sqs.queues import Queue, QueueCounts

_log = logging.getLogger(__name__)

LONGEST_HOP_SECONDS: Final = 43_000.0
"""A little less than the 12 hours for which SQS hides a message from the moment it is received."""
RECEIVES_AT_ONCE: Final = 10
CLOSE_SECONDS: Final = 5.0
SOON_SECONDS: Final = 1.0
FEW_RECEIVES: Final = 10
"""A redrive policy below this takes events away that only had bad luck."""


async def open_event_queue(env: Environment, name: str) -> SqsEventQueueStore:
    """Raises ResourceNotFoundError, AccessDeniedError, UnavailableError; AdapterError if the queue cannot serve."""
    queue = await find_queue(env, f"sqs:{name}")
    _check(queue)
    return SqsEventQueueStore(
        queue.resource,
        SqsQueueSource(queue, env.background),
        SqsQueueSink(queue),
        counts=queue.counts,
        clock=env.clock,
        background=env.background,
    )


def _check(queue: Queue) -> None:
    if queue.fifo:
        raise AdapterError(queue.resource, "is a FIFO queue, which cannot delay single events; use a standard queue")
    if not queue.visibility_timeout_seconds:
        message = "has a visibility timeout of 0 s, so that every process gets every event; 30 s or more is right"
        raise AdapterError(queue.resource, message)
    receives = queue.maximum_receive_count
    if receives is not None and receives < FEW_RECEIVES:
        # A long wait costs one receive, every process that dies at work another; what SQS then takes away reaches
        # no on_failure destination.
        text = "%s: its redrive policy takes events away after %d receives, unseen by eventflow; allow %d or more"
        _log.warning(text, queue.resource, receives, FEW_RECEIVES)
    retention = int(queue.attributes.get("MessageRetentionPeriod", limits.DEFAULT_EVENT_AGE_SECONDS))
    if retention < limits.DEFAULT_EVENT_AGE_SECONDS:
        text = "%s: it forgets events after %d s, which may live for %d s"
        _log.warning(text, queue.resource, retention, limits.DEFAULT_EVENT_AGE_SECONDS)


class _Claim:
    """A message of ours. ``stored`` is the version of its event that was sent in its place, if that was done."""

    __slots__ = ("ends_at", "message_id", "receipt", "stored")

    def __init__(self, record: QueueRecord, ends_at: float) -> None:
        self.message_id = record.message_id
        self.receipt = record.receipt_handle
        self.ends_at = ends_at
        self.stored: QueuedEvent | None = None


class SqsEventQueueStore:
    """An EventQueueStore over a queue: what it sends through ``sink`` it receives from ``source``.

    What SQS cannot do: a put neither claims nor looks whether the event is there already, and events that are due
    come in any order. A message that is no event is left to the queue's redrive policy and retention.
    """

    def __init__(
        self,
        resource: str,
        source: QueueSource,
        sink: DestinationSink,
        *,
        counts: Callable[[], Awaitable[QueueCounts]],
        clock: Clock,
        background: Background,
    ) -> None:
        self._resource = resource
        self._source = source
        self._sink = sink
        self._counts = counts
        self._clock = clock
        self._background = background
        self._claims: dict[str, _Claim] = {}
        self._warned = False

    @property
    def lease_seconds(self) -> float:
        return self._source.properties.visibility_timeout_seconds

    async def put(self, event: QueuedEvent, *, claim: bool) -> bool:
        await self._send(event)
        return False

    async def receive(self, *, max_events: int, wait_seconds: float) -> Sequence[QueuedEvent]:
        deadline = _now() + wait_seconds
        longest = self._source.properties.maximum_wait_seconds
        events: list[QueuedEvent] = []
        try:
            while True:
                await self._receive(events, max_events, wait_seconds=min(max(deadline - _now(), 0.0), longest))
                if events or _now() >= deadline:
                    return events
        except asyncio.CancelledError:
            self._background.start(self._release(self._forget(events)))
            raise

    async def delete(self, event: QueuedEvent) -> None:
        claim = self._claims.get(event.request_id)
        if claim is not None:
            await self._source.delete([claim.receipt])
            self._claims.pop(event.request_id, None)

    async def reschedule(self, event: QueuedEvent) -> None:
        claim = self._claims.get(event.request_id)
        if claim is None:  # it is somebody else's by now, or nobody's
            return
        if claim.stored != event:
            await self._send(event)
            claim.stored = event
        await self.delete(event)

    async def extend(self, events: Sequence[QueuedEvent]) -> Sequence[QueuedEvent]:
        ours = {event.request_id: claim for event in events if (claim := self._running(event.request_id))}
        if ours:
            receipts = [claim.receipt for claim in ours.values()]
            lost = frozenset(await self._source.extend(receipts, seconds=self.lease_seconds))
            ends_at = _now() + self.lease_seconds
            for request_id, claim in list(ours.items()):
                claim.ends_at = ends_at
                if claim.receipt in lost:
                    del ours[request_id]
        return self._lose(event for event in events if event.request_id not in ours)

    async def statistics(self) -> EventQueueStatistics:
        """Events that wait for more than a quarter of an hour count as claimed while they are hidden."""
        counts = await self._counts()
        return EventQueueStatistics(waiting=counts.visible, scheduled=counts.delayed, claimed=counts.in_flight)

    async def aclose(self) -> None:
        receipts = [claim.receipt for claim in self._claims.values()]
        self._claims.clear()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._release(receipts)
        except TimeoutError:
            _log.warning("%s: %d events come back by themselves", self._resource, len(receipts))
        await self._sink.aclose()
        await self._source.aclose()

    async def _send(self, event: QueuedEvent) -> None:
        delay_seconds = min(max(event.due_at - self._clock.time(), 0.0), MAXIMUM_DELAY_SECONDS)
        await self._sink.send(to_message(self._resource, event, delay_seconds=delay_seconds))

    async def _receive(self, events: list[QueuedEvent], wanted: int, *, wait_seconds: float) -> None:
        """Add events that are due. When there are many, several receives bring them."""
        most = self._source.properties.maximum_receive
        full = await self._receive_once(events, min(wanted, most), wait_seconds)
        left = wanted - len(events)
        if full and left > 0:
            receives = min(math.ceil(left / most), RECEIVES_AT_ONCE)
            sizes = [min(most, left - number * most) for number in range(receives)]
            answers = await asyncio.gather(
                *(self._receive_once(events, size, 0.0) for size in sizes), return_exceptions=True
            )
            for answer in answers:
                # What is there already counts more than that the service went away meanwhile.
                if isinstance(answer, BaseException) and not (events and isinstance(answer, AdapterError)):
                    raise answer

    async def _receive_once(self, events: list[QueuedEvent], wanted: int, wait_seconds: float) -> bool:
        """Whether as many messages came as were wanted."""
        records = await self._source.receive(max_records=wanted, wait_seconds=wait_seconds)
        ends_at = _now() + self.lease_seconds
        early: list[tuple[QueueRecord, float]] = []
        doubles: list[str] = []
        for record in records:
            event = to_event(record)
            if event is None:
                self._warn(record)
            elif (after_seconds := event.due_at - self._clock.time()) > 0:
                early.append((record, after_seconds))
            elif (claim := self._running(event.request_id)) is None:
                self._claims[event.request_id] = _Claim(record, ends_at)
                events.append(event)
            elif claim.message_id == record.message_id:
                claim.receipt, claim.ends_at = record.receipt_handle, ends_at
            elif claim.stored is not None:  # this may be the version that took its place: it waits for the old to go
                early.append((record, SOON_SECONDS))
            else:
                doubles.append(record.receipt_handle)
        if doubles:
            await self._drop(doubles)
        if early:
            await asyncio.gather(*(self._hide(record, seconds) for record, seconds in early))
        return len(records) == wanted

    async def _hide(self, record: QueueRecord, seconds: float) -> None:
        try:
            await self._source.release([record.receipt_handle], after_seconds=min(seconds, LONGEST_HOP_SECONDS))
        except AdapterError as exc:
            _log.info("%s: an event that is not due yet comes again soon: %s", self._resource, exc)

    async def _drop(self, receipts: Sequence[str]) -> None:
        """Second copies of events that this process is working on: sent twice, or left behind by a reschedule."""
        try:
            await self._source.delete(receipts)
        except AdapterError as exc:
            _log.info("%s: an event that is there twice comes again: %s", self._resource, exc)

    async def _release(self, receipts: Sequence[str]) -> None:
        try:
            await self._source.release(receipts)
        except AdapterError as exc:
            _log.warning("%s: %d events come back by themselves: %s", self._resource, len(receipts), exc)

    def _running(self, request_id: str) -> _Claim | None:
        """The claim of an event, if it has not run out."""
        claim = self._claims.get(request_id)
        return claim if claim is not None and claim.ends_at > _now() else None

    def _forget(self, events: Iterable[QueuedEvent]) -> list[str]:
        """Give up claims; returns their receipts."""
        claims = (self._claims.pop(event.request_id, None) for event in events)
        return [claim.receipt for claim in claims if claim is not None]

    def _lose(self, events: Iterable[QueuedEvent]) -> list[QueuedEvent]:
        lost = list(events)
        self._forget(lost)
        return lost

    def _warn(self, record: QueueRecord) -> None:
        if not self._warned:
            self._warned = True
            text = "%s: message %s is no event of eventflow, and is left where it is; it says so of the first one only"
            _log.warning(text, self._resource, record.message_id)


def _now() -> float:
    return asyncio.get_running_loop().time()
