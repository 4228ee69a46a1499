"""One worker process of a function, as its parent sees it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from eventflow.runtime.frames import ANSWER, LOG, read_frame, write_frame
from eventflow.runtime.worker_logs import handle_forwarded

if TYPE_CHECKING:
    from eventflow.model.function import FunctionDefinition

_LAST_SECONDS: Final = 1.0
"""How long a worker that closed its pipe may take to exit."""


class WorkerProcess:
    """One worker. ``start`` and ``ask`` block, so they run in threads.

    It has a process group of its own: Ctrl-C in a terminal is for the parent, which lets its handlers finish, and
    whatever a handler has started ends with the worker.
    """

    def __init__(self, definition: FunctionDefinition) -> None:
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
        return self._next_message() is not None

    def ask(self, request: bytes) -> bytes | None:
        """The answer to one request; ``None`` if the worker died over it."""
        try:
            write_frame(self._request, request)
        except BrokenPipeError:
            self._reap()
            return None
        return self._next_message()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def exit_code(self) -> int:
        """How a dead worker ended; negative for a signal."""
        return self._process.wait()

    def kill(self) -> None:
        """End it now, and what it started. Closing follows when nobody reads any more."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill it, reap it, and give its pipes back."""
        self.kill()
        self._process.wait()
        self._close_pipes()

    def _next_message(self) -> bytes | None:
        while (frame := read_frame(self._response)) is not None:
            if frame[:1] != LOG:
                return frame[len(ANSWER) :]
            handle_forwarded(frame[len(LOG) :])
        self._reap()
        return None

    def _reap(self) -> None:
        """It closed its pipes: it is about to exit, or has lost them and is of no more use."""
        try:
            self._process.wait(_LAST_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def _close_pipes(self) -> None:
        for descriptor in (self._request, self._response):
            with contextlib.suppress(OSError):
                os.close(descriptor)
