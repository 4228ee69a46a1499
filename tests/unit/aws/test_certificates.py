"""Fetching over a real connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from eventflow.errors import UnavailableError
from eventflow_aws.certificates import MAXIMUM_BYTES, fetch_certificate

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


@asynccontextmanager
async def answering(head: str, content: bytes = b"") -> AsyncIterator[str]:
    """A server that answers everything alike; yields its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {head}\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n".encode())
        writer.write(content)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_what_is_published_is_fetched() -> None:
    async with answering("200 OK", b"certificate") as url:
        assert await fetch_certificate(f"{url}/a.pem") == b"certificate"


async def test_redirections_are_not_followed() -> None:
    async with answering("200 OK", b"secret") as inside, answering(f"302 Found\r\nlocation: {inside}/") as url:
        with pytest.raises(UnavailableError, match="answered with 302"):
            await fetch_certificate(f"{url}/a.pem")


async def test_nothing_larger_than_a_certificate_is_read() -> None:
    async with answering("200 OK", b"x" * (MAXIMUM_BYTES + 1)) as url:
        with pytest.raises(UnavailableError, match="that is no certificate"):
            await fetch_certificate(f"{url}/a.pem")


async def test_a_server_that_is_away_may_come_back() -> None:
    async with answering("200 OK") as url:
        pass
    with pytest.raises(UnavailableError, match="cannot be fetched"):
        await fetch_certificate(f"{url}/a.pem")
