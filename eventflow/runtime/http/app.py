"""The ASGI application: the app's routes, with the Invoke API and the admin pages under paths of their own."""

from __future__ import annotations

from asyncio import CancelledError
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from eventflow.runtime.http.admin import PATHS, Admin
from eventflow.runtime.http.answers import Answer, send_answer
from eventflow.runtime.http.bodies import ClientGoneError
from eventflow.runtime.http.docs import PATHS as DOCS_PATHS
from eventflow.runtime.http.docs import Docs
from eventflow.runtime.http.flavours import HTTP_API, HttpApi
from eventflow.runtime.http.invoke_api import PREFIXES, InvokeApi
from eventflow.runtime.http.pushes import Pushes
from eventflow.runtime.http.routes import Routes
from eventflow.runtime.request_ids import request_ids

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping, Sequence

    from eventflow.plan.plan import Plan
    from eventflow.ports import Clock, HttpEndpoint
    from eventflow.runtime.callers import Callers
    from eventflow.runtime.functions import Functions
    from eventflow.runtime.http.asgi import Header, Receive, Scope, Send
    from eventflow.runtime.http.connections_api import ConnectionsApi
    from eventflow.runtime.http.gate import Gate, GatedInvokeApi
    from eventflow.runtime.http.invoke_api import Accept
    from eventflow.runtime.http.streaming import StreamedAnswer
    from eventflow.runtime.http.websockets import WebSockets
    from eventflow.runtime.metrics import Metrics

NO_ENDPOINTS: Final[Mapping[str, HttpEndpoint]] = MappingProxyType({})


class HttpApp:
    """A plan's HTTP side, as an ASGI application for the scopes ``http`` and ``websocket``.

    ``accept`` takes asynchronous invocations: :meth:`EventPath.accept`. ``readiness`` tells the problem of each
    part that has one. ``endpoints`` are those of sources, by path; ``callers`` calls functions for some of them.
    ``invoke_api`` (with the management API of WebSocket connections) and ``admin`` say whether those are served here; a
    user's own route with the very path of an admin page wins over it. ``gate`` lets in whom those APIs and
    signed function URLs may serve: whoever reaches the port, if ``None``.
    """

    def __init__(
        self,
        plan: Plan,
        functions: Functions,
        *,
        accept: Accept,
        metrics: Metrics,
        readiness: Callable[[], Mapping[str, str]],
        clock: Clock,
        endpoints: Mapping[str, HttpEndpoint] = NO_ENDPOINTS,
        callers: Callers | None = None,
        invoke_api: bool = True,
        gate: Gate | None = None,
        admin: bool = True,
        docs: bool = False,
    ) -> None:
        self._abandoned = False
        self._callers = callers
        self._next_request_id = request_ids()
        self._routes = Routes(plan, functions, clock, gate=gate)
        self._invoke_api = _invoke_api(InvokeApi(plan.environment, functions, accept, clock), gate, plan)
        self._prefixes: tuple[str, ...] = PREFIXES if invoke_api else ()
        self._connections: ConnectionsApi | None = None
        self.websockets: WebSockets | None = None
        """The connections, if the plan has routes for any."""
        if plan.websocket_routes:
            from eventflow.runtime.http.connections_api import ConnectionsApi  # few apps have connections
            from eventflow.runtime.http.websockets import WebSockets

            self.websockets = WebSockets(plan, functions, clock, self._next_request_id)
            stage = plan.websocket_api.stage
            self._connections = ConnectionsApi(self.websockets.sessions, stage=stage, opened=invoke_api, gate=gate)
            self._prefixes += self._connections.prefixes
        self._pushes = Pushes(endpoints)
        self._push_paths = frozenset(endpoints)
        self._admin = Admin(metrics, functions, readiness)
        self._admin_paths = frozenset(path for path in PATHS if admin and not self._routes.spells_out(path))
        self._docs = Docs(plan)
        self._docs_paths = frozenset(path for path in DOCS_PATHS if docs and not self._routes.spells_out(path))

    @property
    def outliving(self) -> frozenset[asyncio.Task[Any]]:
        """Invocations that may outlive their requests; whoever stops the server waits for them."""
        called = frozenset() if self._callers is None else self._callers.outliving
        connected = frozenset() if self.websockets is None else self.websockets.outliving
        return self._routes.outliving | called | connected

    def abandon(self) -> None:
        """The server stops without waiting any longer: a request that is cancelled from now on is answered with
        503. Its task ends with that."""
        self._abandoned = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. A client that leaves meanwhile does not stop the function."""
        if scope["type"] != "http":
            await self._connect(scope, receive, send)
            return
        path = _path(scope)
        request_id = self._next_request_id()
        identity: Sequence[Header] = ()
        answer: Answer | StreamedAnswer | None = None
        try:
            if path.startswith(self._prefixes):
                answer, identifier = await self._manage(path, scope, receive, request_id)
                identity = (identifier,)
            elif path in self._admin_paths:
                answer, identity = self._admin.answer(path, scope), HTTP_API.identity(request_id)
            elif path in self._docs_paths:
                answer, identity = self._docs.answer(path, scope), HTTP_API.identity(request_id)
            elif path in self._push_paths:
                identity = HTTP_API.identity(request_id)
                answer = await self._pushes.answer(path, scope, receive)
            else:
                pending, identity = self._routes.answer(scope["method"], path, scope, receive, request_id)
                answer = await pending
            if not isinstance(answer, Answer):
                await answer.run(scope, receive, send, identity)
                return
        except ClientGoneError:
            return
        except CancelledError:
            if not self._abandoned:
                raise
            if answer is not None:
                return  # it stays without its end
            answer = HttpApi.gave_up
        await send_answer(scope, send, answer, identity)

    async def _manage(
        self, path: str, scope: Scope, receive: Receive, request_id: str
    ) -> tuple[Answer | StreamedAnswer, Header]:
        """The answer of one of the management APIs, and the header with the request's id."""
        if self._connections is not None and path.startswith(self._connections.prefixes):
            answer = await self._connections.answer(path, scope, receive)
            return answer, (b"x-amzn-requestid", request_id.encode())
        return await self._invoke_api.answer(path, scope, receive, request_id)

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.websockets is None or scope["type"] != "websocket":
            await _refuse_scope(scope, receive, send)
            return
        path = _path(scope)
        try:
            await self.websockets.serve(path, scope, receive, send, self._next_request_id())
        except CancelledError:
            if not self._abandoned:
                raise


def _path(scope: Scope) -> str:
    """As the client encoded it, where the server tells."""
    raw_path = scope.get("raw_path")
    return raw_path.decode("latin-1") if raw_path is not None else quote(scope["path"])


def _invoke_api(api: InvokeApi, gate: Gate | None, plan: Plan) -> InvokeApi | GatedInvokeApi:
    if gate is None:
        return api
    from eventflow.runtime.http.gate import GatedInvokeApi  # an API that everybody may call does without

    return GatedInvokeApi(api, gate, plan.environment)


async def _refuse_scope(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "websocket":
        raise NotImplementedError(f"the ASGI scope {scope['type']!r} is not served here")
    await receive()
    await send({"type": "websocket.close", "code": 1000})
