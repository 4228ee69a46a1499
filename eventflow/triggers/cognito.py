"""``@on_cognito``. Source: Cognito guide: working with Lambda triggers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from eventflow.model.callers import COGNITO_SECONDS, trigger_name
from eventflow.model.callers import CognitoTriggerName as Name
from eventflow.model.destinations import Service
from eventflow.model.trigger import InvocationModel, Invoker, Trigger
from eventflow.triggers._checks import Checker
from eventflow.triggers._marks import F, mark_with_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eventflow.errors import Problem
    from eventflow.model.json import JsonObject

CognitoTriggerLiteral: TypeAlias = Literal[
    "PreSignUp",
    "PostConfirmation",
    "PreAuthentication",
    "PostAuthentication",
    "PreTokenGeneration",
    "UserMigration",
    "CustomMessage",
    "DefineAuthChallenge",
    "CreateAuthChallenge",
    "VerifyAuthChallengeResponse",
    "InboundFederation",
    "CustomEmailSender",
    "CustomSMSSender",
]

_POOL_NAME = re.compile(r"[\w\s+=,.@-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CognitoTrigger(Trigger):
    """Some triggers of one user pool, answered by one function."""

    service: ClassVar[Service] = Service.COGNITO
    invocation_model: ClassVar[InvocationModel] = InvocationModel.SYNCHRONOUS

    user_pool: str
    triggers: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.user_pool

    @property
    def decorator(self) -> str:
        return f"@on_cognito({', '.join(_quoted(text) for text in (self.user_pool, *self.triggers))})"

    @property
    def exclusive(self) -> tuple[str, ...]:
        return tuple(f"the trigger {trigger} of the user pool {self.user_pool}" for trigger in self.triggers)

    @property
    def caller_seconds(self) -> float | None:
        return COGNITO_SECONDS

    def match(self, event: JsonObject, bound_to: str | None = None) -> int:
        is_ours = self.may_be_called(event.get("userPoolId"), bound_to)
        return is_ours and trigger_name(str(event.get("triggerSource"))) in self.triggers

    def invoker(self, resource: str) -> Invoker:
        """A pool's ARN has its id, which only an environment knows."""
        pool = "userpool/*" if resource == self.name else f"userpool/{resource}"
        return Invoker(
            "cognito-idp.amazonaws.com", "cognito-idp", resource if ":" in resource else pool, says_account=True
        )

    def problems(self, where: str) -> Iterator[Problem]:
        check = Checker(where)
        yield from check.matches("user_pool", self.user_pool, _POOL_NAME, "1 to 128 characters, a user pool's name")
        if not self.triggers:
            yield check.problem("triggers", "are missing", f"one or more of {', '.join(Name)}")
        for trigger in self.triggers:
            yield from check.one_of("triggers", trigger, Name)
        if len({_is_sender(trigger) for trigger in self.triggers}) > 1:
            hint = "Cognito waits for all triggers but the custom senders: give these a function of their own"
            yield check.problem("triggers", f"{', '.join(self.triggers)} do not go together", hint)


class CognitoSenderTrigger(CognitoTrigger):
    """Custom senders of one user pool: Cognito does not wait for them."""

    __slots__ = ()
    invocation_model: ClassVar[InvocationModel] = InvocationModel.ASYNCHRONOUS

    @property
    def caller_seconds(self) -> float | None:
        return None


def on_cognito(user_pool: str, *triggers: CognitoTriggerLiteral) -> Callable[[F], F]:
    """Answer triggers of a Cognito user pool: ``@on_cognito("shop-users", "PreSignUp")``.

    The handler may take the trigger's event model (:class:`~eventflow.events.PreSignUpEvent` ...),
    :class:`~eventflow.events.CognitoEvent`, or nothing annotated, for the raw event. It returns the whole event with
    its ``response`` filled, or the response alone (:class:`~eventflow.events.PreSignUpResponse` ...), or nothing, for
    Cognito's default; what it raises, the user gets to see. Cognito waits 5 seconds, and may call again. Custom
    senders are invoked asynchronously.
    """
    senders = bool(triggers) and all(map(_is_sender, triggers))
    kind = CognitoSenderTrigger if senders else CognitoTrigger
    return mark_with_trigger(kind(user_pool=user_pool, triggers=tuple(triggers)))


def _is_sender(trigger: str) -> bool:
    return trigger in tuple(Name) and Name(trigger).is_sender


def _quoted(text: str) -> str:
    return f'"{text}"'
