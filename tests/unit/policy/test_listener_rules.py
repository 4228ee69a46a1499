from __future__ import annotations

from typing import Any

import pytest

from eventflow.model.http import LoadBalancerRule
from eventflow.policy.listener_rules import CompiledRule, ListenerRequest, covers_path, in_order, rule_problems

REQUEST = ListenerRequest(
    method="GET",
    path="/api/Orders",
    query="a=1&version=v%31&flag",
    headers=[("host", "Shop.example.com:8000"), ("x-tenant", "Blue"), ("x-tenant", "green")],
    source_ip="10.1.2.3",
)


@pytest.mark.parametrize(
    ("conditions", "matches"),
    [
        ({}, True),
        ({"path_pattern": ("/api/*",)}, True),
        ({"path_pattern": ("/api/orders",)}, False),
        ({"path_pattern": ("/x", "/api/Order?")}, True),
        ({"path_pattern": ("/api.Orders",)}, False),
        ({"host_header": ("*.EXAMPLE.com",)}, True),
        ({"host_header": ("example.com",)}, False),
        ({"http_request_method": ("POST", "GET")}, True),
        ({"http_request_method": ("POST",)}, False),
        ({"http_header": (("X-Tenant", ("gr*n",)),)}, True),
        ({"http_header": (("X-Tenant", ("red",)),)}, False),
        ({"http_header": (("X-Other", ("*",)),)}, False),
        ({"query_string": (("version", "v%31"),)}, True),
        ({"query_string": (("version", "v1"),)}, False),
        ({"query_string": (("", "1"), ("no", "no"))}, True),
        ({"source_ip": ("10.0.0.0/8",)}, True),
        ({"source_ip": ("192.0.2.0/24", "::1/128")}, False),
        ({"path_pattern": ("/api/*",), "http_request_method": ("POST",)}, False),
    ],
)
def test_a_rule_matches_when_all_its_conditions_do(conditions: dict[str, Any], matches: bool) -> None:
    assert CompiledRule(LoadBalancerRule(**conditions)).matches(REQUEST) is matches


def test_wildcards_take_time_in_proportion_to_the_path() -> None:
    rule = CompiledRule(LoadBalancerRule(path_pattern=("/" + "*a" * 6,)))
    assert not rule.matches(REQUEST._replace(path="/" + "a" * 10_000 + "b"))


def test_rules_without_priority_come_after_those_with_one() -> None:
    rules = [LoadBalancerRule(), LoadBalancerRule(priority=20), LoadBalancerRule(), LoadBalancerRule(priority=3)]
    assert in_order(rules) == [3, 1, 0, 2]


@pytest.mark.parametrize(
    ("conditions", "field"),
    [
        ({"path_pattern": ("/ä",)}, "path_pattern"),
        ({"host_header": ("a b",)}, "host_header"),
        ({"http_request_method": ("get",)}, "http_request_method"),
        ({"source_ip": ("10.0.0.0/99",)}, "source_ip"),
        ({"http_header": (("bad name", ("x",)),)}, "http_header"),
        ({"query_string": (("k", "v" * 129),)}, "query_string"),
        ({"path_pattern": tuple("/abcdef")[:6]}, "conditions"),
        ({"path_pattern": ("/*?*?*?*",)}, "conditions"),
    ],
)
def test_what_a_listener_refuses_is_a_problem(conditions: dict[str, Any], field: str) -> None:
    assert field in {found for found, _, _ in rule_problems(LoadBalancerRule(**conditions))}


def test_a_rule_covers_a_path_only_if_nothing_else_tells_requests_apart() -> None:
    assert covers_path(LoadBalancerRule(path_pattern=("/api/*",)), "/api/orders/{id}")
    assert not covers_path(LoadBalancerRule(path_pattern=("/api/*",), host_header=("a.example.com",)), "/api/x")
    assert not covers_path(LoadBalancerRule(), "/api")
