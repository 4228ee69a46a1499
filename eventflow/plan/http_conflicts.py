"""HTTP triggers that claim the same requests: nothing decides between them, so the app is refused.

Routes of one API that are spelled alike conflict, and so do routes of an HTTP API and a REST API for the same method
and path, a load balancer's rule for nothing but paths that one of them spells out, what takes everything, and function
URLs whose hosts are the same.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from eventflow.errors import Problem
from eventflow.model.http import FunctionUrl, HttpApiRoute, LoadBalancerRule, RestApiRoute
from eventflow.policy.listener_rules import covers_path, same_priority
from eventflow.policy.rest_resources import ResourceTree, parse_resource
from eventflow.policy.routes import ANY, DEFAULT, RouteTable, parse_route_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from eventflow.plan.plan import RoutePlan
    from eventflow.policy.routes import RouteKey


def http_problems(routes: Sequence[RoutePlan]) -> Iterator[Problem]:
    """Every pair that conflicts."""
    api = [(parse_route_key(route.source.route_key), route) for route in _of(routes, HttpApiRoute)]
    rest = [(parse_resource(route.source.route_key), route) for route in _of(routes, RestApiRoute)]
    rules = list(_of(routes, LoadBalancerRule))
    for first, second in (*RouteTable(api).conflicts(), *ResourceTree(rest).conflicts()):
        yield _conflict(first, second, "answers the same route as", "give one of them another method or path")
    for rest_key, rest_route in rest:
        for api_key, api_route in api:
            if _overlap(api_key, rest_key):
                message = "is a REST API's for the same requests as the HTTP API's"
                yield _conflict(api_route, rest_route, message, "keep one of them, or give it another method or path")
    yield from _rule_problems(rules, [*api, *rest])
    yield from _host_problems(list(_of(routes, FunctionUrl)))


def _of(routes: Sequence[RoutePlan], kind: type) -> Iterator[Any]:
    return (route for route in routes if isinstance(route.source, kind))


def _overlap(one: RouteKey, other: RouteKey) -> bool:
    return _path(one) == _path(other) and (one.method == other.method or ANY in (one.method, other.method))


def _path(key: RouteKey) -> tuple[str, ...]:
    """The path without its last slash, which a REST API does not see; ``$default`` is none of its."""
    return (DEFAULT,) if key.is_default else tuple(piece for piece in key.shape[1:] if piece)


def _rule_problems(rules: list[Any], routes: list[tuple[RouteKey, RoutePlan]]) -> Iterator[Problem]:
    for rule in rules:
        methods = rule.source.http_request_method
        for key, route in routes:
            path = key.text.partition(" ")[2]
            if covers_path(rule.source, path) and (not methods or key.method in (ANY, *methods)):
                hint = "give the rule another path, or a condition that tells them apart: host_header, http_header ..."
                yield _conflict(route, rule, "is a load balancer's rule that takes every request of", hint)
            elif key.is_default and rule.source.is_default:
                yield _conflict(route, rule, "takes every request that is left, as does", "keep one of them")
    twice = same_priority(rule.source for rule in rules)
    defaults = [rule for rule in rules if rule.source.is_default]
    for first, second in combinations(rules, 2):
        if first in defaults and second in defaults:
            yield _conflict(first, second, "has no conditions, as has", "a listener has one default action")
        elif first.source.priority in twice and first.source.priority == second.source.priority:
            yield _conflict(first, second, f"has priority {first.source.priority}, as has", "give it another one")


def _host_problems(urls: list[RoutePlan]) -> Iterator[Problem]:
    for first, second in combinations(urls, 2):
        name = second.endpoint.function.name
        if name.lower() == first.endpoint.function.name.lower():
            hint = "a function has one URL, and hosts know no capitals: rename it with @function(name=...)"
            yield _conflict(first, second, f"has the host {name.lower()}.lambda-url, as has", hint)


def _conflict(first: RoutePlan, second: RoutePlan, verb: str, hint: str) -> Problem:
    return Problem(where=_place(second), message=f"{verb} {_place(first)}", hint=hint)


def _place(route: RoutePlan) -> str:
    endpoint = route.endpoint
    return f"{endpoint.function.where} {endpoint.trigger.decorator if endpoint.trigger else ''}"
