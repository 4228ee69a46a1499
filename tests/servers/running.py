"""Servers for as long as a test, or all of them, need them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.catalog import SERVERS
from tests.servers.installing import installation
from tests.servers.process import Process, free_port
from tests.servers.server import Server, Started


class PrivateServer:
    """A server to be broken: started again, it has the same port and what it kept on disk.

    Raises:
        NotInstalledError: it is not installed.
        ServerStartError: it did not start.
    """

    def __init__(self, name: str) -> None:
        self._kind = SERVERS[name]
        self._directory = installation(name)
        self._port = free_port()
        self._scratch = Path(tempfile.mkdtemp(prefix=f"eventflow-{name}-"))
        try:
            self._started = self._start()
        except BaseException:
            shutil.rmtree(self._scratch)
            raise

    @property
    def server(self) -> Server:
        """Where it is; the address stays the same over restarts."""
        return self._started.server

    @property
    def process(self) -> Process:
        """What runs it now, or ran it last."""
        return self._started.process

    def stop(self) -> None:
        """End it as an operator would."""
        self._started.process.stop()

    def kill(self) -> None:
        """End it as a crash would."""
        self._started.process.kill()

    def restart(self) -> None:
        """End it if it runs, and start it again. It answers when this returns."""
        self.stop()
        self._started = self._start()

    def close(self) -> None:
        """End it and remove what it wrote. Closing it twice does nothing."""
        self.stop()
        if self._scratch.exists():
            shutil.rmtree(self._scratch)

    def _start(self) -> Started:
        return self._kind.start(self._directory, self._scratch, port=self._port)


@contextmanager
def running(name: str) -> Iterator[Started]:
    """A server inside a ``with`` block."""
    private = PrivateServer(name)
    try:
        yield Started(private.server, private.process)
    finally:
        private.close()
