"""uvicorn, reduced to what serving needs: its protocol, its listening and its date header."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import anyio
from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from eventflow.runtime.http.routes import HEAD_TOO_LARGE

if TYPE_CHECKING:
    import socket

    from eventflow.runtime.http.app import HttpApp
    from eventflow.runtime.stopping import StopSignal

MAXIMUM_HEAD_BYTES: Final = 65_536
"""Where reading a request's head is given up. The application's own limit is lower; this one bounds memory."""
ABORT_SECONDS: Final = 1.0
_DATE_SECONDS: Final = 1.0
_HTTP_431: Final = b"".join(
    [
        STATUS_LINE[HEAD_TOO_LARGE.status],
        b"content-type: application/json\r\ncontent-length: %d\r\n" % len(HEAD_TOO_LARGE.body),
        b"connection: close\r\n\r\n",
        HEAD_TOO_LARGE.body,
    ]
)


class _State(ServerState):
    """What uvicorn shares between connections, and an event for the last of them."""

    def __init__(self) -> None:
        super().__init__()
        self.disconnected = asyncio.Event()


class _Transport(asyncio.Transport):
    """A transport that holds the head of a response back until the body comes: one system call and one packet
    for what uvicorn writes in two."""

    def __init__(self, inner: asyncio.Transport) -> None:
        self._inner = inner
        self._head = b""
        self.is_closing = inner.is_closing  # type: ignore[method-assign]  # called per request: no detour
        self.get_extra_info = inner.get_extra_info  # type: ignore[method-assign]
        self.pause_reading = inner.pause_reading  # type: ignore[method-assign]
        self.resume_reading = inner.resume_reading  # type: ignore[method-assign]
        self.abort = inner.abort  # type: ignore[method-assign]

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._head:
            self._inner.write(b"".join((self._head, data)))
            self._head = b""
        elif data[:9] == b"HTTP/1.1 " and data[9:12] != b"100":
            self._head = bytes(data)
        else:
            self._inner.write(data)

    def flush(self) -> None:
        """Write a head that no body followed."""
        if self._head:
            self._inner.write(self._head)
            self._head = b""

    def close(self) -> None:
        self.flush()
        self._inner.close()


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol with one write per response, and a bound on what it keeps of a head that never ends."""

    server_state: _State
    transport: _Transport
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_Transport(transport))

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        scope: Any = self.scope
        if scope and "method" not in scope:  # a message has begun, and its headers have not ended
            self._head_bytes += len(data)
            if self._head_bytes > MAXIMUM_HEAD_BYTES and not self.transport.is_closing():
                self.transport.write(_HTTP_431)
                self.transport.close()
        elif self._head_bytes:
            self._head_bytes = 0

    def on_response_complete(self) -> None:
        self.transport.flush()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.server_state.disconnected.set()


class Listener(Server):
    """One listening socket and its connections. ``open`` it, and ``abort`` it in any case."""

    server_state: _State

    def __init__(self, app: HttpApp, *, access_log: bool) -> None:
        config = Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=access_log,
            proxy_headers=False,
            server_header=False,
        )
        super().__init__(config)
        self.server_state = _State()
        self._app = app
        self.servers: list[Any] = []

    async def open(self, sock: socket.socket) -> None:
        """Accept connections on a socket that listens."""
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.on_tick(0)
        await self.startup(sockets=[sock])

    async def refresh_until(self, stop: StopSignal) -> None:
        """Keep the date header right until somebody asks to stop."""
        while not stop.requested:
            with anyio.move_on_after(_DATE_SECONDS):
                await stop.graceful()
            await self.on_tick(0)

    async def drain(self, stop: StopSignal, *, drain_seconds: float) -> None:
        """Accept nothing more; return when every request has its answer, at the deadline, or at the second
        request to stop."""
        self._stop_accepting()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with anyio.move_on_after(drain_seconds):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_cancel_when, stop, tasks.cancel_scope)
                await self._finished()
                tasks.cancel_scope.cancel()

    async def abort(self) -> None:
        """Cancel what still runs and close every connection."""
        self._stop_accepting()
        running = self._running()
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=ABORT_SECONDS)
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    def _stop_accepting(self) -> None:
        for server in self.servers:
            server.close()

    def _running(self) -> set[asyncio.Task[Any]]:
        return {*self.server_state.tasks, *self._app.outliving}

    async def _finished(self) -> None:
        while running := self._running():
            await asyncio.wait(running)
        while self.server_state.connections:  # answers on their way to slow clients
            self.server_state.disconnected.clear()
            await self.server_state.disconnected.wait()


async def _cancel_when(stop: StopSignal, scope: anyio.CancelScope) -> None:
    await stop.now()
    scope.cancel()
