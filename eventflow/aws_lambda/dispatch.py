"""Which function an event is for, and through which of its endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventflow.errors import EventflowError
from eventflow.events import codec_for
from eventflow.events._lookup import SENDERS
from eventflow.model.destinations import HTTP_SERVICES, Service
from eventflow.plan.endpoints import DIRECT
from eventflow.runtime.functions import subject_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from eventflow.aws_lambda.requests import Requests
    from eventflow.events import Codec
    from eventflow.model.json import JsonValue
    from eventflow.plan.endpoint import Endpoint
    from eventflow.plan.plan import Plan

_GATEWAYS: Final = (Service.HTTP, Service.HTTP_V1, Service.REST)
"""Those that send requests to one function that several could answer."""


class EventDispatchError(EventflowError):
    """No function, or more than one, could be meant by an event. ``candidates`` are their names."""

    def __init__(self, reason: str, candidates: Iterable[str]) -> None:
        self.candidates = tuple(dict.fromkeys(candidates))
        names = ", ".join(self.candidates)
        hint = "; set EVENTFLOW_FUNCTION to the one that is meant" if len(self.candidates) > 1 else ""
        super().__init__(f"{reason}{hint} ({names})")


class Found(NamedTuple):
    """Where an event goes: an endpoint, and what to call it with. Without an endpoint the answer is known already:
    it is the subject."""

    endpoint: Endpoint | None
    subject: Any


class Dispatcher:
    """Finds the endpoint for an event among those of some functions of a plan.

    The source is recognised first, as in Lambda's own events; where several triggers are of that source, what the
    event says of itself decides: route, queue, bucket and key, stream, intent.
    """

    def __init__(self, plan: Plan, names: Sequence[str]) -> None:
        self._names = names
        self._resources = plan.environment.resources
        self._environment = plan.environment.name
        self._by_service: dict[Service, list[Endpoint]] = {}
        functions = [plan.functions[name] for name in names]
        self._triggered = [endpoint for function in functions for endpoint in function.triggered]
        for endpoint in self._triggered:
            for service in _senders(endpoint):
                self._by_service.setdefault(service, []).append(endpoint)
        self._direct = [function.endpoints[DIRECT] for function in functions if DIRECT in function.endpoints]
        self._codecs: list[tuple[Codec, Service]] = [
            (codec_for(service), service) for service in SENDERS if service in self._by_service
        ]
        if Service.HTTP in self._by_service and Service.FUNCTION_URL not in self._by_service:
            self._codecs.append((codec_for(Service.FUNCTION_URL), Service.HTTP))  # the same format, and one route
        self._requests = _requests(self._by_service)

    def find(self, wire: JsonValue) -> Found:
        """The endpoint for a raw event. Raises EventDispatchError."""
        if isinstance(wire, dict):
            for codec, service in self._codecs:
                if codec.recognises(wire):
                    requests = self._requests.get(service)
                    return _found(self._of(service, wire), wire) if requests is None else _routed(requests, wire)
        return _found(self._unrecognised(wire), wire)

    def _of(self, service: Service, wire: dict[str, Any]) -> Endpoint:
        endpoints = self._by_service[service]
        if len(endpoints) == 1 and _is_chosen_by_its_source(endpoints[0]):
            return endpoints[0]
        fits = [self._fit(endpoint, wire) for endpoint in endpoints]
        best = max(fits)
        asking = [endpoint for endpoint, fit in zip(endpoints, fits, strict=True) if fit == best > 0]
        if asking and _are_alike(asking):
            return asking[0]
        if not asking and _are_alike(endpoints) and all(map(_is_chosen_by_its_source, endpoints)):
            return endpoints[0]
        candidates = asking or endpoints
        reason = f"{f'{len(asking)} triggers ask' if asking else 'no trigger asks'} for this event of {service}"
        if len(endpoints) > 1 and len(set(_names(candidates))) == 1:
            reason += f", and they differ: bind the names of their resources in the environment {self._environment}"
        raise EventDispatchError(reason, _names(candidates))

    def _fit(self, endpoint: Endpoint, wire: dict[str, Any]) -> int:
        trigger = endpoint.trigger
        assert trigger is not None, "only sources are told apart"
        try:
            return trigger.match(wire, self._resources.get(trigger.resource))
        except (KeyError, TypeError, AttributeError, IndexError):
            return 1  # written by hand: what is wrong with it shows when the handler asks for that part

    def _unrecognised(self, wire: JsonValue) -> Endpoint:
        """An event that no source sends: a schedule's input, or an invocation of a function that has no source. The
        only function there is takes anything."""
        inputs = [endpoint for endpoint in self._triggered if endpoint.trigger and endpoint.trigger.is_input(wire)]
        for endpoints in (inputs, self._direct):
            if len(endpoints) == 1:
                return endpoints[0]
        if len(self._names) == 1:
            return [*self._direct, *self._triggered][0]
        keys = f"an object with the keys {sorted(wire)}" if isinstance(wire, dict) else f"a {type(wire).__name__}"
        raise EventDispatchError(f"no source of this app sends {keys}", _names(inputs or self._direct) or self._names)


def _senders(endpoint: Endpoint) -> list[Service]:
    """Whose events an endpoint takes: custom resources come through a topic, too."""
    source = Service(endpoint.source)
    assert endpoint.trigger is not None, "a source is a trigger's"
    return [source, Service.SNS] if source is Service.CLOUDFORMATION and endpoint.trigger.opened_by else [source]


def _requests(by_service: Mapping[Service, Sequence[Endpoint]]) -> dict[Service, Requests]:
    """The routers of requests: of gateways, and of load balancers that could mean more than one rule."""
    routed = [service for service in _GATEWAYS if service in by_service]
    if len(by_service.get(Service.ALB, ())) > 1:
        routed.append(Service.ALB)
    if not routed:
        return {}
    from eventflow.aws_lambda.requests import Requests  # an app without requests starts without them

    return {service: Requests(service, by_service[service]) for service in routed}


def _routed(requests: Requests, wire: dict[str, Any]) -> Found:
    endpoint, found = requests.find(wire)
    return Found(None, found) if endpoint is None else _found(endpoint, found)


def _found(endpoint: Endpoint, wire: JsonValue) -> Found:
    return Found(endpoint, subject_of(endpoint, wire))


def _is_chosen_by_its_source(endpoint: Endpoint) -> bool:
    """Whether something in AWS has chosen already what reaches the function: a subscription, a mapping, a rule. Whoever
    calls it directly (Alexa, Lex ...) sends it everything, and the trigger chooses here."""
    trigger = endpoint.trigger
    return trigger is None or trigger.opened_by is not None or trigger.service in HTTP_SERVICES


def _are_alike(endpoints: Sequence[Endpoint]) -> bool:
    """Whether it does not matter which of them is taken: one function, called in one way."""
    first = endpoints[0]
    return all(each.function is first.function and each.per_record == first.per_record for each in endpoints)


def _names(endpoints: Iterable[Endpoint]) -> list[str]:
    return [endpoint.function.name for endpoint in endpoints]
