"""``@on_alb``. Source: Elastic Load Balancing guide: lambda-functions, load-balancer-listeners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from eventflow.model.destinations import Service
from eventflow.model.http import LoadBalancerRule
from eventflow.model.trigger import InvocationModel, Invoker, Trigger
from eventflow.triggers._checks import Checker
from eventflow.triggers._marks import F, mark_with_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from eventflow.errors import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class AlbTrigger(Trigger):
    """One rule of a load balancer's listener, whose target is one function."""

    service: ClassVar[Service] = Service.ALB
    invocation_model: ClassVar[InvocationModel] = InvocationModel.SYNCHRONOUS

    http: LoadBalancerRule

    @property
    def name(self) -> str:
        return ", ".join(self.http.path_pattern) or "default"

    @property
    def decorator(self) -> str:
        return f"@on_alb({', '.join(map(repr, self.http.path_pattern))})".replace("'", '"')

    def invoker(self, resource: str) -> Invoker:
        """The names of target groups are known to whoever makes them."""
        group = "targetgroup/*" if resource == self.name else resource
        return Invoker("elasticloadbalancing.amazonaws.com", "elasticloadbalancing", group)

    def problems(self, where: str) -> Iterator[Problem]:
        from eventflow.policy.listener_rules import rule_problems  # whoever only declares (in Lambda) never checks

        check = Checker(where)
        if self.http.priority is not None:
            yield from check.number("priority", self.http.priority, 1, 50_000)
        for field, message, hint in rule_problems(self.http):
            yield check.problem(field, message, hint)


def on_alb(
    path_pattern: str | Sequence[str] = (),
    *,
    host_header: str | Sequence[str] = (),
    http_request_method: str | Sequence[str] = (),
    http_header: Mapping[str, str | Sequence[str]] | None = None,
    query_string: Mapping[str, str | Sequence[str]] | None = None,
    source_ip: str | Sequence[str] = (),
    priority: int | None = None,
    multi_value_headers: bool = False,
) -> Callable[[F], F]:
    """Answer requests as the Lambda target of an Application Load Balancer: ``"/api/*"``.

    The arguments are the conditions of a listener's rule: several values are alternatives, several conditions are all
    needed, ``*`` and ``?`` are wildcards, ``source_ip`` takes networks such as ``10.0.0.0/8``. Rules are asked by
    ``priority``, lowest first (1 to 50,000), those without one after the others, as they are declared; a rule without
    conditions is the listener's default action.

    The handler may take :class:`~eventflow.events.AlbEvent`; the body as a pydantic model or any type pydantic
    validates; or nothing annotated, for the raw event. It returns ``{"statusCode", "headers", "body",
    "isBase64Encoded"}``; with ``multi_value_headers``, as the target group's attribute of that name has it, headers
    and query come and go as ``multiValueHeaders`` and ``multiValueQueryStringParameters``.
    """
    rule = LoadBalancerRule(
        path_pattern=_values(path_pattern),
        host_header=_values(host_header),
        http_request_method=_values(http_request_method),
        http_header=tuple((name, _values(values)) for name, values in (http_header or {}).items()),
        query_string=tuple((key, value) for key, values in (query_string or {}).items() for value in _values(values)),
        source_ip=_values(source_ip),
        priority=priority,
        multi_value_headers=multi_value_headers,
    )
    return mark_with_trigger(AlbTrigger(http=rule))


def _values(values: str | Sequence[str]) -> tuple[str, ...]:
    return (values,) if isinstance(values, str) else tuple(values)
