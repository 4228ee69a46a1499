"""Start, kill, restart, count."""

from __future__ import annotations

import http.client
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.process import free_port

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 180.0
CATCH_UP_SECONDS = 180.0

CONFIGURATION = """
[environments.local]
data = "data"

[environments.local.queues]
records = { visibility_timeout_seconds = 5 }
batches = { visibility_timeout_seconds = 5 }
"ordered.fifo" = { visibility_timeout_seconds = 5 }
failures = { visibility_timeout_seconds = 5 }
successes = { visibility_timeout_seconds = 5 }
"""


@dataclass(slots=True)
class Count:
    """What is left: ids that were accepted and never handled, by kind, and how often handling was repeated."""

    accepted: int = 0
    handled: int = 0
    repeated: int = 0
    missing: list[str] = field(default_factory=list)

    def missing_by_kind(self) -> dict[str, int]:
        return dict(Counter(id.split("-", 1)[1].rsplit("-", 1)[0] for id in self.missing))


class Crashes:
    """One data directory, a server that is killed again and again, and a sender that is not."""

    def __init__(self, directory: Path, *, seed: int) -> None:
        self._directory = directory
        self._random = random.Random(seed)
        self._port = free_port()
        self._ledger = directory / "ledger.txt"
        self._accepted = directory / "accepted.txt"
        (directory / "eventflow.toml").write_text(CONFIGURATION)

    def run(self, rounds: int, *, longest_seconds: float = 3.0) -> Count:
        """Kill the server ``rounds`` times at random moments under load, then let it catch up, and count."""
        with self._server():
            pass  # its subscriptions exist from now on
        with self._sender():
            for _ in range(rounds):
                with self._server() as server:
                    time.sleep(self._random.uniform(0.05, longest_seconds))
                    server.send_signal(signal.SIGKILL)
        with self._server():
            return self._catch_up()

    def _catch_up(self) -> Count:
        give_up_at = time.monotonic() + CATCH_UP_SECONDS
        while (count := self.count()).missing and time.monotonic() < give_up_at:
            time.sleep(0.5)
        return count

    def count(self) -> Count:
        """Compare what was accepted with what was handled."""
        accepted = set(self._accepted.read_text().split())
        handled = Counter(self._ledger.read_text().split())
        return Count(
            accepted=len(accepted),
            handled=len(handled),
            repeated=sum(handled.values()) - len(handled),
            missing=sorted(accepted - handled.keys()),
        )

    @contextmanager
    def _server(self) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "eventflow", "serve", "tests.crash.ledger_app", "--port", str(self._port)]
        command += ["--app-dir", str(ROOT), "--log-level", "error"]
        with (self._directory / "server.log").open("ab") as log:
            environment = {**os.environ, "LEDGER": str(self._ledger), "PYTHONPATH": str(ROOT)}
            server = subprocess.Popen(command, cwd=self._directory, env=environment, stdout=log, stderr=log)
        try:
            self._wait_until_ready(server)
            yield server
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=180)

    def _wait_until_ready(self, server: subprocess.Popen[bytes]) -> None:
        give_up_at = time.monotonic() + READY_SECONDS
        while time.monotonic() < give_up_at:
            if server.poll() is not None:
                raise RuntimeError(f"the server ended:\n{(self._directory / 'server.log').read_text()[-4000:]}")
            if self._answers():
                return
            time.sleep(0.05)
        raise RuntimeError("the server did not start")

    def _answers(self) -> bool:
        """Whether it serves. The port is bound before the sources are open, so a connection alone says nothing."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    @contextmanager
    def _sender(self) -> Iterator[None]:
        run = f"{self._random.randrange(16**8):08x}"
        arguments = ["data", str(self._port), str(self._accepted), run]
        command = [sys.executable, "-m", "tests.crash.sender", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with (self._directory / "sender.log").open("ab") as log:
            sender = subprocess.Popen(command, cwd=self._directory, env=environment, stdout=log, stderr=log)
        try:
            yield
        finally:
            alive = sender.poll() is None
            sender.kill()
            sender.wait()
            if not alive:
                raise RuntimeError(f"the sender ended:\n{(self._directory / 'sender.log').read_text()[-4000:]}")
