"""``@http_authorizer``, ``@rest_authorizer``, ``@websocket_authorizer`` and ``jwt_authorizer``.

Source: API Gateway guide: http-api-lambda-authorizer, http-api-jwt-authorizer, apigateway-use-lambda-authorizer,
apigateway-websocket-api-lambda-auth.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from eventflow.model.authorizers import (
    HTTP_REQUEST,
    REST_AUTHORIZER_TYPES,
    REST_REQUEST,
    WEBSOCKET_REQUEST,
    HttpAuthorizer,
    JwtAuthorizer,
    RestAuthorizer,
    WebSocketAuthorizer,
)
from eventflow.model.destinations import Service
from eventflow.model.payload_formats import PAYLOAD_FORMAT_VERSIONS
from eventflow.model.trigger import InvocationModel, Trigger
from eventflow.triggers._checks import Checker
from eventflow.triggers._marks import F, mark_with_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from eventflow.errors import Problem
    from eventflow.model.authorizers import LambdaAuthorizer, RestAuthorizerType
    from eventflow.model.payload_formats import PayloadFormatVersion

_LONGEST_TTL_SECONDS = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class _AuthorizerTrigger(Trigger):
    invocation_model: ClassVar[InvocationModel] = InvocationModel.SYNCHRONOUS

    @property
    def name(self) -> str:
        return self.service


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAuthorizerTrigger(_AuthorizerTrigger):
    """A function that an HTTP API asks."""

    service: ClassVar[Service] = Service.HTTP_AUTHORIZER
    maximum_timeout_seconds: ClassVar[float] = 10

    authorizer: HttpAuthorizer

    @property
    def decorator(self) -> str:
        return "@http_authorizer()"

    def problems(self, where: str) -> Iterator[Problem]:
        check, settings = Checker(where), self.authorizer
        version = settings.payload_format_version
        yield from check.one_of("payload_format_version", version, PAYLOAD_FORMAT_VERSIONS)
        if version == "1.0" and settings.enable_simple_responses:
            hint = "format 1.0 answers with policies: enable_simple_responses=False"
            yield check.problem("enable_simple_responses", "is set", hint)
        yield from _identity_problems(check, settings, request=HTTP_REQUEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpV1AuthorizerTrigger(HttpAuthorizerTrigger):
    """A function that an HTTP API asks in payload format 1.0."""

    service: ClassVar[Service] = Service.REST_AUTHORIZER


@dataclass(frozen=True, slots=True, kw_only=True)
class RestAuthorizerTrigger(_AuthorizerTrigger):
    """A function that a REST API asks about a request."""

    service: ClassVar[Service] = Service.REST_AUTHORIZER

    authorizer: RestAuthorizer

    @property
    def decorator(self) -> str:
        return f'@rest_authorizer("{self.authorizer.type}")'

    def problems(self, where: str) -> Iterator[Problem]:
        check, settings = Checker(where), self.authorizer
        yield from check.one_of("type", settings.type, REST_AUTHORIZER_TYPES)
        expression = settings.identity_validation_expression
        if expression is not None and settings.type != "TOKEN":
            yield check.problem("identity_validation_expression", "is set", "it goes with type='TOKEN' only")
        elif expression is not None:
            yield from check.parses("identity_validation_expression", lambda: _compiled(expression))
        sources = settings.identity_sources
        if settings.type == "TOKEN" and (len(sources) != 1 or ".header." not in sources[0]):
            yield check.problem("identity_sources", f"{sources!r} is not allowed", "a token is in one header")
        yield from _identity_problems(check, settings, request=REST_REQUEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAuthorizerTrigger(RestAuthorizerTrigger):
    """A function that a REST API asks about a token."""

    service: ClassVar[Service] = Service.TOKEN_AUTHORIZER


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketAuthorizerTrigger(_AuthorizerTrigger):
    """A function that a WebSocket API asks about a connection."""

    service: ClassVar[Service] = Service.WEBSOCKET_AUTHORIZER

    authorizer: WebSocketAuthorizer

    @property
    def decorator(self) -> str:
        return "@websocket_authorizer()"

    def problems(self, where: str) -> Iterator[Problem]:
        yield from _identity_problems(Checker(where), self.authorizer, request=WEBSOCKET_REQUEST)


def _compiled(expression: str) -> re.Pattern[str]:
    try:
        return re.compile(expression)
    except re.error as exc:
        raise ValueError(f"{expression!r} is no regular expression: {exc}") from exc


def _identity_problems(check: Checker, settings: LambdaAuthorizer, *, request: str) -> Iterator[Problem]:
    from eventflow.policy.authorization import IdentitySource  # whoever only declares (in Lambda) never checks

    yield from check.number("result_ttl_seconds", settings.result_ttl_seconds, 0, _LONGEST_TTL_SECONDS, unit="seconds")
    for source in settings.identity_sources:
        yield from check.parses("identity_sources", partial(IdentitySource.parse, source, request=request))
    if settings.result_ttl_seconds and not settings.identity_sources:
        hint = "answers are kept per identity, so name its sources"
        yield check.problem("identity_sources", "is empty", hint)


def http_authorizer(
    *,
    payload_format_version: PayloadFormatVersion = "2.0",
    enable_simple_responses: bool | None = None,
    identity_sources: Sequence[str] = ("$request.header.Authorization",),
    result_ttl_seconds: int = 0,
) -> Callable[[F], F]:
    """Make a function an authorizer, for routes that name it: ``@on_http("GET /orders", authorizer=check)``.

    It may take :class:`~eventflow.events.HttpAuthorizerEvent` and returns ``{"isAuthorized": bool, "context": {...}}``;
    without ``enable_simple_responses``, and always in payload format 1.0 (where it takes
    :class:`~eventflow.events.RestAuthorizerEvent`), ``{"principalId", "policyDocument", "context"}``. The context
    reaches the route's function in the event. A request without one of ``identity_sources`` is 401 and asks nobody; an
    answer counts for ``result_ttl_seconds``, 0 to 3,600, per identity.
    """
    is_v1 = payload_format_version == "1.0"
    settings = HttpAuthorizer(
        payload_format_version=payload_format_version,
        enable_simple_responses=not is_v1 if enable_simple_responses is None else enable_simple_responses,
        identity_sources=tuple(identity_sources),
        result_ttl_seconds=result_ttl_seconds,
    )
    return mark_with_trigger((HttpV1AuthorizerTrigger if is_v1 else HttpAuthorizerTrigger)(authorizer=settings))


def rest_authorizer(
    type: RestAuthorizerType = "TOKEN",
    *,
    identity_sources: Sequence[str] = ("method.request.header.Authorization",),
    identity_validation_expression: str | None = None,
    result_ttl_seconds: int = 300,
) -> Callable[[F], F]:
    """Make a function an authorizer, for routes that name it: ``@on_rest("GET /orders", authorizer=check)``.

    For ``"TOKEN"`` it may take :class:`~eventflow.events.TokenAuthorizerEvent`, for ``"REQUEST"``
    :class:`~eventflow.events.RestAuthorizerEvent`. It returns ``{"principalId", "policyDocument", "context"}``; raising
    an error that says exactly ``Unauthorized`` is 401. A request without one of ``identity_sources``, or with a token
    that ``identity_validation_expression`` does not match, is 401 and asks nobody. An answer counts for
    ``result_ttl_seconds``, 0 to 3,600, per identity, whatever the method and path: the policy tells those apart.
    """
    settings = RestAuthorizer(
        type=type,
        identity_sources=tuple(identity_sources),
        identity_validation_expression=identity_validation_expression,
        result_ttl_seconds=result_ttl_seconds,
    )
    trigger = RestAuthorizerTrigger if type == "REQUEST" else TokenAuthorizerTrigger
    return mark_with_trigger(trigger(authorizer=settings))


def websocket_authorizer(
    *, identity_sources: Sequence[str] = ("route.request.header.Authorization",)
) -> Callable[[F], F]:
    """Make a function an authorizer of connections: ``@on_websocket("$connect", authorizer=check)``.

    It may take :class:`~eventflow.events.WebSocketAuthorizerEvent` and returns ``{"principalId", "policyDocument",
    "context"}``; raising an error that says exactly ``Unauthorized`` is 401. A connection without one of
    ``identity_sources`` (``route.request.header.NAME``, ``route.request.querystring.NAME``) is 401 and asks nobody. The
    context reaches every function of the connection, in each event. It is asked for every connection.
    """
    return mark_with_trigger(
        WebSocketAuthorizerTrigger(authorizer=WebSocketAuthorizer(identity_sources=tuple(identity_sources)))
    )


def jwt_authorizer(
    issuer: str, *, audience: str | Sequence[str], identity_source: str = "$request.header.Authorization"
) -> JwtAuthorizer:
    """An authorizer for routes of an HTTP API that needs no function: it checks JSON Web Tokens. ::

        signed_in = jwt_authorizer("https://id.example.com", audience="shop")

        @on_http("GET /orders", authorizer=signed_in, scopes=["orders.read"])

    Keys are found through the issuer's OpenID configuration. Claims reach the route's function in the event.
    Needs ``pip install 'eventflow[jwt]'``.
    """
    audiences = (audience,) if isinstance(audience, str) else tuple(audience)
    return JwtAuthorizer(issuer=issuer, audience=audiences, identity_source=identity_source)
