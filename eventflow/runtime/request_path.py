"""The synchronous model: the caller waits, nothing is retried. Source: Lambda guide: invocation-sync."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_core import from_json

from eventflow.errors import InvalidRequestContentError, RequestTooLargeError
from eventflow.model import limits
from eventflow.model.outcome import FunctionFailed, Outcome, TimedOut
from eventflow.runtime.failure_log import log_failure
from eventflow.runtime.functions import subject_of
from eventflow.runtime.responses import Response, response_of

if TYPE_CHECKING:
    from eventflow.model.context import Caller
    from eventflow.runtime.functions import RunningFunction

_log = logging.getLogger(__name__)


class Invoked(NamedTuple):
    """One synchronous invocation, done."""

    request_id: str
    response: Response


def decode(payload: bytes) -> Any:
    """The event in a payload; an empty one is ``{}``.

    Raises RequestTooLargeError, InvalidRequestContentError.
    """
    if len(payload) > limits.SYNCHRONOUS_REQUEST_BYTES:
        raise RequestTooLargeError(too_large_text())
    if not payload:
        return {}
    try:
        return from_json(payload, allow_inf_nan=False)
    except ValueError as exc:
        raise InvalidRequestContentError(str(exc)) from exc


def too_large_text() -> str:
    """What the Invoke API says of a payload that is too large."""
    return f"Request must be smaller than {limits.SYNCHRONOUS_REQUEST_BYTES} bytes for the InvokeFunction operation"


async def invoke(
    function: RunningFunction, payload: bytes, caller: Caller | None = None, *, request_id: str | None = None
) -> Invoked:
    """Invoke a function with an event's JSON text and wait for its response. A throttle has no body.

    ``request_id`` is made here unless the caller needs to know it beforehand.
    Raises RequestTooLargeError, InvalidRequestContentError; then nothing ran.
    """
    wire = decode(payload)
    request_id = request_id or function.invoker.environment.next_request_id()
    entry = function.entry_for(wire)
    outcome = await entry.invoke(subject_of(entry, wire), request_id, caller)
    response = response_of(outcome, request_id)
    report_failure(function.name, response.outcome, request_id)
    return Invoked(request_id, response)


async def invoke_decoded(
    function: RunningFunction, wire: Any, caller: Caller | None = None, *, request_id: str
) -> Outcome:
    """Invoke a function with a decoded event, for a caller that writes the response itself."""
    entry = function.entry_for(wire)
    outcome = await entry.invoke(subject_of(entry, wire), request_id, caller)
    report_failure(function.name, outcome, request_id)
    return outcome


def report_failure(function_name: str, outcome: Outcome, request_id: str) -> None:
    """Write a function error to the log; other outcomes are not for the log."""
    if isinstance(outcome, FunctionFailed | TimedOut):
        log_failure(_log, function_name, outcome, "its caller is told", function_request_id=request_id)
