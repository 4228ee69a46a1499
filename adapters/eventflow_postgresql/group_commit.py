"""Group commit: what comes while a statement is on its way goes together with the next one."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from eventflow.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

GROUP_CALLS: Final = 1_000
GROUP_BYTES: Final = 4 * 1024 * 1024
"""What one statement carries at most; a single call may be larger."""
WAITING_CALLS: Final = 10_000
"""Calls that wait at most; the next one is refused, so that a slow server is not met with endless memory."""

A = TypeVar("A")
T = TypeVar("T")


class Lane(Generic[A, T]):
    """Work of one kind. ``work`` gets the arguments of everybody who waits, in the order they came, and returns their
    results. It runs in a task of the lane: no caller's cancellation disturbs the others or the statement.

    ``size`` is the bytes of an argument. ``unwanted`` is given the results of callers that were cancelled meanwhile.
    """

    def __init__(
        self,
        resource: str,
        work: Callable[[Sequence[A]], Awaitable[Sequence[T]]],
        *,
        size: Callable[[A], int] = lambda _: 0,
        unwanted: Callable[[T], object] = lambda _: None,
        group_calls: int = GROUP_CALLS,
    ) -> None:
        self._resource = resource
        self._work = work
        self._size = size
        self._unwanted = unwanted
        self._group_calls = group_calls
        self._waiting: deque[tuple[A, asyncio.Future[T]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._closed = False

    async def run(self, argument: A) -> T:
        """The result for ``argument``. Raises UnavailableError if too many wait, or what ``work`` raises."""
        future = self.submit(argument)
        try:
            return await future
        except asyncio.CancelledError:
            # The result may have come in the same moment as the cancellation; if not, the lane will find the future
            # cancelled.
            if future.done() and not future.cancelled() and future.exception() is None:
                self._unwanted(future.result())
            raise

    def submit(self, argument: A) -> asyncio.Future[T]:
        """The same, without waiting."""
        if self._closed:
            raise UnavailableError(self._resource, "is closed")
        if len(self._waiting) >= WAITING_CALLS:
            raise UnavailableError(self._resource, f"{WAITING_CALLS} calls wait for the database already")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._waiting.append((argument, future))
        if self._worker is None:
            self._worker = loop.create_task(self._work_off())
        return future

    async def aclose(self) -> None:
        """Take nothing more and finish what waits. If this is cancelled, what waits fails. Idempotent."""
        self._closed = True
        if self._worker is not None:
            await asyncio.wait([self._worker])

    def abort(self) -> None:
        """Give up on what waits: it may have been done, or not."""
        self._closed = True
        if self._worker is not None:
            self._worker.cancel()

    async def _work_off(self) -> None:
        try:
            while self._waiting:
                group = self._take()
                if group:
                    await self._run(group)
        finally:
            self._worker = None
            self._fail(self._waiting, UnavailableError(self._resource, "was closed"))
            self._waiting.clear()

    def _take(self) -> list[tuple[A, asyncio.Future[T]]]:
        """The next calls that are still wanted, as many as go together."""
        group: list[tuple[A, asyncio.Future[T]]] = []
        size = 0
        while self._waiting and len(group) < self._group_calls:
            argument, future = self._waiting[0]
            size += self._size(argument)
            if group and size > GROUP_BYTES:
                break
            self._waiting.popleft()
            if not future.cancelled():
                group.append((argument, future))
        return group

    async def _run(self, group: Sequence[tuple[A, asyncio.Future[T]]]) -> None:
        try:
            results = await self._work([argument for argument, _ in group])
        except asyncio.CancelledError:
            self._fail(group, UnavailableError(self._resource, "was closed"))
            raise
        except Exception as error:  # noqa: BLE001 - the callers get it
            if len(group) == 1 or isinstance(error, UnavailableError):
                self._fail(group, error)
                return
            for call in group:  # the server refused the statement because of one of them, and did nothing
                await self._run([call])
        else:
            self._resolve(group, results)

    def _resolve(self, group: Sequence[tuple[A, asyncio.Future[T]]], results: Sequence[T]) -> None:
        for (_, future), result in zip(group, results, strict=True):
            if future.cancelled():
                self._unwanted(result)
            else:
                future.set_result(result)

    def _fail(self, calls: Sequence[tuple[A, asyncio.Future[T]]], error: Exception) -> None:
        for _, future in calls:
            if not future.done():
                future.set_exception(error)
