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

    ``running`` and ``timer`` are open to the invoker, which spells out ``watch`` and ``unwatch``: two calls less are
    a twentieth of what an invocation costs.
    """

    __slots__ = ("_loop", "running", "timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.running: dict[Context, tuple[float, asyncio.Task[object]]] = {}
        self.timer: asyncio.TimerHandle | None = None

    @property
    def watched(self) -> int:
        """How many invocations of the function run now."""
        return len(self.running)

    def watch(self, context: Context, deadline: float, task: asyncio.Task[object]) -> None:
        """Cancel ``task`` at ``deadline`` (loop time) unless ``unwatch`` comes first."""
        self.running[context] = (deadline, task)
        if self.timer is None:
            self.arm(deadline)

    def arm(self, deadline: float) -> None:
        """Look for expired invocations at ``deadline``."""
        self.timer = self._loop.call_at(deadline, self._expire)

    def unwatch(self, context: Context) -> bool:
        """The invocation ended by itself: true; false if its deadline cancelled it."""
        return self.running.pop(context, None) is not None

    def watches(self, context: Context) -> bool:
        """Whether the invocation still has time: false once its deadline cancelled it."""
        return context in self.running

    @contextmanager
    def suspended(self, context: Context, seconds: float) -> Iterator[None]:
        """Time inside the block does not count: the invocation has ``seconds`` (the constant timeout) from its end."""
        watched = self.running.pop(context, None)
        try:
            yield
        finally:
            if watched is not None:
                self.watch(context, self._loop.time() + seconds, watched[1])

    def _expire(self) -> None:
        self.timer = None
        # A timer may fire within the clock's resolution, a hair before its deadline.
        now = self._loop.time() + 1e-6
        while self.running:
            context, (deadline, task) = next(iter(self.running.items()))
            if deadline > now:
                self.arm(deadline)
                return
            del self.running[context]
            task.cancel()

    def close(self) -> None:
        """Stop the timer. Invocations still running are no longer watched."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.running.clear()
