"""The body of a viewer's request on its way to the origin."""

from __future__ import annotations

from asyncio import Event
from typing import TYPE_CHECKING

from eventflow.runtime.http.bodies import UNKNOWN, ClientGoneError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from eventflow.runtime.http.asgi import Receive


class RequestBody:
    """What functions look at is kept; the rest passes by and is never held.

    ``declared`` is the length that the viewer announced: 0 for no body, or UNKNOWN. ``viewer_is_gone`` tells why it
    ended too early, if it did.
    """

    def __init__(self, receive: Receive, declared: int) -> None:
        self.viewer_is_gone = False
        self._receive = receive
        self._declared = declared
        self._seen = bytearray()
        self._more = declared != 0
        self._replaced: bytes | None = None
        self._idle = Event()
        self._idle.set()

    @property
    def length(self) -> int | None:
        """How long it is; ``None`` if that shows at its end only."""
        if self._replaced is not None:
            return len(self._replaced)
        return self._declared if self._declared != UNKNOWN else None

    async def peek(self, limit: int) -> tuple[bytes, bool]:
        """Its first bytes, ``limit`` at most, and whether there are more. Raises ClientGoneError."""
        if self._replaced is not None:
            return self._replaced[:limit], len(self._replaced) > limit
        while self._more and len(self._seen) <= limit:
            self._seen += await self._read()
        return bytes(self._seen[:limit]), len(self._seen) > limit

    def replace(self, data: bytes) -> None:
        """Send this instead."""
        self._replaced = data

    def sent(self) -> AsyncIterator[bytes] | None:
        """What goes to the origin, once; ``None`` if there is nothing."""
        return None if self.length == 0 else self._pieces()

    async def viewer_left(self) -> None:
        """Return when the viewer has gone. Body that nobody sends on is thrown away meanwhile."""
        await self._idle.wait()  # until then, whoever sends it on hears of it
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _pieces(self) -> AsyncIterator[bytes]:
        if self._replaced is not None:
            yield self._replaced
            return
        self._idle.clear()
        try:
            if self._seen:
                yield bytes(self._seen)
            while self._more:
                yield await self._read()
        finally:
            self._idle.set()

    async def _read(self) -> bytes:
        message = await self._receive()
        if message["type"] != "http.request":
            self.viewer_is_gone = True
            raise ClientGoneError
        self._more = bool(message.get("more_body"))
        body: bytes = message.get("body", b"")
        return body
