"""REST API resources: which method answers a request. Source: API Gateway guide: REST APIs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar
from urllib.parse import unquote

from eventflow.policy.routes import ANY, Match, MethodNotAllowed, NotFound, RouteKey, RouteResult, parse_route_key

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")

_PART: Final = re.compile(r"[A-Za-z0-9_\-.,:]+")
_RESERVED: Final = ("/ping", "/sping")


def parse_resource(text: str) -> RouteKey:
    """Parse ``"GET /orders/{id}"`` or ``"ANY /{proxy+}"``. Raises ValueError saying what would be right."""
    key = parse_route_key(text)
    if key.is_default:
        raise ValueError("a REST API has no '$default'; 'ANY /{proxy+}' takes every path but '/'")
    path = text.partition(" ")[2]
    if path in _RESERVED:
        raise ValueError(f"route {text!r}: API Gateway answers {path} itself")
    if len(key.segments) > 1 and not key.segments[-1].text:
        raise ValueError(f"route {text!r}: a REST API ignores the last slash of a path; leave it out")
    for segment in key.segments:
        if segment.text and not segment.is_parameter and not _PART.fullmatch(segment.text):
            raise ValueError(f"route {text!r}: {segment.text!r} may have letters, digits and _ - . , : only")
    return key


@dataclass(slots=True)
class _Resource(Generic[T]):
    """One node of the tree: its methods, and its children."""

    methods: dict[str, tuple[RouteKey, T]] = field(default_factory=dict)
    static: dict[str, _Resource[T]] = field(default_factory=dict)
    parameter: _Resource[T] | None = None
    greedy: _Resource[T] | None = None

    def insert(self, key: RouteKey, target: T) -> None:
        node = self
        for segment in key.segments:
            if not segment.text:  # the root itself
                continue
            if segment.is_greedy:
                node.greedy = node = node.greedy or _Resource()
            elif segment.is_parameter:
                node.parameter = node = node.parameter or _Resource()
            else:
                node = node.static.setdefault(segment.text, _Resource())
        node.methods[key.method] = (key, target)

    def find(self, segments: list[str], at: int) -> _Resource[T] | None:
        """The resource of a path: a static sibling before a parameter before a greedy one."""
        if at == len(segments):
            return self if self.methods else None
        child = self.static.get(unquote(segments[at]))
        found = child.find(segments, at + 1) if child is not None else None
        if found is None and self.parameter is not None and segments[at]:
            found = self.parameter.find(segments, at + 1)
        if found is None and self.greedy is not None and any(segments[at:]):
            found = self.greedy
        return found


class ResourceTree(Generic[T]):
    """Finds the method of a request, as REST APIs choose: first the resource, then its method or ``ANY``. The last
    slash of a path counts for nothing; path parameters stay URL-encoded."""

    def __init__(self, routes: Iterable[tuple[RouteKey, T]]) -> None:
        self._root: _Resource[T] = _Resource()
        self._conflicts: list[tuple[T, T]] = []
        seen: dict[tuple[str, ...], T] = {}
        for key, target in routes:
            if key.shape in seen:
                self._conflicts.append((seen[key.shape], target))
            else:
                seen[key.shape] = target
                self._root.insert(key, target)

    def conflicts(self) -> tuple[tuple[T, T], ...]:
        """Pairs of targets that answer the same requests: first declared, later declared."""
        return tuple(self._conflicts)

    def match(self, method: str, path: str) -> RouteResult[T]:
        """The answer for a request. ``path`` is the request's own, still URL-encoded, without the query."""
        path = "/" + path.strip("/") if path.startswith("/") else path
        segments = path[1:].split("/") if len(path) > 1 else []
        resource = self._root.find(segments, 0)
        if resource is None:
            return NotFound()
        found = resource.methods.get(method) or resource.methods.get(ANY)
        if found is None:
            return MethodNotAllowed(tuple(sorted(resource.methods)))
        key, target = found
        return Match(key, target, _parameters(key, segments))


def _parameters(key: RouteKey, segments: list[str]) -> dict[str, str]:
    return {
        segment.text: "/".join(segments[index:]) if segment.is_greedy else segments[index]
        for index, segment in enumerate(key.segments)
        if segment.is_parameter
    }
