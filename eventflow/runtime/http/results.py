"""From what a handler returned to an HTTP response: payload format 2.0.

Source: API Gateway guide: http-api-develop-integrations-lambda, Lambda function response for format 2.0.
"""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic import BaseModel

from eventflow.runtime.http.answers import BODYLESS, JSON, Answer
from eventflow.runtime.http.response_fields import (
    body_of,
    check_size,
    header_value,
    json_of,
    single_headers,
    status_of,
)
from eventflow.runtime.marshal import marshal_compact

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
        return answer_of(json_of(value))
    body = value.model_dump_json(by_alias=True).encode() if isinstance(value, BaseModel) else marshal_compact(value)
    if b'"statusCode"' in body:
        decoded = json.loads(body)
        if isinstance(decoded, dict) and "statusCode" in decoded:
            return _structured(decoded)
    return _plain(body)


def _plain(body: bytes) -> Answer:
    check_size(len(body))
    return Answer(200, _JSON_HEADERS, body)


def _structured(value: dict[str, Any]) -> Answer:
    status = status_of(value["statusCode"])
    headers = list(single_headers(value.get("headers")))
    if status not in BODYLESS and not any(name == b"content-type" for name, _ in headers):
        headers.insert(0, JSON)
    cookies = value.get("cookies")
    if isinstance(cookies, list):
        headers += [(b"set-cookie", header_value("set-cookie", cookie)) for cookie in cookies]
    return Answer(status, headers, body_of(value.get("body"), is_base64=bool(value.get("isBase64Encoded"))))
