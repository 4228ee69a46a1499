"""``@on_alexa``. Source: Alexa Skills Kit: host a custom skill as an AWS Lambda function, or as a web service."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from eventflow.model.callers import ALEXA_SECONDS
from eventflow.model.destinations import Service
from eventflow.model.trigger import InvocationModel, Invoker, Trigger
from eventflow.triggers._checks import Checker
from eventflow.triggers._marks import F, mark_with_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eventflow.errors import Problem
    from eventflow.model.json import JsonObject

_SKILL_ID = re.compile(r"amzn1\.(ask|echo-sdk-ams)\.[A-Za-z0-9.-]{1,200}")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlexaTrigger(Trigger):
    """Requests of one custom skill, or those for one of its intents."""

    service: ClassVar[Service] = Service.ALEXA
    invocation_model: ClassVar[InvocationModel] = InvocationModel.SYNCHRONOUS

    skill_id: str
    intent: str | None
    path: str

    @property
    def name(self) -> str:
        return self.skill_id

    @property
    def decorator(self) -> str:
        intent = f', intent="{self.intent}"' if self.intent else ""
        return f'@on_alexa("{self.skill_id}"{intent})'

    @property
    def exclusive(self) -> tuple[str, ...]:
        what = f"the intent {self.intent}" if self.intent else "the requests"
        return (f"{what} of the skill {self.skill_id}",)

    @property
    def caller_seconds(self) -> float | None:
        return ALEXA_SECONDS

    def match(self, event: JsonObject, bound_to: str | None = None) -> int:
        if application_id(event) != self.skill_id:
            return 0
        if self.intent is None:
            return 1
        intent = event["request"].get("intent") if isinstance(event.get("request"), dict) else None
        return 2 if isinstance(intent, dict) and intent.get("name") == self.intent else 0

    def invoker(self, resource: str) -> Invoker:
        return Invoker("alexa-appkit.amazon.com", event_source_token=self.skill_id)

    def problems(self, where: str) -> Iterator[Problem]:
        check = Checker(where)
        hint = "amzn1.ask.skill. and what follows it in the developer console"
        yield from check.matches("skill_id", self.skill_id, _SKILL_ID, hint)
        hint = "a path of letters, digits, ., _, ~ and -, such as /alexa"
        yield from check.matches("path", self.path, _PATH, hint)
        if self.intent == "":
            yield check.problem("intent", "is empty", "an intent's name, or None for all requests")


def application_id(event: JsonObject) -> object:
    """The skill that a request says it is for; ``None`` if it does not say."""
    value: object = event
    for key in ("context", "System", "application", "applicationId"):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def on_alexa(skill_id: str, *, intent: str | None = None, path: str = "/alexa") -> Callable[[F], F]:
    """Answer requests of an Alexa skill; with ``intent``, those for that intent, which other functions then do not
    get.

    The handler may take :class:`~eventflow.events.AlexaEvent`; the slots' values as a pydantic model or any type
    pydantic validates; or nothing annotated, for the raw request. It returns
    :class:`~eventflow.events.AlexaResponse` (``event.speak("Hello")``) or a dict, within about 8 seconds.
    ``eventflow serve`` answers at ``path``, and refuses requests that Alexa did not sign.
    """
    return mark_with_trigger(AlexaTrigger(skill_id=skill_id, intent=intent, path=path))
