"""``@on_rest``. Source: API Gateway guide: set-up-lambda-proxy-integrations, limits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from eventflow.model.destinations import Service
from eventflow.model.http import RestApiRoute
from eventflow.model.trigger import InvocationModel, Invoker, Trigger
from eventflow.triggers._checks import Checker
from eventflow.triggers._marks import F, mark_with_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from eventflow.errors import Problem
    from eventflow.model.handler import Handler

_PARAMETER: Final = re.compile(r"\{[^}]*\}")
_MEDIA_TYPE: Final = re.compile(r"\*/\*|[A-Za-z0-9!#$&^_.+-]+/(\*|[A-Za-z0-9!#$&^_.+-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class RestTrigger(Trigger):
    """One method of a resource of a REST API, answered by one function."""

    service: ClassVar[Service] = Service.REST
    invocation_model: ClassVar[InvocationModel] = InvocationModel.SYNCHRONOUS

    http: RestApiRoute

    @property
    def name(self) -> str:
        return self.http.route_key

    @property
    def decorator(self) -> str:
        return f'@on_rest("{self.name}")'

    def invoker(self, resource: str) -> Invoker:
        """Any API's and stage's method: an API's id is known to whoever deploys it."""
        method, _, path = self.name.rpartition(" ")
        route = f"*/*/{method.replace('ANY', '*')}{_PARAMETER.sub('*', path)}"
        return Invoker("apigateway.amazonaws.com", "execute-api", route if resource == self.name else resource)

    def problems(self, where: str) -> Iterator[Problem]:
        from eventflow.policy.rest_resources import parse_resource  # whoever only declares (in Lambda) never checks

        check = Checker(where)
        yield from check.parses("route", lambda: parse_resource(self.name))
        for media_type in self.http.binary_media_types:
            hint = "a media type such as image/png, or image/*, or */*"
            yield from check.matches("binary_media_types", media_type, _MEDIA_TYPE, hint)


def on_rest(
    route: str, *, binary_media_types: Sequence[str] = (), authorizer: Handler | None = None
) -> Callable[[F], F]:
    """Answer requests to a REST API's resource: ``"GET /orders/{id}"``, ``"ANY /{proxy+}"``.

    The handler may take :class:`~eventflow.events.RestEvent`; path parameters by name; the body as a pydantic model
    or any type pydantic validates; or nothing annotated, for the raw event. It returns ``{"statusCode", "headers",
    "multiValueHeaders", "body", "isBase64Encoded"}`` with nothing else in it: anything more is a 502, as in AWS.

    Requests whose content type is among ``binary_media_types`` arrive in base64; an answer in base64 is decoded for
    clients that accept one of them first.

    ``authorizer`` is a function marked with :func:`~eventflow.rest_authorizer`.
    """
    types = (binary_media_types,) if isinstance(binary_media_types, str) else tuple(binary_media_types)
    route_source = RestApiRoute(route_key=route, binary_media_types=types, authorizer=authorizer)
    return mark_with_trigger(RestTrigger(http=route_source))
