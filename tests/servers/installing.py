"""Where servers are installed, and how that is done once."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.servers.catalog import INSTALLABLE, SERVERS
from tests.servers.process import free_port

_STAMP: Final = "installed-version"


class NotInstalledError(RuntimeError):
    """A server is not there, or is there in another version than the tests want."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not installed: python -m tests.servers install {name}")
        self.name = name


def installation(name: str) -> Path:
    """The directory that holds a complete installation of the wanted version.

    Raises:
        NotInstalledError: there is none.
    """
    directory = _directory(name)
    kind = INSTALLABLE[name]
    stamp = directory / _STAMP
    if not (stamp.exists() and stamp.read_text() == kind.VERSION and kind.program(directory).exists()):
        raise NotInstalledError(name)
    return directory


def install(name: str) -> Path:
    """Install a server or tool unless its wanted version is there. Half an installation is made again."""
    with _only_one_at_a_time(name):
        try:
            return installation(name)
        except NotInstalledError:
            directory = _directory(name)
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
            INSTALLABLE[name].install(directory)
            _try(name, directory)
            (directory / _STAMP).write_text(INSTALLABLE[name].VERSION)
            return installation(name)


def cache_directory() -> Path:
    """``EVENTFLOW_TEST_SERVERS``, or a directory in the user's cache."""
    return Path(os.environ.get("EVENTFLOW_TEST_SERVERS") or Path.home() / ".cache" / "eventflow-test-servers")


def _try(name: str, directory: Path) -> None:
    """Start and stop it: what does not start is not installed, and some servers start faster the second time."""
    if name not in SERVERS:
        subprocess.run([INSTALLABLE[name].program(directory), "--version"], check=True, stdout=subprocess.DEVNULL)
        return
    with tempfile.TemporaryDirectory(prefix=f"eventflow-{name}-") as scratch:
        SERVERS[name].start(directory, Path(scratch), port=free_port()).process.stop()


def _directory(name: str) -> Path:
    return cache_directory() / name


@contextmanager
def _only_one_at_a_time(name: str) -> Iterator[None]:
    cache_directory().mkdir(parents=True, exist_ok=True)
    with (cache_directory() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
