"""``@on_lex``. Source: Lex V2 guide: using an AWS Lambda function."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from eventflow.model.callers import LEX_SECONDS
from eventflow.model.destinations import Service
from eventflow.model.trigger import InvocationModel, Invoker, Trigger
from eventflow.triggers._checks import Checker
from eventflow.triggers._marks import F, mark_with_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eventflow.errors import Problem
    from eventflow.model.json import JsonObject

LexInvocationSource: TypeAlias = Literal["DialogCodeHook", "FulfillmentCodeHook"]

_NAME = re.compile(r"[0-9A-Za-z_-]{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LexTrigger(Trigger):
    """Code hooks of one bot: all of them, or those of an intent, of a moment, or of both."""

    service: ClassVar[Service] = Service.LEX
    invocation_model: ClassVar[InvocationModel] = InvocationModel.SYNCHRONOUS

    bot: str
    intent: str | None
    source: LexInvocationSource | None

    @property
    def name(self) -> str:
        return self.bot

    @property
    def decorator(self) -> str:
        options = [f', {name}="{value}"' for name, value in self._asked.items()]
        return f'@on_lex("{self.bot}"{"".join(options)})'

    @property
    def exclusive(self) -> tuple[str, ...]:
        what = " ".join(value for value in self._asked.values() if value) or "the code hooks"
        return (f"{what} of the bot {self.bot}",)

    @property
    def caller_seconds(self) -> float | None:
        return LEX_SECONDS

    @property
    def _asked(self) -> dict[str, str]:
        return {name: value for name, value in (("intent", self.intent), ("source", self.source)) if value is not None}

    def match(self, event: JsonObject, bound_to: str | None = None) -> int:
        """The bot outweighs an intent, and that a moment."""
        bot: Any = event.get("bot")
        named = [bot.get("name"), bot.get("id")] if isinstance(bot, dict) else []
        is_ours = any(self.is_called(name, bound_to) for name in named)
        if named and bound_to is not None and not is_ours:
            return 0
        session: Any = event.get("sessionState")
        intent: Any = session.get("intent") if isinstance(session, dict) else None
        name = intent.get("name") if isinstance(intent, dict) else None
        if self.intent not in (None, name) or self.source not in (None, event.get("invocationSource")):
            return 0
        return 1 + 4 * is_ours + 2 * (self.intent is not None) + (self.source is not None)

    def invoker(self, resource: str) -> Invoker:
        """The ARN of a bot's alias has ids, which only an environment knows."""
        alias = "bot-alias/*" if resource == self.name else f"bot-alias/{resource}"
        return Invoker("lexv2.amazonaws.com", "lex", resource if ":" in resource else alias, says_account=True)

    def problems(self, where: str) -> Iterator[Problem]:
        check = Checker(where)
        hint = "1 to 100 letters, digits, - and _"
        yield from check.matches("bot", self.bot, _NAME, hint)
        if self.intent is not None:
            yield from check.matches("intent", self.intent, re.compile(r"[0-9A-Za-z_.-]{1,100}"), hint)
        if self.source is not None:
            yield from check.one_of("source", self.source, ("DialogCodeHook", "FulfillmentCodeHook"))


def on_lex(bot: str, *, intent: str | None = None, source: LexInvocationSource | None = None) -> Callable[[F], F]:
    """Answer the code hooks of a Lex V2 bot. Of several functions, the one that asks most precisely for an ``intent``
    and a ``source`` is called; Lex itself calls one function per alias and locale.

    The handler may take :class:`~eventflow.events.LexEvent`; the slots' values as a pydantic model or any type
    pydantic validates; or nothing annotated, for the raw event. It returns :class:`~eventflow.events.LexResponse`
    (``event.close("Done")``) or a dict, within 30 seconds.
    """
    return mark_with_trigger(LexTrigger(bot=bot, intent=intent, source=source))
