"""The parts of a response that a handler describes, checked so that none of them can break out of its place."""

from __future__ import annotations

import base64
import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from eventflow.model import limits
from eventflow.runtime.marshal import marshal_compact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eventflow.runtime.http.asgi import Header

_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_OWN: Final = frozenset(
    {
        b"apigw-requestid", b"connection", b"content-length", b"date", b"keep-alive", b"proxy-connection", b"te",
        b"trailer", b"transfer-encoding", b"upgrade", b"x-amz-apigw-id", b"x-amzn-requestid",
    }
)  # fmt: skip
"""Headers that belong to the connection, or that the server writes itself: a handler's are left out."""


def json_of(value: bytes) -> Any:
    """What bytes that a handler returned say, which gateways read as JSON. Raises ValueError."""
    try:
        return json.loads(value)
    except ValueError:
        hint = 'binary data is {"statusCode": 200, "isBase64Encoded": True, "body": its base64}'
        raise ValueError(f"bytes are read as JSON, and these are none; {hint}") from None


def status_of(value: Any) -> int:
    """A status code, from a number or its three digits. Raises ValueError."""
    number = int(value) if isinstance(value, str) and re.fullmatch("[0-9]{3}", value) else value
    if isinstance(number, bool) or not isinstance(number, int) or not 200 <= number <= 599:
        raise ValueError(f"statusCode {shown(value)} is not a number from 200 to 599")
    return int(number)


def single_headers(headers: Any) -> Iterator[Header]:
    """Headers with one value each; those that are null are left out. Raises ValueError, TypeError."""
    for name, value in _items(headers, "headers"):
        encoded = _header_name(name)
        if value is not None and encoded not in _OWN:
            yield encoded, header_value(name, value)


def multiple_headers(
    lists: Any, headers: Any, *, value_of: Callable[[str, Any], bytes] | None = None
) -> Iterator[Header]:
    """``multiValueHeaders`` and ``headers`` of one response: the lists first, then single values that are in none.

    ``value_of`` reads a value, as :func:`header_value` does. Raises ValueError, TypeError.
    """
    read = value_of or header_value
    sent: set[Header] = set()
    for name, values in _items(lists, "multiValueHeaders"):
        if not isinstance(values, list):
            raise TypeError(f"multiValueHeaders {shown(name)} must be a list, not {type(values).__name__}")
        for value in values:
            header = (_header_name(name), read(name, value))
            sent.add(header)
            if header[0] not in _OWN:
                yield header
    for name, value in _items(headers, "headers"):
        header = (_header_name(name), read(name, value))
        if header not in sent and header[0] not in _OWN:
            yield header


def _items(headers: Any, where: str) -> Iterator[tuple[Any, Any]]:
    if headers is None:
        return
    if not isinstance(headers, dict):
        raise TypeError(f"{where} must be an object, not {type(headers).__name__}")
    yield from headers.items()


def _header_name(name: Any) -> bytes:
    encoded = name.lower().encode() if isinstance(name, str) else b""
    if not _NAME.fullmatch(encoded):
        raise ValueError(f"{shown(name)} is not a header name")
    return encoded


def header_value(name: str, value: Any) -> bytes:
    """One value, from text, a number or a boolean. Raises ValueError, TypeError."""
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


def body_of(body: Any, *, is_base64: bool) -> bytes:
    """The bytes of a body: text, base64, or any JSON value. Raises ValueError, TypeError."""
    if body is None:
        return b""
    if not is_base64:
        encoded = body.encode() if isinstance(body, str) else marshal_compact(body)
        check_size(len(encoded))
        return encoded
    if not isinstance(body, str):
        raise TypeError(f"a body with isBase64Encoded must be text, not {type(body).__name__}")
    check_size(len(body))
    return base64.b64decode("".join(body.split()), validate=True)


def check_size(size: int) -> None:
    """Raises ValueError over Lambda's limit."""
    if size > limits.SYNCHRONOUS_RESPONSE_BYTES:
        limit = limits.SYNCHRONOUS_RESPONSE_BYTES
        raise ValueError(f"Response payload size exceeded maximum allowed payload size ({limit} bytes).")


def shown(value: object) -> str:
    """A value for a message, in short."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}..."
