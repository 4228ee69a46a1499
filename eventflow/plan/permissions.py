"""The resource policies of a plan's functions: what their decorators imply, and what the environment adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from eventflow.model.permissions import Permission

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventflow.model.trigger import Invoker
    from eventflow.plan.environment import Environment
    from eventflow.plan.plan import Plan


class Grant(NamedTuple):
    """A statement, and the decorator that implies it; the environment's own have none."""

    permission: Permission
    decorator: str | None


def grants(plan: Plan) -> list[Grant]:
    """Every statement once, those of decorators first."""
    found = [*_implied(plan), *(Grant(permission, None) for permission in plan.environment.permissions)]
    return list({grant.permission: grant for grant in reversed(found)}.values())[::-1]


def _implied(plan: Plan) -> Iterator[Grant]:
    environment = plan.environment
    for function in plan.functions.values():
        for trigger in function.definition.triggers:
            invoker = trigger.invoker(environment.resources.get(trigger.resource, trigger.name))
            if invoker is not None:
                yield Grant(_permission(function.name, invoker, environment), trigger.decorator)


def _permission(function: str, invoker: Invoker, environment: Environment) -> Permission:
    return Permission(
        function=function,
        principal=invoker.principal,
        source_arn=None if invoker.service is None else _source_arn(invoker, environment),
        source_account=environment.account_id if invoker.says_account else None,
        event_source_token=invoker.event_source_token,
    )


def _source_arn(invoker: Invoker, environment: Environment) -> str:
    if invoker.resource.startswith("arn:"):
        return invoker.resource
    place = f"{environment.region}:{environment.account_id}" if invoker.regional else ":"
    return f"arn:{environment.partition}:{invoker.service}:{place}:{invoker.resource}"
