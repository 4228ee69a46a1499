"""Waiting until an event is due, as told by notifications."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from eventflow.ports import Clock
    from eventflow_postgresql.link import Connection


class Notifications:
    """Hears what is said on one channel, over whatever connection it is attached to, and tells those who listen."""

    def __init__(self, channel: str, clock: Clock) -> None:
        self._channel = channel
        self._clock = clock
        self._listeners: set[Listener] = set()

    async def attach(self, connection: Connection) -> None:
        """Listen on a new connection. When it is lost, everybody looks for himself."""
        await connection.add_listener(self._channel, self._heard)
        connection.add_termination_listener(self._lost)

    def listen(self) -> Listener:
        """A context manager; see Listener."""
        return Listener(self._listeners, self._clock)

    def look(self) -> None:
        """Everybody who waits is to look now."""
        for listener in self._listeners:
            listener.tell(-math.inf)

    def _heard(self, connection: object, pid: int, channel: str, payload: object) -> None:
        for listener in self._listeners:
            listener.tell(float(str(payload)))

    def _lost(self, connection: object) -> None:
        self.look()


class Listener:
    """Knows when the next event is due, as far as it was told since its block was entered.

    Look first, then wait: what is told in between ends the wait, too.
    """

    def __init__(self, listeners: set[Listener], clock: Clock) -> None:
        self._listeners = listeners
        self._clock = clock
        self._due_at = math.inf
        self._told = anyio.Event()

    def __enter__(self) -> Self:
        self._listeners.add(self)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listeners.discard(self)

    def tell(self, due_at: float) -> None:
        """An event will be due."""
        if due_at < self._due_at:
            self._due_at = due_at
            self._told.set()

    async def wait(self, *, due_at: float, timeout_seconds: float) -> None:
        """Return when an event is due, ``due_at`` or as told, or after the timeout."""
        with anyio.move_on_after(timeout_seconds):
            while (pause := min(due_at, self._due_at) - self._clock.time()) > 0:
                self._told = anyio.Event()
                with anyio.move_on_after(pause):
                    await self._told.wait()
        self._due_at = math.inf
