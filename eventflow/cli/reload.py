"""``--reload``: the app runs in a child process, which is replaced when a file changes."""

from __future__ import annotations

import fnmatch
import gc
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from watchfiles import DefaultFilter, watch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from watchfiles import Change

    from eventflow.cli.serve_options import ServeOptions, WatchOptions

_ALWAYS: Final = ("*.py",)
_LOOK_INTERVAL_MS: Final = 500
_GRACE_SECONDS: Final = 5.0


def serve_and_reload(options: ServeOptions, watch_options: WatchOptions) -> int:
    """Serve in a child process until a signal comes; returns the exit code of the last child."""
    gc.enable()  # main() paused it
    supervisor = Supervisor(options.arguments(), patience_seconds=options.timeout_graceful_shutdown + _GRACE_SECONDS)
    names = ", ".join(str(directory) for directory in watch_options.directories)
    _say(f"watching {names} for changes")
    return supervisor.run(watch_options)


class Supervisor:
    """Owns the child process. Signals are passed on to it: the first asks it to stop gracefully, the second at once."""

    def __init__(self, arguments: Sequence[str], *, patience_seconds: float) -> None:
        self._command = [sys.executable, "-m", "eventflow", *arguments]
        self._patience_seconds = patience_seconds
        self._stop = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None

    def run(self, options: WatchOptions) -> int:
        """Start, watch and restart until a signal comes."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._pass_on)
        self._start()
        for changed in self._changes(options):
            if changed:
                _say(f"changed: {', '.join(changed)}; restarting")
                self._end_child()
                self._start()
        return self._end_child()

    def _changes(self, options: WatchOptions) -> Iterator[list[str]]:
        """Changed files, whenever there are some; an empty list now and then, to look after the child."""
        wanted = FileFilter(options)
        waiting_noted = False
        for changes in watch(
            *options.directories,
            watch_filter=wanted,
            stop_event=self._stop,
            rust_timeout=_LOOK_INTERVAL_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
        ):
            exited = self._child is not None and self._child.poll() is not None
            if exited and not waiting_noted and not self._stop.is_set():
                _say("the app is not running; waiting for a change")
            waiting_noted = exited
            yield sorted({wanted.shown(path) for _, path in changes})

    def _start(self) -> None:
        if self._stop.is_set():
            return
        # In a process group of its own, so that Ctrl-C reaches it once, through us.
        self._child = subprocess.Popen(self._command, process_group=0)
        if self._stop.is_set():  # the signal came while it was started, and was not passed on to it
            self._child.terminate()

    def _end_child(self) -> int:
        """Stop the child gracefully, in the end by force; returns its exit code."""
        if self._child is None:
            return 0
        if self._child.poll() is None and not self._stop.is_set():  # else a signal was passed on already
            self._child.terminate()
        try:
            return _exit_code(self._child.wait(timeout=self._patience_seconds))
        except subprocess.TimeoutExpired:
            self._child.kill()
            return _exit_code(self._child.wait())

    def _pass_on(self, number: int, frame: object) -> None:
        self._stop.set()
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)


def _exit_code(returned: int) -> int:
    """As a shell writes it: 128 and the signal, for a process that a signal ended."""
    return returned if returned >= 0 else 128 - returned


class FileFilter(DefaultFilter):
    """Whether a change matters: ``*.py`` and what ``include`` adds, without ``exclude`` and hidden directories."""

    def __init__(self, options: WatchOptions) -> None:
        super().__init__()
        self._roots = [directory.resolve() for directory in options.directories]
        self._include = (*_ALWAYS, *options.include)
        self._exclude = options.exclude

    def __call__(self, change: Change, path: str) -> bool:
        shown = self.shown(path)
        hidden = any(part.startswith(".") for part in Path(shown).parts[:-1])
        if hidden or not super().__call__(change, path):
            return False
        return _matches(shown, self._include) and not _matches(shown, self._exclude)

    def shown(self, path: str) -> str:
        """The path under the directory that is watched."""
        for root in self._roots:
            if Path(path).is_relative_to(root):
                return str(Path(path).relative_to(root))
        return path


def _matches(path: str, patterns: Sequence[str]) -> bool:
    name = Path(path).name
    return any(fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(path, pattern) for pattern in patterns)


def _say(text: str) -> None:
    click.echo(click.style(text, fg="cyan"), err=True)
