"""The last of an invocation's log and of what it prints, for a caller that asks: ``X-Amz-Log-Type: Tail``.

Nothing is captured, and nothing is installed, while nobody asks. Source: Lambda guide: python-logging.
"""

from __future__ import annotations

import base64
import logging
import math
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from eventflow.model import limits
from eventflow.model.invocation import iso_milliseconds
from eventflow.model.outcome import FunctionFailed, Outcome, TimedOut
from eventflow.runtime.invoker import current_context
from eventflow.runtime.printing import watched

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_BREAK_SPACE: Final = "\u00a0"


class LogTail:
    """The log of one invocation; only the last 4 KB are kept. Any thread may add to it."""

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self._text = b""
        self._lock = threading.Lock()
        self.add(f"START RequestId: {request_id} Version: $LATEST")

    def add(self, line: str) -> None:
        """Append one line, on a line of its own."""
        with self._lock:
            if self._text and not self._text.endswith(b"\n"):
                self._append("\n")
            self._append(line + "\n")

    def write(self, text: str) -> None:
        """Append text as it was printed."""
        with self._lock:
            self._append(text)

    def _append(self, text: str) -> None:
        last = text[-limits.LOG_TAIL_BYTES :].encode(errors="replace")
        self._text = (self._text + last)[-limits.LOG_TAIL_BYTES :]

    def finish(self, outcome: Outcome, *, seconds: float, memory_limit_mb: int, now: float) -> None:
        """Append what Lambda itself writes at the end. ``now`` is in epoch seconds."""
        status = ""
        if isinstance(outcome, TimedOut):
            self.add(
                f"{iso_milliseconds(now)} {self.request_id} Task timed out after {outcome.timeout_seconds:.2f} seconds"
            )
            status = "Status: timeout"
        elif isinstance(outcome, FunctionFailed):
            self.add(_error_text(outcome))
            status = f"Status: error\tError Type: {outcome.error_type}"
        self.add(f"END RequestId: {self.request_id}")
        milliseconds = seconds * 1000
        figures = [
            f"REPORT RequestId: {self.request_id}",
            f"Duration: {milliseconds:.2f} ms",
            f"Billed Duration: {math.ceil(milliseconds)} ms",
            f"Memory Size: {memory_limit_mb} MB",
            f"Max Memory Used: {_peak_memory_mb()} MB",
            status,
        ]
        self.add("\t".join(figures))

    def header(self) -> bytes:
        """The value of ``X-Amz-Log-Result``."""
        return base64.b64encode(self._text)


class LogTails(logging.Handler):
    """Collects what the invocations that are watched log and print, whatever logger and thread it comes from."""

    def __init__(self) -> None:
        super().__init__()
        self._watched: dict[str, LogTail] = {}

    @contextmanager
    def watch(self, request_id: str) -> Iterator[LogTail]:
        """Collect the records and the output of one invocation, which runs inside the block."""
        root = logging.getLogger()
        tail = LogTail(request_id)
        if not self._watched:
            root.addHandler(self)
        self._watched[request_id] = tail
        try:
            with watched(tail.write):
                yield tail
        finally:
            del self._watched[request_id]
            if not self._watched:
                root.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record if it belongs to an invocation that is watched."""
        context = current_context.get()
        tail = self._watched.get(context.aws_request_id) if context is not None else None
        if tail is not None:
            text = self.format(record)
            tail.add(f"[{record.levelname}]\t{iso_milliseconds(record.created)}\t{tail.request_id}\t{text}")


def _error_text(outcome: FunctionFailed) -> str:
    lines = [f"[ERROR] {outcome.error_type}: {outcome.error_message}"]
    if outcome.stack_trace:
        lines.append("Traceback (most recent call last):")
        lines += [_indented(line) for entry in outcome.stack_trace for line in entry.splitlines()]
    return "\n".join(lines)


def _indented(line: str) -> str:
    """Lambda indents with no-break spaces, which log viewers do not fold."""
    text = line.lstrip(" ")
    return _NO_BREAK_SPACE * (len(line) - len(text)) + text


def _peak_memory_mb() -> int:
    """The most this process ever used; 0 where the platform does not tell."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1024 * 1024 if sys.platform == "darwin" else 1024)
