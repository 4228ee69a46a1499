"""Programs under test that run in processes of their own, and what they cost."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

PATIENCE_SECONDS: Final = 120.0
_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")


class Process:
    """A child process. Leaving the block ends it, by its own id.

    ``cpu`` is the processor it is pinned to, where ``taskset`` exists and there is more than one.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cpu: int | None = None,
        directory: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._child = subprocess.Popen(
            [*pinned(cpu), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=directory,
            env={**_environment(), **(variables or {})},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._child.terminate()
        try:
            self._child.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.communicate()

    def go(self) -> None:
        """Send it an empty line: what it was waiting for."""
        assert self._child.stdin is not None
        self._child.stdin.write("\n")
        self._child.stdin.flush()

    def line(self) -> str:
        """The next line it prints. Raises RuntimeError if it ended instead, or said nothing for too long."""
        assert self._child.stdout is not None
        impatience = threading.Timer(PATIENCE_SECONDS, self._child.kill)
        impatience.start()
        try:
            line = self._child.stdout.readline()
        finally:
            impatience.cancel()
        if not line:
            raise RuntimeError(f"{self._child.args!r} ended with exit code {self._child.wait()}")
        return line.strip()

    def wait(self) -> None:
        """Until it ends."""
        self._child.wait(PATIENCE_SECONDS)

    def wait_until(self, ready: Callable[[], bool], *, every_seconds: float = 0.001) -> None:
        """Ask until it is ready. Raises RuntimeError if it ends, or never is."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not ready():
            if self._child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self._child.args!r} did not become ready; exit code {self._child.poll()}")
            time.sleep(every_seconds)

    def cpu_seconds(self) -> float:
        """User and system time so far, of the process and the children it has now."""
        return family_cpu_seconds(self._child.pid)

    def megabytes(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self._child.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024


def family_cpu_seconds(pid: int) -> float:
    """User and system time so far, of a process and the children it has now."""
    return sum(_cpu_seconds(member) for member in _family(pid))


def pinned(cpu: int | None) -> list[str]:
    """What runs a command on one processor only; nothing where that cannot be done."""
    return ["taskset", "-c", str(cpu)] if cpu is not None and shutil.which("taskset") and count() > 1 else []


def count() -> int:
    """How many processors there are."""
    return os.cpu_count() or 1


def module(name: str, *arguments: str) -> list[str]:
    """The command line of a Python module."""
    return [sys.executable, "-m", name, *arguments]


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    return port


def _environment() -> Mapping[str, str]:
    """Children find this package wherever they run, and keep byte code as an installed package has it."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[1])}


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in _family(int(child)))]


def _cpu_seconds(pid: int) -> float:
    """Source: proc(5): utime and stime are fields 14 and 15; the second, the command, may contain spaces."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND
