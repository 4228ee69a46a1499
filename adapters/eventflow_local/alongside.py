"""Several endless tasks of one source."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine


@asynccontextmanager
async def alongside(*work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run ``work`` while the block runs. The first error of any ends all, and comes as it is: what a port
    promises to raise must not hide in a group."""
    try:
        async with anyio.create_task_group() as tasks:
            for each in work:
                tasks.start_soon(each)
            yield
            tasks.cancel_scope.cancel()
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
