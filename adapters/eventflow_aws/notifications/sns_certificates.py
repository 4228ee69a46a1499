"""Fetching the certificates that SNS signs with."""

from __future__ import annotations

from typing import Final

import aiohttp

from eventflow.errors import UnavailableError

FETCH_SECONDS: Final = 5.0
"""SNS waits 15 seconds for the answer to a message."""
MAXIMUM_BYTES: Final = 64 * 1024


async def fetch_certificate(url: str) -> bytes:
    """The content at a URL, which the caller trusts; redirections are not followed. Raises UnavailableError."""
    timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise UnavailableError(url, f"was answered with {response.status}")
            return await _bounded(url, response)
    except (aiohttp.ClientError, OSError, TimeoutError) as exc:
        raise UnavailableError(url, f"cannot be fetched: {exc!r}") from exc


async def _bounded(url: str, response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for piece in response.content.iter_any():
        content += piece
        if len(content) > MAXIMUM_BYTES:
            raise UnavailableError(url, f"has more than {MAXIMUM_BYTES:,} bytes; that is no certificate")
    return bytes(content)
