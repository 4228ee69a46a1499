"""From what a handler returned to an HTTP response: payload format 2.0.

Source: API Gateway guide: http-api-develop-integrations-lambda, Lambda function response for format 2.0.
"""

from __future__ import annotations

import base64
import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from eventflow.model import limits
from eventflow.runtime.http.answers import JSON, Answer
from eventflow.runtime.marshal import marshal_compact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventflow.runtime.http.asgi import Header

_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_OWN: Final = frozenset(
    {
        b"apigw-requestid", b"connection", b"content-length", b"date", b"keep-alive", b"proxy-connection", b"te",
        b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip
"""Headers that belong to the connection, or that the server writes itself: a handler's are left out."""
_BODYLESS: Final = frozenset({204, 304})
_JSON_HEADERS: Final = (JSON,)


def answer_of(value: Any) -> Answer:
    """The response for a handler's result: as given if it is an object with ``statusCode``, else the whole
    value is the body, as JSON, or verbatim if it is text.

    Raises ValueError or TypeError for what cannot be sent: no JSON value, a status, header or body that HTTP
    does not allow, more than Lambda's 6 MB. Whatever a user's own class raises while it is serialised comes
    out as it is.
    """
    if isinstance(value, dict):
        if "statusCode" in value:
            return _structured(value)
        return _plain(marshal_compact(value))
    if isinstance(value, str):
        return _plain(value.encode())
    if isinstance(value, bytes):  # Lambda passes bytes on as they are, and the gateway reads them as JSON
        return answer_of(json.loads(value))
    body = value.model_dump_json(by_alias=True).encode() if isinstance(value, BaseModel) else marshal_compact(value)
    if b'"statusCode"' in body:
        decoded = json.loads(body)
        if isinstance(decoded, dict) and "statusCode" in decoded:
            return _structured(decoded)
    return _plain(body)


def _plain(body: bytes) -> Answer:
    _check_size(len(body))
    return Answer(200, _JSON_HEADERS, body)


def _structured(value: dict[str, Any]) -> Answer:
    status = _status(value["statusCode"])
    headers = list(_headers(value.get("headers")))
    if status not in _BODYLESS and not any(name == b"content-type" for name, _ in headers):
        headers.insert(0, JSON)
    cookies = value.get("cookies")
    if isinstance(cookies, list):
        headers += [(b"set-cookie", _header_value("set-cookie", cookie)) for cookie in cookies]
    return Answer(status, headers, _body(value.get("body"), is_base64=bool(value.get("isBase64Encoded"))))


def _status(value: Any) -> int:
    number = int(value) if isinstance(value, str) and re.fullmatch("[0-9]{3}", value) else value
    if isinstance(number, bool) or not isinstance(number, int) or not 200 <= number <= 599:
        raise ValueError(f"statusCode {_shown(value)} is not a number from 200 to 599")
    return int(number)


def _headers(headers: Any) -> Iterator[Header]:
    if headers is None:
        return
    if not isinstance(headers, dict):
        raise TypeError(f"headers must be an object, not {type(headers).__name__}")
    for name, value in headers.items():
        encoded = name.lower().encode() if isinstance(name, str) else b""
        if not _NAME.fullmatch(encoded):
            raise ValueError(f"{_shown(name)} is not a header name")
        if value is not None and encoded not in _OWN:
            yield encoded, _header_value(name, value)


def _header_value(name: str, value: Any) -> bytes:
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, str | int | float | Decimal):
        text = str(value)
    else:
        raise TypeError(f"header {name!r} must be text or a number, not {type(value).__name__}")
    try:
        encoded = text.encode("latin-1")
    except UnicodeEncodeError:
        encoded = text.encode()
    if _CONTROL.search(encoded):
        raise ValueError(f"the value of header {name!r} contains a control character")
    return encoded.strip()


def _body(body: Any, *, is_base64: bool) -> bytes:
    if body is None:
        return b""
    if not is_base64:
        encoded = body.encode() if isinstance(body, str) else marshal_compact(body)
        _check_size(len(encoded))
        return encoded
    if not isinstance(body, str):
        raise TypeError(f"a body with isBase64Encoded must be text, not {type(body).__name__}")
    _check_size(len(body))
    return base64.b64decode("".join(body.split()), validate=True)


def _check_size(size: int) -> None:
    if size > limits.SYNCHRONOUS_RESPONSE_BYTES:
        limit = limits.SYNCHRONOUS_RESPONSE_BYTES
        raise ValueError(f"Response payload size exceeded maximum allowed payload size ({limit} bytes).")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}..."
