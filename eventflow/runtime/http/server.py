"""Serving an application on a socket.

uvicorn parses and writes HTTP; when to start and stop is decided here, and signals are none of its business.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING, Final

import anyio
from anyio import TASK_STATUS_IGNORED

from eventflow.errors import ConfigurationError, PortInUseError, Problem

if TYPE_CHECKING:
    from anyio.abc import TaskStatus

    from eventflow.runtime.http.asgi import ServedApp
    from eventflow.runtime.stopping import StopSignal

BACKLOG: Final = 2_048


async def serve_http(
    app: ServedApp,
    sock: socket.socket,
    *,
    stop: StopSignal,
    drain_seconds: float,
    access_log: bool = False,
    date_header: bool = True,
    task_status: TaskStatus[str] = TASK_STATUS_IGNORED,
) -> None:
    """Serve on a socket that listens until ``stop`` is requested, then finish what was begun.

    Reports the socket's address (``http://127.0.0.1:8000``) through ``task_status`` when requests are answered.
    On the first request to stop, nothing more is accepted and requests in flight get ``drain_seconds``, or until
    the second request; then they are cancelled.
    """
    from eventflow.runtime.http.listener import Listener  # loads uvicorn

    listener = Listener(app, access_log=access_log, date_header=date_header)
    try:
        await listener.open(sock)
        task_status.started(_address(sock))
        await listener.refresh_until(stop)
        await listener.drain(stop, drain_seconds=drain_seconds)
    finally:
        with anyio.CancelScope(shield=True):
            await listener.abort()


async def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; ``port`` 0 takes a free one. Clients wait until it is served.

    Raises PortInUseError, or ConfigurationError for an address that cannot be listened on.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
        everywhere = family == socket.AF_INET6 and address[0] == "::"
        return socket.create_server(
            address[:2], family=family, backlog=BACKLOG, dualstack_ipv6=everywhere and socket.has_dualstack_ipv6()
        )
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            raise PortInUseError(host, port) from exc
        problem = Problem(
            where=f"{host}:{port}",
            message=f"cannot be listened on: {exc.strerror or exc}",
            hint="an address of this machine and a port from 1024 to 65535, or 0 for a free one",
        )
        raise ConfigurationError([problem]) from exc


def _address(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
