"""HTTP requests to a test app, without a socket."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from eventflow.testing.resources import as_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventflow.runtime.http.asgi import ServedApp


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """An answer. ``headers`` are in the order they were sent, names in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    complete: bool = True
    """False if the answer broke off: its function failed while it was streamed."""

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for key, value in self.headers if key == name.lower()), None)

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        """The body, decoded. Raises ValueError if it is not JSON."""
        return json.loads(self.body)


class AppClient:
    """Sends requests through an application, without a server."""

    def __init__(self, app: ServedApp) -> None:
        self._app = app

    async def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
        """``GET path``; a query string may be part of it."""
        return await self.request("GET", path, headers=headers)

    async def post(self, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
        """``POST path``; see :meth:`request`."""
        return await self.request("POST", path, body, headers=headers)

    async def put(self, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
        """``PUT path``; see :meth:`request`."""
        return await self.request("PUT", path, body, headers=headers)

    async def patch(self, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
        """``PATCH path``; see :meth:`request`."""
        return await self.request("PATCH", path, body, headers=headers)

    async def delete(self, path: str, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
        """``DELETE path``; see :meth:`request`."""
        return await self.request("DELETE", path, headers=headers)

    async def request(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> HttpResponse:
        """Any request. A body that is neither text nor bytes is sent as JSON, with its content type."""
        data = b"" if body is None else as_body(body)
        names = {"host": "testserver", "content-length": str(len(data))}
        if body is not None and not isinstance(body, str | bytes):
            names["content-type"] = "application/json"
        names.update({name.lower(): value for name, value in (headers or {}).items()})
        exchange = _Exchange(data)
        await self._app(http_scope(method, path, names), exchange.receive, exchange.send)
        return exchange.response()


def http_scope(method: str, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """What a server tells an application of a request."""
    raw_path, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(raw_path),
        "raw_path": raw_path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("127.0.0.1", 50_000),
        "server": ("testserver", 80),
    }


class _Exchange:
    """The client's side of one ASGI call."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._status = 0
        self._headers: list[tuple[str, str]] = []
        self._received = bytearray()
        self._asked = False
        self._complete = False

    async def receive(self) -> dict[str, Any]:
        if self._asked:
            await asyncio.Event().wait()  # this client never leaves
        self._asked = True
        return {"type": "http.request", "body": self._body, "more_body": False}

    async def send(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
        else:
            self._received += message.get("body", b"")
            self._complete = not message.get("more_body")

    def response(self) -> HttpResponse:
        return HttpResponse(
            status=self._status, headers=tuple(self._headers), body=bytes(self._received), complete=self._complete
        )
