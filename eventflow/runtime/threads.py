"""Threads for handlers that are not async."""

from __future__ import annotations

import threading
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class HandlerThreads(Executor):
    """As many threads as calls run at once, ``maximum`` at most; idle ones are used again.

    They are daemons, unlike those of the standard library's pool: a handler that never returns does not keep the
    process from ending. A call that was cancelled before a thread took it never runs.
    """

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._unclaimed = 0
        """Idle threads, less the calls that wait for one."""
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
                self._threads += 1
                self._unclaimed += 1
                name = f"eventflow-{self._threads}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls, and end the idle threads. Nobody is waited for: ``wait`` is the base class's."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for _ in range(self._threads):
                    self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
            del call  # an idle thread keeps nobody's event alive
            with self._lock:
                self._unclaimed += 1


def _resolve(future: Future[T], fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    try:
        result = fn(*args, **kwargs)
    except BaseException as exc:  # noqa: BLE001 (it is raised again where the result is awaited)
        future.set_exception(exc)
    else:
        future.set_result(result)
