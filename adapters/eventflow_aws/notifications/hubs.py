"""The hubs of one adapter. What a hub is made of is loaded when the first is needed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from eventflow.model.destinations import Service
from eventflow.model.subscriptions import QueueSubscription

if TYPE_CHECKING:
    from eventflow_aws.environment import Environment
    from eventflow_aws.notifications.hub import NotificationHub
    from eventflow_aws.notifications.routes import Interest


class NotificationHubs:
    """One hub per queue, by the queue's ARN: a queue may have several names here."""

    def __init__(self) -> None:
        self._hubs: dict[str, NotificationHub] = {}
        self._lock = asyncio.Lock()

    async def join(self, env: Environment, queue: str, interest: Interest) -> NotificationHub:
        """The hub of a queue, given by its logical name, which from now on serves ``interest`` too.

        Raises ResourceNotFoundError, UnavailableError, AccessDeniedError; AdapterError if the hub cannot serve it.
        """
        from eventflow_aws.notifications.hub import NotificationHub
        from eventflow_aws.sqs.source import open_queue_source

        async with self._lock:
            wanted = QueueSubscription(service=Service.SQS, name=queue, subscriber="notifications")
            source = await open_queue_source(env, wanted)
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
