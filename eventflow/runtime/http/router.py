"""Which function answers a request, when an app has several flavours of HTTP on one port.

A function URL is told by its host. Then a load balancer's rules are asked in their order, since only they look at more
than method and path. Then the more specific route of the HTTP API and the REST API wins, and last comes what takes
everything: ``$default``, or the load balancer's default action. Where two of them would claim the same requests, the
app is refused when it is frozen (:mod:`eventflow.plan.http_conflicts`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

from eventflow.model.http import FunctionUrl, HttpApiRoute, LoadBalancerRule, RestApiRoute
from eventflow.policy.listener_rules import CompiledRule, ListenerRequest, in_order
from eventflow.policy.rest_resources import ResourceTree, parse_resource
from eventflow.policy.routes import DEFAULT, METHODS, Match, MethodNotAllowed, RouteTable, parse_route_key
from eventflow.runtime.http.flavours import HTTP_API, Flavour, FunctionUrlFront, LoadBalancer, RestApi

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.model.http import HttpSource
    from eventflow.policy.routes import RouteKey
    from eventflow.runtime.http.asgi import Scope

S = TypeVar("S")
T = TypeVar("T")

URL_LABEL: Final = "lambda-url"
_EVERYTHING: Final = parse_route_key(DEFAULT)


class Router(Generic[T]):
    """Finds the target of a request. ``routes`` are sources, functions' names and targets."""

    def __init__(self, routes: Sequence[tuple[HttpSource, str, T]]) -> None:
        api = [(parse_route_key(source.route_key), target) for source, target in _of(HttpApiRoute, routes)]
        rest = [(parse_resource(source.route_key), target) for source, target in _of(RestApiRoute, routes)]
        rules = _of(LoadBalancerRule, routes)
        self._api = RouteTable(api)
        self._rest = ResourceTree(rest)
        self._has_rest = bool(rest)
        self._rules = [
            (CompiledRule(rules[index][0]), _match(rules[index][1]))
            for index in in_order([rule for rule, _ in rules])
            if not rules[index][0].is_default
        ]
        self._default = next((_match(target) for rule, target in rules if rule.is_default), None)
        self._urls = {
            name.lower(): _match(target) for source, name, target in routes if isinstance(source, FunctionUrl)
        }
        if len(self._urls) == len(routes) == 1:
            self._default = next(iter(self._urls.values()))
        self._refusing = refusing([source for source, _, _ in routes])
        several = self._urls or rules or rest
        self.only_api = None if several else self._api
        """All there is in an app without other flavours: it needs no search."""

    def spells_out(self, path: str) -> bool:
        """Whether some route has this very path, not one that a parameter or ``$default`` stands for."""
        found = [table.match(method, path) for method in METHODS for table in (self._api, self._rest)]
        keys = [match.route_key for match in found if isinstance(match, Match)]
        return any(not key.parameters and not key.is_default for key in keys)

    def refused_by(self, method: str, path: str) -> Flavour:
        """Whose way it is to refuse a request that no function answers."""
        known = self._has_rest and isinstance(self._rest.match(method, path), MethodNotAllowed)
        return RestApi() if known else self._refusing

    def find(self, method: str, path: str, scope: Scope) -> Match[T] | None:
        """What answers a request; ``None`` if nothing does."""
        return (
            self._by_host(scope) or self._by_rule(method, path, scope) or self._by_route(method, path) or self._default
        )

    def _by_host(self, scope: Scope) -> Match[T] | None:
        if not self._urls:
            return None
        host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1").lower()
        name, _, rest = host.partition(".")
        return self._urls.get(name) if rest.partition(".")[0] == URL_LABEL else None

    def _by_rule(self, method: str, path: str, scope: Scope) -> Match[T] | None:
        if not self._rules:
            return None
        client = scope.get("client")
        request = ListenerRequest(
            method=method,
            path=path,
            query=scope["query_string"].decode("latin-1"),
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
            source_ip=client[0] if client else "",
        )
        return next((match for rule, match in self._rules if rule.matches(request)), None)

    def _by_route(self, method: str, path: str) -> Match[T] | None:
        api, rest = self._api.match(method, path), self._rest.match(method, path) if self._has_rest else None
        found = [match for match in (api, rest) if isinstance(match, Match)]
        return min(found, key=lambda match: _vagueness(match.route_key)) if found else None


def _of(kind: type[S], routes: Sequence[tuple[HttpSource, str, T]]) -> list[tuple[S, T]]:
    return [(source, target) for source, _, target in routes if isinstance(source, kind)]


def _match(target: T) -> Match[T]:
    return Match(_EVERYTHING, target, {})


def _vagueness(key: RouteKey) -> tuple[int, ...]:
    """Smaller for the key that says more, from the left."""
    if key.is_default:
        return (3,)
    return tuple(segment.is_parameter + segment.is_greedy for segment in key.segments if segment.text)


def refusing(sources: Sequence[HttpSource]) -> Flavour:
    """Who answers what no function does."""
    kinds = {type(source) for source in sources}
    if HttpApiRoute in kinds or not kinds:
        return HTTP_API
    if RestApiRoute in kinds:
        return RestApi()
    return LoadBalancer("", multi_value=False) if LoadBalancerRule in kinds else FunctionUrlFront("")
