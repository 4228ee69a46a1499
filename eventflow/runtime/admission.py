"""Concurrency: who may run now. Integers on the event loop's thread; no lock is needed.

One pool, split into slices: each function with reserved concurrency has its own, all others share the rest.
Source: Lambda guide: lambda-concurrency.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from eventflow.model.outcome import ThrottleReason
from eventflow.policy.concurrency import unreserved
from eventflow.policy.retry import reconnect_backoff

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from eventflow.model.function import FunctionDefinition


class Slice:
    """A number of permits. ``running`` are taken; ``promised`` are kept for pollers that are receiving.

    A promise makes sure that what a poller receives can run soon, without taking the permit from others while
    it waits for records: low concurrency never burns receive counts, and an idle poller never causes a
    throttle.
    """

    __slots__ = ("_receivers", "_runners", "limit", "promised", "reason", "running")

    def __init__(self, limit: int, reason: ThrottleReason) -> None:
        self.limit = limit
        self.reason = reason
        self.running = 0
        self.promised = 0
        self._runners: deque[asyncio.Future[None]] = deque()
        self._receivers: deque[asyncio.Future[None]] = deque()

    @property
    def free(self) -> int:
        """Permits neither taken nor promised."""
        return max(0, self.limit - self.running - self.promised)

    def enter(self) -> bool:
        """Take a permit if there is one; every success must be followed by ``leave``."""
        if self.running >= self.limit:
            return False
        self.running += 1
        return True

    def leave(self) -> None:
        """Give a permit back."""
        self.running -= 1
        if self._runners or self._receivers:
            self._wake()

    async def available(self) -> None:
        """Return once a permit is free. It is not taken: whoever comes first has it."""
        while self.running >= self.limit:
            await self._wait_in(self._runners)

    async def another_chance(self, throttles: int) -> None:
        """Return when it is worth trying again after ``throttles`` throttles in a row: once a permit is free, or,
        where there was one and middleware throttled, after a while."""
        if self.running < self.limit:
            await anyio.sleep(reconnect_backoff(throttles))
        await self.available()

    @asynccontextmanager
    async def promise(self, wanted: int = 1) -> AsyncIterator[int]:
        """Keep up to ``wanted`` free permits for the caller, waiting for the first; yields how many.

        Inside, the caller receives that many records; it takes the permits by running them afterwards.
        """
        while not self.free:
            await self._wait_in(self._receivers)
        kept = min(wanted, self.free)
        self.promised += kept
        try:
            yield kept
        finally:
            # A turn later: by then the caller has begun to take what it was promised.
            asyncio.get_running_loop().call_soon(self._end_promise, kept)

    def _end_promise(self, kept: int) -> None:
        self.promised -= kept
        self._wake()

    def _wake(self) -> None:
        """Let the next of those with work look again, and then the next who wants to receive. They wait apart:
        a promised permit is free for the ones, not for the others."""
        if self.running < self.limit:
            _wake_first(self._runners)
        if self.free:
            _wake_first(self._receivers)

    async def _wait_in(self, line: deque[asyncio.Future[None]]) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        line.append(future)
        try:
            await future
        except asyncio.CancelledError:
            if not future.cancelled():
                self._wake()  # pass the turn on
            raise
        # Whoever comes first has the permit; should this one leave it, the next has its turn.
        loop.call_soon(self._wake)


def _wake_first(line: deque[asyncio.Future[None]]) -> None:
    while line:
        future = line.popleft()
        if not future.done():
            future.set_result(None)
            return


class Admission:
    """The slices of an app."""

    def __init__(self, functions: Iterable[FunctionDefinition], *, concurrency: int) -> None:
        reserved = {
            function.name: function.settings.reserved_concurrency
            for function in functions
            if function.settings.reserved_concurrency is not None
        }
        self._reserved = {name: Slice(limit, ThrottleReason.FUNCTION) for name, limit in reserved.items()}
        self.unreserved = Slice(unreserved(concurrency, reserved.values()), ThrottleReason.ACCOUNT)

    def slice_of(self, function_name: str) -> Slice:
        """The slice a function draws on."""
        return self._reserved.get(function_name, self.unreserved)
