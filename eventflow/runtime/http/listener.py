"""uvicorn, reduced to what serving needs: its protocol, its listening and its date header."""

from __future__ import annotations

import asyncio
import logging
import math
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio
from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from eventflow.model import limits
from eventflow.runtime.http.answers import WHOLE_RESPONSE, message
from eventflow.runtime.http.patience import PATIENCE
from eventflow.runtime.http.routes import HEAD_TOO_LARGE, REQUEST_TIMEOUT

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from eventflow.runtime.http.answers import Answer
    from eventflow.runtime.http.asgi import Header, ServedApp
    from eventflow.runtime.http.patience import Patience
    from eventflow.runtime.stopping import StopSignal

MAXIMUM_HEAD_BYTES: Final = 65_536
"""Where reading a request's head is given up. The application's own limit is lower; this one bounds memory."""
ABORT_SECONDS: Final = 1.0
_DATE_SECONDS: Final = 1.0
_ENDS: Final = {True: b"\r\n", False: b"connection: close\r\n\r\n"}
"""How the headers end, by whether the connection is kept."""


def _last_words(answer: Answer) -> bytes:
    """An answer to a request that could not be read, after which the connection is closed."""
    return b"".join(
        [
            STATUS_LINE[answer.status],
            b"content-type: application/json\r\ncontent-length: %d\r\n" % len(answer.body),
            b"connection: close\r\n\r\n",
            answer.body,
        ]
    )


_HTTP_408: Final = _last_words(REQUEST_TIMEOUT)
_HTTP_414: Final = _last_words(message(414, "URI Too Long"))
_HTTP_431: Final = _last_words(HEAD_TOO_LARGE)
_HANDSHAKE_HEADERS: Final = 120
_HANDSHAKE_LINE_BYTES: Final = 8_000
"""What the WebSocket library reads (128 headers of 8,192 bytes), less what separates them."""


class _Wait(NamedTuple):
    """What a connection waits for, if it is the client's turn."""

    seconds: float
    scope: object
    """The request that arrives, or the last one."""
    unsent: int = 0
    last_words: bytes = b""


