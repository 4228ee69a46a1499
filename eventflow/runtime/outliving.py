"""Waiting for a function no longer than its caller would; it goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

ResultT = TypeVar("ResultT")


class Outliving(Generic[ResultT]):
    """Invocations on tasks of their own, which may outlive those who wait for them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[ResultT]] = set()

    @property
    def tasks(self) -> frozenset[asyncio.Task[ResultT]]:
        """Those that run now, waited for or not."""
        return frozenset(self._tasks)

    async def wait(self, invocation: Coroutine[Any, Any, ResultT], *, seconds: float) -> ResultT | None:
        """What an invocation comes to; ``None`` if it goes on after ``seconds``."""
        task = asyncio.get_running_loop().create_task(invocation)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        done, _ = await asyncio.wait({task}, timeout=seconds)
        return task.result() if done else None

    def abandon(self) -> None:
        """Cancel what still runs."""
        for task in self._tasks:
            task.cancel()
