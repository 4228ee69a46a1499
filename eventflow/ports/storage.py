"""The durable queue behind asynchronous invocation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.model.invocation import QueuedEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQueueStatistics:
    """``waiting`` events are due and unclaimed, ``scheduled`` are due later, ``claimed`` are being worked on."""

    waiting: int = 0
    scheduled: int = 0
    claimed: int = 0

    @property
    def total(self) -> int:
        return self.waiting + self.scheduled + self.claimed


class EventQueueStore(Protocol):
    """Keeps accepted events until they are settled. At-least-once: a claim that is lost, because its process
    died or its lease ran out, makes the event claimable again."""

    @property
    def lease_seconds(self) -> float | None:
        """How long a claim lasts without ``extend``; ``None`` when it lasts as long as the process."""

    async def put(self, event: QueuedEvent, *, claim: bool) -> bool:
        """Store a new event; it is durable when this returns.

        With ``claim`` the store may leave the event claimed by the caller, who then runs it at once without a
        receive: true if so. Idempotent by ``request_id``: an event that is already there is left as it is.
        Raises UnavailableError; the event is then not accepted.
        """

    async def receive(self, *, max_events: int, wait_seconds: float) -> Sequence[QueuedEvent]:
        """Claim up to ``max_events`` events that are due, earliest first. Waits up to ``wait_seconds`` for the
        first.

        Cancelling a waiting receive loses nothing. Raises UnavailableError.
        """

    async def delete(self, event: QueuedEvent) -> None:
        """Forget a settled event. Idempotent. Raises UnavailableError; the event then runs again."""

    async def reschedule(self, event: QueuedEvent) -> None:
        """Replace the stored event by this version of it and give up the claim: it is due at ``event.due_at``.

        Raises UnavailableError; the old version is then claimable again when the claim runs out.
        """

    async def extend(self, events: Sequence[QueuedEvent]) -> Sequence[QueuedEvent]:
        """Renew the claims for another ``lease_seconds``; returns the events that are no longer ours."""

    async def statistics(self) -> EventQueueStatistics: ...

    async def aclose(self) -> None:
        """Give up the store's resources and claims. Idempotent."""
