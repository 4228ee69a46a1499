"""HTTP API routes: which handler answers a request. Source: API Gateway guide: http-api-develop-routes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeAlias, TypeVar
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

T = TypeVar("T")

ANY: Final = "ANY"
DEFAULT: Final = "$default"
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", ANY)

_PARAMETER: Final = re.compile(r"\{([A-Za-z0-9_.:-]+)(\+?)\}")
_NO_PARAMETERS: Final[Mapping[str, str]] = MappingProxyType({})


class Segment(NamedTuple):
    """One piece of a route's path between slashes: literal text, or a parameter's name."""

    text: str
    is_parameter: bool = False
    is_greedy: bool = False


class RouteKey(NamedTuple):
    """A parsed route key. ``$default`` has no segments and the method ``ANY``."""

    text: str
    method: str
    segments: tuple[Segment, ...]

    @property
    def is_default(self) -> bool:
        return self.text == DEFAULT

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the path parameters, in order."""
        return tuple(segment.text for segment in self.segments if segment.is_parameter)

    @property
    def shape(self) -> tuple[str, ...]:
        """Equal for keys that answer the same requests: the method and the path without parameter names."""
        if self.is_default:
            return (DEFAULT,)
        return (self.method, *(_shape(segment) for segment in self.segments))

    def __str__(self) -> str:
        return self.text


class Match(NamedTuple, Generic[T]):
    """The route that answers, with its path parameters URL-decoded."""

    route_key: RouteKey
    target: T
    path_parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NotFound:
    """No route has this path. HTTP APIs answer 404 ``{"message":"Not Found"}``."""


@dataclass(frozen=True, slots=True)
class MethodNotAllowed:
    """Routes have this path, but for the methods ``allowed`` only. HTTP APIs answer 404 here too."""

    allowed: tuple[str, ...]


RouteResult: TypeAlias = Match[T] | NotFound | MethodNotAllowed

_NOT_FOUND: Final = NotFound()


def parse_route_key(text: str) -> RouteKey:
    """Parse ``"GET /orders/{id}"``, ``"ANY /{proxy+}"`` or ``"$default"``.

    Raises ValueError saying what would be right.
    """
    if text == DEFAULT:
        return RouteKey(text, ANY, ())
    method, space, path = text.partition(" ")
    if not space or not path.startswith("/"):
        raise ValueError(f"route {text!r} must be a method, one space and a path, e.g. 'GET /orders/{{id}}'")
    if method not in METHODS:
        raise ValueError(f"route {text!r}: {method!r} is not a method; use one of {', '.join(METHODS)}")
    segments = tuple(_parse_segment(text, piece) for piece in path[1:].split("/"))
    _check_segments(text, segments)
    return RouteKey(text, method, segments)


def _parse_segment(route: str, piece: str) -> Segment:
    if parameter := _PARAMETER.fullmatch(piece):
        return Segment(parameter[1], is_parameter=True, is_greedy=bool(parameter[2]))
    if "{" in piece or "}" in piece:
        raise ValueError(f"route {route!r}: a parameter is a whole segment, '{{name}}' or '{{name+}}', not {piece!r}")
    if re.search(r"[\s?#%*]", piece):
        raise ValueError(f"route {route!r}: {piece!r} must be written decoded, without spaces, '?', '#', '%' or '*'")
    return Segment(piece)


def _check_segments(route: str, segments: Sequence[Segment]) -> None:
    if any(not segment.text for segment in segments[:-1]):
        raise ValueError(f"route {route!r} has an empty segment")
    if any(segment.is_greedy for segment in segments[:-1]):
        raise ValueError(f"route {route!r}: '{{name+}}' takes the rest of the path, so it must come last")
    names = [segment.text for segment in segments if segment.is_parameter]
    if len(set(names)) < len(names):
        raise ValueError(f"route {route!r} uses a parameter name twice")


def _shape(segment: Segment) -> str:
    if segment.is_greedy:
        return "{+}"
    return "{}" if segment.is_parameter else segment.text


class _Route(NamedTuple, Generic[T]):
    """A route as it is kept: the answer without parameters, and where in a path the parameters are."""

    match: Match[T]
    captures: tuple[tuple[int, str], ...]
    is_greedy: bool

    def answer(self, values: Sequence[str]) -> Match[T]:
        """The answer for a path with these decoded segments."""
        parameters = {name: values[index] for index, name in self.captures}
        if self.is_greedy:
            index, name = self.captures[-1]
            parameters[name] = "/".join(values[index:])
        return Match(self.match.route_key, self.match.target, parameters)


