"""The services that call functions and wait, as a test meets them: what they send, how long they wait, and what
their clients see when a function fails."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from eventflow.errors import UnavailableError
from eventflow.events import (
    AlexaEvent,
    AlexaResponse,
    CognitoEvent,
    LexEvent,
    LexResponse,
)
from eventflow.model.callers import ALEXA_SECONDS, COGNITO_SECONDS, LEX_SECONDS
from eventflow.model.outcome import Succeeded
from eventflow.policy.callers import alexa_problem, cognito_error, cognito_problem, lex_problem
from eventflow.policy.custom_resources import RESPONSE_BYTES
from eventflow.ports import OutboundResponse
from eventflow.testing.events import cloudformation_event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from eventflow.events import EventModel
    from eventflow.model.destinations import Service
    from eventflow.model.json import JsonObject
    from eventflow.model.outcome import Outcome
    from eventflow.ports import OutboundRequest
    from eventflow.runtime.callers import Callers

SERVICE_TIMEOUT_SECONDS = 3_600.0
"""How long CloudFormation waits for a custom resource. Source: CloudFormation guide: ServiceTimeout."""

Event = TypeVar("Event", bound="EventModel")


class CallerFailedError(AssertionError):
    """The caller has no answer that it can use. ``code`` is the error that its own client would see."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class _Caller:
    """One resource of one service: a user pool, a bot, a skill."""

    def __init__(self, callers: Callers, service: Service, name: str) -> None:
        self._callers = callers
        self._service = service
        self._name = name

    async def _answer(self, event: JsonObject, seconds: float) -> tuple[Outcome | None, Any]:
        """What came of the function, and its answer as JSON values; without an outcome, it took too long.

        Raises CallerFailedError if no function is declared for the event.
        """
        function = self._callers.find(self._service, self._name, event)
        if function is None:
            raise CallerFailedError(
                "NoFunction", f"no function of the app is declared for this event of {self._name!r}"
            )
        answered = await self._callers.call(function, self._service, event, seconds=seconds)
        if answered is None:
            return None, None
        outcome, body = answered.response
        return outcome, json.loads(body) if body is not None else None


class TestUserPool(_Caller):
    """A Cognito user pool."""

    __test__ = False

    async def trigger(self, event: CognitoEvent) -> CognitoEvent:
        """Call the function that is declared for an event's trigger; returns what it made of the event.

        Raises CallerFailedError with Cognito's own code: UserLambdaValidationException for what the function raised,
        UnexpectedLambdaException after 5 seconds, InvalidLambdaResponseException for an answer that it cannot use.
        """
        wire = event.to_wire()
        outcome, answer = await self._answer(wire, COGNITO_SECONDS)
        error = cognito_error(wire, outcome)
        if error is not None:
            raise CallerFailedError(*error)
        problem = cognito_problem(wire, answer)
        if problem is not None:
            raise CallerFailedError("InvalidLambdaResponseException", problem)
        return type(event).model_validate(answer)


class TestBot(_Caller):
    """A Lex V2 bot."""

    __test__ = False

    async def hook(self, event: LexEvent) -> LexResponse:
        """Call the code hook that is declared for an event.

        Raises CallerFailedError with the code DependencyFailedException if it fails, takes longer than 30 seconds, or
        answers what Lex cannot use.
        """
        wire = event.to_wire()
        outcome, answer = await self._answer(wire, LEX_SECONDS)
        problem = lex_problem(wire, answer) if isinstance(outcome, Succeeded) else _failure(outcome)
        if problem is not None:
            raise CallerFailedError("DependencyFailedException", problem)
        return LexResponse.model_validate(answer)


class TestSkill(_Caller):
    """An Alexa skill."""

    __test__ = False

    async def request(self, event: AlexaEvent) -> AlexaResponse | None:
        """Send a request, as if from Alexa: no signature is asked for. ``None`` is the answer to a session's end, of
        which Alexa takes none.

        Raises CallerFailedError with the code INVALID_RESPONSE or ENDPOINT_TIMEOUT.
        """
        outcome, answer = await self._answer(event.to_wire(), ALEXA_SECONDS)
        if outcome is None:
            raise CallerFailedError("ENDPOINT_TIMEOUT", f"the skill did not answer within {ALEXA_SECONDS:g} s")
        if not isinstance(outcome, Succeeded):
            raise CallerFailedError("INVALID_RESPONSE", _failure(outcome))
        if event.request.type == "SessionEndedRequest":
            return None
        problem = alexa_problem(answer)
        if problem is not None:
            raise CallerFailedError("INVALID_RESPONSE", problem)
        return AlexaResponse.model_validate(answer)


