"""Calling the functions of a distribution."""

from __future__ import annotations

import copy
import json
import logging
from typing import TYPE_CHECKING, Any, Final

from eventflow.model.callers import EdgeEventType
from eventflow.model.destinations import Service
from eventflow.policy.edge import EdgeError, edge_problem, outcome_error, validation_error
from eventflow.runtime.edge.messages import event_of
from eventflow.triggers.cloudfront import CloudFrontTrigger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventflow.model.edge import Distribution
    from eventflow.model.json import JsonObject
    from eventflow.runtime.callers import Callers
    from eventflow.runtime.functions import RunningFunction

_log = logging.getLogger(__name__)

_STARTING_SECONDS: Final = 10.0
"""What a worker process may take to start, which is not the function's time."""


class HookFailedError(Exception):
    """A function gave no answer that CloudFront takes."""

    def __init__(self, error: EdgeError) -> None:
        super().__init__(error.message)
        self.error = error


class Hooks:
    """The functions of one distribution: one at most for each moment."""

    def __init__(self, distribution: Distribution, functions: Mapping[str, RunningFunction], callers: Callers) -> None:
        self._distribution = distribution
        self._callers = callers
        self._hooks: dict[EdgeEventType, tuple[RunningFunction, CloudFrontTrigger]] = {
            EdgeEventType(trigger.event_type): (function, trigger)
            for function in functions.values()
            for trigger in function.plan.definition.triggers
            if isinstance(trigger, CloudFrontTrigger) and trigger.distribution == distribution.name
        }

    def has(self, event_type: EdgeEventType) -> bool:
        """Whether there is a function for this moment."""
        return event_type in self._hooks

    def includes_body(self, event_type: EdgeEventType) -> bool:
        """Whether the function for this moment is given the body of the request."""
        return event_type in self._hooks and self._hooks[event_type][1].include_body

    async def answer(
        self, event_type: EdgeEventType, request_id: str, request: JsonObject, response: JsonObject | None = None
    ) -> Any:
        """What the function for this moment returned, which is valid. Raises HookFailedError."""
        function, _ = self._hooks[event_type]
        event = event_of(self._distribution, event_type, request_id, request, response)
        given = copy.deepcopy(event["Records"][0]["cf"])  # a handler may change the very event
        seconds = event_type.timeout_seconds + _STARTING_SECONDS
        answered = await self._callers.call(function, Service.CLOUDFRONT, event, seconds=seconds)
        outcome = None if answered is None else answered.response.outcome
        error = outcome_error(outcome)
        if error is not None:
            raise HookFailedError(error)
        answer = _decoded(answered.response.body if answered else None)
        problem = edge_problem(event_type, given, answer)
        if problem is not None:
            _log.error("%s returned what CloudFront does not take: %s", function.name, problem)
            raise HookFailedError(validation_error(problem))
        return answer


def _decoded(body: bytes | None) -> Any:
    try:
        return json.loads(body or b"null")
    except ValueError:
        return None  # bytes that a handler returned
