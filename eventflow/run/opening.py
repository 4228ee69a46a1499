"""Opening everything a plan names, side by side, and telling of everything at once that cannot be opened."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, Protocol, TypeVar

import anyio

from eventflow.errors import (
    AdapterError,
    ConfigurationError,
    EnvironmentUnavailableError,
    Problem,
    UnavailableError,
)
from eventflow.run.adapters import outward
from eventflow.run.mending import mend_of
from eventflow.runtime.supervisor import OpenedSources

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

    from anyio.abc import TaskGroup

    from eventflow.model.destinations import Destination
    from eventflow.plan.environment import Environment
    from eventflow.plan.plan import NotificationPlan, Plan, QueuePlan, StreamPlan
    from eventflow.ports import DestinationSink, EventQueueStore, NotificationSource, QueueSource, StreamSource
    from eventflow.run.adapters import Adapters

AT_ONCE: Final = 8
"""So many are opened at a time: services ration the calls that describe their resources."""
OPENING_SECONDS: Final = 60.0
"""How long opening one thing may take. Nobody watches a start that hangs."""


class Closable(Protocol):
    async def aclose(self) -> None: ...


T = TypeVar("T", bound=Closable)


@asynccontextmanager
async def open_plan(plan: Plan, adapters: Adapters) -> AsyncIterator[OpenedSources]:
    """Open everything a plan names; closes it on leaving.

    Raises ConfigurationError listing everything that cannot be opened, EnvironmentUnavailableError if all that is
    wrong is that services cannot be reached; AdapterError if an adapter cannot be entered.
    """
    await adapters.enter_all(plan)
    async with AsyncExitStack() as stack:
        opening = Opening(plan.environment, stack)
        try:
            async with anyio.create_task_group() as tasks:
                parts = _start(plan, adapters, partial(opening.start, tasks))
        except ExceptionGroup as group:  # a mistake of ours or of an adapter's; the others are cancelled
            raise group.exceptions[0] from None
        opening.finish()
        yield OpenedSources(
            event_queue=parts.event_queue.opened,
            sinks={destination: part.opened for destination, part in parts.sinks},
            notifications=[(item, part.opened) for item, part in parts.notifications],
            queues=[(item, part.opened) for item, part in parts.queues],
            streams=[(item, part.opened) for item, part in parts.streams],
        )


class Part(Generic[T]):
    """One thing that is opened: what it became, or why it could not be."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.problems: Sequence[Problem] = ()
        self.unreachable = False
        self._opened: T | None = None

    @property
    def opened(self) -> T:
        assert self._opened is not None, f"{self.where} is not open"
        return self._opened

    @opened.setter
    def opened(self, opened: T) -> None:
        self._opened = opened


class _Parts(NamedTuple):
    """Everything a plan names."""

    event_queue: Part[EventQueueStore]
    notifications: list[tuple[NotificationPlan, Part[NotificationSource]]]
    queues: list[tuple[QueuePlan, Part[QueueSource]]]
    streams: list[tuple[StreamPlan, Part[StreamSource]]]
    sinks: list[tuple[Destination, Part[DestinationSink]]]


class _Start(Protocol):
    def __call__(self, where: str, open_part: Callable[[], Awaitable[T]]) -> Part[T]: ...


def _start(plan: Plan, adapters: Adapters, start: _Start) -> _Parts:
    """In the order in which problems are to be listed."""
    name = plan.environment.name
    return _Parts(
        event_queue=start(f"[environments.{name}] event_queue", adapters.event_queue),
        notifications=[
            (item, start(_where(item), partial(adapters.notification_source, item))) for item in plan.notifications
        ],
        queues=[(item, start(_where(item), partial(adapters.queue_source, item))) for item in plan.queues],
        streams=[(item, start(_where(item), partial(adapters.stream_source, item))) for item in plan.streams],
        sinks=[(item, start(_sender(plan, item), partial(adapters.sink, item))) for item in outward(plan)],
    )


class Opening:
    """Opens parts side by side, each within its time, and remembers what could not be."""

    def __init__(self, environment: Environment, stack: AsyncExitStack) -> None:
        """What was opened is closed by ``stack``."""
        self._environment = environment
        self._stack = stack
        self._places = anyio.CapacityLimiter(AT_ONCE)
        self._parts: list[Part[Closable]] = []

    def start(self, tasks: TaskGroup, where: str, open_part: Callable[[], Awaitable[T]]) -> Part[T]:
        """Open one part in a task. ``where`` names whoever asks for it."""
        part = Part[T](where)
        self._parts.append(part)  # type: ignore[arg-type]
        tasks.start_soon(self._open, part, open_part)
        return part

    def finish(self) -> None:
        """Raise what is wrong with all of them, if anything is."""
        problems = _merged([problem for part in self._parts for problem in part.problems])
        if not problems:
            return
        if all(part.unreachable for part in self._parts if part.problems):
            raise EnvironmentUnavailableError(self._environment.name, problems)
        raise ConfigurationError(problems)

    async def _open(self, part: Part[T], open_part: Callable[[], Awaitable[T]]) -> None:
        try:
            async with self._places:
                with anyio.fail_after(OPENING_SECONDS):
                    part.opened = await open_part()
            self._stack.push_async_callback(part.opened.aclose)
        except ConfigurationError as exc:
            part.problems = exc.problems
        except AdapterError as exc:
            part.unreachable = isinstance(exc, UnavailableError)
            part.problems = [Problem(where=part.where, message=self._described(exc), hint=mend_of(exc))]
        except TimeoutError:
            part.unreachable = True
            message = f"was not opened within {OPENING_SECONDS:g} s"
            hint = "is the service running, and the network open?"
            part.problems = [Problem(where=part.where, message=message, hint=hint)]

    def _described(self, exc: AdapterError) -> str:
        """The message, with what the resource is bound to if it is called otherwise there."""
        physical = self._environment.resources.get(exc.resource)
        bound = f" ({physical})" if physical is not None and physical not in exc.message else ""
        return f"{exc.resource}{bound}: {exc.message}"


def _merged(problems: Sequence[Problem]) -> list[Problem]:
    """What is wrong in several places in the same way is said once."""
    same: dict[tuple[str | None, str, str | None], list[str]] = {}
    for problem in problems:
        places = same.setdefault((problem.field, problem.message, problem.hint), [])
        if problem.where not in places:
            places.append(problem.where)
    return [
        Problem(where=_places(places), field=field, message=message, hint=hint)
        for (field, message, hint), places in same.items()
    ]


def _places(places: Sequence[str]) -> str:
    first, *others = places
    return f"{first} and {len(others)} more" if others else first


def _where(item: NotificationPlan | QueuePlan | StreamPlan) -> str:
    trigger = item.endpoint.trigger
    where = item.endpoint.function.where
    return where if trigger is None else f"{where} {trigger.decorator}"


def _sender(plan: Plan, destination: Destination) -> str:
    """Whoever sends there: ``shop.fulfil on_failure``."""
    return _places([where for where, found in _senders(plan) if found == destination])


def _senders(plan: Plan) -> Iterator[tuple[str, Destination]]:
    for function in plan.functions.values():
        where, settings = function.definition.where, function.definition.settings
        for option in ("on_success", "on_failure", "dead_letter_queue"):
            destination: Destination | None = getattr(settings, option)
            if destination is not None:
                yield f"{where} {option}", destination
        for trigger in function.definition.triggers:
            for destination in trigger.destinations:
                yield f"{where} {trigger.decorator}", destination
