"""A server that speaks AWS's JSON protocol and does next to nothing, so that it is never what limits its clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, cast

import httptools

HOST: Final = "127.0.0.1"
Operation: TypeAlias = Callable[[bytes], bytes]
"""Answers the body of a request with the body of an answer. Raises :class:`RefusedError` for an error of the API."""

_TARGET: Final = b"x-amz-target"
_OK: Final = b"200 OK"
_BAD: Final = b"400 Bad Request"


class RefusedError(Exception):
    """``__type`` of the error that a client gets."""


class Connection(asyncio.Protocol):
    """One keep-alive connection. Operations go by their target: ``AmazonSQS.ReceiveMessage``."""

    def __init__(self, operations: Mapping[bytes, Operation]) -> None:
        self._operations = operations
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.WriteTransport | None = None
        self._target = b""
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._target = self._body = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == _TARGET:
            self._target = value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        assert self._transport is not None
        operation = self._operations.get(self._target)
        try:
            if operation is None:
                raise RefusedError("UnknownOperationException")
            status, body = _OK, operation(self._body)
        except RefusedError as exc:
            status, body = _BAD, b'{"__type":"%s","message":"the stub says so"}' % str(exc).encode()
        head = b"HTTP/1.1 %s\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % (status, len(body)) + body)


async def serve(operations: Callable[[str], Mapping[bytes, Operation]]) -> None:
    """Listen on a free port, print the URL, and serve until cancelled. ``operations`` are made for that URL."""
    made: dict[bytes, Operation] = {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(made), HOST, 0)
    url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    made.update(operations(url))
    print(url, flush=True)
    await server.serve_forever()
