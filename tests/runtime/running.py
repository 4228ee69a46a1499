"""A supervised run whose store and destinations are in the test's hands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel

from eventflow.app import App
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.invocation import Invocation
from eventflow.model.outcome import Outcome
from eventflow.plan.environment import Environment
from eventflow.plan.plan import NotificationPlan, QueuePlan
from eventflow.ports import DestinationSink, EventQueueStore, NotificationSource, QueueSource
from eventflow.runtime.metrics import DropReason
from eventflow.runtime.stopping import StopSignal
from eventflow.runtime.supervisor import OpenedSources, Supervisor
from eventflow.testing.virtual_time import START, VirtualClock, VirtualTimeLoop
from tests.runtime.event_store import LeasedStore

ACCOUNT = "000000000000"


class Inbox:
    """A destination that keeps what it is sent."""

    def __init__(self, destination: Destination) -> None:
        self.arn = f"arn:aws:{destination.service}:us-east-1:{ACCOUNT}:{destination.name}"
        self.messages: list[OutboundMessage] = []

    @property
    def records(self) -> list[Any]:
        return [json.loads(message.body) for message in self.messages]

    async def send(self, message: OutboundMessage) -> None:
        await anyio.lowlevel.checkpoint()
        self.messages.append(message)

    async def aclose(self) -> None:
        return


class Run:
    """What a test sees of a run. ``calls`` are function name, event and type of outcome, in the order they ended."""

    def __init__(self, supervisor: Supervisor, store: EventQueueStore, stop: StopSignal) -> None:
        self.supervisor = supervisor
        self.store = store
        self.stop = stop
        self.calls: list[tuple[str, Any, str]] = []
        self.inboxes: dict[str, Inbox] = {}

    def observe(self, invocation: Invocation, outcome: Outcome, started: float) -> None:
        self.calls.append((invocation.function_name, invocation.event, type(outcome).__name__))

    async def accept(self, function_name: str, event: Any = None, *, source: str = "direct") -> str:
        return await self.supervisor.event_path.accept(function_name, json.dumps(event).encode(), source=source)

    @property
    def held(self) -> int:
        return self.supervisor.event_path.statistics().held

    @property
    def dropped(self) -> Mapping[tuple[str, str, DropReason], int]:
        return dict(self.supervisor.metrics.dropped)

    @property
    def problems(self) -> Mapping[str, str]:
        return dict(self.supervisor.readiness.problems)

    async def settle(self) -> None:
        """Until no event is left, jumping over every delay."""
        await until(self._is_settled)

    async def _is_settled(self) -> bool:
        return not self.held and not (await self.store.statistics()).total


async def until(condition: Callable[[], Any]) -> None:
    """Let virtual time pass until ``condition``."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    while True:
        next_timer = await loop.quiet()
        if await condition():
            return
        assert next_timer is not None, "nothing will happen any more"
        await anyio.sleep(next_timer)


@asynccontextmanager
async def running(
    handlers: Sequence[Callable[..., Any]],
    *,
    store: EventQueueStore | None = None,
    wrap_sink: Callable[[DestinationSink, Destination], DestinationSink] | None = None,
    sinks: Mapping[Destination, DestinationSink] | None = None,
    notifications: Callable[[NotificationPlan], NotificationSource] | None = None,
    queues: Callable[[QueuePlan], QueueSource] | None = None,
    inboxes: dict[str, Inbox] | None = None,
    concurrency: int = 1_000,
    drain_seconds: float = 0,
    jitter: float = 0.0,
    **app: Any,
) -> AsyncIterator[Run]:
    """Run handlers over ``store``, with an inbox for every destination that is not one of ``sinks``."""
    clock = VirtualClock()
    plan = App(handlers, **app).freeze(Environment(concurrency=concurrency))
    store = store or LeasedStore(clock)
    boxes = inboxes if inboxes is not None else {}
    opened_sinks: dict[Destination, DestinationSink] = {}
    for destination in plan.destinations():
        if destination.service is Service.FUNCTION:
            continue
        inbox = boxes.setdefault(destination.resource, Inbox(destination))
        opened_sinks[destination] = wrap_sink(inbox, destination) if wrap_sink else inbox
    opened = OpenedSources(
        event_queue=store,
        sinks={**opened_sinks, **(sinks or {})},
        notifications=[(item, notifications(item)) for item in plan.notifications] if notifications else [],
        queues=[(item, queues(item)) for item in plan.queues] if queues else [],
    )
    stop = StopSignal()
    run: Run
    supervisor = Supervisor(
        plan,
        opened,
        clock=clock,
        random=lambda: jitter,
        drain_seconds=drain_seconds,
        observer=lambda *call: run.observe(*call),
    )
    run = Run(supervisor, store, stop)
    run.inboxes = boxes
    async with supervisor.started(stop):
        yield run


def seconds() -> float:
    """Virtual seconds since the test began."""
    return VirtualClock().time() - START
