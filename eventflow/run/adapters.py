"""Loading adapters by name and opening what a plan needs of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final, TypeVar

from eventflow.errors import AdapterError, ConfigurationError, Problem, UnavailableError
from eventflow.model.destinations import Destination, Service
from eventflow.ports import AdapterSettings
from eventflow.runtime.supervisor import OpenedSources

if TYPE_CHECKING:
    from eventflow.plan.environment import Environment, SourceBinding
    from eventflow.plan.plan import Plan, QueuePlan
    from eventflow.ports import Adapter, Clock, EventQueueStore, QueueSource

ENTRY_POINT_GROUP: Final = "eventflow.adapters"

T = TypeVar("T")
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
    for binding in (environment.event_queue_binding(), *map(environment.binding, ("", *environment.sources))):
        try:
            _construct(binding, environment, clock)
        except ConfigurationError as exc:
            problems += exc.problems
    return list(dict.fromkeys(problems))


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
        queue = self._environment.event_queue
        if queue.adapter is None:
            adapter = await self.serving(queue.service or "")
        else:
            adapter = await self._enter("event_queue", self._environment.event_queue_binding())
        return await adapter.event_queue(queue.name)

    async def serving(self, service: str) -> Adapter:
        """The adapter for a service; for ``""``, the environment's own. Raises ConfigurationError, AdapterError."""
        key = service if service in self._environment.sources else ""
        return await self._enter(key, self._environment.binding(service))

    async def _enter(self, key: str, binding: SourceBinding) -> Adapter:
        if key not in self._entered:
            adapter = _construct(binding, self._environment, self._clock)
            if self._wrap is not None:
                adapter = self._wrap(adapter)
            self._entered[key] = await self._stack.enter_async_context(adapter)
        return self._entered[key]


@asynccontextmanager
async def open_plan(plan: Plan, adapters: Adapters) -> AsyncIterator[OpenedSources]:
    """Open everything a plan names; closes it on leaving.

    Raises ConfigurationError listing every resource that cannot be opened, UnavailableError if a service
    cannot be reached at all.
    """
    async with AsyncExitStack() as stack:
        opening = _Opening(stack)
        event_queue = await adapters.event_queue()
        stack.push_async_callback(event_queue.aclose)
        notifications, queues, streams = [], [], []
        for notification in plan.notifications:
            adapter = await adapters.serving(notification.endpoint.source)
            opened = await opening.open(notification, adapter.notification_source(notification.subscription))
            notifications += [(notification, opened)] if opened is not None else []
        for queue in plan.queues:
            adapter = await adapters.serving(queue.endpoint.source)
            source = await opening.open(queue, adapter.queue_source(queue.subscription))
            if source is not None:
                opening.check(queue, source)
                queues.append((queue, source))
        for stream in plan.streams:
            adapter = await adapters.serving(stream.endpoint.source)
            reader = await opening.open(stream, adapter.stream_source(stream.subscription))
            streams += [(stream, reader)] if reader is not None else []
        sinks = {}
        for destination in plan.destinations():
            if _is_own_function(plan, destination):
                continue
            adapter = await adapters.serving(destination.service)
            sink = await opening.open(destination, adapter.sink(destination))
            sinks.update({destination: sink} if sink is not None else {})
        opening.finish()
        yield OpenedSources(
            event_queue=event_queue, sinks=sinks, notifications=notifications, queues=queues, streams=streams
        )


def _is_own_function(plan: Plan, destination: Destination) -> bool:
    return destination.service is Service.FUNCTION and destination.name in plan.functions


class _Opening:
    """Opens one thing after the other, and remembers what could not be."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._problems: list[Problem] = []

    async def open(self, asked_by: Any, opening: Awaitable[T]) -> T | None:
        try:
            opened: Any = await opening
        except UnavailableError as exc:
            raise UnavailableError(_where(asked_by), str(exc)) from exc
        except AdapterError as exc:
            self._problems.append(Problem(where=_where(asked_by), message=str(exc)))
            return None
        self._stack.push_async_callback(opened.aclose)
        return opened  # type: ignore[no-any-return]

    def check(self, queue: QueuePlan, source: QueueSource) -> None:
        """Lambda refuses a mapping whose records could come back while they are worked on. Source: Lambda guide:
        with-sqs: visibility timeout."""
        visibility = source.properties.visibility_timeout_seconds
        timeout = queue.endpoint.function.settings.timeout_seconds
        if visibility < timeout:
            message = f"the queue's visibility timeout ({visibility:g} s) is below timeout_seconds={timeout:g}"
            hint = f"give the queue {6 * timeout:g} s, six times the timeout, as Lambda advises"
            self._problems.append(Problem(where=_where(queue), message=message, hint=hint))

    def finish(self) -> None:
        if self._problems:
            raise ConfigurationError(self._problems)


def _where(asked_by: Any) -> str:
    endpoint = getattr(asked_by, "endpoint", None)
    if endpoint is None or endpoint.trigger is None:
        return str(asked_by)
    return f"{endpoint.function.where} {endpoint.trigger.decorator}"
