"""``@on_websocket``. Source: API Gateway guide: apigateway-websocket-api-route-keys-connect-disconnect,
websocket-api-develop-routes, apigateway-websocket-api-route-response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from eventflow.model import limits
from eventflow.model.destinations import Service
from eventflow.model.trigger import InvocationModel, Trigger
from eventflow.model.websocket import CONNECT, DEFAULT, DISCONNECT, RESERVED, WebSocketRoute
from eventflow.triggers._checks import Checker
from eventflow.triggers._marks import F, mark_with_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eventflow.errors import Problem
    from eventflow.model.handler import Handler
    from eventflow.model.json import JsonObject

_LONGEST_KEY = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketTrigger(Trigger):
    """One route of a WebSocket API, answered by one function."""

    service: ClassVar[Service] = Service.WEBSOCKET
    invocation_model: ClassVar[InvocationModel] = InvocationModel.SYNCHRONOUS

    websocket: WebSocketRoute

    @property
    def name(self) -> str:
        return self.websocket.route_key

    @property
    def decorator(self) -> str:
        return f'@on_websocket("{self.name}")'

    @property
    def caller_seconds(self) -> float:
        return limits.WEBSOCKET_INTEGRATION_SECONDS

    def match(self, event: JsonObject, bound_to: str | None = None) -> int:
        key = event["requestContext"]["routeKey"]
        if key == self.name:
            return 2
        return int(self.name == DEFAULT and key not in RESERVED)

    def problems(self, where: str) -> Iterator[Problem]:
        check, route = Checker(where), self.websocket
        key: object = route.route_key
        reserved = ", ".join(RESERVED)
        if not isinstance(key, str) or not 0 < len(key) <= _LONGEST_KEY or (key[0] == "$" and key not in RESERVED):
            hint = f"{reserved}, or what messages say: up to {_LONGEST_KEY} characters, not beginning with $"
            yield check.problem("route_key", f"{key!r} is not allowed", hint)
        if route.authorizer is not None and key != CONNECT:
            yield check.problem("authorizer", "is set", f"connections are authorized once, on {CONNECT}")
        responds: object = route.route_response
        if not isinstance(responds, bool):
            yield check.problem("route_response", f"{responds!r} is not allowed", "True or False")
        elif responds and key in (CONNECT, DISCONNECT):
            yield check.problem("route_response", "is set", "only messages are answered")


def on_websocket(
    route_key: str, *, authorizer: Handler | None = None, route_response: bool = False
) -> Callable[[F], F]:
    """Answer events of a WebSocket API: ``"$connect"``, ``"$disconnect"``, messages whose route key is this one, or all
    other messages with ``"$default"``. Which part of a message is its route key says ``App(websocket_api=...)``:
    ``$request.body.action`` unless told otherwise.

    The handler may take :class:`~eventflow.events.WebSocketEvent`; a message's body as a pydantic model or any type
    pydantic validates; or nothing annotated, for the raw event. It returns a
    :class:`~eventflow.events.WebSocketResponse`, or ``{"statusCode", "headers", "body", "isBase64Encoded"}`` with
    nothing else in it; anything else is an error, as in AWS. ``$connect`` refuses a connection with a status other than
    2xx, and chooses a subprotocol with the header ``Sec-WebSocket-Protocol``. What ``$disconnect`` returns is ignored.
    A message's ``body`` is sent back with ``route_response`` only.

    ``authorizer`` is a function marked with :func:`~eventflow.websocket_authorizer`, for ``$connect``.
    Messages to a connection go through the management API at ``event.management_endpoint``, as on AWS.
    """
    route = WebSocketRoute(route_key=route_key, authorizer=authorizer, route_response=route_response)
    return mark_with_trigger(WebSocketTrigger(websocket=route))
