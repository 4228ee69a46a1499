"""Requests and responses as CloudFront's events have them, and as they are on the wire."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any, Final

from eventflow.model.edge import OriginUrl, request_target
from eventflow.policy.edge_headers import is_disallowed
from eventflow.runtime.edge.origins import OriginRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from eventflow.model.callers import EdgeEventType
    from eventflow.model.edge import Distribution
    from eventflow.model.json import JsonObject
    from eventflow.runtime.edge.bodies import RequestBody
    from eventflow.runtime.edge.origins import OriginResponse, Pair
    from eventflow.runtime.http.asgi import Header, Scope

_OF_THE_CONNECTION: Final = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
_FRAMING: Final = frozenset({*_OF_THE_CONNECTION, "content-length"})
"""What either side writes for itself."""
_OWN: Final = ("x-cache", "x-amz-cf-", "x-edge-")
"""What CloudFront says of itself, and lets no origin say."""


def new_request_id() -> str:
    """Like CloudFront's: 56 characters."""
    return base64.urlsafe_b64encode(os.urandom(40)).decode()


def viewer_request(scope: Scope) -> JsonObject:
    """A viewer's request as its functions get it."""
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    client = scope.get("client")
    return {
        "clientIp": client[0] if client else "127.0.0.1",
        "method": scope["method"],
        "uri": _text(scope["raw_path"]),
        "querystring": _text(scope["query_string"]),
        "headers": header_map(pairs),
    }


def _text(raw: bytes) -> str:
    """What is no UTF-8 is taken for Latin-1."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def header_map(pairs: Iterable[Pair]) -> dict[str, list[JsonObject]]:
    """Headers for an event: without what functions do not see, and what concerns the connection."""
    pairs = list(pairs)
    nominated = _nominated(pairs)
    found: dict[str, list[JsonObject]] = {}
    for name, value in pairs:
        lowered = name.lower()
        hidden = is_disallowed(lowered) or lowered in nominated or lowered == "te"
        if not hidden:
            found.setdefault(lowered, []).append({"key": _key(name), "value": value})
    return found


def _nominated(pairs: Iterable[Pair]) -> frozenset[str]:
    """Headers that ``Connection`` says are of one connection only."""
    values = ",".join(value for name, value in pairs if name.lower() == "connection")
    return frozenset(value.strip().lower() for value in values.split(",")) - {"", "close", "keep-alive"}


def _key(name: str) -> str:
    """``Content-Type`` for ``content-type``: servers lower names. One that was written otherwise is kept."""
    return name.title() if name.islower() else name


def passed_by(response: OriginResponse) -> list[Pair]:
    """Headers of an origin that functions do not see, and viewers do."""
    nominated = _nominated(response.headers)
    return [
        (name.lower(), value)
        for name, value in response.headers
        if is_disallowed(name.lower())
        and name.lower() not in _OF_THE_CONNECTION | nominated
        and not name.lower().startswith(_OWN)
    ]


def with_header(headers: Mapping[str, Any], key: str, value: str) -> dict[str, Any]:
    """Headers in which one has this value."""
    return {**headers, key.lower(): [{"key": key, "value": value}]}


def appended(headers: Mapping[str, Any], key: str, value: str) -> dict[str, Any]:
    """Headers in which one has this value behind those that it has."""
    values = [item["value"] for item in headers.get(key.lower(), ())]
    return with_header(headers, key, ", ".join([*values, value]))


def via(distribution: Distribution) -> str:
    """What CloudFront adds to ``Via``."""
    return f"1.1 {distribution.domain_name} (CloudFront)"


def origin_request(distribution: Distribution, request: JsonObject) -> JsonObject:
    """A request as functions of the origin get it: for the environment's origin, and with what CloudFront adds."""
    custom_headers = {
        name.lower(): [{"key": name, "value": value}] for name, value in distribution.origin_headers.items()
    }
    headers = {name: items for name, items in (request.get("headers") or {}).items() if name not in custom_headers}
    headers = with_header(headers, "Host", distribution.origin.netloc)
    headers = appended(headers, "X-Forwarded-For", request["clientIp"])
    headers = appended(headers, "Via", via(distribution))
    url = distribution.origin
    custom = {
        "customHeaders": custom_headers,
        "domainName": url.host,
        "keepaliveTimeout": 5,
        "path": url.path,
        "port": url.port,
        "protocol": url.protocol,
        "readTimeout": distribution.origin_read_timeout_seconds,
        "sslProtocols": ["TLSv1.2"],
    }
    return {**request, "headers": headers, "origin": {"custom": custom}}


def chosen_origin(distribution: Distribution, origin: JsonObject) -> OriginUrl:
    """Where a request goes: as the event says, unless the environment knows of another place."""
    kind, found = next((kind, origin[kind]) for kind in ("custom", "s3") if origin.get(kind))
    path = found.get("path", "")
    domain = found["domainName"]
    here = distribution.origins.get(domain)
    if here is not None:
        return here._replace(path=here.path + path)
    if kind == "s3":
        return OriginUrl("https", domain, 443, path)
    return OriginUrl(found["protocol"], domain, found["port"], path)


def to_origin(distribution: Distribution, request: JsonObject, body: RequestBody, request_id: str) -> OriginRequest:
    """A request as it is sent to its origin."""
    origin = request["origin"]
    found = origin.get("custom") or origin["s3"]
    custom_headers = found.get("customHeaders") or {}
    headers = {**(request.get("headers") or {}), **custom_headers}
    return OriginRequest(
        method=request["method"],
        url=chosen_origin(distribution, origin),
        target=request_target(request["uri"], request.get("querystring", "")),
        headers=[*_wire(headers, without=_FRAMING), ("X-Amz-Cf-Id", request_id)],
        body=body.sent(),
        length=body.length,
        read_seconds=found.get("readTimeout", distribution.origin_read_timeout_seconds),
    )


def _wire(headers: Mapping[str, Any], *, without: frozenset[str]) -> Iterator[Pair]:
    for name, items in headers.items():
        if name not in without:
            for item in items:
                yield item.get("key") or name.title(), item["value"].strip()


def event_of(
    distribution: Distribution,
    event_type: EdgeEventType,
    request_id: str,
    request: JsonObject,
    response: JsonObject | None = None,
) -> JsonObject:
    """The event of one moment."""
    content: JsonObject = {
        "config": {
            "distributionDomainName": distribution.domain_name,
            "distributionId": distribution.distribution_id,
            "eventType": event_type.value,
            "requestId": request_id,
        },
        "request": request,
    }
    if response is not None:
        content["response"] = response
    return {"Records": [{"cf": content}]}


def response_of_origin(response: OriginResponse) -> JsonObject:
    """An origin's response as functions get it."""
    return {
        "status": str(response.status),
        "statusDescription": response.reason,
        "headers": header_map(response.headers),
    }


def wire_headers(headers: Mapping[str, Any] | None) -> list[Header]:
    """Headers for the viewer, without those that the server writes itself."""
    return [(name.lower().encode(), _encoded(value)) for name, value in _wire(headers or {}, without=_FRAMING)]


def _encoded(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()
