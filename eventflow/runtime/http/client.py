"""The standard library's HTTP client, in a thread."""

from __future__ import annotations

import socket
import ssl
import time
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
from anyio.to_thread import run_sync

from eventflow.errors import UnavailableError
from eventflow.ports import OutboundResponse

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from urllib.parse import SplitResult

    from eventflow.ports import OutboundRequest


class StandardHttpClient:
    """An HttpClient: a connection and a thread per request."""

    async def send(
        self, request: OutboundRequest, *, seconds: float, maximum_bytes: int, private: bool = False
    ) -> OutboundResponse:
        parts = urlsplit(request.url)
        where = parts.netloc
        try:
            with anyio.fail_after(seconds):
                send = partial(_send, request, parts, time.monotonic() + seconds, maximum_bytes, private)
                return await run_sync(send, abandon_on_cancel=True)
        except (OSError, HTTPException, ValueError) as exc:  # TimeoutError is an OSError
            raise UnavailableError(where, f"no answer to {request.method}: {exc or type(exc).__name__}") from exc


def _send(
    request: OutboundRequest, parts: SplitResult, deadline: float, maximum_bytes: int, private: bool
) -> OutboundResponse:
    connection = _connected(parts, deadline, private)
    try:
        target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        connection.request(request.method, target, body=request.body, headers=dict(request.headers))
        with connection.getresponse() as response:
            headers = tuple((name.lower(), value) for name, value in response.getheaders())
            return OutboundResponse(response.status, headers, _bounded(response, maximum_bytes, deadline))
    finally:
        connection.close()


def _connected(parts: SplitResult, deadline: float, private: bool) -> HTTPConnection:
    """Connected to the very address that was looked at: asking again might give another one."""
    secure = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    address = _address(host, port, private)
    connection = (HTTPSConnection if secure else HTTPConnection)(host, parts.port, timeout=_left(deadline))
    sock = socket.create_connection(address, timeout=_left(deadline))
    if secure:
        try:
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=host)
        except BaseException:
            sock.close()
            raise
    connection.sock = sock
    return connection


def _address(host: str, port: int, private: bool) -> tuple[str, int]:
    found = [info[4] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address, *_ in found:
        if private or ip_address(str(address).partition("%")[0]).is_global:
            return str(address), port
    raise OSError(f"{host} is at {found[0][0]}, an address that is not public")


def _bounded(response: HTTPResponse, maximum_bytes: int, deadline: float) -> bytes:
    """The body, within its size and time: a trickle gains nothing."""
    body = bytearray()
    while piece := response.read1(64 * 1024):
        body += piece
        if len(body) > maximum_bytes:
            raise ValueError(f"the response has more than {maximum_bytes:,} bytes")
        _left(deadline)
    return bytes(body)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("it took too long")
    return left
