"""The hubs of one adapter. What a hub is made of is loaded when the first is needed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from eventflow.ports import QueueSource
    from eventflow_aws.notifications.hub import NotificationHub
    from eventflow_aws.notifications.routes import Interest


class NotificationHubs:
    """One hub per queue, by the queue's ARN: a queue may have several names here."""

    def __init__(self) -> None:
        self._hubs: dict[str, NotificationHub] = {}
        self._lock = asyncio.Lock()

    async def join(self, open_queue: Callable[[], Awaitable[QueueSource]], interest: Interest) -> NotificationHub:
        """The hub of a queue, which from now on serves ``interest`` too.

        Raises what ``open_queue`` raises, and AdapterError if the hub cannot serve it.
        """
        from eventflow_aws.notifications.hub import NotificationHub

        async with self._lock:
            source = await open_queue()
            hub = self._hubs.get(source.identity.arn)
            if hub is None:
                hub = self._hubs[source.identity.arn] = NotificationHub(source)
            else:
                await source.aclose()
            hub.add(interest)
            return hub

    async def leave(self, hub: NotificationHub, interest: Interest) -> None:
        """``interest`` is served no more; the last one closes the queue. Idempotent."""
        async with self._lock:
            hub.remove(interest)
            if hub.is_empty and hub in self._hubs.values():
                del self._hubs[hub.queue.identity.arn]
                await hub.queue.aclose()
