"""Threads for handlers that are not async."""

from __future__ import annotations

import threading
from concurrent.futures import Executor, Future
from itertools import count
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

IDLE_SECONDS: Final = 60.0
"""How long a thread without work is kept."""


class HandlerThreads(Executor):
    """As many threads as calls run at once, ``maximum`` at most; idle ones are used again.

    A thread ends when no call has come for ``idle_seconds``. While calls come, each of them wakes the thread that has
    been idle for longest; so those threads end, too, that were to spare all through such a time.

    They are daemons, unlike those of the standard library's pool: a handler that never returns does not keep the
    process from ending. A call that was cancelled before a thread took it never runs.
    """

    def __init__(self, maximum: int, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._maximum = maximum
        self._idle_seconds = idle_seconds
        self._numbers = count(1)
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._unclaimed = 0
        """Idle threads, less the calls that wait for one."""
        self._spare = 0
        """The least that ``_unclaimed`` was since the last look at it."""
        self._look_at = monotonic() + idle_seconds
        self._closed = False

    @property
    def idle(self) -> int:
        """Threads that wait for a call."""
        return max(0, self._unclaimed)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()

        def call() -> None:
            if future.set_running_or_notify_cancel():
                _resolve(future, fn, args, kwargs)

        with self._lock:
            if self._closed:
                raise RuntimeError("the threads are shut down")
            self._calls.put(call)
            self._unclaimed -= 1
            if self._unclaimed < 0 and self._threads < self._maximum:
                self._start()
            if self._unclaimed < self._spare:
                self._spare = self._unclaimed
            if monotonic() >= self._look_at:
                self._end_spare()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls, and end the idle threads. Nobody is waited for: ``wait`` is the base class's."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for _ in range(self._threads):
                    self._calls.put(None)

    def _start(self) -> None:
        self._threads += 1
        self._unclaimed += 1
        name = f"eventflow-{next(self._numbers)}"
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def _end_spare(self) -> None:
        for _ in range(self._spare):
            self._calls.put(None)
            self._threads -= 1
            self._unclaimed -= 1
        self._spare = self._unclaimed
        self._look_at = monotonic() + self._idle_seconds

    def _work(self) -> None:
        while (call := self._next_call()) is not None:
            call()
            del call  # an idle thread keeps nobody's event alive
            with self._lock:
                self._unclaimed += 1

    def _next_call(self) -> Callable[[], None] | None:
        """Wait for a call; ``None`` if the thread is to end."""
        try:
            return self._calls.get(timeout=self._idle_seconds)
        except Empty:
            pass
        with self._lock:
            if self._unclaimed > 0 and not self._closed:
                self._threads -= 1
                self._unclaimed -= 1
                return None
        return self._calls.get()  # somebody counts on this thread by now


def _resolve(future: Future[T], fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    try:
        result = fn(*args, **kwargs)
    except BaseException as exc:  # noqa: BLE001 (it is raised again where the result is awaited)
        future.set_exception(exc)
    else:
        future.set_result(result)
