"""Reading a request within limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventflow.runtime.http.asgi import Header, Message, Receive

UNKNOWN: Final = -1
"""The length of a body that is sent in chunks."""


class ClientGoneError(Exception):
    """The client disconnected before its request was complete."""


class BodyTooLargeError(Exception):
    """The body is over its limit. The rest of it was not read."""


def head_of(headers: Iterable[Header]) -> tuple[int, int]:
    """Bytes of the headers on the wire, and the declared bytes of the body: 0 for none, or UNKNOWN."""
    header_bytes = body_bytes = 0
    for name, value in headers:
        header_bytes += len(name) + len(value) + 4
        if name == b"content-length":
            body_bytes = int(value) if value.isdigit() else UNKNOWN
        elif name == b"transfer-encoding":
            body_bytes = UNKNOWN
    return header_bytes, body_bytes


async def read_body(receive: Receive, declared: int, *, limit: int) -> bytes:
    """The request's body. Nothing is read if there is none, or if it is declared too large.

    Raises BodyTooLargeError beyond ``limit`` bytes, ClientGoneError if the client left before the end.
    """
    if not declared:
        return b""
    if declared > limit:
        raise BodyTooLargeError
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise BodyTooLargeError
        return body
    return await _rest(receive, message, limit)


async def _rest(receive: Receive, message: Message, limit: int) -> bytes:
    body = bytearray()
    while message["type"] == "http.request":
        body += message.get("body", b"")
        if len(body) > limit:
            raise BodyTooLargeError
        if not message.get("more_body"):
            return bytes(body)
        message = await receive()
    raise ClientGoneError
