"""Time under the test's control: an event loop whose clock jumps to the next timer instead of waiting.

Six hours of retries take a millisecond, and a deadlock is an error instead of a hang::

    anyio.run(main, backend="asyncio", backend_options={"loop_factory": VirtualTimeLoop})
"""

from __future__ import annotations

import asyncio
import math
import selectors
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor
    from contextvars import Context

START: Final = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""What a virtual clock shows when its loop is made: midnight, so schedules are easy to reason about."""


class DeadlockError(RuntimeError):
    """Every task is blocked, no timer is set, and nothing outside the loop is at work."""


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.outside = 0
        self.quiet: list[asyncio.Future[float | None]] = []

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self.outside:
            return super().select(None)
        if self.quiet:
            waiting, self.quiet = self.quiet, []
            for future in waiting:
                if not future.done():
                    future.set_result(timeout)
            return []
        if timeout is None:
            raise DeadlockError("every task is blocked and no timer is set")
        self.now += timeout
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on virtual time. Work handed to executors, and whatever runs inside of :meth:`standstill`, takes
    no virtual time: the clock stands still until it is back."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    async def quiet(self) -> float | None:
        """Return once every task is blocked, before the clock jumps.

        The result is the seconds to the next timer, ``None`` if there is none.
        """
        future: asyncio.Future[float | None] = self.create_future()
        self._jumping.quiet.append(future)
        return await future

    @contextmanager
    def standstill(self) -> Iterator[None]:
        """Wait for the world outside, such as the answer of a real server, without letting time pass."""
        self._jumping.outside += 1
        try:
            yield
        finally:
            self._jumping.outside -= 1

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = super().run_in_executor(executor, func, *args)
        self._jumping.outside += 1
        future.add_done_callback(self._executor_done)
        return future

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        if math.isinf(when):  # sleep_forever(): a timer that never fires is not one to jump to
            return asyncio.TimerHandle(when, callback, args, self, context)
        return super().call_at(when, callback, *args, context=context)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 (asyncio's)
        with self.standstill():
            await super().shutdown_default_executor()

    def _executor_done(self, _: asyncio.Future[Any]) -> None:
        self._jumping.outside -= 1


class VirtualClock:
    """The wall clock of a virtual loop: :data:`START` plus the loop's time. Must be made inside the loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def time(self) -> float:
        return START + self._loop.time()
