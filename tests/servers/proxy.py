"""A network that can be cut: a TCP proxy between a client and a server."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Final, Self

from tests.servers.process import free_port

HOST: Final = "127.0.0.1"
CHUNK_BYTES: Final = 65536
PATIENCE_SECONDS: Final = 60.0


class Proxy:
    """Forwards connections to a server on loopback until it is cut, and again when it is restored.

    It listens inside an ``async with`` block, on the same port all the time::

        async with Proxy(server.port) as proxy:
            await use(f"http://127.0.0.1:{proxy.port}")
            proxy.cut()

    ``port`` is where it listens, for a server that tells clients its address; otherwise one that nobody else is given,
    be it cut or not.
    """

    def __init__(self, target_port: int, *, port: int | None = None) -> None:
        self._target_port = target_port
        self._port = free_port() if port is None else port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._silent = False

    @property
    def port(self) -> int:
        """Where clients connect, on loopback."""
        return self._port

    def cut(self) -> None:
        """Drop every connection and refuse new ones. What is on its way is lost."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in self._connections:
            connection.cancel()

    def hush(self) -> None:
        """Keep every connection, and swallow whatever is sent: a network that says nothing of its death."""
        self._silent = True

    async def restore(self) -> None:
        """Accept connections again, and forward."""
        self._silent = False
        if self._server is None:
            self._server = await self._listen()

    async def _listen(self) -> asyncio.Server:
        give_up_at = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while True:
            try:
                return await asyncio.start_server(self._accept, HOST, self._port)
            except OSError as error:  # what was cut may not have let go of the port yet
                if error.errno != errno.EADDRINUSE or asyncio.get_running_loop().time() > give_up_at:
                    raise
                await asyncio.sleep(0.05)

    async def __aenter__(self) -> Self:
        await self.restore()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cut()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        async with _closing(to_client):
            try:
                from_server, to_server = await asyncio.open_connection(HOST, self._target_port)
            except OSError:
                return  # the server is away, and its client sees a lost connection
            async with _closing(to_server):
                await self._forward((from_client, to_server), (from_server, to_client))

    async def _forward(self, *directions: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        """Forward every direction to its end; a connection that one side breaks off is over in both."""
        try:
            async with asyncio.TaskGroup() as pumps:
                for reader, writer in directions:
                    pumps.create_task(self._pump(reader, writer))
        except* ConnectionError:
            pass

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            if not self._silent:
                writer.write(chunk)
                await writer.drain()
        writer.write_eof()


@asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Close a connection afterwards: at once when cut, otherwise once everything is sent."""
    try:
        yield
    except asyncio.CancelledError:
        writer.transport.abort()
        raise
    finally:
        writer.close()
