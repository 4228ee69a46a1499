"""Which operations a document has: one per path and method, answered by the route that would answer at run time."""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

from eventflow.model.http import FunctionUrl, LoadBalancerRule
from eventflow.policy.listener_rules import in_order
from eventflow.policy.routes import ANY, parse_route_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from eventflow.plan.plan import RoutePlan
    from eventflow.policy.routes import Segment

METHODS: Final = ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH")
"""Those that ``ANY`` stands for here: TRACE is answered too, but nobody means it."""
KNOWN: Final = frozenset({*METHODS, "TRACE"})
"""Those that a document can have."""

_GREEDY: Final = "+"
_WILDCARD: Final = re.compile(r"[*?]")
_PARAMETER: Final = re.compile(r"\{([^{}]+)\}")


class Way(NamedTuple):
    """One path of one route. A greedy parameter is written as API Gateway does, ``{proxy+}``; the wildcards of a load
    balancer become parameters."""

    route: RoutePlan
    template: str
    methods: tuple[str, ...]

    @property
    def is_explicit(self) -> bool:
        """Whether it names its methods."""
        return self.methods is not METHODS

    @property
    def names(self) -> list[str]:
        """The path parameters, in order, as the template has them."""
        return _PARAMETER.findall(self.template)

    @property
    def shape(self) -> str:
        """Equal for templates that differ in nothing but names, of which a document may have one."""
        return _PARAMETER.sub(lambda found: "{+}" if found[1].endswith(_GREEDY) else "{}", self.template)


class Operation(NamedTuple):
    """What a path and method of the document stand for. ``names`` are those of the path's template."""

    way: Way
    method: str
    names: list[str]


class Operations(NamedTuple):
    """Operations by the template of their path, and the routes that have no place among them."""

    by_path: dict[str, list[Operation]]
    left_out: list[str]


def operations_of(routes: Sequence[RoutePlan]) -> Operations:
    """The operations of routes that share a host."""
    templates: dict[str, Way] = {}
    found: dict[tuple[str, str], Way] = {}
    left_out = []
    for way in _in_order_of_precedence(routes):
        template = templates.setdefault(way.shape, way).template
        if unknown := [method for method in way.methods if method not in KNOWN]:
            left_out.append(f"{_name(way)}: {', '.join(unknown)} {template} has a method that no document can have")
            way = way._replace(methods=tuple(method for method in way.methods if method in KNOWN))
        taken = {method: found[way.shape, method] for method in way.methods if (way.shape, method) in found}
        found |= {(way.shape, method): way for method in way.methods if method not in taken}
        if taken and (way.is_explicit or len(taken) == len(way.methods)):
            names = ", ".join(sorted({_name(first) for first in taken.values()}))
            left_out.append(f"{_name(way)}: {', '.join(taken)} {template} is {names}'s in the document")
    by_path: dict[str, list[Operation]] = {}
    for (shape, method), way in found.items():
        operations = by_path.setdefault(templates[shape].template, [])
        operations.append(Operation(way, method, templates[shape].names))
    return Operations(by_path, left_out)


def _name(way: Way) -> str:
    return way.route.endpoint.function.name


def _in_order_of_precedence(routes: Sequence[RoutePlan]) -> Iterator[Way]:
    """As they are asked (:mod:`eventflow.runtime.http.router`)."""
    rules = [(route, route.source) for route in routes if isinstance(route.source, LoadBalancerRule)]
    asked = [rules[index][0] for index in in_order([rule for _, rule in rules])]
    others = [route for route in routes if not isinstance(route.source, LoadBalancerRule)]
    ways = [way for route in (*asked, *others) for way in _ways(route)]
    yield from sorted(ways, key=_rank)


def _rank(way: Way) -> int:
    if _takes_everything(way):
        return 3
    if isinstance(way.route.source, LoadBalancerRule):
        return 0
    return 1 if way.is_explicit else 2


def _takes_everything(way: Way) -> bool:
    source = way.route.source
    if isinstance(source, LoadBalancerRule):
        return source.is_default
    return isinstance(source, FunctionUrl) or source.route_key == "$default"


def _ways(route: RoutePlan) -> Iterator[Way]:
    source = route.source
    if isinstance(source, LoadBalancerRule):
        methods = source.http_request_method or METHODS
        templates = [_from_pattern(pattern) for pattern in source.path_pattern] or ["/", "/{path+}"]
        yield from (Way(route, template, methods) for template in templates)
    elif isinstance(source, FunctionUrl) or source.route_key == "$default":
        yield from (Way(route, template, METHODS) for template in ("/", "/{path+}"))
    else:
        key = parse_route_key(source.route_key)
        yield Way(route, _from_segments(key.segments), METHODS if key.method == ANY else (key.method,))


def _from_segments(segments: Iterable[Segment]) -> str:
    return "".join(f"/{_segment(segment)}" for segment in segments)


def _segment(segment: Segment) -> str:
    return f"{{{segment.text}{_GREEDY if segment.is_greedy else ''}}}" if segment.is_parameter else segment.text


def _from_pattern(pattern: str) -> str:
    """``/api/*`` as ``/api/{any1+}``, ``/v?/x`` as ``/v{one1}/x``."""
    counts = count(1)

    def parameter(found: re.Match[str]) -> str:
        name = f"any{next(counts)}{_GREEDY}" if found[0] == "*" else f"one{next(counts)}"
        return f"{{{name}}}"

    return _WILDCARD.sub(parameter, pattern)
