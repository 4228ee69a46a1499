"""What API Gateway asks Lambda authorizers. Source: API Gateway guide: http-api-lambda-authorizer,
api-gateway-lambda-authorizer-input."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from eventflow.events._camel import CamelModel
from eventflow.events._codec import EventCodec
from eventflow.events._requests import request_context
from eventflow.events.http import HttpEvent
from eventflow.events.rest import RestEvent
from eventflow.model.destinations import Service

if TYPE_CHECKING:
    from eventflow.events._base import EventModel
    from eventflow.events._payload import UserData
    from eventflow.model.json import JsonObject


class TokenAuthorizerEvent(CamelModel):
    """A token that a REST API asks about. ``method_arn`` names the request."""

    type: str
    authorization_token: str
    method_arn: str


class RestAuthorizerEvent(RestEvent):
    """A request in payload format 1.0, without its body, that a REST or HTTP API asks about.

    ``identity_source`` and ``authorization_token`` are an HTTP API's: the identity, joined with commas.
    """

    type: str
    method_arn: str
    identity_source: str | None = None
    authorization_token: str | None = None


class HttpAuthorizerEvent(HttpEvent):
    """A request in payload format 2.0, without its body, that an HTTP API asks about."""

    type: str
    route_arn: str
    identity_source: list[str] | None = None


class TokenAuthorizerCodec(EventCodec):
    service: ClassVar[Service] = Service.TOKEN_AUTHORIZER
    event_model: ClassVar[type[EventModel]] = TokenAuthorizerEvent

    def recognises(self, wire: JsonObject) -> bool:
        return wire.get("type") == "TOKEN" and "methodArn" in wire

    def payload(self, wire: JsonObject) -> UserData:
        token: str = wire["authorizationToken"]
        return token


class RestAuthorizerCodec(EventCodec):
    service: ClassVar[Service] = Service.REST_AUTHORIZER
    event_model: ClassVar[type[EventModel]] = RestAuthorizerEvent

    def recognises(self, wire: JsonObject) -> bool:
        is_of_websocket = "connectionId" in request_context(wire)
        return wire.get("type") == "REQUEST" and "methodArn" in wire and not is_of_websocket

    def payload(self, wire: JsonObject) -> UserData:
        return wire


class HttpAuthorizerCodec(EventCodec):
    service: ClassVar[Service] = Service.HTTP_AUTHORIZER
    event_model: ClassVar[type[EventModel]] = HttpAuthorizerEvent

    def recognises(self, wire: JsonObject) -> bool:
        return wire.get("type") == "REQUEST" and "routeArn" in wire

    def payload(self, wire: JsonObject) -> UserData:
        return wire


TOKEN_AUTHORIZER = TokenAuthorizerCodec()
REST_AUTHORIZER = RestAuthorizerCodec()
HTTP_AUTHORIZER = HttpAuthorizerCodec()
