"""Finding the authorizers that routes name."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from eventflow.errors import Problem
from eventflow.model.authorizers import HttpAuthorizer, JwtAuthorizer, RestAuthorizer, WebSocketAuthorizer
from eventflow.model.http import HttpApiRoute, RestApiRoute
from eventflow.plan.plan import AuthorizerPlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eventflow.model.authorizers import LambdaAuthorizer
    from eventflow.model.handler import Handler
    from eventflow.plan.plan import FunctionPlan, RoutePlan, WebSocketPlan


def with_authorizers(
    routes: Sequence[RoutePlan], functions: Mapping[str, FunctionPlan]
) -> tuple[tuple[RoutePlan, ...], list[Problem]]:
    """The routes with their authorizers, and what is wrong with those."""
    found: list[RoutePlan] = []
    problems: list[Problem] = []
    for route in routes:
        authorizer = _authorizer(route, functions)
        if isinstance(authorizer, Problem):
            problems.append(authorizer)
        else:
            found.append(route._replace(authorizer=authorizer))
    return tuple(found), problems


def with_connection_authorizers(
    routes: Sequence[WebSocketPlan], functions: Mapping[str, FunctionPlan]
) -> tuple[tuple[WebSocketPlan, ...], list[Problem]]:
    """The same for routes of a WebSocket API."""
    found: list[WebSocketPlan] = []
    problems: list[Problem] = []
    for route in routes:
        handler = route.source.authorizer
        authorizer = _lambda_authorizer(handler, WebSocketAuthorizer, functions) if handler else None
        if handler is not None and authorizer is None:
            problems.append(_no_authorizer(route, handler, "websocket"))
        found.append(route._replace(authorizer=authorizer))
    return tuple(found), problems


def _authorizer(
    route: RoutePlan, functions: Mapping[str, FunctionPlan]
) -> AuthorizerPlan | JwtAuthorizer | Problem | None:
    source = route.source
    authorizer: Any = source.authorizer if isinstance(source, HttpApiRoute | RestApiRoute) else None
    if authorizer is None:
        return None
    if isinstance(authorizer, JwtAuthorizer):
        if isinstance(source, RestApiRoute):
            return _problem(route, "is a JWT authorizer", "only HTTP APIs have those; use @rest_authorizer")
        if find_spec("jwt") is None or find_spec("aiohttp") is None:
            return _problem(route, "needs a library that is not installed", "pip install 'eventflow[jwt]'")
        return authorizer
    kind = RestAuthorizer if isinstance(source, RestApiRoute) else HttpAuthorizer
    api = "rest" if kind is RestAuthorizer else "http"
    return _lambda_authorizer(authorizer, kind, functions) or _no_authorizer(route, authorizer, api)


def _lambda_authorizer(
    handler: Handler, kind: type[LambdaAuthorizer], functions: Mapping[str, FunctionPlan]
) -> AuthorizerPlan | None:
    for function in functions.values():
        if function.definition.handler is handler:
            for endpoint in function.endpoints.values():
                settings = getattr(endpoint.trigger, "authorizer", None)
                if isinstance(settings, kind):
                    return AuthorizerPlan(endpoint, settings)
    return None


def _no_authorizer(route: RoutePlan | WebSocketPlan, named: Any, api: str) -> Problem:
    name = getattr(named, "__qualname__", named)
    return _problem(route, f"{name!r} is no authorizer of this kind of API", f"mark it with @{api}_authorizer()")


def _problem(route: RoutePlan | WebSocketPlan, message: str, hint: str) -> Problem:
    endpoint = route.endpoint
    where = f"{endpoint.function.where} {endpoint.trigger.decorator if endpoint.trigger else ''}"
    return Problem(where=where, field="authorizer", message=message, hint=hint)
