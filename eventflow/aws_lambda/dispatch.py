"""Which function an event is for, and through which of its endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from eventflow.errors import EventflowError
from eventflow.events import codec_for
from eventflow.events._lookup import SENDERS
from eventflow.model.destinations import Service
from eventflow.plan.endpoints import DIRECT
from eventflow.plan.http_request import HttpRequest
from eventflow.policy.routes import Match, RouteTable, parse_route_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from eventflow.model.json import JsonValue
    from eventflow.plan.endpoint import Endpoint
    from eventflow.plan.plan import Plan


class EventDispatchError(EventflowError):
    """No function, or more than one, could be meant by an event. ``candidates`` are their names."""

    def __init__(self, reason: str, candidates: Iterable[str]) -> None:
        self.candidates = tuple(dict.fromkeys(candidates))
        names = ", ".join(self.candidates)
        super().__init__(f"{reason}; set EVENTFLOW_FUNCTION to the one that is meant ({names})")


class Found(NamedTuple):
    """Where an event goes: an endpoint, and what to call it with. Without an endpoint the answer is known already:
    it is the subject."""

    endpoint: Endpoint | None
    subject: Any


class Dispatcher:
    """Finds the endpoint for an event among those of some functions of a plan.

    The source is recognised first, as in Lambda's own events; where several triggers are of that source, the resource
    decides that the event is from: route, queue, bucket and key, stream.
    """

    def __init__(self, plan: Plan, names: Sequence[str]) -> None:
        self._names = names
        self._resources = plan.environment.resources
        self._environment = plan.environment.name
        self._by_service: dict[Service, list[Endpoint]] = {}
        functions = [plan.functions[name] for name in names]
        for endpoint in (endpoint for function in functions for endpoint in function.triggered):
            self._by_service.setdefault(Service(endpoint.source), []).append(endpoint)
        self._services = [service for service in SENDERS if service in self._by_service]
        self._direct = [function.endpoints[DIRECT] for function in functions if DIRECT in function.endpoints]
        routes = self._by_service.get(Service.HTTP, [])
        self._routes = {_route_key(endpoint): endpoint for endpoint in routes}
        self._route_table = RouteTable([(parse_route_key(key), endpoint) for key, endpoint in self._routes.items()])

    def find(self, wire: JsonValue) -> Found:
        """The endpoint for a raw event. Raises EventDispatchError."""
        if isinstance(wire, dict):
            for service in self._services:
                if codec_for(service).recognises(wire):
                    return self._request(wire) if service is Service.HTTP else self._of(service, wire)
        return Found(self._unrecognised(wire), wire)

    def _of(self, service: Service, wire: dict[str, Any]) -> Found:
        endpoints = self._by_service[service]
        if len(endpoints) == 1:
            return Found(endpoints[0], wire)
        asking = [endpoint for endpoint in endpoints if self._asks_for(endpoint, wire)]
        candidates = asking or endpoints
        if len(asking) == 1 or _are_alike(candidates):
            return Found(candidates[0], wire)
        found = f"{len(asking)} triggers ask" if asking else "no trigger asks"
        reason = f"{found} for this event of {service}"
        if len(set(_names(candidates))) == 1:
            reason += f", and they differ: bind the names of their resources in the environment {self._environment}"
        raise EventDispatchError(reason, _names(candidates))

    def _asks_for(self, endpoint: Endpoint, wire: dict[str, Any]) -> bool:
        trigger = endpoint.trigger
        try:
            return trigger is not None and trigger.asks_for(wire, self._resources.get(trigger.resource))
        except (KeyError, TypeError, AttributeError, IndexError):
            return True  # written by hand: what is wrong with it shows when the handler asks for that part

    def _request(self, wire: dict[str, Any]) -> Found:
        """A request is routed by the key that the gateway found, or by its path where the gateway has one route for
        everything."""
        endpoint = self._routes.get(wire.get("routeKey") or "")
        if endpoint is not None:
            return Found(endpoint, HttpRequest.from_wire(wire))
        match = self._route_table.match(wire["requestContext"]["http"]["method"], _path(wire))
        if isinstance(match, Match):
            routed = {**wire, "routeKey": match.route_key.text, "pathParameters": dict(match.path_parameters)}
            return Found(match.target, HttpRequest.from_wire(routed))
        from eventflow.aws_lambda.answers import http_answer
        from eventflow.runtime.http.answers import message

        return Found(None, http_answer(message(404, "Not Found")))

    def _unrecognised(self, wire: JsonValue) -> Endpoint:
        """An event that no source sends: a schedule's input, or an invocation of a function that has no source. The
        only function there is takes anything."""
        triggered = [endpoint for endpoints in self._by_service.values() for endpoint in endpoints]
        inputs = [endpoint for endpoint in triggered if endpoint.trigger and endpoint.trigger.is_input(wire)]
        for endpoints in (inputs, self._direct):
            if len(endpoints) == 1:
                return endpoints[0]
        if len(self._names) == 1:
            return [*self._direct, *triggered][0]
        keys = f"an object with the keys {sorted(wire)}" if isinstance(wire, dict) else f"a {type(wire).__name__}"
        raise EventDispatchError(f"no source of this app sends {keys}", _names(inputs or self._direct) or self._names)


def _are_alike(endpoints: Sequence[Endpoint]) -> bool:
    """Whether it does not matter which of them is taken: one function, called in one way."""
    first = endpoints[0]
    return all(each.function is first.function and each.per_record == first.per_record for each in endpoints)


def _names(endpoints: Iterable[Endpoint]) -> list[str]:
    return [endpoint.function.name for endpoint in endpoints]


def _route_key(endpoint: Endpoint) -> str:
    return endpoint.trigger.name if endpoint.trigger else ""


def _path(wire: dict[str, Any]) -> str:
    """The path as routes know it: behind the stage, unless that is the default one."""
    path: str = wire.get("rawPath") or "/"
    stage = wire["requestContext"].get("stage") or "$default"
    prefix = f"/{stage}"
    inside = stage != "$default" and (path == prefix or path.startswith(f"{prefix}/"))
    return path[len(prefix) :] or "/" if inside else path
