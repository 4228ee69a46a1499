"""``@on_cloudformation``. Source: CloudFormation guide: custom resources."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from eventflow.model.destinations import Service
from eventflow.model.subscriptions import TopicSubscription
from eventflow.model.trigger import InvocationModel, Trigger
from eventflow.triggers._checks import Checker
from eventflow.triggers._marks import F, mark_with_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eventflow.errors import Problem
    from eventflow.model.json import JsonObject

_TOPIC_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudFormationTrigger(Trigger):
    """Custom resources, handled by one function; outside Lambda, through a topic."""

    service: ClassVar[Service] = Service.CLOUDFORMATION
    invocation_model: ClassVar[InvocationModel] = InvocationModel.ASYNCHRONOUS

    topic: str | None

    @property
    def name(self) -> str:
        return self.topic or ""

    @property
    def decorator(self) -> str:
        return f'@on_cloudformation("{self.topic}")' if self.topic else "@on_cloudformation()"

    @property
    def resource(self) -> str:
        return f"{Service.SNS}:{self.topic}" if self.topic else str(self.service)

    @property
    def opened_by(self) -> Service | None:
        return Service.SNS if self.topic else None

    @property
    def exclusive(self) -> tuple[str, ...]:
        return (f"custom resources of the topic {self.topic}",) if self.topic else ()

    def subscription(self, subscriber: str) -> TopicSubscription | None:
        return TopicSubscription(name=self.topic, subscriber=subscriber) if self.topic else None

    def match(self, event: JsonObject, bound_to: str | None = None) -> int:
        """A request that comes without a topic is rather for a function that has none."""
        from eventflow.events.sns import SNS  # only needed inside Lambda

        topic = SNS.origin(event)
        if topic:
            return self.is_called(topic, bound_to)
        return 1 if self.topic else 2

    def problems(self, where: str) -> Iterator[Problem]:
        if self.topic is not None:
            hint = "1 to 256 letters, digits, - and _, a topic's name; or none"
            yield from Checker(where).matches("topic", self.topic, _TOPIC_NAME, hint)


def on_cloudformation(topic: str | None = None) -> Callable[[F], F]:
    """Create, update and delete custom resources of CloudFormation stacks.

    Their ``ServiceToken`` is the function in Lambda, or the SNS topic called ``topic``, through which any program is
    reached. The handler may take :class:`~eventflow.events.CloudFormationEvent`; the resource's properties as a
    pydantic model or any type pydantic validates; or nothing annotated, for the raw request. It returns
    :class:`~eventflow.events.CustomResource`, a dict with the data for ``Fn::GetAtt``, or nothing. eventflow answers
    CloudFormation, also when the handler raises or runs out of time: then the stack fails with the reason.
    """
    return mark_with_trigger(CloudFormationTrigger(topic=topic))
