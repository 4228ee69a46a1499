"""``eventflow serve`` as processes of their own, on an environment of servers."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.servers.process import free_port

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS: Final = 180.0
"""For what takes a moment on a machine that is not busy."""
CREDENTIALS: Final = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True, slots=True)
class Serving:
    """One running process, and the port it serves."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def kill(self) -> None:
        """As the kernel would: no goodbye."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=PATIENCE_SECONDS)

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        """One request; raises OSError or HTTPException if there is no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body=body, headers=named)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def readiness(self) -> tuple[int, str]:
        """Status of ``/readyz``, and what it says of every part that has a problem."""
        status, body = self.request("GET", "/readyz?verbose")
        return status, body.decode()

    def until_ready(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Return once ``/readyz`` has no problem."""
        wait_until(lambda: self.readiness()[0] == 200, seconds=seconds, what=lambda: f"ready: {self.readiness()}")

    def until_unready(self, *texts: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Return once ``/readyz`` says 503, and all of ``texts``: parts find out one after the other."""

        def says_so() -> bool:
            status, said = self.readiness()
            return status == 503 and all(text in said for text in texts)

        wait_until(says_so, seconds=seconds, what=lambda: f"{texts} in {self.readiness()}")

    def invoke_later(self, function: str, event: object) -> bool:
        """Invoke with ``InvocationType=Event``; whether the event was accepted."""
        path = f"/2015-03-31/functions/{function}/invocations"
        try:
            status, _ = self.request("POST", path, json.dumps(event).encode(), X_Amz_Invocation_Type="Event")
        except (OSError, http.client.HTTPException):
            return False
        return status == 202


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A directory with an ``eventflow.toml``, and the variables that every process of it has."""

    directory: Path
    target: str
    environment: str
    variables: Mapping[str, str]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command of the command line to its end, e.g. ``provision``."""
        return subprocess.run(
            [sys.executable, "-m", "eventflow", *arguments],
            cwd=self.directory,
            env=self._variables(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    @contextmanager
    def serve(self, *options: str, ready: bool = True) -> Iterator[Serving]:
        """A process that serves the target; with ``ready``, once ``/readyz`` says so. It is stopped if it runs yet."""
        port = free_port()
        log = self.directory / f"serve-{port}.log"
        command = [sys.executable, "-m", "eventflow", "serve", self.target, "--app-dir", str(ROOT)]
        command += ["--env", self.environment, "--port", str(port), *options]
        with log.open("ab") as output:
            process = subprocess.Popen(command, cwd=self.directory, env=self._variables(), stdout=output, stderr=output)
        serving = Serving(process, port, log)
        try:
            if ready:
                wait_until(lambda: _is_ready(serving), what=lambda: log.read_text()[-4000:])
            yield serving
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=PATIENCE_SECONDS)

    def _variables(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "EVENTFLOW_"))}
        return {**kept, "PYTHONPATH": str(ROOT), **CREDENTIALS, **self.variables}


def wait_until(check: Callable[[], bool], *, what: str | Callable[[], str], seconds: float = PATIENCE_SECONDS) -> None:
    """Poll ``check`` until it is true; fails after ``seconds`` with ``what``, which is text or gives it."""
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at:
        if check():
            return
        time.sleep(0.1)
    raise AssertionError(f"after {seconds:g} s still not: {what() if callable(what) else what}")


def _is_ready(serving: Serving) -> bool:
    if serving.process.poll() is not None:
        raise RuntimeError(f"the process ended:\n{serving.log.read_text()[-4000:]}")
    try:
        return serving.readiness()[0] == 200
    except (OSError, http.client.HTTPException):
        return False
