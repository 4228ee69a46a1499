"""Requests to origins with aiohttp."""

from __future__ import annotations

import errno
import socket
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from eventflow.model.edge import CONNECT_SECONDS, REQUEST_BYTES
from eventflow.runtime.edge.origins import OriginError, OriginResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterator

    from aiohttp.abc import ResolveResult

    from eventflow.runtime.edge.origins import OriginRequest

_KEEPALIVE_SECONDS: Final = 4.0
"""Less than the 5 s after which many servers hang up, of which a request on its way would know nothing."""
_REPEATABLE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_NOT_ADDED: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""What the client would say for itself."""


class AiohttpOrigins:
    """Origins over HTTP/1.1. Names outside ``trusted_hosts`` have to have public addresses: functions choose them, and
    may have them from viewers."""

    def __init__(self, kept: aiohttp.ClientSession, fresh: aiohttp.ClientSession, resolver: _Resolver) -> None:
        self._kept = kept
        self._fresh = fresh
        self._resolver = resolver

    @classmethod
    @asynccontextmanager
    async def opened(cls, trusted_hosts: Collection[str]) -> AsyncIterator[AiohttpOrigins]:
        """With connections that are closed at the end of the block."""
        async with AsyncExitStack() as stack:
            resolver = _Resolver(frozenset(trusted_hosts))
            kept = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_SECONDS, resolver=resolver)
            fresh = aiohttp.TCPConnector(limit=0, force_close=True, resolver=resolver)
            yield cls(
                await stack.enter_async_context(_session(kept)),
                await stack.enter_async_context(_session(fresh)),
                resolver,
            )

    async def find(self, host: str) -> None:
        try:
            ip_address(host)
        except ValueError:
            try:
                await self._resolver.resolve(host)
            except OSError as exc:
                raise OriginError(502, f"{host} is not found: {exc.strerror or exc}") from exc

    @asynccontextmanager
    async def send(self, request: OriginRequest) -> AsyncIterator[OriginResponse]:
        """Only a request that may be sent twice goes over a connection that was used before: the origin may just be
        closing it."""
        repeatable = request.body is None and request.method in _REPEATABLE
        session = self._kept if repeatable else self._fresh
        headers = list(request.headers)
        if request.body is not None and request.length is not None:
            headers.append(("Content-Length", str(request.length)))
        with _translated(request):
            response = await session.request(
                request.method,
                URL(f"{request.url}{request.target}", encoded=True),
                headers=headers,
                data=request.body,
                skip_auto_headers=_NOT_ADDED,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=request.read_seconds),
            )
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]
        try:
            yield OriginResponse(response.status, response.reason or "", pairs, _pieces(request, response))
        finally:
            response.close()


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        max_line_size=REQUEST_BYTES,
        max_field_size=REQUEST_BYTES,
    )


async def _pieces(request: OriginRequest, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    with _translated(request):
        async for piece in response.content.iter_any():
            yield piece


@contextmanager
def _translated(request: OriginRequest) -> Iterator[None]:
    """Errors of the client as the origin's."""
    try:
        yield
    except TimeoutError as exc:  # some of them are errors of the client as well
        raise OriginError(504, f"{request.url.netloc} did not answer in time") from exc
    except (aiohttp.ClientError, OSError, ValueError) as exc:
        raise OriginError(502, f"{request.url.netloc} cannot be reached, or gave no valid answer: {exc}") from exc


class _Resolver(AbstractResolver):
    """The system's, which finds private addresses of trusted hosts only."""

    def __init__(self, trusted_hosts: Collection[str]) -> None:
        self._trusted = trusted_hosts
        self._system = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._system.resolve(host, port, family)
        if host in self._trusted:
            return found
        public = [one for one in found if ip_address(one["host"].partition("%")[0]).is_global]
        if not public:
            hint = "where else it is, the distribution's origins may tell"
            raise OSError(errno.EADDRNOTAVAIL, f"{host} has no public address; {hint}")
        return public

    async def close(self) -> None:
        await self._system.close()
