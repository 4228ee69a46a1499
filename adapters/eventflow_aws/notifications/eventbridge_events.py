"""Events of buses, and the strikes of schedules, which come in the same envelope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from eventflow_aws.names import Arn
from eventflow_aws.notifications.messages import Kind

if TYPE_CHECKING:
    from eventflow.model.records import SourceIdentity
    from eventflow.model.subscriptions import BusRule, ScheduleRule
    from eventflow.policy.patterns import EventPattern
    from eventflow_aws.notifications.messages import Message

_CLOCK_ARNS: Final = {"events": "rule/", "scheduler": "schedule/"}
"""What the resource in an ARN begins with, by its service."""


@dataclass(frozen=True, slots=True, eq=False)
class BusInterest:
    """One function's rule on a bus. ``identity.arn`` is the bus's; events do not say which bus they are of, so
    every event of the queue is."""

    subscription: BusRule
    identity: SourceIdentity
    pattern: EventPattern

    @property
    def resource(self) -> str:
        return f"eventbridge:{self.subscription.name}"

    def concerns(self, message: Message) -> bool:
        return message.kind is Kind.BUS_EVENT

    def payload(self, message: Message) -> bytes | None:
        """The event as it came, if it matches the pattern."""
        if message.content is None or not self.pattern.matches(message.content):
            return None
        return message.payload


@dataclass(frozen=True, slots=True, eq=False)
class ScheduleInterest:
    """One function's schedule. ``bound`` is the ARN or name that the environment binds it to, or its own name;
    ``provisioned`` is what it is called if eventflow made it, which tells the schedules of a function apart."""

    subscription: ScheduleRule
    identity: SourceIdentity
    bound: str
    provisioned: str

    @property
    def resource(self) -> str:
        return f"schedule:{self.subscription.name}"

    def concerns(self, message: Message) -> bool:
        return self.is_provisioned(message) or self._is_bound(message)

    def is_provisioned(self, message: Message) -> bool:
        """Whether the very schedule that was made for this subscription has struck."""
        return _is_called(struck_arn(message), self.provisioned)

    def payload(self, message: Message) -> bytes | None:
        """The declared input, or the event as it came."""
        declared = self.subscription.input
        return message.payload if declared is None else declared.encode()

    def _is_bound(self, message: Message) -> bool:
        struck = struck_arn(message)
        return struck == self.bound or _is_called(struck, self.bound)


def struck_arn(message: Message) -> str | None:
    """The ARN of the rule or schedule that sent a scheduled event; ``None`` if it is something else."""
    if message.kind is not Kind.SCHEDULED_EVENT or message.content is None:
        return None
    return str(message.content["resources"][0])


def _is_called(struck: str | None, name: str) -> bool:
    """Whether an ARN is of a rule or schedule of this name, which a group or bus may precede."""
    arn = Arn.parse(struck or "")
    return (
        arn is not None
        and arn.resource.startswith(_CLOCK_ARNS.get(arn.service, "\0"))
        and arn.resource.endswith(f"/{name}")
    )
