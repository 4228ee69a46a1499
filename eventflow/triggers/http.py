"""``@on_http``. Source: API Gateway guide: http-api-develop-routes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from eventflow.model.destinations import Service
from eventflow.model.trigger import InvocationModel, Trigger
from eventflow.triggers._checks import Checker
from eventflow.triggers._marks import F, mark_with_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eventflow.errors import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTrigger(Trigger):
    """One route of an HTTP API, answered by one function."""

    service: ClassVar[Service] = Service.HTTP
    invocation_model: ClassVar[InvocationModel] = InvocationModel.SYNCHRONOUS

    route_key: str

    @property
    def name(self) -> str:
        return self.route_key

    @property
    def decorator(self) -> str:
        return f'@on_http("{self.route_key}")'

    def problems(self, where: str) -> Iterator[Problem]:
        from eventflow.policy.routes import parse_route_key  # whoever only declares (in Lambda) never checks

        yield from Checker(where).parses("route", lambda: parse_route_key(self.route_key))


def on_http(route_key: str) -> Callable[[F], F]:
    """Answer HTTP requests that match ``route_key``: ``"GET /orders/{id}"``, ``"ANY /{proxy+}"``, ``"$default"``.

    The handler may take :class:`~eventflow.events.HttpEvent`; path parameters by name; the body as a pydantic
    model or any type pydantic validates; or nothing annotated, for the raw event (payload format 2.0).
    It returns any JSON value, a pydantic model, or ``{"statusCode", "headers", "cookies", "body",
    "isBase64Encoded"}``.
    """
    return mark_with_trigger(HttpTrigger(route_key=route_key))
