"""What functions print: whole lines, at once, and for somebody who watches an invocation.

Nothing is in the way of ``sys.stdout`` and ``sys.stderr`` while nobody does.
"""

from __future__ import annotations

import io
import sys
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

watcher: Final[ContextVar[Callable[[str], None] | None]] = ContextVar("eventflow_watcher", default=None)
"""Takes what is printed in this context, if somebody watches it."""


def print_whole_lines() -> None:
    """Write each line to standard output when it ends, in one piece: it is seen at once, in a pipe too, it outlives a
    process that is killed, and log records of other threads and processes do not get into the middle of it. With
    ``PYTHONUNBUFFERED``, ``print`` writes the end of a line on its own.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True, write_through=False)


@contextmanager
def watched(take: Callable[[str], None]) -> Iterator[None]:
    """Give ``take`` the text that is printed in the context of the block, as it is written; it is printed all the same.

    Not seen are bytes that are written to the buffer below a stream, and what a thread prints that was started without
    this context, as ``threading.Thread`` does and ``asyncio.to_thread`` does not.
    """
    token = watcher.set(take)
    _copies.begin()
    try:
        yield
    finally:
        _copies.end()
        watcher.reset(token)


class _Copied:
    """A standard stream whose text the watcher sees, too. Everything but writing is the stream's own affair."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        written = self.stream.write(text)
        take = watcher.get()
        if take is not None:
            take(text)
        return written

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class _Copies:
    """Puts the copied streams in place with the first watcher, and away with the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watchers = 0

    def begin(self) -> None:
        with self._lock:
            self._watchers += 1
            for name in ("stdout", "stderr"):
                stream = getattr(sys, name)
                if stream is not None and not isinstance(stream, _Copied):
                    setattr(sys, name, _Copied(stream))

    def end(self) -> None:
        """A stream that somebody put in place meanwhile stays."""
        with self._lock:
            self._watchers -= 1
            for name in ("stdout", "stderr"):
                stream = getattr(sys, name)
                if not self._watchers and isinstance(stream, _Copied):
                    setattr(sys, name, stream.stream)


_copies: Final = _Copies()
