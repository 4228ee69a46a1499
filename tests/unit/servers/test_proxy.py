"""The network between a client and a server, cut and mended."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.servers.proxy import Proxy

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


@asynccontextmanager
async def echo_server() -> AsyncIterator[int]:
    """A server that sends everything back, and its port."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(1000):
            writer.write(chunk)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def breaking_server() -> AsyncIterator[int]:
    """A server that resets a connection once something has come, and its port."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        no_lingering = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_lingering)
        writer.close()

    server = await asyncio.start_server(reset, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def test_everything_is_forwarded_both_ways_and_so_is_the_end() -> None:
    sent = bytes(range(256)) * 4000
    async with echo_server() as port, Proxy(port) as proxy, connected(proxy.port) as (reader, writer):
        writer.write(sent)
        writer.write_eof()

        assert await reader.read(-1) == sent


async def test_a_cut_ends_connections_and_refuses_new_ones() -> None:
    async with echo_server() as port, Proxy(port) as proxy, connected(proxy.port) as (reader, writer):
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"

        proxy.cut()

        assert await reader.read(-1) == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)


async def test_a_hushed_network_keeps_connections_and_swallows_what_is_sent() -> None:
    async with echo_server() as port, Proxy(port) as proxy, connected(proxy.port) as (reader, writer):
        proxy.hush()
        writer.write(bytes(16 * 1024 * 1024))  # an echo of it would have to be read
        await writer.drain()
        proxy.cut()
        with suppress(ConnectionResetError):
            assert await reader.read(-1) == b""


async def test_a_mended_network_is_where_it_was() -> None:
    async with echo_server() as port, Proxy(port) as proxy:
        address = proxy.port
        proxy.cut()
        await proxy.restore()

        assert proxy.port == address
        async with connected(address) as (reader, writer):
            writer.write(b"after")
            assert await reader.readexactly(5) == b"after"


async def test_a_connection_that_the_server_breaks_off_is_over() -> None:
    async with breaking_server() as port, Proxy(port) as proxy, connected(proxy.port) as (reader, writer):
        writer.write(b"anything")

        assert await reader.read(-1) == b""


async def test_a_server_that_is_away_looks_like_a_lost_connection() -> None:
    async with echo_server() as port:
        pass
    async with Proxy(port) as proxy, connected(proxy.port) as (reader, _):
        assert await reader.read(-1) == b""
