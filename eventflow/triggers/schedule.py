"""``@on_schedule``. Source: EventBridge guide: eb-scheduled-rule-pattern, Scheduler guide: schedule-types."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from eventflow.errors import InvalidScheduleExpressionError
from eventflow.model.destinations import Service
from eventflow.model.subscriptions import ScheduleRule
from eventflow.model.trigger import InvocationModel, Invoker, Trigger
from eventflow.triggers._checks import Checker
from eventflow.triggers._marks import F, mark_with_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eventflow.errors import Problem
    from eventflow.model.json import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleTrigger(Trigger):
    """A clock that invokes one function."""

    service: ClassVar[Service] = Service.SCHEDULE
    invocation_model: ClassVar[InvocationModel] = InvocationModel.ASYNCHRONOUS

    expression: str
    timezone: str
    input: str | None

    @property
    def name(self) -> str:
        return self.expression

    @property
    def decorator(self) -> str:
        return f'@on_schedule("{self.expression}")'

    def subscription(self, subscriber: str) -> ScheduleRule:
        return ScheduleRule(
            name=subscriber,
            subscriber=subscriber,
            expression=self.expression,
            timezone=self.timezone,
            input=self.input,
        )

    def invoker(self, resource: str) -> Invoker:
        """A rule's; EventBridge Scheduler calls with a role, which takes no resource policy."""
        return Invoker("events.amazonaws.com", "events", "rule/*")

    def is_input(self, wire: JsonValue) -> bool:
        return self.input is not None and json.loads(self.input) == wire

    def problems(self, where: str) -> Iterator[Problem]:
        from eventflow.policy.schedules import parse_schedule  # whoever only declares (in Lambda) never checks

        check = Checker(where)
        try:
            parse_schedule(self.expression, timezone=self.timezone)
        except InvalidScheduleExpressionError as exc:
            yield check.problem("expression", f"{exc.expression!r} is not valid", exc.reason)
        if self.input is not None:
            yield from check.parses("input", lambda: json.loads(self.input or ""))


def on_schedule(expression: str, *, timezone: str = "UTC", input: Any = None) -> Callable[[F], F]:
    """Invoke the function asynchronously by the clock.

    ``expression``: ``rate(5 minutes)``, ``cron(0 12 ? * MON-FRI *)`` (six fields, AWS's dialect) or
    ``at(2026-12-24T18:00:00)``; ``timezone`` is an IANA name. ``input``, any JSON value, replaces the event.
    The handler may take :class:`~eventflow.events.ScheduledEvent`, or nothing annotated, for the raw event.
    """
    text = None if input is None else json.dumps(input)
    return mark_with_trigger(ScheduleTrigger(expression=expression, timezone=timezone, input=text))
