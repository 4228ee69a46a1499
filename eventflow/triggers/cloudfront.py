"""``@on_cloudfront``. Source: CloudFront guide: customizing at the edge with Lambda@Edge."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from eventflow.events._wire import first_record
from eventflow.model import limits
from eventflow.model.callers import EdgeEventType
from eventflow.model.destinations import Service
from eventflow.model.trigger import InvocationModel, Trigger
from eventflow.triggers._checks import Checker
from eventflow.triggers._marks import F, mark_with_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eventflow.errors import Problem
    from eventflow.model.json import JsonObject

EdgeEventLiteral: TypeAlias = Literal["viewer-request", "origin-request", "origin-response", "viewer-response"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudFrontTrigger(Trigger):
    """One of the four moments of a request to a distribution."""

    service: ClassVar[Service] = Service.CLOUDFRONT
    invocation_model: ClassVar[InvocationModel] = InvocationModel.SYNCHRONOUS

    distribution: str
    event_type: EdgeEventLiteral
    include_body: bool

    @property
    def name(self) -> str:
        return self.distribution

    @property
    def decorator(self) -> str:
        return f'@on_cloudfront("{self.distribution}", "{self.event_type}")'

    @property
    def exclusive(self) -> tuple[str, ...]:
        return (f"{self.event_type} of the distribution {self.distribution}",)

    @property
    def maximum_timeout_seconds(self) -> float:
        known = self.event_type in tuple(EdgeEventType)
        return EdgeEventType(self.event_type).timeout_seconds if known else limits.MAXIMUM_TIMEOUT_SECONDS

    def match(self, event: JsonObject, bound_to: str | None = None) -> int:
        content: Any = first_record(event).get("cf")
        config = content.get("config") if isinstance(content, dict) else None
        if not isinstance(config, dict) or not self.may_be_called(config.get("distributionId"), bound_to):
            return 0
        return config.get("eventType") == self.event_type

    def problems(self, where: str) -> Iterator[Problem]:
        check = Checker(where)
        yield from check.matches("distribution", self.distribution, _NAME, "1 to 64 letters, digits, - and _")
        yield from check.one_of("event_type", self.event_type, EdgeEventType)
        if self.include_body and not self.event_type.endswith("request"):
            hint = "it goes with viewer-request and origin-request"
            yield check.problem("include_body", f"a {self.event_type} has no body to include", hint)


def on_cloudfront(distribution: str, event_type: EdgeEventLiteral, *, include_body: bool = False) -> Callable[[F], F]:
    """Take part in requests to a CloudFront distribution (Lambda@Edge), at one of four moments: viewer-request,
    origin-request, origin-response, viewer-response.

    The handler may take :class:`~eventflow.events.CloudFrontEvent`, or nothing annotated, for the raw event. It returns
    ``event.request`` or ``event.response``, changed or not, or an :class:`~eventflow.events.EdgeResponse` of its own.
    A function for viewers may take 5 seconds, one for the origin 30. ``include_body`` has a request's body in its
    event.
    """
    return mark_with_trigger(
        CloudFrontTrigger(distribution=distribution, event_type=event_type, include_body=include_body)
    )
