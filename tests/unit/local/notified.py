"""Receiving what notification sources deliver, as the tests of buckets and schedules do."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from eventflow.ports import NotificationSource


class Inbox:
    """What was delivered."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self._arrived = anyio.Event()

    async def deliver(self, payload: bytes) -> None:
        self.events.append(json.loads(payload))
        self._arrived.set()
        self._arrived = anyio.Event()

    async def until(self, count: int, *, within_seconds: float = 120) -> list[Any]:
        """Wait for ``count`` events in all."""
        with anyio.fail_after(within_seconds):
            while len(self.events) < count:
                await self._arrived.wait()
        return self.events

    @property
    def changes(self) -> list[tuple[str, str]]:
        """Event names and keys of the S3 events."""
        records = [event["Records"][0] for event in self.events]
        return [(record["eventName"], record["s3"]["object"]["key"]) for record in records]


@asynccontextmanager
async def delivering(source: NotificationSource) -> AsyncIterator[Inbox]:
    """Run a source while the block runs."""
    inbox = Inbox()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(source.run, inbox.deliver)
        yield inbox
        tasks.cancel_scope.cancel()
    await source.aclose()
