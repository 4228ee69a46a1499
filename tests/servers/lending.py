"""Servers that all processes of one run of the tests share: the process that hands out the tests starts each once."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import AF_UNIX, socket
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from threading import Lock, Thread
from typing import Final

from tests.servers.running import PrivateServer
from tests.servers.server import Server


class Lender:
    """Servers, each started when it is asked for first, and ended together."""

    def __init__(self) -> None:
        self._lock: Final = Lock()
        self._asked: Final[dict[str, Lock]] = {}
        self._running: Final[dict[str, PrivateServer]] = {}

    def lend(self, name: str) -> Server:
        """Where the server is. Others that ask for it meanwhile wait; those that ask for another do not.

        Raises:
            NotInstalledError: it is not installed.
            ServerStartError: it did not start.
        """
        with self._lock:
            asked = self._asked.setdefault(name, Lock())
        with asked:
            if name not in self._running:
                self._running[name] = PrivateServer(name)
            return self._running[name].server

    def close(self) -> None:
        """End them all, as crashes would: nobody needs what they kept."""
        with ThreadPoolExecutor() as threads:
            list(threads.map(_end, self._running.values()))


@contextmanager
def lending() -> Iterator[str]:
    """Lend to other processes for as long as the block lasts. Yields the address for :func:`borrow`."""
    with ExitStack() as stack:
        address = str(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="eventflow-lending-")), "socket"))
        lender = Lender()
        stack.callback(lender.close)
        office = stack.enter_context(_Office(address, lender))
        Thread(target=office.serve_forever, name="lending", daemon=True).start()
        stack.callback(office.shutdown)
        yield address


def borrow(address: str, name: str) -> Server:
    """The server of that name, which may have to be started first.

    Raises:
        RuntimeError: it could not be; the text says why.
    """
    with socket(AF_UNIX) as connection:
        connection.connect(address)
        with connection.makefile("rwb") as stream:
            stream.write(f"{name}\n".encode())
            stream.flush()
            reply: Server | str = pickle.load(stream)
    if isinstance(reply, str):
        raise RuntimeError(reply)
    return reply


class _Office(ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: str, lender: Lender) -> None:
        super().__init__(address, _Desk)
        self.lender = lender


class _Desk(StreamRequestHandler):
    server: _Office

    def handle(self) -> None:
        name = self.rfile.readline().decode().strip()
        reply: Server | str
        try:
            reply = self.server.lender.lend(name)
        except Exception as error:  # noqa: BLE001 - whoever asked raises it
            reply = f"{type(error).__name__}: {error}"
        pickle.dump(reply, self.wfile)


def _end(private: PrivateServer) -> None:
    private.kill()
    private.close()
