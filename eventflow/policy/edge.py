"""What CloudFront takes from functions at the edge, and what it answers with instead.

Source: CloudFront guide: generating HTTP responses in request triggers; Lambda@Edge event structure; restrictions on
Lambda@Edge; HTTP 502 and 503 status codes (Lambda validation error, execution error, limit exceeded).
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeGuard

from eventflow.model.callers import EdgeEventType
from eventflow.model.edge import KEEPALIVE_TIMEOUT_SECONDS, ORIGIN_BYTES, READ_TIMEOUT_SECONDS, URL_BYTES, VIEWER_BYTES
from eventflow.model.outcome import Outcome, Succeeded, Throttled, TimedOut
from eventflow.policy.edge_headers import custom_header_problem, header_problems, shape_problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NOT_IN_URL: Final = re.compile("[\x00-\x20\x7f#\ud800-\udfff]")
_ADDRESS: Final = re.compile(r"(.*\.)?([0-9]+|0[xX][0-9A-Fa-f]*)\.?")
"""However it is written, an IPv4 address ends in a number, and no domain name does."""
_DOMAIN: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")
_STATUS: Final = re.compile(r"[2-5][0-9]{2}")
_PATH: Final = re.compile(r"(/[^/?#\s]+)*")
_BUCKET_DOMAIN: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,126}[a-z0-9]")
_SSL_PROTOCOLS: Final = ("TLSv1.2", "TLSv1.1", "TLSv1", "SSLv3")
_READ_ONLY_FIELDS: Final = ("clientIp", "method")


class EdgeError(NamedTuple):
    """What a viewer gets instead of a function's answer. ``result`` is in its ``X-Cache``."""

    status: int
    result: str
    message: str


def outcome_error(outcome: Outcome | None) -> EdgeError | None:
    """What a viewer gets of a function that did not succeed; ``None`` as the outcome is one that took too long."""
    if isinstance(outcome, Succeeded):
        return None
    if outcome is None or isinstance(outcome, Throttled | TimedOut):
        return EdgeError(503, "LambdaLimitExceeded", "The Lambda function was throttled, or took too long.")
    return EdgeError(503, "LambdaExecutionError", "The Lambda function failed.")


def validation_error(problem: str) -> EdgeError:
    """What a viewer gets of an answer that is not valid."""
    return EdgeError(502, "LambdaValidationError", f"The Lambda function's result is not valid: {problem}.")


def body_limit(event_type: EdgeEventType) -> int:
    """How many bytes of a body a function is given, and may give."""
    return VIEWER_BYTES if event_type.is_viewers else ORIGIN_BYTES


def is_response(answer: object) -> bool:
    """Whether a function of a request answers it itself."""
    return isinstance(answer, dict) and "status" in answer


def edge_problem(event_type: EdgeEventType, given: Mapping[str, Any], answer: object) -> str | None:
    """Why CloudFront would not take a function's answer. ``given`` is the ``cf`` of its event."""
    if event_type.value.endswith("request") and not is_response(answer):
        return next(_request_problems(event_type, given["request"], answer), None)
    before = given.get("response", {})
    return next(_response_problems(event_type, before, answer), None)


def _request_problems(event_type: EdgeEventType, before: Mapping[str, Any], answer: object) -> Iterator[str]:
    if not isinstance(answer, dict) or "uri" not in answer:
        yield "it is neither a request nor a response"
        return
    for name in _READ_ONLY_FIELDS:
        if name in answer and answer[name] != before[name]:
            yield f"{name} is read-only"
    url = answer["uri"], answer.get("querystring", "")
    if url != (before["uri"], before["querystring"]):
        yield from _url_problems(*url)
    yield from header_problems(event_type, before["headers"], answer.get("headers"))
    yield from _body_problems(event_type, before.get("body"), answer.get("body"))
    if "origin" not in before:
        if answer.get("origin") is not None:
            yield f"a {event_type} has no origin"
    else:
        yield from _origin_problems(before["origin"], answer.get("origin"), answer.get("headers") or {})


def _url_problems(uri: object, querystring: object) -> Iterator[str]:
    if not isinstance(uri, str) or not uri.startswith("/"):
        yield "uri does not begin with a slash"
    elif not isinstance(querystring, str):
        yield "querystring is not text"
    elif _NOT_IN_URL.search(uri) or _NOT_IN_URL.search(querystring):
        yield "uri or querystring has a space, a control character or a #"
    elif len(f"{uri}?{querystring}" if querystring else uri) >= URL_BYTES:
        yield f"uri and querystring have {URL_BYTES:,} characters or more"


def _body_problems(event_type: EdgeEventType, before: Mapping[str, Any] | None, body: object) -> Iterator[str]:
    if body is None:
        return
    if not isinstance(body, dict):
        yield "body is not an object"
    elif before is None:
        yield "the function was given no body (include_body)"
    elif body.get("inputTruncated", before["inputTruncated"]) != before["inputTruncated"]:
        yield "inputTruncated is read-only"
    elif body.get("action", "read-only") not in ("read-only", "replace"):
        yield "the body's action is neither read-only nor replace"
    elif replaces(body):
        yield from _content_problems(event_type, "body", body.get("data", ""), body.get("encoding", "base64"))


def replaces(body: object) -> bool:
    """Whether a returned body is sent instead of the viewer's."""
    return isinstance(body, dict) and body.get("action") == "replace"


