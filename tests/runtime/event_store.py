"""An event queue whose claims run out, kept in a dictionary: what the embedded store is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import anyio
import anyio.lowlevel

from eventflow.model.invocation import QueuedEvent
from eventflow.ports import Clock, EventQueueStatistics


class LeasedStore:
    """An EventQueueStore. ``lease_seconds`` ``None`` keeps claims until ``restart``, as a process's death would
    end them."""

    def __init__(self, clock: Clock, *, lease_seconds: float | None = None) -> None:
        self.lease_seconds = lease_seconds
        self.events: dict[str, QueuedEvent] = {}
        self.claimed_until: dict[str, float] = {}
        self.put_seconds = 0.0
        self.largest_receive = 0
        self._clock = clock
        self._changed = anyio.Event()

    def restart(self) -> None:
        """Whoever had claims is gone."""
        self.claimed_until.clear()
        self._notify()

    def take_away(self, request_id: str) -> None:
        """Somebody else claims an event, though it is ours."""
        self.events[request_id] = replace(self.events[request_id], attempt=99)

    async def put(self, event: QueuedEvent, *, claim: bool) -> bool:
        await anyio.sleep(self.put_seconds / 2)
        if event.request_id in self.events:
            return False
        self.events[event.request_id] = event
        if claim:
            self._claim(event)
        self._notify()
        await anyio.sleep(self.put_seconds / 2)
        return claim

    async def receive(self, *, max_events: int, wait_seconds: float) -> Sequence[QueuedEvent]:
        self.largest_receive = max(self.largest_receive, max_events)
        deadline = self._clock.time() + wait_seconds
        while True:
            now = self._clock.time()
            due = [event for event in self.events.values() if event.due_at <= now and not self._is_claimed(event)]
            if due or now >= deadline:
                claimed = sorted(due, key=lambda event: event.due_at)[:max_events]
                for event in claimed:
                    self._claim(event)
                return claimed
            with anyio.move_on_after(min(self._next_change(now), deadline) - now):
                await self._changed.wait()

    async def delete(self, event: QueuedEvent) -> None:
        await anyio.lowlevel.checkpoint()
        self.events.pop(event.request_id, None)
        self.claimed_until.pop(event.request_id, None)

    async def reschedule(self, event: QueuedEvent) -> None:
        await anyio.lowlevel.checkpoint()
        if event.request_id in self.events:
            self.events[event.request_id] = event
            self.claimed_until.pop(event.request_id, None)
            self._notify()

    async def extend(self, events: Sequence[QueuedEvent]) -> Sequence[QueuedEvent]:
        lost = [event for event in events if not self._is_ours(event)]
        for event in events:
            if event not in lost:
                self._claim(event)
        return lost

    async def statistics(self) -> EventQueueStatistics:
        now = self._clock.time()
        claimed = sum(1 for event in self.events.values() if self._is_claimed(event))
        waiting = sum(1 for event in self.events.values() if event.due_at <= now and not self._is_claimed(event))
        return EventQueueStatistics(waiting=waiting, claimed=claimed, scheduled=len(self.events) - waiting - claimed)

    async def aclose(self) -> None:
        return

    def _claim(self, event: QueuedEvent) -> None:
        lease = self.lease_seconds
        self.claimed_until[event.request_id] = float("inf") if lease is None else self._clock.time() + lease

    def _is_claimed(self, event: QueuedEvent) -> bool:
        return self.claimed_until.get(event.request_id, 0) > self._clock.time()

    def _is_ours(self, event: QueuedEvent) -> bool:
        return self._is_claimed(event) and self.events[event.request_id].attempt != 99

    def _next_change(self, now: float) -> float:
        dues = [event.due_at for event in self.events.values() if not self._is_claimed(event)]
        ends = [until for until in self.claimed_until.values() if until > now]
        return min([*dues, *ends], default=float("inf"))

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
