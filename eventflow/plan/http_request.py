"""An HTTP request on its way to a handler: the event is built only if the handler asks for it.

Each flavour of HTTP has a class of its own for the event it makes.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, parse_qsl, unquote_plus

from eventflow.events._requests import find_header, request_context
from eventflow.plan.environment import UNKNOWN_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

API_ID: Final = "local"

_TEXT_TYPES: Final = ("text/", "application/json", "application/xml", "application/javascript")


class HttpRequest:
    """One matched request. ``wire()`` is the payload format 2.0 event, built on first use.

    ``headers`` are ASGI's: pairs of lower-case bytes. ``path`` is the raw, undecoded path. ``authorizer`` is what an
    authorizer found out, as the event has it.
    Source: API Gateway guide: http-api-develop-integrations-lambda.
    """

    __slots__ = (
        "_query",
        "_wire",
        "account_id",
        "authorizer",
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
        account_id: str = UNKNOWN_ACCOUNT,
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
        self.account_id = account_id
        self.authorizer: Any = None
        self._wire: dict[str, Any] | None = None
        self._query: dict[str, list[str]] | None = None

    @classmethod
    def of(cls, request: HttpRequest) -> HttpRequest:
        """The same request as the event of another flavour, without its body: an authorizer gets it."""
        return cls(
            method=request.method,
            path=request.path,
            query_string=request.query_string,
            headers=request.headers,
            body=b"",
            route_key=request.route_key,
            path_parameters=request.path_parameters,
            source_ip=request.source_ip,
            protocol=request.protocol,
            request_id=request.request_id,
            time=request.time,
            account_id=request.account_id,
        )

    @staticmethod
    def from_wire(wire: Mapping[str, Any]) -> HttpRequest:
        """The request inside an event that came some other way (the Invoke API). It may be any object: what is
        wrong with it shows when a handler asks for that part."""
        return _EventRequest(wire)

    @property
    def stage(self) -> str:
        """The stage of the API."""
        return "$default"

    def wire(self) -> dict[str, Any]:
        """The event, as API Gateway writes it. Absent parts are left out."""
        if self._wire is None:
            self._wire = self._build()
        return self._wire

    def query(self) -> Mapping[str, list[str]]:
        """The query string decoded, every value of a name in order."""
        if self._query is None:
            self._query = parse_qs(self.query_string, keep_blank_values=True)
        return self._query

    def header(self, name: str) -> str | None:
        """A header by its lower-case name, repeated ones joined with commas."""
        wanted = name.encode()
        values = [value.decode("latin-1") for key, value in self.headers if key == wanted]
        return ",".join(values) if values else None

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
        is_base64 = False
        if self.body:
            wire["body"], is_base64 = encoded(self.body, is_text=is_text(headers.get("content-type", "")))
        wire["isBase64Encoded"] = is_base64
        return wire

    def _context(self, headers: Mapping[str, str]) -> dict[str, Any]:
        host = headers.get("host", "localhost")
        context: dict[str, Any] = {
            "accountId": self.account_id,
            "apiId": API_ID,
            "domainName": host,
            "domainPrefix": first_label(host),
            "http": {
                "method": self.method,
                "path": self.path,
                "protocol": self.protocol,
                "sourceIp": self.source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": self.request_id,
            "routeKey": self.route_key,
            "stage": self.stage,
            "time": access_log_time(int(self.time)),
            "timeEpoch": int(self.time * 1000),
        }
        if self.authorizer is not None:
            context["authorizer"] = self.authorizer
        return context


class _EventRequest(HttpRequest):
    """A request of which there is only the event."""

    __slots__ = ()

    def __init__(self, wire: Mapping[str, Any]) -> None:
        self._wire = dict(wire)

    @property
    def body(self) -> bytes:  # type: ignore[override]  # read from the event, never set
        wire = self.wire()
        text = wire.get("body") or ""
        return base64.b64decode(text) if wire.get("isBase64Encoded") else text.encode()

    @property
    def path_parameters(self) -> Mapping[str, str]:  # type: ignore[override]  # read from the event, never set
        return self.wire().get("pathParameters") or {}

    def query(self) -> Mapping[str, list[str]]:
        wire = self.wire()
        if (raw := wire.get("rawQueryString")) is not None:
            return parse_qs(raw, keep_blank_values=True)
        single = wire.get("queryStringParameters") or {}
        lists = wire.get("multiValueQueryStringParameters") or {name: [value] for name, value in single.items()}
        if "elb" not in request_context(wire):
            return lists
        return {unquote_plus(name): [unquote_plus(value) for value in values] for name, values in lists.items()}

    def header(self, name: str) -> str | None:
        wire = self.wire()
        return find_header(name, wire.get("headers") or {}, wire.get("multiValueHeaders") or {})


class FunctionUrlRequest(HttpRequest):
    """A request to a function's URL: payload format 2.0 with what is fixed there. Source: Lambda guide:
    urls-invocation."""

    __slots__ = ("domain",)

    def __init__(self, *, domain: str, **facts: Any) -> None:
        super().__init__(**facts)
        self.domain = domain

    def _build(self) -> dict[str, Any]:
        wire = super()._build()
        wire["headers"] |= forwarded(wire["headers"], self)
        return wire

    def _context(self, headers: Mapping[str, str]) -> dict[str, Any]:
        context = super()._context(headers)
        prefix = first_label(self.domain)
        return context | {
            "accountId": "anonymous" if self.authorizer is None else self.account_id,
            "apiId": prefix,
            "domainName": self.domain,
            "domainPrefix": prefix,
        }


def first_label(host: str) -> str:
    """A host name up to its first dot or its port."""
    return host.split(".", 1)[0].split(":", 1)[0]


def lists_of(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """All values of each name, in order."""
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        lists.setdefault(name, []).append(value)
    return lists


def forwarded(headers: Mapping[str, str], request: HttpRequest) -> dict[str, str]:
    """The headers that AWS adds, under lower-case names. What a proxy in front of us found out is kept."""
    seen = headers.get("x-forwarded-for")
    host = headers.get("host", "")
    identity = request.request_id.replace("-", "")[-24:].rjust(24, "0")
    trace = f"Root=1-{int(request.time):08x}-{identity}"
    return {
        "x-amzn-trace-id": headers.get("x-amzn-trace-id", trace),
        "x-forwarded-for": f"{seen}, {request.source_ip}" if seen else request.source_ip,
        "x-forwarded-port": headers.get("x-forwarded-port") or host.rpartition("]")[2].partition(":")[2] or "80",
        "x-forwarded-proto": headers.get("x-forwarded-proto", "http"),
    }


@lru_cache(maxsize=4)
def access_log_time(seconds: int) -> str:
    """As the common log format has it. Writing it takes longer than the rest of an event, and the requests of a
    second share it."""
    return f"{datetime.fromtimestamp(seconds, tz=UTC):%d/%b/%Y:%H:%M:%S} +0000"


def is_text(content_type: str) -> bool:
    """Whether a body of this type stays text in the event; everything else arrives as base64."""
    return content_type.strip().lower().startswith(_TEXT_TYPES) or not content_type


def encoded(body: bytes, *, is_text: bool) -> tuple[str, bool]:
    """The body as it stands in an event, and whether that is base64. Text that cannot be decoded is not text."""
    if is_text or not body:
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True


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
