"""Loading adapters by name, and entering those that a plan needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from eventflow.errors import ConfigurationError, Problem
from eventflow.model.destinations import Service
from eventflow.ports import AdapterSettings

if TYPE_CHECKING:
    from eventflow.model.destinations import Destination
    from eventflow.plan.environment import Environment, SourceBinding
    from eventflow.plan.plan import NotificationPlan, Plan, QueuePlan, StreamPlan
    from eventflow.ports import (
        Adapter,
        Clock,
        DestinationSink,
        EventQueueStore,
        NotificationSource,
        QueueSource,
        StreamSource,
    )

ENTRY_POINT_GROUP: Final = "eventflow.adapters"

OpenAdapter = Callable[[AdapterSettings], "Adapter"]
WrapAdapter = Callable[["Adapter"], "Adapter"]


def find_adapter(name: str) -> OpenAdapter:
    """The adapter registered under ``name``.

    Raises ConfigurationError if there is none, or if what it needs is not installed.
    """
    found = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    if name not in found:
        hint = f"installed: {', '.join(sorted(found))}"
        raise ConfigurationError([Problem(where=f"adapter {name!r}", message="is not installed", hint=hint)])
    try:
        adapter: OpenAdapter = found[name].load()
    except ImportError as exc:
        hint = f"pip install 'eventflow[{name}]'"
        problem = Problem(where=f"adapter {name!r}", message=f"cannot be imported: {exc}", hint=hint)
        raise ConfigurationError([problem]) from exc
    return adapter


def adapter_problems(environment: Environment, *, clock: Clock) -> list[Problem]:
    """What is wrong with an environment's adapters and their options. Nothing is opened and nobody is asked."""
    problems: list[Problem] = []
    for binding in _bindings(environment):
        try:
            _construct(binding, environment, clock)
        except ConfigurationError as exc:
            problems += exc.problems
    return list(dict.fromkeys(problems))


def adapters_of(environment: Environment, *, clock: Clock) -> list[Adapter]:
    """An environment's adapters, inert. Raises ConfigurationError."""
    return [_construct(binding, environment, clock) for binding in _bindings(environment)]


def own_adapter_of(environment: Environment, *, clock: Clock) -> Adapter:
    """The adapter of every service that has no table of its own, inert. Raises ConfigurationError."""
    return _construct(environment.binding(""), environment, clock)


def outward(plan: Plan) -> list[Destination]:
    """The destinations that an adapter sends to: all but the functions of the app itself."""
    return [
        destination
        for destination in plan.destinations()
        if destination.service is not Service.FUNCTION or destination.name not in plan.functions
    ]


def _bindings(environment: Environment) -> list[SourceBinding]:
    return [environment.event_queue_binding(), *map(environment.binding, ("", *environment.sources))]


def _construct(binding: SourceBinding, environment: Environment, clock: Clock) -> Adapter:
    settings = AdapterSettings(
        environment=environment.name,
        options=binding.options,
        resources=environment.resources,
        clock=clock,
        region=environment.region,
        region_is_default=environment.region_is_default,
        account_id=environment.account_id,
    )
    return find_adapter(binding.adapter)(settings)


class Adapters:
    """The adapters of one environment, entered on first use and left together.

    One instance per binding: the default adapter serves every service that has no table of its own.
    """

    def __init__(self, environment: Environment, *, clock: Clock, wrap: WrapAdapter | None = None) -> None:
        self._environment = environment
        self._clock = clock
        self._wrap = wrap
        self._stack = AsyncExitStack()
        self._entered: dict[str, Adapter] = {}

    async def __aenter__(self) -> Adapters:
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        await self._stack.__aexit__(*exc_info)

    async def event_queue(self) -> EventQueueStore:
        """The environment's event queue. Raises ConfigurationError, AdapterError."""
        return await (await self.event_queue_keeper()).event_queue(self._environment.event_queue.name)

    async def event_queue_keeper(self) -> Adapter:
        """The adapter that keeps the event queue. Raises ConfigurationError, AdapterError."""
        queue = self._environment.event_queue
        if queue.adapter is None:
            return await self.serving(queue.service or "")
        return await self._enter("event_queue", self._environment.event_queue_binding())

    async def serving(self, service: str) -> Adapter:
        """The adapter for a service; for ``""``, the environment's own. Raises ConfigurationError, AdapterError."""
        key = service if service in self._environment.sources else ""
        return await self._enter(key, self._environment.binding(service))

    async def enter_all(self, plan: Plan) -> None:
        """Enter every adapter that a plan needs. Raises one ConfigurationError for all of them, AdapterError."""
        services: list[str] = [item.opened_by for item in plan.notifications]
        services += [item.endpoint.source for item in plan.queues]
        services += [item.endpoint.source for item in plan.streams]
        services += [item.service for item in outward(plan)]
        entering: list[Callable[[], Awaitable[Adapter]]] = [self.event_queue_keeper]
        entering += [partial(self.serving, service) for service in dict.fromkeys(services)]
        problems: list[Problem] = []
        for enter in entering:
            try:
                await enter()
            except ConfigurationError as exc:
                problems += exc.problems
        if problems:
            raise ConfigurationError(list(dict.fromkeys(problems)))

    async def notification_source(self, item: NotificationPlan) -> NotificationSource:
        """Raises ConfigurationError, AdapterError; so do the following."""
        return await (await self.serving(item.opened_by)).notification_source(item.subscription)

    async def queue_source(self, item: QueuePlan) -> QueueSource:
        return await (await self.serving(item.endpoint.source)).queue_source(item.subscription)

    async def stream_source(self, item: StreamPlan) -> StreamSource:
        return await (await self.serving(item.endpoint.source)).stream_source(item.subscription)

    async def sink(self, destination: Destination) -> DestinationSink:
        return await (await self.serving(destination.service)).sink(destination)

    async def _enter(self, key: str, binding: SourceBinding) -> Adapter:
        if key not in self._entered:
            adapter = _construct(binding, self._environment, self._clock)
            if self._wrap is not None:
                adapter = self._wrap(adapter)
            self._entered[key] = await self._stack.enter_async_context(adapter)
        return self._entered[key]
