"""Alexa skills as web services: requests that Alexa signed, and the answers of the skill's functions.

Source: Alexa Skills Kit: host a custom skill as a web service.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json

from eventflow.errors import NotAuthenticError, UnavailableError
from eventflow.events.alexa import ALEXA
from eventflow.model.callers import ALEXA_SECONDS
from eventflow.model.destinations import Service
from eventflow.model.outcome import Succeeded, Throttled
from eventflow.policy.callers import alexa_age_problem, alexa_problem
from eventflow.ports import PushResponse
from eventflow.triggers.alexa import application_id

if TYPE_CHECKING:
    from collections.abc import Collection

    from eventflow.model.json import JsonObject
    from eventflow.ports import Clock, PushRequest, RequestVerifier
    from eventflow.runtime.callers import Callers
    from eventflow.runtime.functions import RunningFunction

_log = logging.getLogger(__name__)

_NOTHING: Final = b"{}"
_SILENT: Final = ("SessionEndedRequest", "System.", "AlexaSkillEvent.", "AlexaHouseholdListEvent.", "Reminders.")
"""Requests to which there is nothing to say begin like this."""


class SkillEndpoint:
    """An HttpEndpoint: one path, where one or more skills are served."""

    def __init__(
        self, path: str, skill_ids: Collection[str], callers: Callers, verifier: RequestVerifier, clock: Clock
    ) -> None:
        self.http_path = path
        self._skill_ids = frozenset(skill_ids)
        self._callers = callers
        self._verifier = verifier
        self._clock = clock

    async def handle(self, request: PushRequest) -> PushResponse:
        try:
            await self._verifier.verify(request)
            event = self._event(request.body)
        except NotAuthenticError as exc:
            _log.warning("a request to %s is refused: %s", self.http_path, exc)
            return PushResponse(400, str(exc))
        except UnavailableError as exc:
            _log.warning("a request to %s cannot be verified now: %s", self.http_path, exc)
            return PushResponse(503, "try again later")
        skill_id = str(application_id(event))
        function = self._callers.find(Service.ALEXA, skill_id, event)
        if function is None:
            _log.error("no function is declared for a %s of %s", event["request"]["type"], skill_id)
            return PushResponse(500, "no function is declared for this request")
        return await self._answer(function, event)

    def _event(self, body: bytes) -> JsonObject:
        """The request, which is authentic, if it is of now and for us. Raises NotAuthenticError."""
        try:
            event: Any = from_json(body, allow_inf_nan=False)
        except ValueError:
            event = None
        if not isinstance(event, dict) or not ALEXA.recognises(event) or not isinstance(event["request"]["type"], str):
            raise NotAuthenticError("it is no request of Alexa's")
        problem = alexa_age_problem(event["request"], self._clock.time())
        if problem is not None:
            raise NotAuthenticError(problem)
        skill_id = application_id(event)
        if not isinstance(skill_id, str) or skill_id not in self._skill_ids:
            raise NotAuthenticError(f"it is for the skill {skill_id!r:.200}, which is not served here")
        return event

    async def _answer(self, function: RunningFunction, event: JsonObject) -> PushResponse:
        answered = await self._callers.call(function, Service.ALEXA, event, seconds=ALEXA_SECONDS)
        if answered is None:
            _log.warning("%s takes longer than the %g s that Alexa waits", function.name, ALEXA_SECONDS)
            return PushResponse(504, "the skill took too long")
        outcome, body = answered.response
        if isinstance(outcome, Throttled):
            return PushResponse(503, "too many requests")
        if not isinstance(outcome, Succeeded) or body is None:
            return PushResponse(500, "the skill failed")
        if event["request"]["type"].startswith(_SILENT):
            return PushResponse(200, json=_NOTHING)
        problem = alexa_problem(json.loads(body))
        if problem is not None:
            _log.error("%s returned what Alexa does not take: %s", function.name, problem)
            return PushResponse(500, "the skill gave no valid answer")
        return PushResponse(200, json=body)
