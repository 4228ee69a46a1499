"""``@on_sns``. Source: SNS guide: sns-lambda-as-subscriber, sns-message-filtering."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from eventflow.errors import InvalidEventPatternError
from eventflow.model.destinations import Service
from eventflow.model.subscriptions import TopicSubscription
from eventflow.model.trigger import InvocationModel, Invoker, Trigger
from eventflow.policy.topics import TopicFilter
from eventflow.triggers._checks import Checker
from eventflow.triggers._marks import F, mark_with_trigger

if TYPE_CHECKING:
    from eventflow.errors import Problem
    from eventflow.model.json import JsonObject

FilterPolicyScope: TypeAlias = Literal["MessageAttributes", "MessageBody"]

_TOPIC_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SnsTrigger(Trigger):
    """Messages of one topic, delivered to one function."""

    service: ClassVar[Service] = Service.SNS
    invocation_model: ClassVar[InvocationModel] = InvocationModel.ASYNCHRONOUS

    topic: str
    filter_policy: str | None
    filter_policy_scope: FilterPolicyScope

    @property
    def name(self) -> str:
        return self.topic

    @property
    def decorator(self) -> str:
        return f'@on_sns("{self.topic}")'

    def subscription(self, subscriber: str) -> TopicSubscription:
        return TopicSubscription(
            name=self.topic,
            subscriber=subscriber,
            filter_policy=self.filter_policy,
            filter_policy_scope=self.filter_policy_scope,
        )

    def invoker(self, resource: str) -> Invoker:
        return Invoker("sns.amazonaws.com", "sns", resource)

    def match(self, event: JsonObject, bound_to: str | None = None) -> int:
        from eventflow.events.sns import SNS  # only needed inside Lambda

        if not self.is_called(SNS.origin(event), bound_to):
            return False
        message = event["Records"][0]["Sns"]
        return self.filter_policy is None or TopicFilter(self.filter_policy, self.filter_policy_scope).matches(
            message.get("MessageAttributes") or {}, message["Message"]
        )

    def problems(self, where: str) -> Iterator[Problem]:
        check = Checker(where)
        hint = "1 to 256 letters, digits, - and _ (a FIFO topic cannot invoke a function)"
        yield from check.matches("topic", self.topic, _TOPIC_NAME, hint)
        yield from check.one_of("filter_policy_scope", self.filter_policy_scope, ["MessageAttributes", "MessageBody"])
        if self.filter_policy is not None and self.filter_policy_scope in ("MessageAttributes", "MessageBody"):
            try:
                TopicFilter(self.filter_policy, self.filter_policy_scope)
            except InvalidEventPatternError as exc:
                yield check.problem("filter_policy", exc.reason)


def on_sns(
    topic: str,
    *,
    filter_policy: Mapping[str, Any] | str | None = None,
    filter_policy_scope: FilterPolicyScope = "MessageAttributes",
) -> Callable[[F], F]:
    """Invoke the function asynchronously for messages of ``topic``.

    ``filter_policy`` selects messages by attributes or, with the scope ``MessageBody``, by their JSON body.
    The handler may take :class:`~eventflow.events.SnsEvent`; or the message as ``str``, a pydantic model or
    any type pydantic validates; or nothing annotated, for the raw event.
    """
    policy = json.dumps(dict(filter_policy)) if isinstance(filter_policy, Mapping) else filter_policy
    return mark_with_trigger(SnsTrigger(topic=topic, filter_policy=policy, filter_policy_scope=filter_policy_scope))
