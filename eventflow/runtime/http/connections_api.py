"""The management API of WebSocket connections, for an unmodified SDK whose endpoint points here.

Source: API Gateway guide: apigateway-how-to-call-websocket-api-connections; ApiGatewayManagementApi API.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from eventflow.errors import InvocationError
from eventflow.model import limits
from eventflow.runtime.http.answers import JSON, Answer, message
from eventflow.runtime.http.bodies import BodyTooLargeError, head_of, read_body
from eventflow.runtime.http.websocket_session import CLOSED_NORMALLY, BufferFullError, Session, as_message
from eventflow.runtime.marshal import marshal_compact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventflow.runtime.http.asgi import Receive, Scope
    from eventflow.runtime.http.gate import Gate

_log = logging.getLogger(__name__)

CONNECTIONS: Final = "/@connections/"


def _error(status: int, error: str, text: str) -> Answer:
    return message(status, text)._replace(headers=(JSON, (b"x-amzn-errortype", error.encode())))


GONE: Final = _error(410, "GoneException", "The connection is gone.")
CLOSED: Final = _error(403, "ForbiddenException", "Forbidden: served where the Invoke API is.")
FROM_A_PAGE: Final = _error(403, "ForbiddenException", "Forbidden: web pages may not manage connections.")
TOO_LARGE: Final = _error(413, "PayloadTooLargeException", "Payload too large")
FULL: Final = _error(429, "LimitExceededException", "The client does not read what was sent to it.")
_METHOD_NOT_ALLOWED: Final = message(405, "Method Not Allowed")


class ConnectionsApi:
    """Serves PostToConnection, GetConnection and DeleteConnection if it is ``opened``: to whom ``gate`` lets in, or to
    whoever reaches the port."""

    def __init__(self, sessions: Mapping[str, Session], *, stage: str, opened: bool, gate: Gate | None) -> None:
        self._sessions = sessions
        self._opened = opened
        self._gate = gate
        self.prefixes = (CONNECTIONS, f"/{stage}{CONNECTIONS}")

    async def answer(self, path: str, scope: Scope, receive: Receive) -> Answer:
        """The answer to one request; ``path`` is still URL-encoded. Raises ClientGoneError if the client left before
        its request was complete."""
        if not self._opened:
            return CLOSED
        if any(name == b"origin" for name, _ in scope["headers"]):
            return FROM_A_PAGE
        _, declared = head_of(scope["headers"])
        try:
            body = await read_body(receive, declared, limit=limits.WEBSOCKET_MESSAGE_BYTES)
            if self._gate is not None:
                self._gate.admit_to_connections(path, scope, body)
        except BodyTooLargeError:
            return TOO_LARGE
        except InvocationError as exc:
            _log.warning("a request to %s is refused: %s: %s", path, exc.code, exc)
            return _error(exc.status, exc.code, str(exc))
        session = self._sessions.get(unquote(path.partition(CONNECTIONS)[2]))
        if session is None or session.ended:
            return GONE
        match scope["method"]:
            case "POST":
                return _post(session, body)
            case "GET":
                return Answer(200, (JSON,), _facts(session))
            case "DELETE":
                session.close(CLOSED_NORMALLY)
                return Answer(204, ())
            case _:
                return _METHOD_NOT_ALLOWED._replace(headers=(JSON, (b"allow", b"DELETE, GET, POST")))


def _post(session: Session, body: bytes) -> Answer:
    try:
        session.post(as_message(body))
    except BufferFullError:
        return FULL
    return Answer(200, ())


def _facts(session: Session) -> bytes:
    connection = session.connection
    identity = {"sourceIp": connection.source_ip, "userAgent": connection.user_agent or ""}
    return marshal_compact(
        {
            "connectedAt": _iso(connection.connected_at),
            "identity": identity,
            "lastActiveAt": _iso(session.last_active_at),
        }
    )


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
