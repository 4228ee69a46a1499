"""Timeouts without a timer per invocation.

A function's timeout is constant, so its deadlines are reached in the order they were set: one timer, armed for
the oldest, watches all of them. It cancels the invocation's task; the invoker recognises its own cancellation
by the entry that is gone.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from eventflow.model.context import Context


class Deadlines:
    """The running invocations of one function. ``watch`` them, and ``unwatch`` them when they end.

    ``running`` is open to the invoker: two calls less are a twentieth of what an invocation costs.
    """

    __slots__ = ("_handle", "_loop", "running")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._running: dict[Context, tuple[float, asyncio.Task[object]]] = {}
        self._handle: asyncio.TimerHandle | None = None

    @property
    def watched(self) -> int:
        """How many invocations of the function run now."""
        return len(self._running)

    @property
    def armed(self)

    def unwatch(self, context: Context) -> bool:
        """The invocation ended by itself: true; false if its deadline cancelled it."""
        return self._running.pop(context, None) is not None

    def watches(self, context: Context) -> bool:
        """Whether the invocation still has time: false once its deadline cancelled it."""
        return context in self._running

    @contextmanager
    def suspended(self, context: Context, seconds: float) -> Iterator[None]:
        """Time inside the block does not count: the invocation has ``seconds`` (the constant timeout) from its end."""
        watched = self._running.pop(context, None)
        try:
            yield
        finally:
            if watched is not None:
                self.watch(context, self._loop.time() + seconds, watched[1])

    def _expire(self) -> None:
        self._handle = None
        # A timer may fire within the clock's resolution, a hair before its deadline.
        now = self._loop.time() + 1e-6
        while self._running:
            context, (deadline, task) = next(iter(self._running.items()))
            if deadline > now:
                self._handle = self._loop.call_at(deadline, self._expire)
                return
            del self._running[context]
            task.cancel()

    def close(self) -> None:
        """Stop the timer. Invocations still running are no longer watched."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._running.clear()
