"""One worker process of a function, as its parent sees it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Final

from eventflow.runtime.frames import LOG, PRINTED, read_frame, write_frame
from eventflow.runtime.printing import watcher
from eventflow.runtime.worker_logs import handle_forwarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventflow.model.function import FunctionDefinition

_LAST_SECONDS: Final = 1.0
"""How long a worker that closed its pipe may take to exit."""


class WorkerProcess:
    """One worker. ``start`` and ``ask`` block, so they run in threads.

    It has a process group of its own: Ctrl-C in a terminal is for the parent, which lets its handlers finish, and
    whatever a handler has started ends with the worker.
    """

    def __init__(self, definition: FunctionDefinition) -> None:
        self._lock = threading.Lock()
        self._working = False
        self._given_up = threading.Event()
        self._ended = False
        request_read, self._request = os.pipe()
        self._response, response_write = os.pipe()
        handler = definition.handler
        setup = {
            "module": handler.__module__,
            "qualname": handler.__qualname__,
            "path": sys.path,
            "request": request_read,
            "response": response_write,
            "log_level": logging.getLogger().level,
        }
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "eventflow.runtime.worker", json.dumps(setup)],
                stdin=subprocess.DEVNULL,
                stdout=_standard_output(),
                pass_fds=(request_read, response_write),
                process_group=0,
            )
        except BaseException:
            self._close_pipes()
            raise
        finally:
            os.close(request_read)
            os.close(response_write)

    def start(self) -> bool:
        """Wait until the handler is imported; false if the worker died over it."""
        return self._work(self._next_message) is not None

    def ask(self, request: bytes) -> bytes | None:
        """The answer to one request; ``None`` if the worker died over it."""
        return self._work(partial(self._exchange, request))

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def exit_code(self) -> int:
        """How a dead worker ended; negative for a signal."""
        return self._process.wait()

    def close(self) -> None:
        """End it now, and what it started; give its pipes back. If a thread works with it, that thread does the
        latter: no event loop has to be there to see it."""
        with self._lock:
            self._given_up.set()
            self._kill()
            if self._working:
                return
        self._end()

    def _work(self, work: Callable[[], bytes | None]) -> bytes | None:
        """What a thread does with the worker; ``None`` if it was closed before."""
        with self._lock:
            if self._given_up.is_set():
                return None
            self._working = True
        try:
            return work()
        finally:
            with self._lock:
                self._working = False
            if self._given_up.is_set():
                self._end()

    def _end(self) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended = True
        self._kill()
        self._process.wait()
        self._close_pipes()

    def _kill(self) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _exchange(self, request: bytes) -> bytes | None:
        try:
            write_frame(self._request, request)
        except BrokenPipeError:
            self._reap()
            return None
        return self._next_message()

    def _next_message(self) -> bytes | None:
        while (frame := read_frame(self._response)) is not None:
            kind, content = frame[:1], frame[1:]
            if kind == LOG:
                handle_forwarded(content)
            elif kind == PRINTED:
                _watch(content)
            else:
                return content
        self._reap()
        return None

    def _reap(self) -> None:
        """It closed its pipes: it is about to exit, or has lost them and is of no more use."""
        try:
            self._process.wait(_LAST_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()

    def _close_pipes(self) -> None:
        for descriptor in (self._request, self._response):
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _watch(text: bytes) -> None:
    """The worker has printed it itself."""
    take = watcher.get()
    if take is not None:
        take(text.decode(errors="replace"))


def _standard_output() -> int | None:
    """Where this process prints: its standard output may have been redirected."""
    try:
        return sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):  # not a file
        return None
