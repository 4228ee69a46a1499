"""Waiting for a change without missing one."""

from __future__ import annotations

import asyncio
import math
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self


class Listener:
    """Hears every change of its channel from the moment its block is entered.

    Look first, then wait: a change that happens in between ends the wait at once. ::

        with database.listen("queue:orders") as changes:
            while not (found := await database.run(look)):
                await changes.wait(timeout_seconds=remaining())
    """

    def __init__(self, listeners: Listeners, channel: str) -> None:
        self._listeners = listeners
        self._channel = channel
        self._changed = False
        self._waiter: asyncio.Future[None] | None = None

    def __enter__(self) -> Self:
        self._listeners.add(self._channel, self)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listeners.remove(self._channel, self)

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
        self._listeners.watch()
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()


class Listeners:
    """Everybody who listens, by channel. ``watch`` is called whenever one of them begins to wait."""

    def __init__(self, watch: Callable[[], None]) -> None:
        self.watch = watch
        self._of_channels: dict[str, set[Listener]] = {}

    @property
    def waiting(self) -> bool:
        """Whether any of them waits."""
        return any(listener.waiting for listener in self._all())

    def add(self, channel: str, listener: Listener) -> None:
        self._of_channels.setdefault(channel, set()).add(listener)

    def remove(self, channel: str, listener: Listener) -> None:
        listeners = self._of_channels[channel]
        listeners.discard(listener)
        if not listeners:
            del self._of_channels[channel]

    def wake(self, channel: str) -> None:
        """Something changed in a channel."""
        for listener in self._of_channels.get(channel, ()):
            listener.wake()

    def wake_all(self) -> None:
        """Something changed, nobody knows where."""
        for listener in self._all():
            listener.wake()

    def _all(self) -> Iterator[Listener]:
        return chain.from_iterable(self._of_channels.values())


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
