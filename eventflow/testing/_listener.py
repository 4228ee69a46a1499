"""The receiving end of a notification source in contract cases."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from eventflow.model.destinations import Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from eventflow.model.json import JsonObject
    from eventflow.ports import NotificationSource
    from eventflow.testing.harness import NotificationHarness


class Listener:
    """Stores what is delivered to it. ``accept`` is called before and may refuse by raising."""

    def __init__(self, harness: NotificationHarness, accept: Callable[[JsonObject], Awaitable[None]] | None) -> None:
        self.events: list[JsonObject] = []
        self._harness = harness
        self._accept = accept

    async def deliver(self, payload: bytes) -> None:
        event = json.loads(payload)
        if self._accept is not None:
            await self._accept(event)
        self.events.append(event)

    @property
    def tokens(self) -> list[str]:
        """What :func:`~eventflow.testing.notification_cases.token_message` put into the events."""
        return [token_of(self._harness.service, event) for event in self.events]

    async def until(self, count: int) -> None:
        """Wait for so many events."""

        async def arrived() -> bool:
            return len(self.events) >= count

        await self._harness.eventually(arrived, f"{count} events are delivered")

    async def until_all(self, *tokens: str) -> None:
        """Wait for each of these events, whatever comes twice."""

        async def arrived() -> bool:
            return set(tokens) <= set(self.tokens)

        await self._harness.eventually(arrived, f"each of {tokens} is delivered")

    async def expect_only(self, *tokens: str) -> None:
        """These events come, in any order, and no others."""
        await self.until(len(tokens))
        await self._harness.elapse(self._harness.grace_seconds)
        assert sorted(self.tokens) == sorted(tokens)


@asynccontextmanager
async def listening(
    harness: NotificationHarness,
    source: NotificationSource,
    *,
    accept: Callable[[JsonObject], Awaitable[None]] | None = None,
) -> AsyncIterator[Listener]:
    """A listener to whom the source delivers while the block runs."""
    listener = Listener(harness, accept)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(source.run, listener.deliver)
        yield listener
        tasks.cancel_scope.cancel()


def token_of(service: Service, event: JsonObject) -> str:
    """The text by which cases recognise an event: object key, message, or ``detail.token``."""
    match service:
        case Service.S3:
            token = event["Records"][0]["s3"]["object"]["key"]
        case Service.SNS:
            token = event["Records"][0]["Sns"]["Message"]
        case _:
            token = event["detail"]["token"]
    return str(token)
