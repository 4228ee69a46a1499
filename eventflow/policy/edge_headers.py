"""Which headers functions at the edge may read, add and change.

Source: CloudFront guide: restrictions on all edge functions; adding custom headers to origin requests.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from eventflow.model.callers import EdgeEventType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DISALLOWED: Final = frozenset(
    {
        "connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
        "trailer", "upgrade", "x-accel-buffering", "x-accel-charset", "x-accel-limit-rate", "x-accel-redirect",
        "x-amzn-auth", "x-amzn-cf-billing", "x-amzn-cf-id", "x-amzn-cf-xff", "x-amzn-errortype",
        "x-amzn-fle-profile", "x-amzn-header-count", "x-amzn-header-order", "x-amzn-lambda-integration-tag",
        "x-amzn-requestid", "x-cache", "x-forwarded-proto", "x-real-ip",
    }
)  # fmt: skip
_DISALLOWED_PREFIXES: Final = ("x-amz-cf-", "x-edge-")

READ_ONLY: Final[Mapping[EdgeEventType, frozenset[str]]] = {
    EdgeEventType.VIEWER_REQUEST: frozenset({"content-length", "host", "transfer-encoding", "via"}),
    EdgeEventType.ORIGIN_REQUEST: frozenset(
        {
            "accept-encoding", "content-length", "if-modified-since", "if-none-match", "if-range",
            "if-unmodified-since", "transfer-encoding", "via",
        }
    ),
    EdgeEventType.ORIGIN_RESPONSE: frozenset({"transfer-encoding", "via"}),
    EdgeEventType.VIEWER_RESPONSE: frozenset({"warning", "via"}),
}  # fmt: skip

_NOT_CUSTOM: Final = frozenset(
    {
        "cache-control", "connection", "content-length", "cookie", "host", "if-match", "if-modified-since",
        "if-none-match", "if-range", "if-unmodified-since", "max-forwards", "pragma", "proxy-authenticate",
        "proxy-authorization", "proxy-connection", "range", "request-range", "te", "trailer", "transfer-encoding",
        "upgrade", "via", "x-real-ip",
    }
)  # fmt: skip
_NOT_CUSTOM_PREFIXES: Final = ("x-amz-", "x-edge-")

_VIEWERS_COUNTRY: Final = "cloudfront-viewer-country"
"""CloudFront finds it out after the viewer request, and lets nobody else say it before."""
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")


def is_disallowed(name: str) -> bool:
    """Whether functions neither see nor set a header; ``name`` is in lower case."""
    return name in _DISALLOWED or name.startswith(_DISALLOWED_PREFIXES)


def is_header(name: str, value: str) -> bool:
    """Whether HTTP has such a header."""
    return _NAME.fullmatch(name) is not None and _CONTROL.search(value) is None


def custom_header_problem(name: str, value: str) -> str | None:
    """Why CloudFront would not add a header to what it sends to an origin."""
    lowered = name.lower()
    if lowered in _NOT_CUSTOM or lowered.startswith(_NOT_CUSTOM_PREFIXES) or is_disallowed(lowered):
        return f"{name} cannot be a custom header of an origin"
    if not is_header(name, value):
        return f"{name!r} is no header, or its value is none"
    return None


def header_problems(event_type: EdgeEventType, before: object, after: object) -> Iterator[str]:
    """Why CloudFront would not take the headers that a function returned; ``before`` is what it was given.

    Headers may be anything that JSON can hold.
    """
    yield from shape_problems(after)
    old, new = _values(before), _values(after)
    for name in new:
        if is_disallowed(name):
            yield f"the header {name} is disallowed"
    for name in sorted(READ_ONLY[event_type]):
        if old.get(name) != new.get(name):
            yield f"the header {name} is read-only in a {event_type}"
    if event_type is EdgeEventType.VIEWER_REQUEST and _VIEWERS_COUNTRY in new and _VIEWERS_COUNTRY not in old:
        yield f"the header {_VIEWERS_COUNTRY} cannot be added in a {event_type}"


def shape_problems(headers: object) -> Iterator[str]:
    """What is no map of lower-case names to lists of values."""
    if headers is None:
        return
    if not isinstance(headers, dict):
        yield "headers is not an object"
        return
    for name, items in headers.items():
        if not _NAME.fullmatch(name) or name != name.lower():
            yield f"{name!r} is not the name of a header in lower case"
        elif not isinstance(items, list) or not all(map(_is_item, items)):
            yield f"the header {name} is not a list of objects with a value that is text"
        elif any(_CONTROL.search(item["value"]) for item in items):
            yield f"the header {name} has a value with control characters"
        elif any(str(item.get("key") or name).lower() != name for item in items):
            yield f"the header {name} has a key that is not its name"


def _is_item(item: object) -> bool:
    return isinstance(item, dict) and isinstance(item.get("value"), str)


def _values(headers: Any) -> dict[str, list[Any]]:
    """Values by name, of what has the shape; names without values are left out."""
    if not isinstance(headers, dict):
        return {}
    return {
        name: [item["value"] for item in items]
        for name, items in headers.items()
        if isinstance(items, list) and items and all(map(_is_item, items))
    }
