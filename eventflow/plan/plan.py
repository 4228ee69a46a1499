"""The plan: everything a run needs, validated and frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from eventflow.events._codec import RecordCodec
    from eventflow.model.authorizers import JwtAuthorizer, LambdaAuthorizer
    from eventflow.model.cors import Cors
    from eventflow.model.destinations import Destination
    from eventflow.model.function import FunctionDefinition
    from eventflow.model.http import HttpSource
    from eventflow.model.invocation import Invocation
    from eventflow.model.mapping import QueueMapping, StreamMapping
    from eventflow.model.outcome import Outcome
    from eventflow.model.subscriptions import NotificationSubscription, QueueSubscription, StreamSubscription
    from eventflow.model.websocket import WebSocketApi, WebSocketRoute
    from eventflow.plan.endpoint import Endpoint
    from eventflow.plan.environment import Environment
    from eventflow.policy.filtering import FilterCriteria

InvocationHandler: TypeAlias = "Callable[[Invocation], Awaitable[Outcome]]"
Middleware: TypeAlias = "Callable[[InvocationHandler], InvocationHandler]"
"""Wraps every call of every handler: takes the next handler, returns one of its own."""

Lifespan: TypeAlias = "Callable[[], AbstractAsyncContextManager[Any]]"
"""One async context manager around the whole run; what it yields is ``context.state``."""


class AuthorizerPlan(NamedTuple):
    """A function that decides about requests."""

    endpoint: Endpoint
    settings: LambdaAuthorizer


class RoutePlan(NamedTuple):
    """One way in for HTTP requests."""

    source: HttpSource
    endpoint: Endpoint
    authorizer: AuthorizerPlan | JwtAuthorizer | None = None


class WebSocketPlan(NamedTuple):
    """One way in for events of WebSocket connections."""

    source: WebSocketRoute
    endpoint: Endpoint
    authorizer: AuthorizerPlan | None = None


class NotificationPlan(NamedTuple):
    """One pushed source of one function; the adapter of the service ``opened_by`` opens it."""

    endpoint: Endpoint
    subscription: NotificationSubscription
    adapter: str
    opened_by: str


class QueuePlan(NamedTuple):
    """One event source mapping on a queue."""

    endpoint: Endpoint
    subscription: QueueSubscription
    mapping: QueueMapping
    codec: RecordCodec[Any]
    filters: FilterCriteria
    adapter: str


class StreamPlan(NamedTuple):
    """One event source mapping on an ordered source."""

    endpoint: Endpoint
    subscription: StreamSubscription
    mapping: StreamMapping
    codec: RecordCodec[Any]
    filters: FilterCriteria
    adapter: str


class FunctionPlan(NamedTuple):
    """One function: its definition, its endpoints by source (``"direct"`` if it has none), and those of all its
    triggers, of which several may be of one source."""

    definition: FunctionDefinition
    endpoints: Mapping[str, Endpoint]
    triggered: tuple[Endpoint, ...]

    @property
    def name(self) -> str:
        return self.definition.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Validated, immutable wiring of functions, triggers and bindings. Built by :meth:`eventflow.App.freeze`."""

    app_name: str
    environment: Environment
    functions: Mapping[str, FunctionPlan]
    routes: tuple[RoutePlan, ...]
    notifications: tuple[NotificationPlan, ...]
    queues: tuple[QueuePlan, ...]
    streams: tuple[StreamPlan, ...]
    lifespan: Lifespan | None
    middleware: tuple[Middleware, ...]
    cors: Cors | None = None
    """The HTTP API's."""
    app_version: str = "0.1.0"
    websocket_routes: tuple[WebSocketPlan, ...] = ()
    websocket_api: WebSocketApi

    def destinations(self) -> tuple[Destination, ...]:
        """Every destination that a function or mapping of the plan sends to, once each."""
        found: dict[Destination, None] = {}
        for function in self.functions.values():
            settings = function.definition.settings
            for destination in (settings.on_success, settings.on_failure, settings.dead_letter_queue):
                if destination is not None:
                    found[destination] = None
            for trigger in function.definition.triggers:
                found.update(dict.fromkeys(trigger.destinations))
        return tuple(found)

    def adapters(self) -> tuple[str, ...]:
        """The adapters the plan needs: the one that keeps the event queue first."""
        named = [self.environment.event_queue_binding().adapter]
        named += [item.adapter for item in self.notifications]
        named += [item.adapter for item in self.queues]
        named += [item.adapter for item in self.streams]
        named += [self.environment.binding(destination.service).adapter for destination in self.destinations()]
        return tuple(dict.fromkeys(named))
