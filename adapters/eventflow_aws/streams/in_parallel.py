"""Many requests at once that may each fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio

from eventflow.errors import AdapterError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

T = TypeVar("T")


async def in_parallel(work: Callable[[T], Awaitable[None]], items: Iterable[T]) -> AdapterError | None:
    """Do ``work`` for all items; one that fails stops none of the others. Returns what failed first."""
    failures: list[AdapterError] = []

    async def one(item: T) -> None:
        try:
            await work(item)
        except AdapterError as exc:
            failures.append(exc)

    async with anyio.create_task_group() as tasks:
        for item in items:
            tasks.start_soon(one, item)
    return failures[0] if failures else None
