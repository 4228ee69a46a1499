"""HTTP events of the other flavours, made by what makes them when an app is served: see `eventflow.testing.events`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from pydantic_core import to_json

from eventflow.events.alb import AlbEvent
from eventflow.events.authorizers import HttpAuthorizerEvent, RestAuthorizerEvent, TokenAuthorizerEvent
from eventflow.events.http import HttpEvent
from eventflow.events.rest import RestEvent
from eventflow.events.websocket import WebSocketAuthorizerEvent, WebSocketEvent
from eventflow.model.websocket import CONNECT, DISCONNECT
from eventflow.plan.alb_request import AlbRequest, target_group_arn
from eventflow.plan.http_request import FunctionUrlRequest, HttpRequest
from eventflow.plan.rest_request import HttpV1Request, RestRequest
from eventflow.plan.websocket_events import Handshake

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TIME: Final = 1_767_225_600.0
ACCOUNT_ID: Final = "123456789012"
METHOD_ARN: Final = f"arn:aws:execute-api:us-east-1:{ACCOUNT_ID}:example/prod/GET/"
CONNECTION_ID: Final = "L0SM9cOFvHcCIhw="
_REQUEST_ID: Final = "00000000-0000-4000-8000-000000000001"


def rest_event(
    method: str = "GET",
    path: str = "/",
    *,
    body: object = None,
    query: Mapping[str, str | Sequence[str]] | None = None,
    headers: Mapping[str, str] | None = None,
    resource: str | None = None,
    path_parameters: Mapping[str, str] | None = None,
    binary_media_types: Sequence[str] = (),
    payload_format_version: str | None = None,
    source_ip: str = "192.0.2.1",
    time: float = TIME,
) -> RestEvent:
    """A request to a REST API; with ``payload_format_version="1.0"``, to an HTTP API that asks for this format.

    A body that is neither text nor bytes is sent as JSON. ``resource`` is the template that ``path`` matched.
    """
    facts = _facts(method, path, body, query, headers, path_parameters, source_ip, time)
    facts["route_key"] = f"{method} {resource or path}"
    request: HttpRequest
    if payload_format_version == "1.0":
        request = HttpV1Request(**facts)
    else:
        request = RestRequest(binary_media_types=tuple(binary_media_types), **facts)
    return RestEvent.model_validate(request.wire())


def function_url_event(
    method: str = "GET",
    path: str = "/",
    *,
    body: object = None,
    query: Mapping[str, str | Sequence[str]] | None = None,
    headers: Mapping[str, str] | None = None,
    url_id: str = "example",
    region: str = "us-east-1",
    source_ip: str = "192.0.2.1",
    time: float = TIME,
) -> HttpEvent:
    """A request to a function's URL. A body that is neither text nor bytes is sent as JSON."""
    domain = f"{url_id}.lambda-url.{region}.on.aws"
    facts = _facts(method, path, body, query, {"host": domain, **(headers or {})}, None, source_ip, time)
    return HttpEvent.model_validate(FunctionUrlRequest(domain=domain, route_key="$default", **facts).wire())


def alb_event(
    method: str = "GET",
    path: str = "/",
    *,
    body: object = None,
    query: Mapping[str, str | Sequence[str]] | None = None,
    headers: Mapping[str, str] | None = None,
    multi_value_headers: bool = False,
    target_group: str = "example",
    region: str = "us-east-1",
    source_ip: str = "192.0.2.1",
    time: float = TIME,
) -> AlbEvent:
    """A request through a load balancer. A body that is neither text nor bytes is sent as JSON."""
    request = AlbRequest(
        target_group=target_group_arn(target_group, region=region, account_id=ACCOUNT_ID),
        multi_value=multi_value_headers,
        route_key="$default",
        **_facts(method, path, body, query, headers, None, source_ip, time),
    )
    return AlbEvent.model_validate(request.wire())


def token_authorizer_event(token: str = "allow", *, method_arn: str = METHOD_ARN) -> TokenAuthorizerEvent:
    """What a REST API asks about a token."""
    wire = {"type": "TOKEN", "authorizationToken": token, "methodArn": method_arn}
    return TokenAuthorizerEvent.model_validate(wire)


def rest_authorizer_event(
    method: str = "GET", path: str = "/", *, method_arn: str = METHOD_ARN, time: float = TIME, **options: Any
) -> RestAuthorizerEvent:
    """What a REST API asks about a request; ``options`` are those of :func:`rest_event`."""
    wire = _without_body(rest_event(method, path, time=time, **options).to_wire())
    return RestAuthorizerEvent.model_validate(wire | {"type": "REQUEST", "methodArn": method_arn})


def http_authorizer_event(
    method: str = "GET",
    path: str = "/",
    *,
    identity: Sequence[str] = ("allow",),
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str | Sequence[str]] | None = None,
    route_key: str | None = None,
    route_arn: str = METHOD_ARN,
    source_ip: str = "192.0.2.1",
    time: float = TIME,
) -> HttpAuthorizerEvent:
    """What an HTTP API asks about a request, in payload format 2.0."""
    facts = _facts(method, path, None, query, headers, None, source_ip, time)
    wire = _without_body(HttpRequest(route_key=route_key or f"{method} {path}", **facts).wire())
    more = {"type": "REQUEST", "routeArn": route_arn, "identitySource": list(identity)}
    return HttpAuthorizerEvent.model_validate(wire | more)


