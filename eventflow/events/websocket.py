"""What a WebSocket API sends: connections, messages, and the ends of connections.

Source: API Gateway guide: apigateway-websocket-api-mapping-template-reference,
apigateway-websocket-api-route-keys-connect-disconnect.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from eventflow.events._camel import CamelModel
from eventflow.events._codec import EventCodec
from eventflow.events._requests import (
    RequestCodec,
    RequestModel,
    StringMap,
    StringsMap,
    find_header,
    request_context,
)
from eventflow.events._wire import is_authorizer
from eventflow.events.rest import RestIdentity
from eventflow.model.destinations import Service

if TYPE_CHECKING:
    from eventflow.events._base import EventModel
    from eventflow.events._payload import UserData
    from eventflow.model.json import JsonObject


class WebSocketRequestContext(CamelModel):
    """What API Gateway knows of a connection. Times without ``request_time`` are in milliseconds.

    ``event_type`` is ``CONNECT``, ``MESSAGE`` or ``DISCONNECT``. Only messages have a ``message_id``, and only ends of
    connections ``disconnect_status_code`` and ``disconnect_reason``. ``authorizer`` is the context of ``$connect``'s
    authorizer, in every event of the connection.
    """

    api_id: str | None = None
    authorizer: dict[str, Any] | None = None
    connected_at: int | None = None
    connection_id: str
    disconnect_reason: str | None = None
    disconnect_status_code: int | None = None
    domain_name: str | None = None
    event_type: str
    extended_request_id: str | None = None
    identity: RestIdentity | None = None
    message_direction: str | None = None
    message_id: str | None = None
    request_id: str | None = None
    request_time: str | None = None
    request_time_epoch: int | None = None
    route_key: str
    stage: str | None = None


class WebSocketEvent(RequestModel):
    """One event of a connection. Headers and query come with ``$connect`` only, a body with messages only."""

    headers: StringMap = Field(default_factory=dict)
    multi_value_headers: StringsMap = Field(default_factory=dict)
    query_string_parameters: StringMap = Field(default_factory=dict)
    multi_value_query_string_parameters: StringsMap = Field(default_factory=dict)
    stage_variables: StringMap = Field(default_factory=dict)
    request_context: WebSocketRequestContext

    @property
    def connection_id(self) -> str:
        return self.request_context.connection_id

    @property
    def route_key(self) -> str:
        return self.request_context.route_key

    @property
    def query(self) -> dict[str, list[str]]:
        """The query string of ``$connect`` decoded, every value of a name in order."""
        return {name: list(values) for name, values in self.multi_value_query_string_parameters.items()}

    @property
    def source_ip(self) -> str | None:
        identity = self.request_context.identity
        return identity.source_ip if identity else None

    @property
    def management_endpoint(self) -> str:
        """Where messages to this connection go, as the ``endpoint_url`` of an SDK's ``apigatewaymanagementapi`` client.

        ``https`` everywhere but on this machine. Behind a custom domain whose mapping is not named like the stage, AWS
        takes another path: give that one.
        """
        context = self.request_context
        host = context.domain_name or ""
        return f"{'http' if _is_this_machine(host) else 'https'}://{host}/{context.stage}"

    def header(self, name: str) -> str | None:
        """A header's value, whatever the case of ``name``; repeated headers are joined with commas."""
        return find_header(name, self.headers, self.multi_value_headers)


class WebSocketAuthorizerEvent(WebSocketEvent):
    """A connection that a WebSocket API asks an authorizer about. ``method_arn`` ends in ``/$connect``."""

    type: str
    method_arn: str


class WebSocketResponse(CamelModel):
    """What a function answers: 200 unless it says otherwise. Headers count for ``$connect`` only."""

    status_code: int | None = None
    headers: dict[str, str] | None = None
    multi_value_headers: dict[str, list[str]] | None = None
    body: str | None = None
    is_base64_encoded: bool | None = None


def _is_this_machine(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    name = name.strip("[]")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


class WebSocketCodec(RequestCodec):
    service: ClassVar[Service] = Service.WEBSOCKET
    event_model: ClassVar[type[EventModel]] = WebSocketEvent
    payload_name: ClassVar[str | None] = "the message body"

    def recognises(self, wire: JsonObject) -> bool:
        return {"connectionId", "eventType"} <= request_context(wire).keys() and not is_authorizer(wire)


class WebSocketAuthorizerCodec(EventCodec):
    service: ClassVar[Service] = Service.WEBSOCKET_AUTHORIZER
    event_model: ClassVar[type[EventModel]] = WebSocketAuthorizerEvent

    def recognises(self, wire: JsonObject) -> bool:
        return "connectionId" in request_context(wire) and is_authorizer(wire)

    def payload(self, wire: JsonObject) -> UserData:
        return wire


WEBSOCKET = WebSocketCodec()
WEBSOCKET_AUTHORIZER = WebSocketAuthorizerCodec()
