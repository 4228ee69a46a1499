"""From an outcome to the JSON text that callers and destinations get."""

from __future__ import annotations

import base64
import json
from typing import NamedTuple

from pydantic_core import from_json

from eventflow.model import limits
from eventflow.model.outcome import FunctionFailed, Outcome, Succeeded, Throttled
from eventflow.runtime.failures import marshal_failed
from eventflow.runtime.marshal import marshal


class Response(NamedTuple):
    """What an invocation answers. ``outcome`` may differ from the handler's: a result that cannot be written
    is a function error. ``body`` is ``None`` when nothing ran."""

    outcome: Outcome
    body: bytes | None


def response_of(outcome: Outcome, request_id: str) -> Response:
    """Write an outcome as Lambda does: the result, or the error object."""
    if isinstance(outcome, Throttled):
        return Response(outcome, None)
    if not isinstance(outcome, Succeeded):
        return Response(outcome, json.dumps(outcome.body(), ensure_ascii=False).encode())
    value = outcome.value
    try:
        body = value if isinstance(value, bytes) else marshal(value)
    except Exception as exc:  # noqa: BLE001 (the edge of user code: models run some while they are written)
        return response_of(marshal_failed(exc, request_id), request_id)
    if len(body) > limits.SYNCHRONOUS_RESPONSE_BYTES:
        return response_of(too_large(), request_id)
    return Response(outcome, body)


def response_record(response: Response) -> bytes | None:
    """The response as destinations get it: JSON. Bytes that are none become text, or base64 if they are none."""
    body = response.body
    if body is None or not isinstance(response.outcome, Succeeded) or not isinstance(response.outcome.value, bytes):
        return body
    try:
        from_json(body)
    except ValueError:
        return marshal(_text(body))
    return body


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return base64.b64encode(body).decode()


def too_large() -> FunctionFailed:
    """The outcome of an invocation whose response is over Lambda's limit."""
    limit = limits.SYNCHRONOUS_RESPONSE_BYTES
    message = f"Response payload size exceeded maximum allowed payload size ({limit} bytes)."
    return FunctionFailed("Function.ResponseSizeTooLarge", message, platform=True)
