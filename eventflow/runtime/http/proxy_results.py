"""From what a handler returned to an HTTP response, where only an object with ``statusCode`` is one: payload format
1.0 and load balancers.

Source: API Gateway guide: set-up-lambda-proxy-integrations (output format); ELB guide: lambda-functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventflow.model import limits
from eventflow.runtime.http.answers import BODYLESS, JSON, Answer
from eventflow.runtime.http.response_fields import (
    body_of,
    check_size,
    header_value,
    json_of,
    multiple_headers,
    shown,
    status_of,
)
from eventflow.runtime.marshal import marshal_compact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from eventflow.runtime.http.asgi import Header

_REST_KEYS: Final = frozenset(
    {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded", "base64Encoded"}
)


def rest_answer(value: Any, *, decodes: bool) -> Answer:
    """A REST API's response, which is strict: a key too much is an error. Base64 is decoded only if ``decodes``.

    Raises ValueError or TypeError for what is no response, and whatever a user's own class raises while it is
    serialised.
    """
    response = _object(value)
    if extra := response.keys() - _REST_KEYS:
        raise ValueError(f"{', '.join(sorted(map(shown, extra)))} is no part of a response: {sorted(_REST_KEYS)}")
    code = response.get("statusCode")
    status = 200 if code is None else status_of(code)
    lists, single = response.get("multiValueHeaders"), response.get("headers")
    headers = _typed(status, multiple_headers(lists, single, value_of=_strict_value))
    body = _text(response.get("body"))
    if not _is_base64(response) or not decodes:
        check_size(len(body))
        return Answer(status, headers, body.encode())
    return Answer(status, headers, body_of(body, is_base64=True))


def http_v1_answer(value: Any) -> Answer:
    """An HTTP API's response in payload format 1.0. Raises as :func:`rest_answer` does."""
    response = _object(value)
    status = status_of(response.get("statusCode"))
    headers = _typed(status, multiple_headers(response.get("multiValueHeaders"), response.get("headers")))
    body = body_of(response.get("body"), is_base64=bool(response.get("isBase64Encoded")))
    return Answer(status, headers, body)


def alb_answer(value: Any, *, multi_value: bool) -> Answer:
    """A response for a load balancer, 1 MB as JSON at most. Raises as :func:`rest_answer` does.

    ``statusDescription`` is checked and goes nowhere: no HTTP after 1.1 has such a thing, nor has ASGI.
    """
    response = _object(value)
    status = status_of(response.get("statusCode"))
    description = response.get("statusDescription")
    if description is not None and not isinstance(description, str):
        raise TypeError(f"statusDescription must be text, not {type(description).__name__}")
    lists = response.get("multiValueHeaders") if multi_value else None
    headers = list(multiple_headers(lists, None if multi_value else response.get("headers")))
    body = _text(response.get("body"))
    if len(body) > limits.ALB_RESPONSE_BYTES // 8 and len(marshal_compact(response)) > limits.ALB_RESPONSE_BYTES:
        raise ValueError(f"the response is over {limits.ALB_RESPONSE_BYTES} bytes")
    return Answer(status, headers, body_of(body, is_base64=bool(response.get("isBase64Encoded"))))


def _object(value: Any) -> dict[str, Any]:
    """The response as JSON has it. Raises TypeError if that is no object."""
    if not isinstance(value, dict):
        text = value if isinstance(value, bytes) else marshal_compact(value)
        check_size(len(text))
        value = json_of(text)
    if not isinstance(value, dict):
        raise TypeError(f"an object with statusCode is needed, not {type(value).__name__}")
    return value


def _text(body: Any) -> str:
    if body is None:
        return ""
    if not isinstance(body, str):
        raise TypeError(f"body must be text, not {type(body).__name__}")
    return body


def _is_base64(response: dict[str, Any]) -> bool:
    """API Gateway's own older name for it is asked first."""
    return bool(response.get("base64Encoded", response.get("isBase64Encoded")))


def _strict_value(name: str, value: Any) -> bytes:
    if value is not True and not isinstance(value, str):
        raise TypeError(f"header {name!r} must be text, not {type(value).__name__}")
    return header_value(name, value)


def _typed(status: int, headers: Iterable[Header]) -> Sequence[Header]:
    found = list(headers)
    if status not in BODYLESS and not any(name == b"content-type" for name, _ in found):
        found.insert(0, JSON)
    return found