class _State(ServerState):
    """What uvicorn shares between connections, and an event for the last of them."""

    def __init__(self) -> None:
        super().__init__()
        self.disconnected = asyncio.Event()


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol with a shorter way out for whole responses, a bound on what it keeps of a head that never
    ends, and limited patience."""

    server_state: _State
    _head_bytes = 0
    _wait: _Wait | None = None
    _waiting_since = 0.0

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

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if not self.access_log:  # which is written where uvicorn sends
            scope: Any = self.scope
            scope["extensions"] = {WHOLE_RESPONSE: partial(_write_response, self.cycle)}

    def handle_websocket_upgrade(self) -> None:
        refusal = self._upgrade_refusal()
        if refusal is None:
            super().handle_websocket_upgrade()
        else:
            self.transport.write(refusal)
            self.transport.close()

    def _upgrade_refusal(self) -> bytes | None:
        """The answer to a handshake that is larger than what reads it may read."""
        if len(self.url) > limits.WEBSOCKET_URL_CHARACTERS:
            return _HTTP_414
        lines = [len(name) + len(value) for name, value in self.headers]
        return _HTTP_431 if len(lines) > _HANDSHAKE_HEADERS or max(lines) > _HANDSHAKE_LINE_BYTES else None

    def lose_patience(self, patience: Patience, now: float) -> None:
        """Give the client up if it is its turn for too long, without a change since earlier calls.

        That way no request pays for a timer, and no trickle of bytes winds one up again.
        """
        wait = self._turn(patience)
        if wait is None or self._wait is None or _differ(wait, self._wait):
            self._wait, self._waiting_since = wait, now
        elif now - self._waiting_since >= wait.seconds:
            self._give_up(wait)

    def _turn(self, patience: Patience) -> _Wait | None:
        """What the client has to do now; ``None`` if it waits for us."""
        scope: Any = self.scope
        unsent = self.transport.get_write_buffer_size()
        if unsent:
            return _Wait(patience.unread_seconds, scope, unsent)
        if self.cycle is not None and not self.cycle.response_complete:
            reads_body = self.cycle.more_body and not self.pipeline and not self.flow.read_paused
            last_words = b"" if self.cycle.response_started else _HTTP_408
            return _Wait(patience.body_seconds, scope, last_words=last_words) if reads_body else None
        if scope and "method" not in scope:
            return _Wait(patience.head_seconds, scope, last_words=_HTTP_408)
        return _Wait(patience.idle_seconds, scope)

    def _give_up(self, wait: _Wait) -> None:
        if wait.unsent:
            self.transport.abort()
        else:
            self.transport.write(wait.last_words)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.server_state.disconnected.set()


def _differ(one: _Wait, other: _Wait) -> bool:
    return one.scope is not other.scope or (one.seconds, one.unsent) != (other.seconds, other.unsent)


def _write_response(cycle: RequestResponseCycle, status: int, headers: Iterable[Header], body: bytes) -> bool:
    """Send a whole response in one write: half the system calls, and none of the checks that a stream needs.

    False if nothing was sent because the client does not read; sending then has to wait.
    """
    if cycle.disconnected:
        return True
    if cycle.flow.write_paused:
        return False
    pieces = [STATUS_LINE[status]]
    for name, value in chain(cycle.default_headers, headers):
        pieces += name, b": ", value, b"\r\n"
    pieces += _ENDS[cycle.keep_alive], body
    cycle.response_started = cycle.response_complete = True
    cycle.transport.write(b"".join(pieces))
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    cycle.scope.pop("extensions")  # which leads back to the cycle: garbage that would have to be searched for
    return True


class Listener(Server):
    """One listening socket and its connections. ``open`` it, and ``abort`` it in any case. ``date_header`` is left out
    for an app that says itself of when its responses are."""

    server_state: _State

    def __init__(
        self, app: ServedApp, *, access_log: bool, patience: Patience = PATIENCE, date_header: bool = True
    ) -> None:
        config = Config(
            app,
            http=_Protocol,
            ws="none" if app.websockets is None else _websocket_protocol(),
            ws_max_size=limits.WEBSOCKET_MESSAGE_BYTES,
            ws_ping_interval=None,  # a pong behind messages that wait for their turn would be late
            ws_per_message_deflate=False,  # API Gateway has none, and nothing small becomes large
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=access_log,
            proxy_headers=False,
            server_header=False,
            date_header=date_header,
            timeout_keep_alive=math.ceil(patience.idle_seconds),
        )
        super().__init__(config)
        logging.getLogger("uvicorn.access").propagate = access_log
        self.server_state = _State()
        self._app = app
        self._patience = patience
        self.servers: list[Any] = []

    async def open(self, sock: socket.socket) -> None:
        """Accept connections on a socket that listens."""
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.on_tick(0)
        await self.startup(sockets=[sock])

    async def refresh_until(self, stop: StopSignal) -> None:
        """Keep the date header right, and give up slow clients, until somebody asks to stop."""
        loop = asyncio.get_running_loop()
        while not stop.requested:
            with anyio.move_on_after(_DATE_SECONDS):
                await stop.graceful()
            await self.on_tick(0)
            connections: list[Any] = list(self.server_state.connections)
            now = loop.time()
            for connection in connections:
                connection.lose_patience(self._patience, now)

    async def drain(self, stop: StopSignal, *, drain_seconds: float) -> None:
        """Accept nothing more; return when every request has its answer, at the deadline, or at the second
        request to stop. WebSockets are ended first: until then, their functions can still send to them."""
        with anyio.move_on_after(drain_seconds):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_cancel_when, stop, tasks.cancel_scope)
                if self._app.websockets is not None:
                    with anyio.move_on_after(drain_seconds / 2):
                        await self._app.websockets.leave(within_seconds=drain_seconds / 4)
                self._stop_accepting()
                for connection in list(self.server_state.connections):
                    connection.shutdown()
                await self._finished()
                tasks.cancel_scope.cancel()

    async def abort(self) -> None:
        """Cancel what still runs and close every connection."""
        self._stop_accepting()
        self._app.abandon()
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


def _websocket_protocol() -> type[asyncio.Protocol]:
    from eventflow.runtime.http.websocket_protocol import WebSocketProtocol  # loads its library

    return WebSocketProtocol


async def _cancel_when(stop: StopSignal, scope: anyio.CancelScope) -> None:
    await stop.now()
    scope.cancel()