def websocket_event(
    route_key: str = "$default",
    body: object = "Hello",
    *,
    connection_id: str = CONNECTION_ID,
    query: Mapping[str, str | Sequence[str]] | None = None,
    headers: Mapping[str, str] | None = None,
    authorizer: Mapping[str, Any] | None = None,
    disconnect_status_code: int = 1000,
    disconnect_reason: str = "",
    stage: str = "prod",
    source_ip: str = "192.0.2.1",
    time: float = TIME,
) -> WebSocketEvent:
    """An event of a connection: its beginning for the route ``$connect``, which has ``query`` and ``headers``; its end
    for ``$disconnect``; a message otherwise. A body that is neither text nor bytes is sent as JSON; bytes arrive in
    base64."""
    handshake = _handshake(connection_id, stage, query, headers, source_ip, time)
    handshake.authorizer = authorizer
    connection = handshake.connection()
    if route_key == CONNECT:
        wire = handshake.wire()
    elif route_key == DISCONNECT:
        code, reason = disconnect_status_code, disconnect_reason
        wire = connection.end(code, reason, request_id=_REQUEST_ID, time=time)
    else:
        message = body if isinstance(body, bytes) else _bytes(body).decode()
        facts = {"route_key": route_key, "request_id": _REQUEST_ID, "message_id": _REQUEST_ID}
        wire = connection.message(message, time=time, **facts)
    return WebSocketEvent.model_validate(wire)


def websocket_authorizer_event(
    *,
    connection_id: str = CONNECTION_ID,
    query: Mapping[str, str | Sequence[str]] | None = None,
    headers: Mapping[str, str] | None = None,
    method_arn: str = "arn:aws:execute-api:us-east-1:123456789012:example/prod/$connect",
    stage: str = "prod",
    source_ip: str = "192.0.2.1",
    time: float = TIME,
) -> WebSocketAuthorizerEvent:
    """What a WebSocket API asks about a connection."""
    handshake = _handshake(connection_id, stage, query, headers, source_ip, time)
    return WebSocketAuthorizerEvent.model_validate(handshake.authorizer_event(method_arn))


def _handshake(
    connection_id: str,
    stage: str,
    query: Mapping[str, str | Sequence[str]] | None,
    headers: Mapping[str, str] | None,
    source_ip: str,
    time: float,
) -> Handshake:
    facts = _facts("GET", "/", None, query, {"sec-websocket-version": "13", **(headers or {})}, None, source_ip, time)
    fixed = ("method", "body", "path_parameters")
    named = {name: value for name, value in facts.items() if name not in fixed}
    return Handshake(connection_id=connection_id, stage=stage, **named)


def _without_body(wire: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wire.items() if name not in ("body", "isBase64Encoded")}


def _facts(
    method: str,
    path: str,
    body: object,
    query: Mapping[str, str | Sequence[str]] | None,
    headers: Mapping[str, str] | None,
    path_parameters: Mapping[str, str] | None,
    source_ip: str,
    time: float,
) -> dict[str, Any]:
    is_json = not isinstance(body, str | bytes | None)
    named = {"host": "api.example.com", "user-agent": "eventflow"}
    named |= {"content-type": "application/json"} if is_json else {}
    named |= {name.lower(): value for name, value in (headers or {}).items()}
    return {
        "method": method,
        "path": path,
        "query_string": urlencode(query or {}, doseq=True),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()],
        "body": _bytes(body),
        "path_parameters": path_parameters or {},
        "source_ip": source_ip,
        "protocol": "HTTP/1.1",
        "request_id": _REQUEST_ID,
        "time": time,
        "account_id": ACCOUNT_ID,
    }


def _bytes(body: object) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    return body if isinstance(body, bytes) else to_json(body)


_REQUEST: Final[Mapping[str, str]] = {"method": "GET", "path": "/", "body": ""}

HTTP_EVENT_FACTORIES: Final[Mapping[tuple[str, str], tuple[str, Callable[..., Any], Mapping[str, str]]]] = {
    ("alb", "request"): ("A request through a load balancer", alb_event, {**_REQUEST, "target_group": "example"}),
    ("apigateway", "authorizer"): ("A token that a REST API asks about", token_authorizer_event, {"token": "allow"}),
    ("apigateway", "http-api-authorizer"): (
        "A request that an HTTP API asks about",
        http_authorizer_event,
        {"method": "GET", "path": "/"},
    ),
    ("apigateway", "request-authorizer"): (
        "A request that a REST API asks about",
        rest_authorizer_event,
        {"method": "GET", "path": "/"},
    ),
    ("apigateway", "aws-proxy"): ("A request to a REST API", rest_event, {**_REQUEST, "resource": "/"}),
    ("apigateway", "http-api-proxy-v1"): (
        "A request to an HTTP API in payload format 1.0",
        partial(rest_event, payload_format_version="1.0"),
        {**_REQUEST, "resource": "/"},
    ),
    ("apigateway", "websocket"): (
        "An event of a WebSocket connection: $connect, $disconnect, or a message",
        websocket_event,
        {"route_key": "$default", "body": "Hello", "connection_id": CONNECTION_ID},
    ),
    ("apigateway", "websocket-authorizer"): (
        "A connection that a WebSocket API asks about",
        websocket_authorizer_event,
        {"connection_id": CONNECTION_ID},
    ),
    ("lambda", "function-url"): (
        "A request to a function's URL",
        function_url_event,
        {**_REQUEST, "url_id": "example"},
    ),
}
"""Title, factory and fields with their defaults, as ``EVENT_FACTORIES`` lists them."""
