"""The headers of an Invoke request. Source: Lambda API: Invoke, request parameters."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic_core import from_json

from eventflow.errors import InvocationError
from eventflow.model import limits
from eventflow.model.context import Client, ClientContext
from eventflow.model.invocation import InvocationType
from eventflow.runtime.http.function_names import ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventflow.runtime.http.asgi import Header

_TENANT_PATTERN: Final = r"[a-zA-Z0-9\._:\/=+\-@ ]+"
_TENANT: Final = re.compile(r"[a-zA-Z0-9._:/=+\-@ ]{1,256}")
_CLIENT_FIELDS: Final = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")
_JSON_TYPES: Final = ("application/octet-stream", "application/x-www-form-urlencoded")
"""Types that say nothing of the content: what SDKs and ``curl --data`` put on any bytes."""


class InvalidClientContextError(InvocationError):
    """``X-Amz-Client-Context`` cannot be read."""

    code, status = "InvalidRequestContentException", 400


class UnsupportedMediaTypeError(InvocationError):
    """The payload is declared to be something other than JSON."""

    code, status = "UnsupportedMediaTypeException", 415


class BrowserRequestError(InvocationError):
    """A web page in the user's browser tried to run a function; no SDK sends ``Origin``."""

    code, status = "AccessDeniedException", 403


class InvokeHeaders(NamedTuple):
    """What the headers of a request ask for."""

    invocation_type: InvocationType
    wants_log: bool
    client_context: ClientContext | None
    tenant_id: str | None

    @classmethod
    def read(cls, pairs: Iterable[Header]) -> InvokeHeaders:
        """Read and validate.

        Raises ParameterError, InvalidClientContextError, UnsupportedMediaTypeError, BrowserRequestError.
        """
        headers = {name: value.decode("latin-1") for name, value in pairs}
        if b"origin" in headers:
            raise BrowserRequestError(f"Requests from web pages are not accepted (origin {headers[b'origin']}).")
        _check_content_type(headers.get(b"content-type", ""))
        kind = _choice(headers, b"x-amz-invocation-type", "invocationType", list(InvocationType))
        log_type = _choice(headers, b"x-amz-log-type", "logType", ["None", "Tail"])
        tenant_id = headers.get(b"x-amz-tenant-id")
        if tenant_id is not None and not _TENANT.fullmatch(tenant_id):
            raise ParameterError("tenantId", tenant_id, f"satisfy regular expression pattern: {_TENANT_PATTERN}")
        text = headers.get(b"x-amz-client-context")
        client_context = None if text is None else _client_context(text)
        return cls(InvocationType(kind), log_type == "Tail", client_context, tenant_id)


def _choice(headers: dict[bytes, str], name: bytes, parameter: str, allowed: list[str]) -> str:
    """The header's value; the first of ``allowed`` if it is absent."""
    value = headers.get(name, allowed[0])
    if value not in allowed:
        raise ParameterError(parameter, value, f"satisfy enum value set: [{', '.join(allowed)}]")
    return value


def _check_content_type(content_type: str) -> None:
    kind = content_type.partition(";")[0].strip().lower()
    if kind and not kind.endswith(("/json", "+json")) and kind not in _JSON_TYPES:
        raise UnsupportedMediaTypeError(f"The content type {kind} of the request body is not JSON.")


def _client_context(text: str) -> ClientContext:
    if len(text) > limits.CLIENT_CONTEXT_BYTES:
        raise InvalidClientContextError(
            f"Client context of {len(text)} bytes is too large (limit {limits.CLIENT_CONTEXT_BYTES} bytes)"
        )
    try:
        wire = from_json(base64.b64decode(text, validate=True))
    except ValueError as exc:
        raise InvalidClientContextError(f"Client context must be a valid Base64-encoded JSON object: {exc}") from exc
    if not isinstance(wire, dict):
        raise InvalidClientContextError("Client context must be a valid Base64-encoded JSON object.")
    client = wire.get("client")
    return ClientContext(
        custom=_object(wire, "custom"),
        env=_object(wire, "env"),
        client=None
        if client is None
        else Client(**{name: _object(wire, "client").get(name) for name in _CLIENT_FIELDS}),
        w3c=_object(wire, "w3c") if "w3c" in wire else None,
    )


def _object(wire: dict[str, Any], key: str) -> dict[str, Any]:
    value = wire.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidClientContextError(f"Client context must have an object as {key!r}.")
    return value
