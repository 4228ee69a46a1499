"""Building the plan: every mistake of every function is found before anything is refused."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from eventflow.errors import ConfigurationError, InvalidEventPatternError, Problem
from eventflow.events import codec_for
from eventflow.model.mapping import QueueMapping, StreamMapping
from eventflow.model.subscriptions import QueueSubscription, StreamSubscription
from eventflow.model.websocket import WebSocketApi
from eventflow.plan.authorizers import with_authorizers, with_connection_authorizers
from eventflow.plan.checks import app_problems, duplicate_problems, exclusive_problems, function_problems
from eventflow.plan.endpoints import DIRECT, direct_endpoint, trigger_endpoint
from eventflow.plan.http_conflicts import http_problems
from eventflow.plan.plan import (
    FunctionPlan,
    Lifespan,
    Middleware,
    NotificationPlan,
    Plan,
    QueuePlan,
    RoutePlan,
    StreamPlan,
    WebSocketPlan,
)
from eventflow.plan.websocket_problems import websocket_problems
from eventflow.plan.wrapper_problems import lifespan_problems, middleware_problems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.model.cors import Cors
    from eventflow.model.function import FunctionDefinition
    from eventflow.model.trigger import Trigger
    from eventflow.plan.endpoint import Endpoint
    from eventflow.plan.environment import Environment


@dataclass(slots=True)
class _Wiring:
    """What has been wired so far, and what was wrong."""

    environment: Environment
    functions: dict[str, FunctionPlan] = field(default_factory=dict)
    routes: list[RoutePlan] = field(default_factory=list)
    websocket_routes: list[WebSocketPlan] = field(default_factory=list)
    notifications: list[NotificationPlan] = field(default_factory=list)
    queues: list[QueuePlan] = field(default_factory=list)
    streams: list[StreamPlan] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def build_plan(
    definitions: Sequence[FunctionDefinition],
    environment: Environment,
    *,
    app_name: str,
    app_version: str = "0.1.0",
    lifespan: Lifespan | None = None,
    middleware: Sequence[Middleware] = (),
    cors: Cors | None = None,
    websocket_api: WebSocketApi | None = None,
) -> Plan:
    """The plan of an app in an environment.

    Raises ConfigurationError listing every mistake with function, trigger, field, and what would be right.
    """
    wiring = _Wiring(environment)
    names = {definition.name for definition in definitions}
    wiring.problems += app_problems(definitions, concurrency=environment.concurrency)
    wiring.problems += exclusive_problems(definitions)
    for definition in definitions:
        wiring.problems += function_problems(definition, names)
        wiring.problems += duplicate_problems(definition)
        _wire_function(definition, wiring)
    wiring.problems += http_problems(wiring.routes)
    routes, problems = with_authorizers(wiring.routes, wiring.functions)
    wiring.problems += problems
    connected, problems = with_connection_authorizers(wiring.websocket_routes, wiring.functions)
    wiring.problems += [*problems, *websocket_problems(wiring.websocket_routes, websocket_api)]
    wiring.problems += [*lifespan_problems(lifespan), *middleware_problems(middleware)]
    for name, message, hint in cors.mistakes() if cors else ():
        wiring.problems.append(Problem(where="App(cors=...)", field=name, message=message, hint=hint))
    if wiring.problems:
        raise ConfigurationError(wiring.problems)
    return Plan(
        app_name=app_name,
        app_version=app_version,
        environment=environment,
        functions=wiring.functions,
        routes=routes,
        notifications=tuple(wiring.notifications),
        queues=tuple(wiring.queues),
        streams=tuple(wiring.streams),
        lifespan=lifespan,
        middleware=tuple(middleware),
        cors=environment.cors or cors,
        websocket_routes=connected,
        websocket_api=websocket_api or WebSocketApi(),
    )


def _wire_function(definition: FunctionDefinition, wiring: _Wiring) -> None:
    endpoints: dict[str, Endpoint] = {}
    ways: list[Endpoint] = []
    if not definition.triggers:
        endpoint, problems = direct_endpoint(definition)
        wiring.problems += problems
        if endpoint:
            endpoints[DIRECT] = endpoint
    for trigger in definition.triggers:
        found = list(trigger.problems(f"{definition.where} {trigger.decorator}"))
        endpoint, problems = trigger_endpoint(definition, trigger)
        wiring.problems += found + problems
        ways += [endpoint] if endpoint else []
        if endpoint and not found:
            endpoints.setdefault(endpoint.source, endpoint)
            _wire_trigger(trigger, endpoint, wiring)
    wiring.problems += _missed_by_all(ways)
    wiring.functions[definition.name] = FunctionPlan(definition, endpoints, tuple(ways))


def _missed_by_all(endpoints: Sequence[Endpoint]) -> list[Problem]:
    """Parameters with defaults that every source leaves at that; one of several sources may."""
    return [
        problem
        for endpoint in endpoints[:1]
        for name, problem in endpoint.missed.items()
        if all(name in other.missed for other in endpoints)
    ]


def _wire_trigger(trigger: Trigger, endpoint: Endpoint, wiring: _Wiring) -> None:
    if trigger.http is not None:
        wiring.routes.append(RoutePlan(source=trigger.http, endpoint=endpoint))
        return
    if trigger.websocket is not None:
        wiring.websocket_routes.append(WebSocketPlan(source=trigger.websocket, endpoint=endpoint))
        return
    opened_by = trigger.opened_by
    if opened_by is None:
        return
    adapter = wiring.environment.binding(opened_by).adapter
    subscription = trigger.subscription(endpoint.function.name)
    if isinstance(subscription, QueueSubscription) and isinstance(trigger.mapping, QueueMapping):
        shared = _mapping_parts(trigger, wiring)
        subscription = replace(subscription, timeout_seconds=endpoint.function.settings.timeout_seconds)
        queue = QueuePlan(
            endpoint=endpoint, subscription=subscription, mapping=trigger.mapping, adapter=adapter, **shared
        )
        wiring.queues.append(queue)
    elif isinstance(subscription, StreamSubscription) and isinstance(trigger.mapping, StreamMapping):
        shared = _mapping_parts(trigger, wiring)
        stream = StreamPlan(
            endpoint=endpoint, subscription=subscription, mapping=trigger.mapping, adapter=adapter, **shared
        )
        wiring.streams.append(stream)
    elif subscription is not None and not isinstance(subscription, QueueSubscription | StreamSubscription):
        notification = NotificationPlan(
            endpoint=endpoint, subscription=subscription, adapter=adapter, opened_by=opened_by
        )
        wiring.notifications.append(notification)


def _mapping_parts(trigger: Trigger, wiring: _Wiring) -> dict[str, Any]:
    from eventflow.policy.filtering import FilterCriteria  # only polled sources filter

    codec: Any = codec_for(trigger.service)
    patterns = trigger.mapping.batch.filters if trigger.mapping else ()
    try:
        filters = FilterCriteria(patterns, codec.filter_rules)
    except InvalidEventPatternError as exc:
        wiring.problems.append(Problem(where=trigger.decorator, field="filters", message=str(exc)))
        filters = FilterCriteria((), codec.filter_rules)
    return {"codec": codec, "filters": filters}