@dataclass(frozen=True, slots=True)
class _Node(Generic[T]):
    """The routes whose path ends here, by method, and the paths that go on."""

    routes: dict[str, _Route[T]] = field(default_factory=dict)
    static: dict[str, _Node[T]] = field(default_factory=dict)
    parameter: list[_Node[T]] = field(default_factory=list)

    def insert(self, key: RouteKey, route: _Route[T]) -> None:
        node = self
        for segment in key.segments:
            if not segment.is_parameter:
                node = node.static.setdefault(segment.text, _Node())
                continue
            if not node.parameter:
                node.parameter.append(_Node())
            node = node.parameter[0]
        node.routes[key.method] = route

    def find(self, method: str, values: Sequence[str], at: int, others: set[str]) -> _Route[T] | None:
        """The best full match; static segments are tried first, no node twice. ``others`` collects the methods of
        routes that have this path."""
        if at == len(values):
            others.update(self.routes)
            return self.routes.get(method) or self.routes.get(ANY)
        value = values[at]
        child = self.static.get(value)
        found = child.find(method, values, at + 1, others) if child is not None else None
        if found is None and self.parameter and value:
            found = self.parameter[0].find(method, values, at + 1, others)
        return found


class RouteTable(Generic[T]):
    """Finds the route of a request, as HTTP APIs choose: a full match before a greedy one before ``$default``; static
    segments before parameters, from the left; the longest literal prefix among greedy routes; and for one path the
    exact method before ``ANY``. A trailing slash is significant. Of two routes that conflict, the first answers.
    """

    def __init__(self, routes: Iterable[tuple[RouteKey, T]]) -> None:
        self._static: dict[str, dict[str, Match[T]]] = {}
        self._root: _Node[T] = _Node()
        self._greedy: list[_Route[T]] = []
        self._default: Match[T] | None = None
        self._conflicts: list[tuple[T, T]] = []
        seen: dict[tuple[str, ...], T] = {}
        for key, target in routes:
            if key.shape in seen:
                self._conflicts.append((seen[key.shape], target))
            else:
                seen[key.shape] = target
                self._add(key, target)
        self._greedy.sort(key=_greedy_order)

    def conflicts(self) -> tuple[tuple[T, T], ...]:
        """Pairs of targets whose route keys answer the same requests: first declared, later declared."""
        return tuple(self._conflicts)

    def match(self, method: str, path: str) -> RouteResult[T]:
        """The answer for a request. ``path`` is the request's own, still URL-encoded, without the query."""
        by_method = self._static.get(path)
        if by_method is not None:
            found = by_method.get(method) or by_method.get(ANY)
            if found is not None:
                return found
        return self._search(method, path)

    def _add(self, key: RouteKey, target: T) -> None:
        match = Match(key, target, _NO_PARAMETERS)
        if key.is_default:
            self._default = match
            return
        captures = tuple((index, segment.text) for index, segment in enumerate(key.segments) if segment.is_parameter)
        is_greedy = key.segments[-1].is_greedy
        route = _Route(match, captures, is_greedy)
        if is_greedy:
            self._greedy.append(route)
            return
        self._root.insert(key, route)
        if not captures:
            path = "/" + "/".join(segment.text for segment in key.segments)
            self._static.setdefault(path, {})[key.method] = match

    def _search(self, method: str, path: str) -> RouteResult[T]:
        others: set[str] = set()
        if path.startswith("/"):
            values = path[1:].split("/")
            if "%" in path:
                values = [unquote(value) for value in values]
            found = self._root.find(method, values, 0, others) or self._find_greedy(method, values, others)
            if found is not None:
                return found.answer(values)
        if self._default is not None:
            return self._default
        return MethodNotAllowed(tuple(sorted(others))) if others else _NOT_FOUND

    def _find_greedy(self, method: str, values: Sequence[str], others: set[str]) -> _Route[T] | None:
        for route in self._greedy:
            key = route.match.route_key
            if _is_below(key, values):
                if key.method in {method, ANY}:
                    return route
                others.add(key.method)
        return None


def _greedy_order(route: _Route[T]) -> tuple[int, int, int, bool]:
    """Longest literal prefix first; then more literal segments, the longer path, the exact method."""
    key = route.match.route_key
    first_parameter = route.captures[0][0]
    literals = len(key.segments) - len(route.captures)
    return -first_parameter, -literals, -len(key.segments), key.method == ANY


def _is_below(key: RouteKey, values: Sequence[str]) -> bool:
    """Whether a greedy route covers a path: its last parameter takes at least one character."""
    before = key.segments[:-1]
    return (
        len(values) > len(before)
        and any(values[len(before) :])
        and all(
            bool(value) if segment.is_parameter else segment.text == value
            for segment, value in zip(before, values, strict=False)
        )
    )
