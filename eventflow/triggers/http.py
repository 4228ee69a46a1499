"""``@on_http``. Source: API Gateway guide: http-api-develop-routes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from eventflow.model.authorizers import JwtAuthorizer
from eventflow.model.destinations import Service
from eventflow.model.http import HttpApiRoute
from eventflow.model.payload_formats import PAYLOAD_FORMAT_VERSIONS
from eventflow.model.trigger import InvocationModel, Invoker, Trigger
from eventflow.triggers._checks import Checker
from eventflow.triggers._marks import F, mark_with_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from eventflow.errors import Problem
    from eventflow.model.handler import Handler
    from eventflow.model.payload_formats import PayloadFormatVersion

_ISSUER: Final = re.compile(r"https://[^\s?#]+|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/[^\s?#]*)?")

_PARAMETER = re.compile(r"\{[^}]*\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTrigger(Trigger):
    """One route of an HTTP API, answered by one function."""

    service: ClassVar[Service] = Service.HTTP
    invocation_model: ClassVar[InvocationModel] = InvocationModel.SYNCHRONOUS

    http: HttpApiRoute

    @property
    def name(self) -> str:
        return self.http.route_key

    @property
    def decorator(self) -> str:
        return f'@on_http("{self.name}")'

    def invoker(self, resource: str) -> Invoker:
        """Any API's and stage's route: an API's id is known to whoever deploys it."""
        if resource != self.name:
            return Invoker("apigateway.amazonaws.com", "execute-api", resource)
        method, _, path = self.http.route_key.rpartition(" ")
        route = f"{method.replace('ANY', '*')}{_PARAMETER.sub('*', path)}" if method else path
        return Invoker("apigateway.amazonaws.com", "execute-api", f"*/*/{route}")

    def problems(self, where: str) -> Iterator[Problem]:
        from eventflow.policy.routes import parse_route_key  # whoever only declares (in Lambda) never checks

        check = Checker(where)
        yield from check.parses("route", lambda: parse_route_key(self.name))
        yield from _authorizer_problems(check, self.http)
        yield from check.one_of("payload_format_version", self.http.payload_format_version, PAYLOAD_FORMAT_VERSIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpV1Trigger(HttpTrigger):
    """One route whose function gets payload format 1.0."""

    service: ClassVar[Service] = Service.HTTP_V1


def _authorizer_problems(check: Checker, route: HttpApiRoute) -> Iterator[Problem]:
    from eventflow.policy.authorization import IdentitySource  # whoever only declares (in Lambda) never checks

    authorizer = route.authorizer
    if not isinstance(authorizer, JwtAuthorizer):
        if route.scopes:
            yield check.problem("scopes", "is set", "scopes are those of tokens: authorizer=jwt_authorizer(...)")
        return
    yield from check.matches("issuer", authorizer.issuer, _ISSUER, "an URL with https://, as in the tokens' iss")
    yield from check.parses("identity_source", lambda: IdentitySource.parse(authorizer.identity_source))
    if not authorizer.audience:
        yield check.problem("audience", "is empty", "at least one of the tokens' aud or client_id")


def on_http(
    route_key: str,
    *,
    payload_format_version: PayloadFormatVersion = "2.0",
    authorizer: Handler | JwtAuthorizer | None = None,
    scopes: Sequence[str] = (),
) -> Callable[[F], F]:
    """Answer HTTP requests that match ``route_key``: ``"GET /orders/{id}"``, ``"ANY /{proxy+}"``, ``"$default"``.

    The handler may take :class:`~eventflow.events.HttpEvent`; path parameters by name; query parameters and headers
    as :class:`~eventflow.Query` and :class:`~eventflow.Header` mark them; the body as a pydantic model or any type
    pydantic validates; or nothing annotated, for the raw event (payload format 2.0).
    It returns any JSON value, a pydantic model, or ``{"statusCode", "headers", "cookies", "body",
    "isBase64Encoded"}``.

    With ``payload_format_version="1.0"`` the event is a :class:`~eventflow.events.RestEvent`, and what is returned
    has to have a ``statusCode``; it may have ``multiValueHeaders``.

    ``authorizer`` is a function marked with :func:`~eventflow.http_authorizer`, or what
    :func:`~eventflow.jwt_authorizer` returns; then a token needs one of ``scopes``, if there are any.
    """
    route = HttpApiRoute(
        route_key=route_key,
        payload_format_version=payload_format_version,
        authorizer=authorizer,
        scopes=(scopes,) if isinstance(scopes, str) else tuple(scopes),
    )
    return mark_with_trigger((HttpV1Trigger if payload_format_version == "1.0" else HttpTrigger)(http=route))