def _content_problems(
    event_type: EdgeEventType, what: str, data: object, encoding: object, *, beside: int = 0
) -> Iterator[str]:
    if not isinstance(data, str):
        yield f"the {what} is not text"
    elif encoding not in ("text", "base64"):
        yield f"the encoding of the {what} is neither text nor base64"
    else:
        try:
            size = len(content_of(data, str(encoding))) + beside
        except ValueError:
            yield f"the {what} is not {'base64' if encoding == 'base64' else 'valid text'}"
            return
        limit = body_limit(event_type)
        if size > limit:
            yield f"the {what} has {size:,} bytes, and a {event_type} may give {limit:,}"


def content_of(data: str, encoding: str) -> bytes:
    """The bytes of a body that a function returned. Raises ValueError if it is not what ``encoding`` says."""
    if encoding == "text":
        return data.encode()
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as exc:
        raise ValueError("not base64") from exc


def _origin_problems(before: Mapping[str, Any], origin: object, headers: Mapping[str, Any]) -> Iterator[str]:
    kinds = [kind for kind in ("custom", "s3") if isinstance(origin, dict) and origin.get(kind) is not None]
    if not isinstance(origin, dict) or len(kinds) != 1 or not isinstance(origin[kinds[0]], dict):
        yield "origin is neither one custom nor one s3 origin"
        return
    [kind] = kinds
    found: dict[str, Any] = origin[kind]
    old = before.get(kind) or {}
    yield from _custom_problems(old, found) if kind == "custom" else _s3_problems(found)
    path = found.get("path", "")
    if not isinstance(path, str) or len(path) > 255 or not _PATH.fullmatch(path):
        yield "the origin's path is not empty, and not one of up to 255 characters that begins with a slash only"
    custom_headers = found.get("customHeaders")
    yield from shape_problems(custom_headers)
    for name, items in custom_headers.items() if isinstance(custom_headers, dict) else ():
        if name in headers:
            yield f"the header {name} is among those of the request and of the origin"
        problem = custom_header_problem(name, "".join(item["value"] for item in items))
        if problem:
            yield problem


def _custom_problems(before: Mapping[str, Any], origin: Mapping[str, Any]) -> Iterator[str]:
    """``before`` is the environment's own, which may be at any address and port."""
    domain, port = origin.get("domainName"), origin.get("port")
    if domain != before.get("domainName") and not _is_domain(domain):
        yield "the origin's domainName is no domain name"
    if port != before.get("port") and not (_is_number(port) and (port in (80, 443) or 1024 <= port <= 65_535)):
        yield "the origin's port is neither 80, 443, nor from 1,024 to 65,535"
    if origin.get("protocol") not in ("http", "https"):
        yield "the origin's protocol is neither http nor https"
    for name, (low, high) in (("readTimeout", READ_TIMEOUT_SECONDS), ("keepaliveTimeout", KEEPALIVE_TIMEOUT_SECONDS)):
        value = origin.get(name, high)
        if not _is_number(value) or not low <= value <= high:
            yield f"the origin's {name} is not from {low} to {high}"
    protocols = origin.get("sslProtocols", [])
    if not isinstance(protocols, list) or any(protocol not in _SSL_PROTOCOLS for protocol in protocols):
        yield f"the origin's sslProtocols are not of {', '.join(_SSL_PROTOCOLS)}"


def _is_domain(domain: object) -> bool:
    if not isinstance(domain, str) or len(domain) > 253:
        return False
    return _DOMAIN.fullmatch(domain) is not None and not _ADDRESS.fullmatch(domain)


def _s3_problems(origin: Mapping[str, Any]) -> Iterator[str]:
    domain = origin.get("domainName")
    if not isinstance(domain, str) or not _BUCKET_DOMAIN.fullmatch(domain) or not _is_domain(domain):
        yield "the origin's domainName is not of a bucket, in lower case"
    method = origin.get("authMethod")
    if method not in ("none", "origin-access-identity"):
        yield "the origin's authMethod is neither none nor origin-access-identity"
    elif method == "origin-access-identity":
        yield "an origin-access-identity cannot be used for a bucket in the place of a custom origin"


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _response_problems(event_type: EdgeEventType, before: Mapping[str, Any], answer: object) -> Iterator[str]:
    if not isinstance(answer, dict) or "status" not in answer:
        yield "it is no response"
        return
    status = answer["status"]
    if isinstance(status, bool) or not isinstance(status, str | int) or not _STATUS.fullmatch(str(status)):
        yield "its status is not from 200 to 599"
    if not isinstance(answer.get("statusDescription") or "", str):
        yield "its statusDescription is not text"
    headers = answer.get("headers")
    yield from header_problems(event_type, before.get("headers"), headers)
    body = answer.get("body")
    if event_type is EdgeEventType.VIEWER_RESPONSE:
        if str(status) != before["status"]:
            yield f"the status is read-only in a {event_type}"
        if body is not None:
            yield f"a {event_type} cannot change the body"
        return
    if body is None and event_type is EdgeEventType.ORIGIN_RESPONSE:
        return  # which is the origin's, whatever its size
    if body and str(status) == "204" and event_type is EdgeEventType.VIEWER_REQUEST:
        yield "a response with the status 204 has no body"
    beside = header_bytes(headers or {})
    yield from _content_problems(
        event_type, "response", body or "", answer.get("bodyEncoding") or "text", beside=beside
    )


def header_bytes(headers: Mapping[str, Any]) -> int:
    """The size of a map of headers on the wire."""
    return sum(len(name) + len(item["value"].encode()) + 4 for name, items in headers.items() for item in items)
