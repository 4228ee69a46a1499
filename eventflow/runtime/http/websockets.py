"""A WebSocket API: from a handshake to a connection, from messages to functions. Source: API Gateway guide:
apigateway-websocket-api-overview, apigateway-websocket-api-route-keys-connect-disconnect, limits.

Every message is an invocation of its own; those of one connection begin in order and run side by side, as on AWS.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio

from eventflow.errors import EventValidationError
from eventflow.model import limits
from eventflow.model.outcome import FunctionFailed, Outcome, Succeeded, Throttled
from eventflow.model.websocket import CONNECT, DEFAULT, DISCONNECT, RESERVED
from eventflow.plan.websocket_events import Handshake
from eventflow.policy.route_selection import Selection
from eventflow.runtime.http.answers import Answer, message
from eventflow.runtime.http.authorizers.gates import Gates
from eventflow.runtime.http.bodies import head_of
from eventflow.runtime.http.proxy_results import rest_answer
from eventflow.runtime.http.websocket_session import LOST, NO_BINARY, End, Session, as_message
from eventflow.runtime.invoker import invoke_here
from eventflow.runtime.marshal import marshal_compact
from eventflow.runtime.outliving import Outliving
from eventflow.runtime.request_path import report_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyio.abc import TaskGroup

    from eventflow.plan.plan import Plan, WebSocketPlan
    from eventflow.ports import Clock
    from eventflow.runtime.functions import Functions
    from eventflow.runtime.http.asgi import Receive, Scope, Send
    from eventflow.runtime.http.websocket_session import Data
    from eventflow.runtime.invoker import Entry

_log = logging.getLogger(__name__)

FORBIDDEN: Final = message(403, "Forbidden")
THROTTLED: Final = message(429, "Too Many Requests")
FUNCTION_ERROR: Final = message(502, "Internal server error")
UNAVAILABLE: Final = message(503, "Service Unavailable")
GAVE_UP: Final = message(504, "Endpoint request timed out")

ACCEPTED: Final = Answer(200, ())
HEAD_TOO_LARGE: Final = message(431, "Request Header Fields Too Large")

_FIRST_REFUSAL: Final = 300
_HUNG_UP: Final = End(LOST, "Connection lost")
_ID_BYTES: Final = 11
_SUBPROTOCOL: Final = b"sec-websocket-protocol"


class _Target(NamedTuple):
    """What answers a route. A ``slow`` function may run longer than a client may wait."""

    function_name: str
    entry: Entry
    route_response: bool
    slow: bool


class WebSockets:
    """The connections of a run."""

    def __init__(self, plan: Plan, functions: Functions, clock: Clock, next_request_id: Callable[[], str]) -> None:
        api = plan.websocket_api
        gates = Gates(functions, plan.environment, clock)
        self.sessions: dict[str, Session] = {}
        """Those that messages can be sent to, by connection id."""
        self._present: set[Session] = set()
        self._untold: set[Session] = set()
        self._routes = {route.source.route_key: _target(route, functions) for route in plan.websocket_routes}
        self._gate = next((gates.of(route) for route in plan.websocket_routes if route.authorizer is not None), None)
        self._api = api
        self._selection = Selection.parse(api.route_selection_expression)
        self._paths = frozenset({"", "/", f"/{api.stage}", f"/{api.stage}/"})
        self._clock = clock
        self._next_request_id = next_request_id
        self._leaving = False
        self._told = asyncio.Event()
        self._outliving: Outliving[Outcome] = Outliving()

    @property
    def outliving(self) -> frozenset[asyncio.Task[Outcome]]:
        """Slow invocations whose clients are not waiting any more, or will not in a while."""
        return self._outliving.tasks

    @property
    def in_flight(self) -> int:
        """Messages that are being handled."""
        return sum(session.in_flight for session in self._present)

    async def leave(self, *, within_seconds: float) -> None:
        """Refuse new connections and end all there are; messages in hand get so many seconds. Returns when every end
        was told to ``$disconnect``."""
        self._leaving = True
        for session in self._untold:
            session.leave(within_seconds=within_seconds)
        while self._untold:
            self._told.clear()
            await self._told.wait()

    async def serve(self, path: str, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        """Serve one connection, from its handshake to its end; ``path`` is still URL-encoded."""
        await receive()  # websocket.connect
        handshake = self._handshake(path, scope, request_id)
        answer = await self._decide(handshake, path, scope)
        if answer.status >= _FIRST_REFUSAL:
            await _refuse(send, answer, request_id)
            return
        session = Session(handshake.connection(), receive, send, handler=self, clock=self._clock)
        try:
            await send({"type": "websocket.accept", "subprotocol": _subprotocol(answer)})
        except OSError:  # the client left while its connection was decided about
            await self._tell(session, _HUNG_UP)
            return
        if self._leaving:
            session.leave(within_seconds=0)
        self._present.add(session)
        try:
            async with anyio.create_task_group() as tasks:
                await self._run(session, tasks)
        finally:
            self._present.discard(session)

    async def answer(self, session: Session, message: Data) -> Data | None:
        """Hand a message to its function; the answer is what the client is to be sent."""
        if isinstance(message, bytes) and not self._api.binary_frames:
            session.close(NO_BINARY)
            return None
        connection, request_id = session.connection, self._next_request_id()
        key = None if isinstance(message, bytes) else self._selection.key(message)
        if key is None or key in RESERVED or key not in self._routes:
            key = DEFAULT
        target = self._routes.get(key)
        if target is None or session.leaving:
            return _error_frame("Forbidden" if target is None else "Service Unavailable", connection.id, request_id)
        event = connection.message(
            message, route_key=key, request_id=request_id, message_id=self._next_request_id(), time=self._clock.time()
        )
        outcome = await self._invoke(target, event, request_id)
        if isinstance(outcome, Succeeded):
            answer = _response(target, outcome.value, request_id)
            if answer is not None:
                return as_message(answer.body) if target.route_response else None
        return _error_frame(_complaint(outcome), connection.id, request_id, _mistakes(outcome))

    async def _run(self, session: Session, tasks: TaskGroup) -> None:
        connection_id = session.connection.id
        self.sessions[connection_id] = session
        self._untold.add(session)
        try:
            end = await session.run(tasks)
            self.sessions.pop(connection_id, None)
            await self._tell(session, end)
        finally:
            self.sessions.pop(connection_id, None)
            self._untold.discard(session)
            self._told.set()

    async def _decide(self, handshake: Handshake, path: str, scope: Scope) -> Answer:
        """2xx for a connection that may be; any other answer for one that may not."""
        refusal = self._refusal(path, scope)
        if refusal is None and self._gate is not None:
            refusal = await self._gate.admit(handshake)
        return refusal or await self._connect(handshake, scope.get("subprotocols") or ())

    def _handshake(self, path: str, scope: Scope, request_id: str) -> Handshake:
        client = scope.get("client")
        return Handshake(
            connection_id=base64.urlsafe_b64encode(os.urandom(_ID_BYTES)).decode(),
            stage=self._api.stage,
            path=path,
            query_string=scope["query_string"].decode("latin-1"),
            headers=list(scope["headers"]),
            source_ip=client[0] if client else "",
            protocol="HTTP/" + scope.get("http_version", "1.1"),
            request_id=request_id,
            time=self._clock.time(),
        )

    def _refusal(self, path: str, scope: Scope) -> Answer | None:
        """The answer to a handshake that no function may get."""
        if path not in self._paths:
            return FORBIDDEN
        if self._leaving:
            return UNAVAILABLE
        header_bytes, _ = head_of(scope["headers"])
        too_large = header_bytes + len(path) + len(scope["query_string"]) > limits.HTTP_HEADER_BYTES
        return HEAD_TOO_LARGE if too_large else None

    async def _connect(self, handshake: Handshake, offered: Sequence[str]) -> Answer:
        """What ``$connect`` says of a connection."""
        target = self._routes.get(CONNECT)
        if target is None:
            return ACCEPTED
        outcome = await self._invoke(target, handshake.wire(), handshake.request_id)
        if outcome is None:
            return GAVE_UP
        if isinstance(outcome, Throttled):
            return THROTTLED
        answer = _response(target, outcome.value, handshake.request_id) if isinstance(outcome, Succeeded) else None
        if answer is None:
            return FUNCTION_ERROR
        chosen = _subprotocol(answer)
        if answer.status < _FIRST_REFUSAL and chosen is not None and chosen not in offered:
            _log.error("%s chose the subprotocol %r, which the client did not offer", target.function_name, chosen)
            return FUNCTION_ERROR
        return answer

    async def _tell(self, session: Session, end: End) -> None:
        """Tell ``$disconnect`` how a connection ended. What comes of that is for the log."""
        target = self._routes.get(DISCONNECT)
        if target is not None:
            request_id = self._next_request_id()
            event = session.connection.end(end.code, end.reason, request_id=request_id, time=self._clock.time())
            await self._invoke(target, event, request_id)

    async def _invoke(self, target: _Target, event: dict[str, Any], request_id: str) -> Outcome | None:
        """Wait as long as a client may; ``None`` if the function goes on after that."""
        if not target.slow:
            return await _reported(target, event, request_id)
        seconds = limits.WEBSOCKET_INTEGRATION_SECONDS
        return await self._outliving.wait(_reported(target, event, request_id), seconds=seconds)


def _target(route: WebSocketPlan, functions: Functions) -> _Target:
    function = functions[route.endpoint.function.name]
    slow = function.settings.timeout_seconds > limits.WEBSOCKET_INTEGRATION_SECONDS
    return _Target(function.name, function.invoker.entry(route.endpoint), route.source.route_response, slow)


async def _reported(target: _Target, event: dict[str, Any], request_id: str) -> Outcome:
    outcome = await invoke_here(target.entry, event, request_id)
    if not _mistakes(outcome):
        report_failure(target.function_name, outcome, request_id)
    return outcome


def _response(target: _Target, value: Any, request_id: str) -> Answer | None:
    """The response that a handler returned; ``None``, and a line in the log, if it is none."""
    try:
        answer = rest_answer(value, decodes=True)
        if len(answer.body) > limits.WEBSOCKET_MESSAGE_BYTES:
            raise ValueError(f"the body has more than {limits.WEBSOCKET_MESSAGE_BYTES:,} bytes")
    except Exception as exc:  # noqa: BLE001 (the edge of user code: serialising runs the user's classes)
        _log.error(
            "%s returned %s, which is no response of a WebSocket API (request %s): %s; return {'statusCode': 200}",
            target.function_name,
            type(value).__name__,
            request_id,
            exc,
            extra={"function_name": target.function_name, "function_request_id": request_id},
        )
        return None
    return answer


def _complaint(outcome: Outcome | None) -> str:
    if outcome is None:
        return "Endpoint request timed out"
    if isinstance(outcome, Throttled):
        return "Too Many Requests"
    return "Invalid message body" if _mistakes(outcome) else "Internal server error"


def _mistakes(outcome: Outcome | None) -> list[dict[str, str]]:
    """Why a message cannot become what its handler asks for."""
    exc = outcome.exception if isinstance(outcome, FunctionFailed) else None
    details = exc.details if isinstance(exc, EventValidationError) else ()
    return [{"location": location, "message": text} for location, text in details]


def _error_frame(text: str, connection_id: str, request_id: str, mistakes: Sequence[Any] = ()) -> str:
    frame: dict[str, Any] = {"message": text, "connectionId": connection_id, "requestId": request_id}
    return marshal_compact(frame | ({"errors": mistakes} if mistakes else {})).decode()


def _subprotocol(answer: Answer) -> str | None:
    return next((value.decode("latin-1") for name, value in answer.headers if name == _SUBPROTOCOL), None)


async def _refuse(send: Send, answer: Answer, request_id: str) -> None:
    headers = [*answer.headers, (b"content-length", b"%d" % len(answer.body))]
    headers.append((b"x-amzn-requestid", request_id.encode()))
    try:
        await send({"type": "websocket.http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": answer.body})
    except OSError:  # the client has gone
        return
