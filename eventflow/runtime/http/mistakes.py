"""Requests that cannot become what a handler asks for: the client is told, and the function has not failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventflow.errors import EventValidationError
from eventflow.model.outcome import FunctionFailed
from eventflow.runtime.http.answers import JSON, Answer
from eventflow.runtime.marshal import marshal_compact

if TYPE_CHECKING:
    from eventflow.model.outcome import Outcome


def clients_mistake(outcome: Outcome) -> EventValidationError | None:
    """What the client sent cannot become what the handler asks for."""
    exc = outcome.exception if isinstance(outcome, FunctionFailed) else None
    return exc if isinstance(exc, EventValidationError) else None


def bad_request(mistake: EventValidationError) -> Answer:
    """The answer to it: 400, with what is wrong where."""
    body = {
        "message": f"Invalid {mistake.of.removeprefix('the ')}",
        "errors": [{"location": location, "message": text} for location, text in mistake.details],
    }
    return Answer(400, (JSON,), marshal_compact(body))
