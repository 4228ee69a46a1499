"""The durable queue behind asynchronous invocation."""

from __future__ import annotations

import asyncio
import logging
import math
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio

from eventflow.errors import AdapterError
from eventflow_postgresql.events import Claimed, Events, Put
from eventflow_postgresql.group_commit import Lane
from eventflow_postgresql.link import Link
from eventflow_postgresql.listening import Notifications

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.model.invocation import QueuedEvent
    from eventflow.ports import Clock, EventQueueStatistics
    from eventflow_postgresql.options import PostgresqlOptions

_log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 30.0
"""How often an idle receive looks without being told: a connection can die without a word."""
LOCKED_SECONDS: Final = 0.05
"""How soon it looks again at what is due and was just being claimed by somebody else, who may yet fail."""
CLOSE_SECONDS: Final = 10.0


class PostgresqlEventQueueStore:
    """An EventQueueStore in a table that any number of processes share.

    Three connections: one stores, one settles, one claims and listens. More would not make it faster: what comes
    while a statement is on its way goes together with the next one, and the busier a connection is, the more goes
    into each commit.
    """

    def __init__(self, options: PostgresqlOptions, name: str, *, clock: Clock) -> None:
        resource = f"postgresql:{name}"
        self._clock = clock
        self._lease_seconds = options.lease_seconds
        self._events = events = Events(options, name)
        self._notifications = Notifications(events.channel, clock)
        self._storing = Link(options, resource)
        self._settling = Link(options, resource)
        self._claiming = Link(options, resource, prepare=self._notifications.attach)
        self._puts = Lane(resource, self._put_all, size=_put_size)
        self._deletes = Lane(resource, self._delete_all)
        self._replacements = Lane(resource, self._replace_all, size=_size)
        self._releases = Lane(resource, self._release, group_calls=1)
        self._extensions = Lane(resource, self._extend, group_calls=1)
        self._claims = Lane(resource, self._claim, unwanted=self._give_back, group_calls=1)
        self._closed = False

    @property
    def lease_seconds(self) -> float:
        return self._lease_seconds

    async def put(self, event: QueuedEvent, *, claim: bool) -> bool:
        return await self._puts.run(Put(event, claim))

    async def receive(self, *, max_events: int, wait_seconds: float) -> Sequence[QueuedEvent]:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + wait_seconds
        with self._notifications.listen() as changes:
            while True:
                claimed = await self._claims.run(max_events)
                remaining = give_up_at - loop.time()
                if claimed.events or remaining <= 0:
                    return claimed.events
                pause = max(_or_never(claimed.next_free_seconds), LOCKED_SECONDS)
                due_at = max(_or_never(claimed.next_due_at), self._clock.time() + LOCKED_SECONDS)
                await changes.wait(due_at=due_at, timeout_seconds=min(remaining, pause, LOOK_SECONDS))

    async def delete(self, event: QueuedEvent) -> None:
        await self._deletes.run(event.request_id)

    async def reschedule(self, event: QueuedEvent) -> None:
        await self._replacements.run(event)

    async def extend(self, events: Sequence[QueuedEvent]) -> Sequence[QueuedEvent]:
        ours = await self._extensions.run([event.request_id for event in events])
        return [event for event in events if event.request_id not in ours]

    async def statistics(self) -> EventQueueStatistics:
        return await self._settling.run(partial(self._events.statistics, now=self._clock.time()))

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        with anyio.CancelScope(shield=True):
            try:
                with anyio.move_on_after(CLOSE_SECONDS):
                    await self._finish()
            finally:
                for lane in self._lanes:
                    lane.abort()
                for link in self._links:
                    link.terminate()

    async def _finish(self) -> None:
        """Do what waits, give up what is claimed, say good-bye."""
        self._notifications.look()
        for lane in self._lanes:
            await lane.aclose()
        try:
            await self._settling.run(self._events.release)
        except AdapterError as exc:
            _log.warning("claims of events end in up to %g s by themselves: %s", self._lease_seconds, exc)
        for link in self._links:
            await link.aclose()

    @property
    def _lanes(self) -> tuple[Lane[Any, Any], ...]:
        return (self._claims, self._puts, self._deletes, self._replacements, self._extensions, self._releases)

    @property
    def _links(self) -> tuple[Link, ...]:
        return (self._storing, self._settling, self._claiming)

    async def _put_all(self, puts: Sequence[Put]) -> Sequence[bool]:
        return await self._storing.run(lambda connection: self._events.put(connection, puts))

    async def _claim(self, wanted: Sequence[int]) -> Sequence[Claimed]:
        [max_events] = wanted
        now = self._clock.time()
        return [await self._claiming.run(lambda connection: self._events.claim(connection, max_events, now=now))]

    async def _delete_all(self, request_ids: Sequence[str]) -> Sequence[None]:
        await self._settling.run(lambda connection: self._events.delete(connection, request_ids))
        return [None] * len(request_ids)

    async def _replace_all(self, events: Sequence[QueuedEvent]) -> Sequence[None]:
        await self._settling.run(lambda connection: self._events.replace(connection, events))
        return [None] * len(events)

    async def _extend(self, groups: Sequence[Sequence[str]]) -> Sequence[set[str]]:
        [request_ids] = groups
        return [await self._settling.run(lambda connection: self._events.extend(connection, request_ids))]

    async def _release(self, groups: Sequence[Sequence[str]]) -> Sequence[None]:
        [request_ids] = groups
        await self._settling.run(lambda connection: self._events.release(connection, request_ids))
        return [None]

    def _give_back(self, claimed: Claimed) -> None:
        """Whoever asked for these is gone. Closing releases everything anyway."""
        if claimed.events and not self._closed:
            request_ids = [event.request_id for event in claimed.events]
            self._releases.submit(request_ids).add_done_callback(self._given_back)

    def _given_back(self, release: asyncio.Future[None]) -> None:
        if not release.cancelled() and (error := release.exception()) is not None:
            _log.warning("claims of events end in up to %g s by themselves: %s", self._lease_seconds, error)


def _put_size(put: Put) -> int:
    return _size(put.event)


def _size(event: QueuedEvent) -> int:
    deliveries = sum(len(delivery.message.body) for delivery in event.deliveries)
    return len(event.payload) + 2 * deliveries


def _or_never(time: float | None) -> float:
    return math.inf if time is None else time
