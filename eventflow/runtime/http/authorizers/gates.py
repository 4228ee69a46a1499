"""Which gate stands in front of which route."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventflow.model.authorizers import HttpAuthorizer, JwtAuthorizer, WebSocketAuthorizer
from eventflow.model.http import FunctionUrl, HttpApiRoute
from eventflow.runtime.http.authorizers.http_gate import HttpGate
from eventflow.runtime.http.authorizers.rest_gate import RestGate

if TYPE_CHECKING:
    from eventflow.plan.environment import Environment
    from eventflow.plan.plan import AuthorizerPlan, RoutePlan, WebSocketPlan
    from eventflow.ports import Clock
    from eventflow.runtime.functions import Functions
    from eventflow.runtime.http.authorizers.jwt_keys import Keys
    from eventflow.runtime.http.authorizers.route_gate import RouteGate
    from eventflow.runtime.http.gate import Gate


class Gates:
    """The gates of a run: one per function or token authorizer, so that routes share what is kept."""

    def __init__(
        self, functions: Functions, environment: Environment, clock: Clock, *, callers: Gate | None = None
    ) -> None:
        """``callers`` tells who may call function URLs whose callers sign: everybody, if ``None``."""
        self._functions = functions
        self._environment = environment
        self._clock = clock
        self._lambdas: dict[tuple[str, object], RouteGate] = {}
        self._keys: dict[str, Keys] = {}
        self._callers = callers

    def of(self, route: RoutePlan | WebSocketPlan) -> RouteGate | None:
        """The gate of a route, if it has one."""
        if self._callers is not None and isinstance(route.source, FunctionUrl) and route.source.is_signed:
            from eventflow.runtime.http.authorizers.signed_url_gate import SignedUrlGate  # few apps have one

            return SignedUrlGate(self._callers, route.endpoint.function.name)
        authorizer = route.authorizer
        if authorizer is None:
            return None
        if isinstance(authorizer, JwtAuthorizer):
            from eventflow.runtime.http.authorizers.jwt_gate import JwtGate  # its libraries are an extra
            from eventflow.runtime.http.authorizers.jwt_keys import Keys

            keys = self._keys.setdefault(authorizer.issuer, Keys(authorizer.issuer))
            scopes = route.source.scopes if isinstance(route.source, HttpApiRoute) else ()
            return JwtGate(authorizer, scopes, keys, self._clock)
        key = (authorizer.endpoint.function.name, authorizer.settings)
        if key not in self._lambdas:
            self._lambdas[key] = self._lambda_gate(authorizer)
        return self._lambdas[key]

    def _lambda_gate(self, plan: AuthorizerPlan) -> RouteGate:
        settings = plan.settings
        if isinstance(settings, HttpAuthorizer):
            return HttpGate(plan, settings, self._functions, self._environment, self._clock)
        if isinstance(settings, WebSocketAuthorizer):
            from eventflow.runtime.http.authorizers.websocket_gate import WebSocketGate  # few apps have connections

            return WebSocketGate(plan, settings, self._functions, self._environment, self._clock)
        return RestGate(plan, settings, self._functions, self._environment, self._clock)
