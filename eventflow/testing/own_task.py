"""A context manager in a task of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager


class OwnTask:
    """Enters a context manager and leaves it in one task, whichever tasks ask for it.

    Task groups want that, and test frameworks do not give it: fixtures of pytest-asyncio and ``asyncSetUp`` of unittest
    run in other tasks than what comes after the test.
    """

    def __init__(self, manager: AbstractAsyncContextManager[object]) -> None:
        self._manager = manager
        self._leave = asyncio.Event()
        self._cancelled_owner = False

    async def enter(self) -> None:
        """Raises what entering raises."""
        loop = asyncio.get_running_loop()
        entered: asyncio.Future[None] = loop.create_future()
        self._owner = asyncio.current_task()
        self._task = loop.create_task(self._live(entered))
        try:
            await entered
        except asyncio.CancelledError:
            self._task.cancel()
            await asyncio.wait([self._task])
            raise

    async def leave(self) -> None:
        """Raises what leaving raises, or what went wrong inside meanwhile."""
        self._leave.set()
        if self._cancelled_owner and self._owner is not None:
            self._owner.uncancel()
        await self._task

    async def _live(self, entered: asyncio.Future[None]) -> None:
        try:
            async with self._manager:
                entered.set_result(None)
                await self._leave.wait()
        except BaseException as exc:
            if not entered.done():
                entered.set_exception(exc)
                return
            if not self._leave.is_set() and self._owner is not None:
                self._cancelled_owner = self._owner.cancel()  # else it would wait for what does not run any more
            raise
