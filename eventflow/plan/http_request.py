"""An HTTP request on its way to a handler: the event is built only if the handler asks for it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEXT_TYPES: Final = ("text/", "application/json", "application/xml", "application/javascript")


class HttpRequest:
    """One matched request. ``wire()`` is the payload format 2.0 event, built on first use.

    ``headers`` are ASGI's: pairs of lower-case bytes. ``path`` is the raw, undecoded path.
    Source: API Gateway guide: http-api-develop-integrations-lambda.
    """

    __slots__ = (
        "_wire",
        "body",
        "headers",
        "method",
        "path",
        "path_parameters",
        "protocol",
        "query_string",
        "request_id",
        "route_key",
        "source_ip",
        "time",
    )

    def __init__(
        self,
        *,
        method: str,
        path: str,
        query_string: str,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        route_key: str,
        path_parameters: Mapping[str, str],
        source_ip: str,
        protocol: str,
        request_id: str,
        time: float,
    ) -> None:
        self.method = method
        self.path = path
        self.query_string = query_string
        self.headers = headers
        self.body = body
        self.route_key = route_key
        self.path_parameters = path_parameters
        self.source_ip = source_ip
        self.protocol = protocol
        self.request_id = request_id
        self.time = time
        self._wire: dict[str, Any] | None = None

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        """The request inside a payload format 2.0 event that came some other way (the Invoke API)."""
        context = wire.get("requestContext") or {}
        http = context.get("http") or {}
        text = wire.get("body") or ""
        body = base64.b64decode(text) if wire.get("isBase64Encoded") else text.encode()
        request = cls(
            method=http.get("method", "GET"),
            path=wire.get("rawPath", "/"),
            query_string=wire.get("rawQueryString", ""),
            headers=[],
            body=body,
            route_key=wire.get("routeKey", "$default"),
            path_parameters=wire.get("pathParameters") or {},
            source_ip=http.get("sourceIp", ""),
            protocol=http.get("protocol", "HTTP/1.1"),
            request_id=context.get("requestId", ""),
            time=context.get("timeEpoch", 0) / 1000,
        )
        request._wire = dict(wire)
        return request

    def wire(self) -> dict[str, Any]:
        """The event, as API Gateway writes it. Absent parts are left out."""
        if self._wire is None:
            self._wire = self._build()
        return self._wire

    def _build(self) -> dict[str, Any]:
        headers, cookies = _fold(self.headers)
        wire: dict[str, Any] = {
            "version": "2.0",
            "routeKey": self.route_key,
            "rawPath": self.path,
            "rawQueryString": self.query_string,
        }
        if cookies:
            wire["cookies"] = cookies
        wire["headers"] = headers
        if self.query_string:
            wire["queryStringParameters"] = _query(self.query_string)
        wire["requestContext"] = self._context(headers)
        if self.path_parameters:
            wire["pathParameters"] = dict(self.path_parameters)
        text = is_text(headers.get("content-type", "")) if self.body else True
        if self.body:
            wire["body"] = self.body.decode() if text else base64.b64encode(self.body).decode()
        wire["isBase64Encoded"] = not text
        return wire

    def _context(self, headers: Mapping[str, str]) -> dict[str, Any]:
        host = headers.get("host", "localhost")
        moment = datetime.fromtimestamp(self.time, tz=UTC)
        return {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": host,
            "domainPrefix": host.split(".", 1)[0].split(":", 1)[0],
            "http": {
                "method": self.method,
                "path": self.path,
                "protocol": self.protocol,
                "sourceIp": self.source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": self.request_id,
            "routeKey": self.route_key,
            "stage": "$default",
            "time": f"{moment:%d/%b/%Y:%H:%M:%S} +0000",
            "timeEpoch": int(self.time * 1000),
        }


def is_text(content_type: str) -> bool:
    """Whether a body of this type stays text in the event; everything else arrives as base64."""
    return content_type.strip().lower().startswith(_TEXT_TYPES) or not content_type


def _fold(pairs: list[tuple[bytes, bytes]]) -> tuple[dict[str, str], list[str]]:
    """Headers with repeats joined by a comma, and the cookies, which leave the headers."""
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for name_bytes, value_bytes in pairs:
        name, value = name_bytes.decode("latin-1"), value_bytes.decode("latin-1")
        if name == "cookie":
            cookies += [item.strip() for item in value.split(";") if item.strip()]
        elif name in headers:
            headers[name] += "," + value
        else:
            headers[name] = value
    return headers, cookies


def _query(query_string: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in parse_qsl(query_string, keep_blank_values=True):
        values[name] = f"{values[name]},{value}" if name in values else value
    return values
