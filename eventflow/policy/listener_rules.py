"""Rules of a load balancer's listener. Source: ELB guide: load-balancer-listeners, load-balancer-limits."""

from __future__ import annotations

import re
from collections import Counter
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from eventflow.model.http import LoadBalancerRule

MAXIMUM_VALUES: Final = 5
MAXIMUM_WILDCARDS: Final = 6
MAXIMUM_LENGTH: Final = 128

_METHOD: Final = re.compile(r"[A-Z_-]{1,40}")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,40}")
_PATH: Final = re.compile(r"""[A-Za-z0-9_\-.$/~"'@:+&()!,;=*?]{1,128}""")
_HOST: Final = re.compile(r"[A-Za-z0-9.*?-]{1,128}")


class ListenerRequest(NamedTuple):
    """What rules look at. ``headers`` are pairs with lower-case names; ``query`` is undecoded."""

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    source_ip: str


class CompiledRule:
    """A rule, ready to be asked."""

    def __init__(self, rule: LoadBalancerRule) -> None:
        self._methods = frozenset(rule.http_request_method)
        self._paths = _any_of(rule.path_pattern)
        self._hosts = _any_of(rule.host_header, re.IGNORECASE)
        self._headers = [(name.lower(), _any_of(values, re.IGNORECASE)) for name, values in rule.http_header]
        self._query = [
            (_any_of([key], re.IGNORECASE), _any_of([value], re.IGNORECASE)) for key, value in rule.query_string
        ]
        self._networks = [ip_network(network, strict=False) for network in rule.source_ip]

    def matches(self, request: ListenerRequest) -> bool:
        """Whether every condition holds."""
        return (
            (not self._methods or request.method in self._methods)
            and (self._paths is None or self._paths.fullmatch(request.path) is not None)
            and (self._hosts is None or self._has(request, "host", self._hosts, until=":"))
            and all(pattern is None or self._has(request, name, pattern) for name, pattern in self._headers)
            and (not self._query or self._has_query(request.query))
            and (not self._networks or self._is_inside(request.source_ip))
        )

    @staticmethod
    def _has(request: ListenerRequest, name: str, pattern: re.Pattern[str], *, until: str = "\n") -> bool:
        return any(pattern.fullmatch(value.partition(until)[0]) for key, value in request.headers if key == name)

    def _has_query(self, query: str) -> bool:
        pairs = [(key, value) for key, _, value in (item.partition("=") for item in query.split("&"))]
        return any(
            (not key or key.fullmatch(found_key)) and (not value or value.fullmatch(found))
            for key, value in self._query
            for found_key, found in pairs
        )

    def _is_inside(self, source_ip: str) -> bool:
        try:
            address = ip_address(source_ip)
        except ValueError:  # a Unix socket has none
            return False
        return any(address in network for network in self._networks)


def covers_path(rule: LoadBalancerRule, path: str) -> bool:
    """Whether a rule takes every request to ``path`` as far as its path is concerned, and asks for nothing else that
    could tell requests apart but the method."""
    if rule.host_header or rule.http_header or rule.query_string or rule.source_ip or not rule.path_pattern:
        return False
    paths = _any_of(rule.path_pattern)
    return paths is not None and paths.fullmatch(path) is not None


def rule_problems(rule: LoadBalancerRule) -> Iterator[tuple[str, str, str]]:
    """Field, message and hint of every mistake. Source: ELB API: CreateRule, RuleCondition."""
    conditions: list[tuple[str, Iterable[str], re.Pattern[str], str]] = [
        ("path_pattern", rule.path_pattern, _PATH, "up to 128 characters, e.g. /api/*"),
        ("host_header", rule.host_header, _HOST, "a host name of up to 128 characters, e.g. *.example.com"),
        ("http_request_method", rule.http_request_method, _METHOD, "a method in capitals, without wildcards"),
        ("http_header", [name for name, _ in rule.http_header], _HEADER_NAME, "a header's name"),
    ]
    for field, values, pattern, hint in conditions:
        for value in values:
            if not isinstance(value, str) or not pattern.fullmatch(value):
                yield field, f"{value!r} is not allowed", hint
    yield from _network_problems(rule.source_ip)
    texts = [value for _, values in rule.http_header for value in values]
    texts += [text for pair in rule.query_string for text in pair]
    for text in texts:
        if len(text) > MAXIMUM_LENGTH:
            yield "http_header" if text in dict(rule.http_header) else "query_string", f"{text!r} is too long", "128"
    yield from _count_problems(rule, texts)


def _network_problems(networks: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    for network in networks:
        try:
            ip_network(network, strict=False)
        except ValueError as exc:
            yield "source_ip", str(exc), "a network such as 10.0.0.0/8"


def _count_problems(rule: LoadBalancerRule, texts: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    plain = [*rule.path_pattern, *rule.host_header]
    values = [*plain, *rule.http_request_method, *rule.source_ip]
    count = len(values) + sum(len(found) for _, found in rule.http_header) + len(rule.query_string)
    if count > MAXIMUM_VALUES:
        yield "conditions", f"a rule has at most {MAXIMUM_VALUES} values, this one has {count}", "use a second rule"
    wildcards = sum(text.count("*") + text.count("?") for text in [*plain, *texts])
    if wildcards > MAXIMUM_WILDCARDS:
        message = f"a rule has at most {MAXIMUM_WILDCARDS} wildcards, this one has {wildcards}"
        yield "conditions", message, "use a second rule"


def in_order(rules: Sequence[LoadBalancerRule]) -> list[int]:
    """Indices of rules as they are asked: by priority, then those without one as they are declared."""
    return sorted(range(len(rules)), key=lambda index: (rules[index].priority or 50_001, index))


def same_priority(rules: Iterable[LoadBalancerRule]) -> set[int]:
    """Priorities that several rules have."""
    counts = Counter(rule.priority for rule in rules if rule.priority is not None)
    return {priority for priority, count in counts.items() if count > 1}


def _any_of(patterns: Sequence[str], flags: int = 0) -> re.Pattern[str] | None:
    """One expression for patterns with wildcards; ``None`` for no patterns. An empty one stands for anything."""
    if not any(patterns):
        return None
    return re.compile("|".join(f"(?:{_expression(pattern)})" for pattern in patterns), flags | re.DOTALL)


def _expression(pattern: str) -> str:
    """A pattern as an expression. Once a piece between two ``*`` is found it is never looked for further on, so that no
    path can make the search long."""
    first, *others = (_piece(piece) for piece in pattern.split("*"))
    if not others:
        return first
    *middle, last = others
    return first + "".join(f"(?>.*?{piece})" for piece in middle if piece) + ".*" + last


def _piece(piece: str) -> str:
    return "".join("." if character == "?" else re.escape(character) for character in piece)
