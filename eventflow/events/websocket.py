"""Events of WebSocket APIs. Source: API Gateway guide: apigateway-websocket-api."""

from __future__ import annotations

from typing import Any

from eventflow.events._camel import CamelModel


class WebSocketRequestContext(CamelModel):
    """``event_type`` is CONNECT, MESSAGE or DISCONNECT. ``connected_at`` is in milliseconds."""

    route_key: str
    event_type: str
    connection_id: str
    message_id: str | None = None
    message_direction: str | None = None
    request_id: str | None = None
    extended_request_id: str | None = None
    request_time: str | None = None
    request_time_epoch: int | None = None
    connected_at: int | None = None
    stage: str | None = None
    api_id: str | None = None
    domain_name: str | None = None
    identity: dict[str, Any] | None = None
    authorizer: dict[str, Any] | None = None
    disconnect_status_code: int | None = None
    disconnect_reason: str | None = None


class WebSocketEvent(CamelModel):
    """Somebody connects, sends or leaves. Messages come without headers."""

    headers: dict[str, str] | None = None
    multi_value_headers: dict[str, list[str]] | None = None
    query_string_parameters: dict[str, str] | None = None
    multi_value_query_string_parameters: dict[str, list[str]] | None = None
    stage_variables: dict[str, str] | None = None
    request_context: WebSocketRequestContext
    body: str | None = None
    is_base64_encoded: bool = False


class WebSocketAuthorizerEvent(WebSocketEvent):
    """May this connection be opened? ``method_arn`` names the route."""

    type: str
    method_arn: str
