"""Waiting for a change without missing one."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from eventflow_local.database import Database


class Listener:
    """Hears every change of its channel from the moment its block is entered.

    Look first, then wait: a change that happens in between ends the wait at once. ::

        with database.listen("queue:orders") as changes:
            while not (found := await database.run(look)):
                await changes.wait(timeout_seconds=remaining())
    """

    def __init__(self, database: Database, channel: str) -> None:
        self._database = database
        self._channel = channel
        self._changed = False
        self._waiter: asyncio.Future[None] | None = None

    def __enter__(self) -> Self:
        self._database.add_listener(self._channel, self)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._database.remove_listener(self._channel, self)

    @property
    def waiting(self) -> bool:
        return self._waiter is not None

    def wake(self) -> None:
        """Something changed."""
        self._changed = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, *, timeout_seconds: float) -> None:
        """Return when something changed since the last wait, or after the timeout."""
        if not self._changed and timeout_seconds > 0:
            await self._sleep(timeout_seconds)
        self._changed = False

    async def _sleep(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = waiter = loop.create_future()
        timer = loop.call_later(seconds, _finish, waiter) if seconds < math.inf else None
        self._database.watch()
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
