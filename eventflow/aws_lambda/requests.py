"""From a request inside an event to the route that answers it, for every front that calls Lambda with requests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

from eventflow.aws_lambda.answers import response
from eventflow.events._requests import request_context
from eventflow.model.destinations import Service
from eventflow.policy.routes import Match
from eventflow.runtime.http.router import Router

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eventflow.plan.endpoint import Endpoint
    from eventflow.policy.routes import RouteKey

Wire = dict[str, Any]


class EventShape(ABC):
    """Where one kind of event has the parts of its request."""

    def route_keys(self, wire: Wire) -> tuple[str, ...]:
        """What the route may be called that the gateway has taken."""
        return ()

    @abstractmethod
    def method(self, wire: Wire) -> str: ...

    @abstractmethod
    def path(self, wire: Wire) -> str:
        """The path as routes know it, still URL-encoded."""

    def headers(self, wire: Wire) -> list[tuple[str, str]]:
        """Names in lower case."""
        lists = wire.get("multiValueHeaders") or {name: [value] for name, value in (wire.get("headers") or {}).items()}
        return [(name.lower(), value) for name, values in lists.items() for value in values]

    def query(self, wire: Wire) -> str:
        """The query string, for those who look at it."""
        return ""

    @abstractmethod
    def routed(self, wire: Wire, key: RouteKey, parameters: Mapping[str, str]) -> Wire:
        """The event as the gateway would have sent it, if it had this route."""


class Version2(EventShape):
    """HTTP APIs, payload format 2.0."""

    def route_keys(self, wire: Wire) -> tuple[str, ...]:
        return (wire.get("routeKey") or "",)

    def method(self, wire: Wire) -> str:
        return str(wire["requestContext"]["http"].get("method"))

    def path(self, wire: Wire) -> str:
        return _inside_stage(wire.get("rawPath") or "/", wire)

    def routed(self, wire: Wire, key: RouteKey, parameters: Mapping[str, str]) -> Wire:
        return {**wire, "routeKey": key.text, "pathParameters": dict(parameters)}


class Version1(EventShape):
    """HTTP APIs, payload format 1.0."""

    def route_keys(self, wire: Wire) -> tuple[str, ...]:
        resource = wire.get("resource") or ""
        return (f"{self.method(wire)} {resource}", f"ANY {resource}", resource)

    def method(self, wire: Wire) -> str:
        return str(wire.get("httpMethod"))

    def path(self, wire: Wire) -> str:
        return _inside_stage(wire.get("path") or "/", wire)

    def routed(self, wire: Wire, key: RouteKey, parameters: Mapping[str, str]) -> Wire:
        resource = key.text.partition(" ")[2] or key.text
        return {**wire, "resource": resource, "pathParameters": dict(parameters) or None}


class Rest(Version1):
    """REST APIs, whose paths never begin with a stage."""

    def path(self, wire: Wire) -> str:
        return wire.get("path") or "/"


class LoadBalancer(EventShape):
    """Load balancers, whose rules are asked once more: events do not say which one it was."""

    def method(self, wire: Wire) -> str:
        return str(wire.get("httpMethod"))

    def path(self, wire: Wire) -> str:
        return wire.get("path") or "/"

    def query(self, wire: Wire) -> str:
        single = wire.get("queryStringParameters") or {}
        lists = wire.get("multiValueQueryStringParameters") or {name: [value] for name, value in single.items()}
        return "&".join(f"{name}={value}" for name, values in lists.items() for value in values)

    def routed(self, wire: Wire, key: RouteKey, parameters: Mapping[str, str]) -> Wire:
        return wire


SHAPES: Final[Mapping[Service, EventShape]] = {
    Service.HTTP: Version2(),
    Service.HTTP_V1: Version1(),
    Service.REST: Rest(),
    Service.ALB: LoadBalancer(),
}
"""Of the services behind which several functions answer."""

_EVERYTHING: Final = ("$default", "+}")


class Requests:
    """The routes of one service, and which of them its events are for."""

    def __init__(self, service: Service, endpoints: Sequence[Endpoint]) -> None:
        self._shape = SHAPES[service]
        triggered = [(endpoint, endpoint.trigger) for endpoint in endpoints if endpoint.trigger is not None]
        self._by_key = {trigger.name: endpoint for endpoint, trigger in triggered}
        self._router: Router[Endpoint] = Router(
            [
                (trigger.http, endpoint.function.name, endpoint)
                for endpoint, trigger in triggered
                if trigger.http is not None
            ]
        )

    def find(self, wire: Wire) -> tuple[Endpoint | None, Wire]:
        """The endpoint for a request, and its event; or none, and the response that says so.

        A route that takes everything may have been taken because the gateway knows no other one: then the path
        decides, as it does in ``serve``.
        """
        keys = self._shape.route_keys(wire)
        taken = next((key for key in keys if key in self._by_key), None)
        if taken is not None and not taken.endswith(_EVERYTHING):
            return self._by_key[taken], wire
        method, path = self._shape.method(wire), self._shape.path(wire)
        match = self._router.find(method, path, self._scope(wire))
        if isinstance(match, Match):
            known = match.route_key.text in keys
            return match.target, wire if known else self._shape.routed(wire, match.route_key, match.path_parameters)
        if taken is not None:
            return self._by_key[taken], wire
        return None, response(self._router.refused_by(method, path).not_found, wire)

    def _scope(self, wire: Wire) -> dict[str, Any]:
        """What rules look at, as ASGI has it."""
        headers = self._shape.headers(wire)
        forwarded = next((value for name, value in headers if name == "x-forwarded-for"), "")
        return {
            "headers": [(_bytes(name), _bytes(value)) for name, value in headers],
            "query_string": _bytes(self._shape.query(wire)),
            "client": (forwarded.rpartition(",")[2].strip(), 0),
        }


def _bytes(text: str) -> bytes:
    return text.encode("latin-1", "replace")


def _inside_stage(path: str, wire: Wire) -> str:
    """The path behind the stage, unless that is the default one."""
    stage = request_context(wire).get("stage") or "$default"
    prefix = f"/{stage}"
    inside = stage != "$default" and (path == prefix or path.startswith(f"{prefix}/"))
    return path[len(prefix) :] or "/" if inside else path
