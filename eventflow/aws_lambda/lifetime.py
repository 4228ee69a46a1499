"""The app's lifespan around the life of an execution environment."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eventflow.plan.plan import Lifespan


class Lifetime:
    """Enters a lifespan once, and leaves it in the task that entered it: a lifespan may open a task group."""

    def __init__(self, lifespan: Lifespan | None, loop: asyncio.AbstractEventLoop) -> None:
        self.state: Any = None
        self._lifespan = lifespan
        self._loop = loop
        self._task: asyncio.Task[None] | None = None
        self._leave = asyncio.Event()

    def start(self) -> bool:
        """Enter the lifespan unless it is entered; returns whether it was entered now. Raises what it raises, also when
        it has ended by itself; then the next call enters it anew."""
        if self._lifespan is None:
            return False
        if self._task is None:
            entered: asyncio.Future[Any] = self._loop.create_future()
            self._task = self._loop.create_task(self._live(self._lifespan, entered))
            try:
                self.state = self._loop.run_until_complete(entered)
            except BaseException:
                self._task = None
                raise
            return True
        if self._task.done():
            task, self._task = self._task, None
            task.result()
            return self.start()
        return False

    def stop(self) -> None:
        """Leave the lifespan. Raises what it raises."""
        if self._task is not None:
            self._leave.set()
            self._loop.run_until_complete(self._task)
            self._task = None

    async def _live(self, lifespan: Lifespan, entered: asyncio.Future[Any]) -> None:
        try:
            async with lifespan() as state:
                entered.set_result(state)
                await self._leave.wait()
        except BaseException as exc:
            if entered.done():
                raise
            entered.set_exception(exc)
