"""What a contract case needs of the adapter under test.

A case is a plain async function over a harness; it fails with AssertionError, alone or in an exception group.
Cases wait with ``harness.elapse`` and for at most ``harness.patience_seconds``, so the same case runs on virtual
time against a fake and on real time against a service::

    @pytest.mark.parametrize("case", QUEUE_CASES, ids=case_name)
    async def test_my_queues(case: QueueCase) -> None:
        async with MyAdapter(settings) as adapter, MyAdapter(settings) as other_adapter:
            harness = QueueHarness(adapter=adapter, other_adapter=other_adapter, ...)
            if reason := skip_reason(case, harness):
                pytest.skip(reason)
            await case(harness)

An adapter has no need to serve everything: each harness lists the capabilities that it has, and each case names
those it needs.
"""

from __future__ import annotations

import operator
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar

import anyio

from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.mapping import BatchSettings, StartingPosition, StreamMapping
from eventflow.model.subscriptions import NotificationSubscription, QueueSubscription, StreamSubscription

if TYPE_CHECKING:
    from datetime import datetime

    from eventflow.model.mapping import StreamViewType
    from eventflow.model.records import StreamRecord
    from eventflow.ports import (
        Adapter,
        Clock,
        DestinationSink,
        EventQueueStore,
        NotificationSource,
        QueueSource,
        StreamSource,
    )


class Capability(StrEnum):
    """What not every service can do. Cases without needs hold for all."""

    AHEAD = "ahead"
    """What a commit says of records ahead of its position is kept: those that are done do not come again."""
    ATTRIBUTES = "attributes"
    """Queue records carry SQS's system attributes."""
    DEDUPLICATION = "deduplication"
    """A message whose deduplication id was seen in the last five minutes is not queued again."""
    DELAY = "delay"
    """A message can be sent with a delay."""
    DUE_ORDER = "due_order"
    """Events of an event queue come in the order in which they are due. A standard queue of SQS has no order."""
    DURABLE_SUBSCRIPTIONS = "durable_subscriptions"
    """What happens while no process listens is delivered to the next one."""
    FIFO = "fifo"
    """Queues with ordered groups."""
    HEADERS = "headers"
    """Stream records carry headers: ``attributes["headers"]`` is a list of name and bytes."""
    IDEMPOTENT_PUT = "idempotent_put"
    """An event queue keeps one event per request id, whoever puts it. SQS cannot look for what it has."""
    LEASES = "leases"
    """Claims of an event queue run out after ``lease_seconds``."""
    LONG_WAITS = "long_waits"
    """Waiting for some minutes is acceptable here."""
    MESSAGE_ATTRIBUTES = "message_attributes"
    """Queue records carry the sender's attributes as SQS writes them."""
    MISSING_RESOURCES = "missing_resources"
    """A resource that nobody created is reported; an environment that creates on first use lacks this."""
    PARTITIONS = "partitions"
    """A stream can be made with more than one partition."""
    REDRIVE = "redrive"
    """Queues with a dead-letter queue and a maximum receive count."""
    RELEASE_DELAY = "release_delay"
    """A record can be released with a delay."""
    REMOVALS = "removals"
    """Objects can be removed, and notifications tell of it."""
    RESHARD = "reshard"
    """Partitions end and have children."""
    SEVERAL_TOPICS = "several_topics"
    """Topics can be read in one subscription, whose name is that of ``eventflow.model.kafka``."""
    SIZE_LIMIT = "size_limit"
    """A message can be too large, at a size that a test can afford."""
    STARTING_TIMESTAMP = "starting_timestamp"
    """Reading can start at a point in time."""
    STRICT_RECEIPTS = "strict_receipts"
    """An old receipt is worth nothing once its record was received again. SQS promises it for FIFO queues only."""
    TOMBSTONES = "tombstones"
    """Stream records may have no value."""
    VISIBILITY_TIMEOUT = "visibility_timeout"
    """An unsettled record returns by itself after some time, while its receiver lives."""


AN_HOUR: Final = 3600
"""A visibility timeout that no case outlasts."""

Case: TypeAlias = Callable[..., Awaitable[None]]
CaseT = TypeVar("CaseT", bound=Case)
_NEEDS: Final = "needs"
_RETURNING: Final = "returning"


