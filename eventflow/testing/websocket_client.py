"""WebSocket connections to a test app, without a socket."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from pydantic_core import from_json, to_json

from eventflow.testing.http_client import AppClient, http_scope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from eventflow.runtime.http.app import HttpApp
    from eventflow.testing.http_client import HttpResponse


class ConnectionRefusedByAppError(Exception):
    """The app refused a connection, with this status and body."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"the connection was refused with {status}: {body.decode(errors='replace')}")
        self.status = status
        self.body = body


class ConnectionEndedError(Exception):
    """The app ended the connection, with this close code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the connection ended with {code} {reason}".rstrip())
        self.code = code
        self.reason = reason


class _Close(NamedTuple):
    code: int
    reason: str


class WebSocketClient:
    """One connection to a test app, on virtual time. ::

        async with app.websocket("/?room=1") as socket:
            await socket.send({"action": "say", "text": "hi"})
            assert await socket.receive() == "hi"

    Entering raises ConnectionRefusedByAppError if the app does not want it. ``subprotocol`` is the one it chose.
    Leaving closes the connection and waits until the app has dealt with that.
    """

    def __init__(self, app: HttpApp, path: str, *, headers: Mapping[str, str], subprotocols: Sequence[str]) -> None:
        offered = {"sec-websocket-protocol": ", ".join(subprotocols)} if subprotocols else {}
        own = {"host": "testserver", "sec-websocket-version": "13", **offered}
        named = own | {name.lower(): value for name, value in headers.items()}
        self._scope = http_scope("GET", path, named) | {"type": "websocket", "subprotocols": list(subprotocols)}
        self._app = app
        self.subprotocol: str | None = None
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[str | bytes | _Close] = asyncio.Queue()
        self._decided: asyncio.Future[None]
        self._serving: asyncio.Task[None]
        self._status = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._decided = loop.create_future()
        self._to_app.put_nowait({"type": "websocket.connect"})
        self._serving = loop.create_task(self._app(self._scope, self._to_app.get, self._take))
        await asyncio.wait({self._decided, self._serving}, return_when=asyncio.FIRST_COMPLETED)
        if not self._decided.done():
            await self._serving  # raises what went wrong
            raise AssertionError("the app decided nothing about the connection")
        self._decided.result()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def send(self, message: Any) -> None:
        """Send a message: text, bytes as a binary frame, or any other value as JSON."""
        if isinstance(message, bytes):
            self._to_app.put_nowait({"type": "websocket.receive", "bytes": message})
        else:
            text = message if isinstance(message, str) else to_json(message).decode()
            self._to_app.put_nowait({"type": "websocket.receive", "text": text})

    async def receive(self) -> str | bytes:
        """The next message; virtual time passes until there is one. Raises ConnectionEndedError."""
        found = await self._from_app.get()
        if isinstance(found, _Close):
            self._from_app.put_nowait(found)
            raise ConnectionEndedError(*found)
        return found

    async def receive_json(self) -> Any:
        """The next message, decoded. Raises ValueError if it is not JSON, ConnectionEndedError."""
        return from_json(await self.receive())

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection, and wait until the app has dealt with that."""
        self._to_app.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        await self._serving

    async def _take(self, message: Mapping[str, Any]) -> None:
        match message["type"]:
            case "websocket.accept":
                self.subprotocol = message.get("subprotocol")
                self._decided.set_result(None)
            case "websocket.http.response.start":
                self._status = message["status"]
            case "websocket.http.response.body":
                self._decided.set_exception(ConnectionRefusedByAppError(self._status, message["body"]))
            case "websocket.send":
                text = message.get("text")
                self._from_app.put_nowait(message["bytes"] if text is None else text)
            case "websocket.close":
                end = _Close(message["code"], message.get("reason") or "")
                self._from_app.put_nowait(end)
                self._to_app.put_nowait({"type": "websocket.disconnect", **end._asdict()})
            case kind:
                raise AssertionError(f"the app sent {kind}")


class _GoneError(Exception):
    """``client.exceptions.GoneException``."""


class _ForbiddenError(Exception):
    """``client.exceptions.ForbiddenException``."""


class _LimitExceededError(Exception):
    """``client.exceptions.LimitExceededException``."""


class _PayloadTooLargeError(Exception):
    """``client.exceptions.PayloadTooLargeException``."""


class Exceptions:
    """The errors of a management client, under their names in boto3."""

    GoneException = _GoneError
    ForbiddenException = _ForbiddenError
    LimitExceededException = _LimitExceededError
    PayloadTooLargeException = _PayloadTooLargeError


_ERRORS: Final = {403: _ForbiddenError, 410: _GoneError, 413: _PayloadTooLargeError, 429: _LimitExceededError}


class ManagementClient:
    """What boto3's ``apigatewaymanagementapi`` client offers, for ``def`` functions of a test app::

    monkeypatch.setattr(chat, "management", lambda event: app.connections)
    """

    exceptions = Exceptions

    def __init__(self, app: HttpApp, loop: asyncio.AbstractEventLoop) -> None:
        self._http = AppClient(app)
        self._loop = loop

    def post_to_connection(self, *, ConnectionId: str, Data: str | bytes) -> dict[str, Any]:
        """Send a message. Raises as boto3's does."""
        self._request("POST", ConnectionId, Data)
        return {}

    def get_connection(self, *, ConnectionId: str) -> dict[str, Any]:
        """When and from where a connection was made. Raises as boto3's does."""
        found = self._request("GET", ConnectionId).json()
        return {
            "ConnectedAt": datetime.fromisoformat(found["connectedAt"]),
            "Identity": {"SourceIp": found["identity"]["sourceIp"], "UserAgent": found["identity"]["userAgent"]},
            "LastActiveAt": datetime.fromisoformat(found["lastActiveAt"]),
        }

    def delete_connection(self, *, ConnectionId: str) -> dict[str, Any]:
        """End a connection. Raises as boto3's does."""
        self._request("DELETE", ConnectionId)
        return {}

    def _request(self, method: str, connection_id: str, data: str | bytes | None = None) -> HttpResponse:
        if _in_a_loop():
            raise RuntimeError("this client waits, as boto3's does: call it in a def function, or in a thread")
        sending = self._http.request(method, f"/@connections/{connection_id}", data)
        response = asyncio.run_coroutine_threadsafe(sending, self._loop).result()
        if response.status in _ERRORS:
            raise _ERRORS[response.status](response.text)
        return response


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