def _failure(outcome: Outcome | None) -> str:
    return "it took too long" if outcome is None else f"it failed: {outcome}"


class ResponseBucket:
    """An HttpClient whose only places are the response URLs of custom resources."""

    def __init__(self) -> None:
        self._waiting: dict[str, anyio.Event] = {}
        self._responses: dict[str, JsonObject] = {}

    def expect(self, url: str) -> None:
        self._waiting[url] = anyio.Event()

    async def response(self, url: str) -> JsonObject:
        """What was put there; waits for it."""
        await self._waiting[url].wait()
        return self._responses[url]

    async def send(
        self, request: OutboundRequest, *, seconds: float, maximum_bytes: int, private: bool = False
    ) -> OutboundResponse:
        """Take a response. Raises UnavailableError for any other URL: nothing leaves a test."""
        if request.url not in self._waiting:
            raise UnavailableError("a test", "reaches nothing but the response URLs of its own stacks")
        # The signature of the URL covers the method and an empty content type.
        if request.method != "PUT" or request.headers.get("Content-Type") != "" or len(request.body) > RESPONSE_BYTES:
            return OutboundResponse(403, (), b"")
        self._responses[request.url] = json.loads(request.body)
        self._waiting[request.url].set()
        return OutboundResponse(200, (), b"")


class TestStack:
    """CloudFormation and one custom resource of a stack: it is created, updated, replaced and deleted as a stack would
    do it. ``requests`` are all that were sent, the types of clean-ups and roll-backs included."""

    __test__ = False

    def __init__(self, send: Callable[[JsonObject], Awaitable[object]], bucket: ResponseBucket, name: str) -> None:
        self._send = send
        self._bucket = bucket
        self._name = name
        self._properties: JsonObject = {}
        self.physical_resource_id: str | None = None
        self.requests: list[JsonObject] = []

    async def create(self, **properties: Any) -> JsonObject:
        """Create the resource; returns the function's response. One that failed is rolled back."""
        response = await self._ask("Create", properties)
        if response["Status"] == "SUCCESS":
            self._properties, self.physical_resource_id = properties, response["PhysicalResourceId"]
        else:
            await self._ask("Delete", properties, PhysicalResourceId=response["PhysicalResourceId"])
        return response

    async def update(self, **properties: Any) -> JsonObject:
        """Change its properties; returns the function's response. If it has another physical id then, the old resource
        is deleted."""
        before, old_id = self._properties, self.physical_resource_id
        response = await self._ask(
            "Update", properties, PhysicalResourceId=old_id, OldResourceProperties=_stringified(before)
        )
        if response["Status"] == "SUCCESS":
            self._properties, self.physical_resource_id = properties, response["PhysicalResourceId"]
            if self.physical_resource_id != old_id:
                await self._ask("Delete", before, PhysicalResourceId=old_id)
        return response

    async def delete(self) -> JsonObject:
        """Delete the resource; returns the function's response."""
        return await self._ask("Delete", self._properties, PhysicalResourceId=self.physical_resource_id)

    async def _ask(self, kind: str, properties: JsonObject, **fields: Any) -> JsonObject:
        """Raises CallerFailedError if there is no response within an hour."""
        event = cloudformation_event(
            kind, properties=_stringified(properties), request_id=f"{self._name}-{len(self.requests) + 1}"
        )
        request = {**event.to_wire(), **fields}
        self.requests.append(request)
        url = request["ResponseURL"]
        self._bucket.expect(url)
        await self._send(request)
        with anyio.move_on_after(SERVICE_TIMEOUT_SECONDS):
            return await self._bucket.response(url)
        raise CallerFailedError("ServiceTimeout", f"no response to {kind} within {SERVICE_TIMEOUT_SECONDS:g} s")


def _stringified(value: Any) -> Any:
    """Scalars as CloudFormation writes them."""
    if isinstance(value, dict):
        return {name: _stringified(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_stringified(item) for item in value]
    return value if isinstance(value, str) else json.dumps(value)
