"""One WebSocket connection, from its acceptance to its end."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

import anyio

from eventflow.model import limits

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from eventflow.plan.websocket_events import Connection
    from eventflow.ports import Clock
    from eventflow.runtime.http.asgi import Receive, Send

Data: TypeAlias = str | bytes
"""A message: of a text frame, or of a binary one."""

AT_ONCE: Final = 16
"""So many messages of one connection are handled at a time; the next ones stay with the client."""
MESSAGE_OVERHEAD_BYTES: Final = 256
"""What a message takes beside its data, however small that is."""
BUFFERED_BYTES: Final = 8 * (limits.WEBSOCKET_MESSAGE_BYTES + MESSAGE_OVERHEAD_BYTES)
"""What may wait for a client that does not read."""

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
UNSUPPORTED: Final = 1003
NO_STATUS: Final = 1005
LOST: Final = 1006


def as_message(data: bytes) -> Data:
    """What carries bytes to a client: a text frame, unless only a binary one can."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


class End(NamedTuple):
    """How a connection ends: a close code and its reason."""

    code: int
    reason: str = ""


CLOSED_NORMALLY: Final = End(NORMAL, "Connection Closed Normally")
AWAY: Final = End(GOING_AWAY, "Going away")
NO_BINARY: Final = End(UNSUPPORTED, "Binary frames are not supported")
_REASONS: Final = {NO_STATUS: "Client-side close frame status not set", LOST: "Connection lost"}
"""What stands for the reason where a client can give none."""


class BufferFullError(Exception):
    """The client does not read what was sent to it."""


class Handler(Protocol):
    """What handles the messages of a connection."""

    async def answer(self, session: Session, message: Data) -> Data | None:
        """The answer to a message, if it gets one."""


class Session:
    """One connection: takes its messages, sends what is for it, and ends it in time.

    ``receive`` and ``send`` are ASGI's, of a connection that was accepted.
    """

    def __init__(self, connection: Connection, receive: Receive, send: Send, *, handler: Handler, clock: Clock) -> None:
        self.connection = connection
        self.in_flight = 0
        self.leaving = False
        self.last_active_at = clock.time()
        self._receive = receive
        self._send = send
        self._handler = handler
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._ends_at = self._loop.time() + limits.WEBSOCKET_CONNECTION_SECONDS
        self._idle_at = self._loop.time() + limits.WEBSOCKET_IDLE_SECONDS
        self._leaves_at = self._ends_at
        self._end: End | None = None
        self._outgoing: deque[Data] = deque()
        self._buffered_bytes = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._done = asyncio.Event()
        self._keeping = anyio.CancelScope()
        self._keeps = True

    @property
    def ended(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._end is not None

    async def run(self, tasks: TaskGroup) -> End:
        """Take messages until the connection has ended, and say how. Handlers that still run stay in ``tasks``."""
        tasks.start_soon(self._keep)
        try:
            found = await self._take(tasks)
            await asyncio.sleep(0)  # what came before the end begins before it is told
            self._end = self._end or found
        finally:
            self._keeping.cancel()
        return self._end

    def post(self, message: Data) -> None:
        """Send a message as soon as the client reads. Raises BufferFullError."""
        size = _size(message)
        if self._outgoing and self._buffered_bytes + size > BUFFERED_BYTES:
            raise BufferFullError
        self._outgoing.append(message)
        self._buffered_bytes += size
        self._changed.set()

    def close(self, end: End) -> None:
        """End the connection when what waits for its client is sent."""
        self._end = self._end or end
        self._changed.set()

    def leave(self, *, within_seconds: float) -> None:
        """Begin no message any more, and end the connection when those in hand are done, or when time is up."""
        self.leaving = True
        self._leaves_at = self._loop.time() + within_seconds
        self._changed.set()

    async def _take(self, tasks: TaskGroup) -> End:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                code = message.get("code", NO_STATUS)
                return End(code, message.get("reason") or _REASONS.get(code, ""))
            self._touch()
            text = message.get("text")
            self.in_flight += 1
            tasks.start_soon(self._handle, message["bytes"] if text is None else text)
            while self.in_flight >= AT_ONCE:
                self._done.clear()
                await self._done.wait()

    async def _handle(self, message: Data) -> None:
        try:
            answer = await self._handler.answer(self, message)
            if answer is not None:
                await self._deliver(answer)
        finally:
            self.in_flight -= 1
            self._done.set()
            self._changed.set()

    async def _deliver(self, answer: Data) -> None:
        """Wait for a client that does not read; one that has gone gets nothing."""
        while self._keeps:
            try:
                return self.post(answer)
            except BufferFullError:
                self._room.clear()
                await self._room.wait()

    async def _keep(self) -> None:
        """Send what is for the client, and end the connection in time."""
        try:
            with self._keeping:
                while (end := self._due()) is None:
                    if self._outgoing:
                        await self._send_next()
                    else:
                        await self._wait()
                self._end = end
                await self._send({"type": "websocket.close", "code": end.code, "reason": end.reason})
        except OSError:  # how ASGI servers say that the client has gone: the reader hears of it
            return
        finally:
            self._keeps = False
            self._room.set()  # answers need not wait any more

    async def _send_next(self) -> None:
        message = self._outgoing[0]
        kind = "text" if isinstance(message, str) else "bytes"
        await self._send({"type": "websocket.send", kind: message})
        self._outgoing.popleft()
        self._buffered_bytes -= _size(message)
        self._room.set()
        self._touch()

    async def _wait(self) -> None:
        self._changed.clear()
        with anyio.move_on_after(min(self._ends_at, self._idle_at, self._leaves_at) - self._loop.time()):
            await self._changed.wait()

    def _due(self) -> End | None:
        """How the connection has to end now, if it has to."""
        now = self._loop.time()
        if now >= min(self._ends_at, self._idle_at, self._leaves_at):
            return self._end or AWAY
        if self._outgoing:
            return None
        return self._end or (AWAY if self.leaving and not self.in_flight else None)

    def _touch(self) -> None:
        self.last_active_at = self._clock.time()
        self._idle_at = self._loop.time() + limits.WEBSOCKET_IDLE_SECONDS


def _size(message: Data) -> int:
    return MESSAGE_OVERHEAD_BYTES + len(message.encode() if isinstance(message, str) else message)
