"""Where events come from. Two kinds of polled source with different promises, and pushed notifications."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from eventflow.model.records import (
        Assignment,
        Checkpoint,
        PartitionId,
        QueueRecord,
        SourceIdentity,
        StreamRead,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueProperties:
    """What the queue itself says of itself, read when it is opened.

    ``maximum_receive`` is the most records that one receive returns, ``maximum_wait_seconds`` the longest wait.
    ``maximum_receive_count`` is the redrive policy's, ``None`` without one. ``redelivers`` says that a record which
    is neither deleted nor released comes back in the queue's own time, as with SQS; a message broker waits for a word
    of its consumer, so there failed records are released, each after a delay that grows. A broker that waits as long
    as its consumer lives has a ``visibility_timeout_seconds`` of ``math.inf``, and is asked to extend nothing.
    """

    visibility_timeout_seconds: float
    fifo: bool = False
    maximum_receive: int = 10
    maximum_wait_seconds: float = 20
    maximum_receive_count: int | None = None
    redelivers: bool = True


class QueueSource(Protocol):
    """At-least-once; every record is settled on its own. Records with one ``group_id`` come in order, the
    next only when the one before was deleted."""

    @property
    def identity(self) -> SourceIdentity: ...

    @property
    def properties(self) -> QueueProperties: ...

    async def receive(self, *, max_records: int, wait_seconds: float) -> Sequence[QueueRecord]:
        """Up to ``max_records`` records (and never more than ``properties.maximum_receive``), hidden from
        others for the visibility timeout. Waits up to ``wait_seconds`` for the first; returns as soon as there
        is one; empty when there is none.

        Cancelling a waiting receive loses nothing: a record is either returned or still in the queue, or
        comes back after its visibility timeout.
        Raises UnavailableError if the service cannot be reached, ResourceNotFoundError if the queue is gone.
        """

    async def delete(self, receipts: Sequence[str]) -> None:
        """Remove settled records for good.

        Idempotent: an unknown or expired receipt is ignored, since another poller may own the record by now.
        Raises UnavailableError; the records then come back by themselves.
        """

    async def release(self, receipts: Sequence[str], *, after_seconds: float = 0) -> None:
        """Make records visible again after ``after_seconds``. Unknown receipts are ignored.

        Raises UnavailableError.
        """

    async def extend(self, receipts: Sequence[str], *, seconds: float) -> Collection[str]:
        """Keep records hidden for ``seconds`` from now; returns the receipts that are no longer ours.

        Raises UnavailableError.
        """

    async def backlog(self) -> int:
        """About how many records wait, including delayed ones and those in flight with anyone."""

    async def aclose(self) -> None:
        """Give up the source's resources. Idempotent."""


class PartitionOwner(Protocol):
    """Told by a stream source which partitions this process owns. Implemented by the runtime."""

    async def on_assigned(self, assignments: Sequence[Assignment]) -> None:
        """Start reading these partitions. The first call may come with none: the source can be reached, and others
        have all there are."""

    async def on_revoked(self, partitions: Sequence[PartitionId]) -> None:
        """Stop reading these; returns when their work in flight is drained and committed. Commits are still
        accepted until it returns."""

    async def on_lost(self, partitions: Sequence[PartitionId]) -> None:
        """They belong to somebody else already: cancel their work and commit nothing."""


class StreamSource(Protocol):
    """Ordered within a partition; progress is one position per partition, never per record."""

    @property
    def identity(self) -> SourceIdentity: ...

    async def run(self, owner: PartitionOwner) -> None:
        """Take part in the distribution of partitions until cancelled, telling ``owner`` of every change, and once it
        takes part, even if it gets nothing.

        On cancellation the partitions are given up without calling ``owner``: the caller drained them before.
        Raises UnavailableError or ResourceNotFoundError; whatever was assigned is then lost.
        """

    async def read(self, partition: PartitionId, *, max_records: int, wait_seconds: float) -> StreamRead:
        """The next records behind the last read (first: behind the assignment's checkpoint, or at the
        mapping's starting position). Waits up to ``wait_seconds`` for the first record. Only one read of a
        partition runs at a time. Cancelling a read loses nothing: the next read returns those records.

        Raises LeaseLostError if the partition is no longer ours. After UnavailableError, AccessDeniedError and
        ResourceNotFoundError it is called again: permissions and streams may come back.
        """

    async def commit(self, partition: PartitionId, checkpoint: Checkpoint) -> None:
        """Record that the partition is done up to and including ``checkpoint.position``; and, if its assignment has an
        ``origin``, what is done ahead of that, for whoever reads it next.

        Raises LeaseLostError if somebody else owns the partition by now (their progress stands), UnavailableError.
        """

    async def complete(self, partition: PartitionId) -> None:
        """The partition has ended and everything in it is committed; its children may be assigned."""

    async def backlog(self) -> int:
        """About how many records are not committed yet, over all partitions of this subscription."""

    async def aclose(self) -> None:
        """Give up the source's resources. Idempotent."""


Deliver: TypeAlias = Callable[[bytes], Awaitable[None]]
"""Takes an event's JSON text, in the shape Lambda would get; returns when it is stored durably."""


class NotificationSource(Protocol):
    """Events pushed to us for asynchronous invocation (S3, SNS, EventBridge, schedules)."""

    @property
    def identity(self) -> SourceIdentity: ...

    async def run(self, deliver: Deliver) -> None:
        """Deliver events until cancelled. An event is forgotten only after ``deliver`` returned for it, so a
        crash repeats it. If ``deliver`` raises, the event is delivered again later.

        Raises UnavailableError or ResourceNotFoundError.
        """

    async def backlog(self) -> int:
        """How many events are waiting to be delivered."""

    async def aclose(self) -> None:
        """Give up the source's resources. Idempotent."""


class PushRequest(NamedTuple):
    """A POST request. ``headers`` have lower-case names; of a repeated one, the last counts."""

    headers: Mapping[str, str]
    body: bytes


class PushResponse(NamedTuple):
    """``text`` is for people who read what the sender logs; ``json`` in its place is for the sender."""

    status: int
    text: str = ""
    json: bytes | None = None


class RequestVerifier(Protocol):
    """Knows whether requests are from a certain service. Found through the entry point group ``eventflow.verifiers``:
    a callable that takes a Clock."""

    async def verify(self, request: PushRequest) -> None:
        """Return if the request is authentic. Raises NotAuthenticError; UnavailableError if that cannot be told now."""


@runtime_checkable
class HttpEndpoint(Protocol):
    """What a NotificationSource is besides if its events arrive as HTTP requests, through the server of the run.

    Sources with the same path are one endpoint: any of them handles a request for all.
    """

    @property
    def http_path(self) -> str:
        """Where it is mounted, URL-encoded, before the app's own routes: ``/eventflow/sns/orders``."""

    async def handle(self, request: PushRequest) -> PushResponse:
        """Answer one request; its body is bounded, and nothing about it is trusted.

        Success means that ``deliver`` returned for all that it carried. What it raises is answered with 500.
        """
