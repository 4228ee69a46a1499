"""The events of WebSocket connections, as API Gateway writes them. Source: API Gateway guide:
apigateway-websocket-api-mapping-template-reference."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qsl

from eventflow.model.websocket import CONNECT, DISCONNECT
from eventflow.plan.http_request import API_ID, access_log_time, lists_of
from eventflow.plan.rest_request import RestRequest, last_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_NO_ADDRESS: Final = {"x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}


class Connection(NamedTuple):
    """One connection. ``connected_at`` is in epoch seconds; ``authorizer`` is what an authorizer found out."""

    id: str
    stage: str
    domain_name: str
    source_ip: str
    user_agent: str | None
    connected_at: float
    authorizer: Mapping[str, Any] | None = None

    def message(
        self, message: str | bytes, *, route_key: str, request_id: str, message_id: str, time: float
    ) -> dict[str, Any]:
        """The event of a message; bytes arrive in base64."""
        return {
            "requestContext": self._context("MESSAGE", route_key, request_id, time) | {"messageId": message_id},
            "body": base64.b64encode(message).decode() if isinstance(message, bytes) else message,
            "isBase64Encoded": isinstance(message, bytes),
        }

    def end(self, code: int, reason: str, *, request_id: str, time: float) -> dict[str, Any]:
        """The event of the connection's end."""
        headers = {"Host": self.domain_name, **_NO_ADDRESS}
        context = self._context("DISCONNECT", DISCONNECT, request_id, time)
        return {
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "requestContext": context | {"disconnectStatusCode": code, "disconnectReason": reason},
            "isBase64Encoded": False,
        }

    def beginning(self, *, request_id: str, time: float) -> dict[str, Any]:
        """The request context while the connection is asked for."""
        return self._context("CONNECT", CONNECT, request_id, time)

    def identity(self) -> dict[str, str]:
        """Who connected."""
        agent = {} if self.user_agent is None else {"userAgent": self.user_agent}
        return {"sourceIp": self.source_ip} | agent

    def _context(self, event_type: str, route_key: str, request_id: str, time: float) -> dict[str, Any]:
        context: dict[str, Any] = {
            "routeKey": route_key,
            "eventType": event_type,
            "extendedRequestId": request_id,
            "requestTime": access_log_time(int(time)),
            "messageDirection": "IN",
            "stage": self.stage,
            "connectedAt": int(self.connected_at * 1000),
            "requestTimeEpoch": int(time * 1000),
            "identity": self.identity(),
            "requestId": request_id,
            "domainName": self.domain_name,
            "connectionId": self.id,
            "apiId": API_ID,
        }
        if self.authorizer is not None:
            context["authorizer"] = dict(self.authorizer)
        return context


class Handshake(RestRequest):
    """A client that asks for a connection. ``wire()`` is the event of ``$connect``."""

    __slots__ = ("_api_stage", "connection_id")

    def __init__(self, *, connection_id: str, stage: str, **facts: Any) -> None:
        super().__init__(method="GET", body=b"", route_key=CONNECT, path_parameters={}, **facts)
        self.connection_id = connection_id
        self._api_stage = stage

    @property
    def stage(self) -> str:
        return self._api_stage

    def connection(self) -> Connection:
        """The connection it asks for, with what its authorizer found out."""
        known = {name: value.decode("latin-1") for name, value in self.headers}
        return Connection(
            id=self.connection_id,
            stage=self.stage,
            domain_name=known.get(b"host", "localhost"),
            source_ip=self.source_ip,
            user_agent=known.get(b"user-agent"),
            connected_at=self.time,
            authorizer=self.authorizer,
        )

    def authorizer_event(self, method_arn: str) -> dict[str, Any]:
        """What an authorizer is asked."""
        wire = {name: value for name, value in self._build().items() if name != "isBase64Encoded"}
        return {"type": "REQUEST", "methodArn": method_arn, **wire}

    def _build(self) -> dict[str, Any]:
        lists = {name.replace("-Websocket-", "-WebSocket-"): values for name, values in self._headers().items()}
        query = lists_of(parse_qsl(self.query_string, keep_blank_values=True))
        wire: dict[str, Any] = {"headers": last_of(lists), "multiValueHeaders": lists}
        if query:
            wire |= {"queryStringParameters": last_of(query), "multiValueQueryStringParameters": query}
        context = self.connection().beginning(request_id=self.request_id, time=self.time)
        return wire | {"requestContext": context, "isBase64Encoded": False}
