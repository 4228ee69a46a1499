"""``@on_eventbridge``. Source: EventBridge guide: eb-event-patterns."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from eventflow.errors import InvalidEventPatternError
from eventflow.model.destinations import Service
from eventflow.model.subscriptions import BusRule
from eventflow.model.trigger import InvocationModel, Invoker, Trigger
from eventflow.policy.patterns import EventPattern
from eventflow.triggers._checks import Checker
from eventflow.triggers._marks import F, mark_with_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from eventflow.errors import Problem
    from eventflow.model.json import JsonObject

_BUS_NAME = re.compile(r"[A-Za-z0-9_./-]{1,256}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBridgeTrigger(Trigger):
    """Events of one bus that match a pattern, delivered to one function."""

    service: ClassVar[Service] = Service.EVENTBRIDGE
    invocation_model: ClassVar[InvocationModel] = InvocationModel.ASYNCHRONOUS

    pattern: str
    bus: str

    @property
    def name(self) -> str:
        return self.bus

    @property
    def decorator(self) -> str:
        return f'@on_eventbridge(..., bus="{self.bus}")'

    def subscription(self, subscriber: str) -> BusRule:
        return BusRule(name=self.bus, subscriber=subscriber, pattern=self.pattern)

    def invoker(self, resource: str) -> Invoker:
        """The rule's name is not known here, but its bus."""
        place, _, bus = resource.rpartition("event-bus/")
        return Invoker(
            "events.amazonaws.com", "events", f"{place}rule/*" if bus == "default" else f"{place}rule/{bus}/*"
        )

    def match(self, event: JsonObject, bound_to: str | None = None) -> int:
        return EventPattern(self.pattern).matches(event)  # the event does not say which bus it came from

    def problems(self, where: str) -> Iterator[Problem]:
        check = Checker(where)
        yield from check.matches("bus", self.bus, _BUS_NAME, "1 to 256 letters, digits and . _ - /")
        try:
            EventPattern(self.pattern)
        except InvalidEventPatternError as exc:
            yield check.problem("pattern", exc.reason)


def on_eventbridge(pattern: Mapping[str, Any] | str, *, bus: str = "default") -> Callable[[F], F]:
    """Invoke the function asynchronously for events of ``bus`` that match ``pattern`` (a dict or JSON text).

    The handler may take :class:`~eventflow.events.EventBridgeEvent`; or the detail as a pydantic model or any
    type pydantic validates; or nothing annotated, for the raw event.
    """
    text = pattern if isinstance(pattern, str) else json.dumps(dict(pattern))
    return mark_with_trigger(EventBridgeTrigger(pattern=text, bus=bus))
