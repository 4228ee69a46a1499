"""Processes of servers: started in a group of their own, watched until ready, ended with everything they started."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import pwd
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

READY_SECONDS: Final = 240.0
"""Less than a test may take, so that it fails with the log and not with its own timeout."""
GRACE_SECONDS: Final = 20.0
LOG_TAIL_CHARACTERS: Final = 4000
PORTS: Final = range(20000, 32000)
"""Below the ports that operating systems hand out to clients, so that no connection takes a server's port."""

_GUARD: Final = Path(__file__).with_name("guard.py")


class ServerStartError(RuntimeError):
    """A server ended, or did not answer in time. The message ends with the tail of its log."""

    def __init__(self, name: str, reason: str, log: Path) -> None:
        tail = log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]
        super().__init__(f"{name} {reason}; the end of its log:\n{tail}")


class Process:
    """One server's process group. Whatever ends the tests, ``kill -9`` included, ends it too.

    ``scratch`` is its working directory and gets its log. What still runs ``grace_seconds`` after a signal is killed.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        scratch: Path,
        environment: Mapping[str, str] | None = None,
        user: pwd.struct_passwd | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        crash_signal: signal.Signals = signal.SIGKILL,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self.name = name
        self.log = scratch / f"{name}.log"
        self._stop_signal = stop_signal
        self._crash_signal = crash_signal
        self._grace_seconds = grace_seconds
        with self.log.open("ab") as log:
            self._leader = subprocess.Popen(
                [str(part) for part in command],
                cwd=scratch,
                env=_without_aws(os.environ) | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=None if user is None else user.pw_uid,
                group=None if user is None else user.pw_gid,
                extra_groups=None if user is None else [],
                start_new_session=True,
            )
        self._guard = subprocess.Popen(
            [sys.executable, "-I", str(_GUARD), str(self.pid), str(scratch)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The id of the process, and of its group."""
        return self._leader.pid

    @property
    def is_running(self) -> bool:
        return self._leader.poll() is None

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Return when ``ready()`` is true.

        Raises:
            ServerStartError: the process ended, or was not ready in time. Nothing of it is left.
        """
        try:
            self._poll(ready)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it as an operator would. Ending it twice does nothing."""
        self._end_with(self._stop_signal)

    def kill(self) -> None:
        """End it as a crash would. Killing an ended one does nothing."""
        self._end_with(self._crash_signal)

    def _end_with(self, wish: signal.Signals) -> None:
        """Wait for the process to end as wished, and kill what is left of its group."""
        if self._guard.poll() is not None:
            return
        if self.is_running:
            self._leader.send_signal(wish)
            with suppress(subprocess.TimeoutExpired):
                self._leader.wait(timeout=self._grace_seconds)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._leader.wait()
        self._guard.kill()
        self._guard.communicate()

    def _poll(self, ready: Callable[[], bool]) -> None:
        give_up_at = time.monotonic() + READY_SECONDS
        while not ready():
            if not self.is_running:
                raise ServerStartError(self.name, f"ended with code {self._leader.returncode}", self.log)
            if time.monotonic() > give_up_at:
                raise ServerStartError(self.name, f"was not ready after {READY_SECONDS:g} s", self.log)
            time.sleep(0.02)


def free_port() -> int:
    """A port on loopback that nothing listens on. Nobody else is given it while this process lives."""
    directory = Path(tempfile.gettempdir(), "eventflow-test-ports")
    directory.mkdir(exist_ok=True)
    for port in random.SystemRandom().sample(PORTS, k=100):
        if _reserve(directory / str(port)) and _is_free(port):
            return port
    raise RuntimeError(f"100 ports between {PORTS.start} and {PORTS.stop} are all in use")


def _reserve(path: Path) -> bool:
    """Lock a file until this process ends; whether nobody, this process included, had locked it before."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False


def kept_ports(scratch: Path, *names: str) -> dict[str, int]:
    """Free ports by name, and the same ones again for a server that is started in ``scratch`` again."""
    known = scratch / "ports.json"
    if not known.exists():
        known.write_text(json.dumps({name: free_port() for name in names}))
    ports: dict[str, int] = json.loads(known.read_text())
    return ports


def answers(port: int, path: str = "/") -> bool:
    """Whether an HTTP server on loopback answers a GET with success."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def accepts(port: int) -> bool:
    """Whether something on loopback accepts connections."""
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _without_aws(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("AWS_")}