def needs(*capabilities: str) -> Callable[[CaseT], CaseT]:
    """Mark a case as runnable only where the service has these capabilities."""
    wanted = frozenset(Capability(capability) for capability in capabilities)

    def mark(case: CaseT) -> CaseT:
        vars(case)[_NEEDS] = wanted
        return case

    return mark


def returning(case: CaseT) -> CaseT:
    """Mark a case of event queues or notifications as one in which what nobody settles comes back while it looks on."""
    vars(case)[_RETURNING] = True
    return case


def is_returning(case: Case) -> bool:
    """Whether leases and visibility timeouts are to be short for this case: long enough for a dozen calls, short enough
    to wait for. For others they are to be :data:`AN_HOUR`, so that a slow machine changes nothing."""
    return _RETURNING in vars(case)


class HasCapabilities(Protocol):
    """Any harness."""

    @property
    def capabilities(self) -> frozenset[str]: ...


def skip_reason(case: Case, harness: HasCapabilities) -> str | None:
    """Why this case cannot run on this harness; ``None`` if it can."""
    missing = vars(case).get(_NEEDS, frozenset()) - harness.capabilities
    return f"needs {', '.join(sorted(missing))}" if missing else None


def case_name(case: Case) -> str:
    """The case's name, for test ids."""
    return case.__name__


@dataclass(frozen=True, slots=True, kw_only=True)
class Harness:
    """What every harness has.

    ``adapter`` is under test and entered. ``other_adapter`` sees the same resources from another process; where
    there can be no second process it is ``adapter`` again. ``elapse`` lets that many seconds go by: it jumps on
    virtual time and waits for services. ``patience_seconds`` is how long something promised without a time
    (delivery, redelivery, a rebalance) may take; ``grace_seconds`` is how long a case looks for what must not come.
    """

    adapter: Adapter
    other_adapter: Adapter
    clock: Clock
    elapse: Callable[[float], Awaitable[None]] = anyio.sleep
    capabilities: frozenset[str] = frozenset()
    patience_seconds: float = 60
    grace_seconds: float = 3

    async def eventually(self, check: Callable[[], Awaitable[bool]], expectation: str) -> None:
        """Return once ``check`` is true; approximate figures need a while to settle."""
        waited, interval = 0.0, 0.01
        while waited <= self.patience_seconds:
            if await check():
                return
            await self.elapse(interval)
            waited += interval
            interval = min(2 * interval, 0.5)
        raise AssertionError(f"after {self.patience_seconds} s still not true: {expectation}")

    async def send(self, service: Service, name: str, message: OutboundMessage) -> None:
        """Send through the adapter's own sink."""
        sink = await self.adapter.sink(Destination(service, name))
        try:
            await sink.send(message)
        finally:
            await sink.aclose()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRequest:
    """A queue that a case wants: new, empty, and with nobody else on it."""

    fifo: bool = False
    returning: bool = False
    """Whether records that nobody settles return while the case looks on. The visibility timeout is the harness
    author's choice then: long enough for a dozen calls, short enough to wait for (30 s on virtual time, 6 s on a
    service). Otherwise it is an hour, so that a slow machine changes nothing. Services without one ignore it."""
    maximum_receive_count: int | None = None
    """Of the redrive policy; with one, the queue has a dead-letter queue of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedQueue:
    """Logical names of the queue that was created."""

    name: str
    dead_letter_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueHarness(Harness):
    """Queues whose records are settled on their own. ``maximum_body_bytes`` is the largest body the service takes."""

    service: Service
    create: Callable[[QueueRequest], Awaitable[CreatedQueue]]
    maximum_body_bytes: int

    async def queue(self, request: QueueRequest | None = None) -> OpenQueue:
        """A new queue, opened by the first process."""
        created = await self.create(request or QueueRequest())
        dead_letters = await self._open(self.adapter, created.dead_letter_name) if created.dead_letter_name else None
        source = await self._open(self.adapter, created.name)
        return OpenQueue(harness=self, name=created.name, source=source, dead_letters=dead_letters)

    async def rival(self, name: str) -> QueueSource:
        """Another process's consumer of a queue."""
        return await self._open(self.other_adapter, name)

    async def _open(self, adapter: Adapter, name: str) -> QueueSource:
        return await adapter.queue_source(QueueSubscription(service=self.service, name=name, subscriber="contract"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQueue:
    """A queue as cases use it."""

    harness: QueueHarness
    name: str
    source: QueueSource
    dead_letters: QueueSource | None

    @property
    def visibility_timeout_seconds(self) -> float:
        """How long a record stays hidden. Where it never returns by itself, how long a case looks whether it does."""
        if Capability.VISIBILITY_TIMEOUT not in self.harness.capabilities:
            return self.harness.grace_seconds
        return self.source.properties.visibility_timeout_seconds

    async def send(self, body: bytes, **fields: Any) -> None:
        """Send one message; ``fields`` are those of OutboundMessage."""
        await self.harness.send(self.harness.service, self.name, OutboundMessage(body=body, **fields))


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHarness(Harness):
    """Streams, tables and topics.

    ``create`` makes a stream with so many partitions and returns its name. ``write`` appends one message.
    ``value`` reads the sent bytes back from a record. ``reshard`` splits or merges a stream so that partitions
    end; ``write_tombstone`` takes name and key.
    """

    service: Service
    create: Callable[[int], Awaitable[str]]
    write: Callable[[str, OutboundMessage], Awaitable[None]]
    value: Callable[[StreamRecord], bytes | None] = lambda record: record.data
    view_type: StreamViewType | None = None
    reshard: Callable[[str], Awaitable[None]] | None = None
    write_tombstone: Callable[[str, str], Awaitable[None]] | None = None

    async def open(
        self,
        name: str,
        *,
        subscriber: str = "contract",
        starting_position: StartingPosition = StartingPosition.TRIM_HORIZON,
        starting_timestamp: datetime | None = None,
        other_process: bool = False,
    ) -> StreamSource:
        """One process's part in the subscription of ``subscriber``."""
        mapping = StreamMapping(
            batch=BatchSettings(batch_size=100),
            starting_position=starting_position,
            starting_timestamp=starting_timestamp,
        )
        subscription = StreamSubscription(
            service=self.service, name=name, subscriber=subscriber, mapping=mapping, view_type=self.view_type
        )
        adapter = self.other_adapter if other_process else self.adapter
        return await adapter.stream_source(subscription)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationHarness(Harness):
    """Buckets, topics and buses, one service per harness. ``create`` makes one and returns its name; ``remove``
    takes bucket and object key."""

    service: Service
    create: Callable[[], Awaitable[str]]
    remove: Callable[[str, str], Awaitable[None]] | None = None

    async def subscribe(
        self, subscription: NotificationSubscription, *, other_process: bool = False
    ) -> NotificationSource:
        adapter = self.other_adapter if other_process else self.adapter
        return await adapter.notification_source(subscription)

    async def publish(self, name: str, message: OutboundMessage) -> None:
        await self.send(self.service, name, message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A message as the receiving side of a destination finds it. What the service does not carry is ``None``."""

    body: bytes
    key: str | None = None
    subject: str | None = None
    attributes: Mapping[str, str | int | bytes] | None = None


class Inbox(Protocol):
    """The receiving side of one destination, listening since before anything was sent."""

    async def take(self, count: int) -> list[Arrival]:
        """The next ``count`` messages, in any order; fails when they do not come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkHarness(Harness):
    """Destinations of one service.

    ``create`` makes a destination and an inbox that reads it back. ``message`` completes a body with what the
    service demands (a key, a source and detail type). ``same_body`` compares what arrived with what was sent;
    a service that keeps JSON as a value (EventBridge) compares values. ``refused`` are messages that the service
    never takes, by what is wrong with them, beside those over ``maximum_body_bytes``.
    """

    service: Service
    create: Callable[[], Awaitable[tuple[str, Inbox]]]
    message: Callable[[bytes], OutboundMessage] = lambda body: OutboundMessage(body=body)
    same_body: Callable[[bytes, bytes], bool] = operator.eq
    maximum_body_bytes: int | None = None
    refused: Mapping[str, OutboundMessage] = field(default_factory=dict)

    async def open(self, name: str) -> DestinationSink:
        return await self.adapter.sink(Destination(self.service, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQueueHarness(Harness):
    """Stores behind asynchronous invocation. ``name`` is one that is empty when the case starts; :func:`is_returning`
    tells how long its leases are to be."""

    name: str

    async def open(self, *, other_process: bool = False) -> EventQueueStore:
        """The store as one worker sees it; claims belong to what this returns."""
        adapter = self.other_adapter if other_process else self.adapter
        return await adapter.event_queue(self.name)
