"""One invocation of a batch handler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from eventflow.model.outcome import FunctionFailed, Outcome, Succeeded, Throttled, TimedOut
from eventflow.runtime.responses import response_of

if TYPE_CHECKING:
    from eventflow.model.outcome import FunctionError
    from eventflow.plan.batch_event import BatchEvent
    from eventflow.runtime.streams.mapping_run import MappingRun


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one invocation: an error, or the response as decoded JSON (bytes if it is not JSON)."""

    request_id: str
    error: FunctionError | None = None
    response: Any = None


async def call_batch(run: MappingRun, event: BatchEvent) -> Answer | None:
    """Invoke the function with ``event``; ``None`` if it was throttled.

    A result that cannot be sent is a function error as in Lambda, even where nobody looks at it.
    """
    request_id = run.next_request_id()
    return _answer(await run.entry.invoke(event, request_id), request_id)


def _answer(outcome: Outcome, request_id: str) -> Answer | None:
    if isinstance(outcome, Succeeded) and outcome.value is None:
        return Answer(request_id)
    response = response_of(outcome, request_id)
    match response.outcome:
        case Succeeded():
            return Answer(request_id, response=_decoded(response.body))
        case FunctionFailed() | TimedOut() as error:
            return Answer(request_id, error)
        case Throttled():
            return None


def _decoded(body: bytes | None) -> Any:
    try:
        return from_json(body or b"null")
    except ValueError:
        return body
