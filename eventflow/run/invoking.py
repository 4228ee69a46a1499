"""Invoking one function of a plan in this process, beside whatever else runs on the same environment."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import anyio

from eventflow.run.adapters import Adapters
from eventflow.run.opening import open_plan
from eventflow.run.runner import SystemClock
from eventflow.runtime.request_path import Invoked, invoke
from eventflow.runtime.stopping import StopSignal
from eventflow.runtime.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from eventflow.model.invocation import QueuedEvent
    from eventflow.plan.plan import Plan
    from eventflow.ports import EventQueueStatistics, EventQueueStore

_DELIVERY_SECONDS: Final = 5.0
"""What an event may take beyond its function's timeout: its result goes to a destination."""


async def invoke_once(plan: Plan, function_name: str, payload: bytes) -> Invoked:
    """Invoke a function synchronously, with the app's lifespan around it and none of its sources.

    Raises FunctionNotFoundError, RequestTooLargeError, InvalidRequestContentError.
    """
    async with _without_sources(plan, drain_seconds=_DELIVERY_SECONDS) as supervisor:
        return await invoke(supervisor.functions.find(function_name), payload)


async def accept_once(plan: Plan, function_name: str, payload: bytes) -> str:
    """Accept an event for a function, run it once here if the store leaves it to us; returns its request id.

    What is still to be done afterwards (a retry, a delivery) is in the environment's event queue, for the next
    process that runs the app. Raises FunctionNotFoundError, RequestTooLargeError, InvalidRequestContentError,
    UnavailableError.
    """
    drain_seconds = plan.functions[function_name].definition.settings.timeout_seconds + _DELIVERY_SECONDS
    async with _without_sources(plan, drain_seconds=drain_seconds) as supervisor:
        return await supervisor.event_path.accept(function_name, payload)


@asynccontextmanager
async def _without_sources(plan: Plan, *, drain_seconds: float) -> AsyncIterator[Supervisor]:
    plan = replace(plan, notifications=(), queues=(), streams=())
    clock = SystemClock()
    async with Adapters(plan.environment, clock=clock) as adapters, open_plan(plan, adapters) as opened:
        opened = replace(opened, event_queue=_OwnEvents(opened.event_queue))
        supervisor = Supervisor(plan, opened, clock=clock, random=random.random, drain_seconds=drain_seconds)
        async with supervisor.started(StopSignal()):
            yield supervisor


class _OwnEvents:
    """An event queue of which only the events that are put here are seen: all others are left to whoever runs
    the app."""

    def __init__(self, store: EventQueueStore) -> None:
        self._store = store
        self.put = store.put
        self.delete = store.delete
        self.reschedule = store.reschedule
        self.extend = store.extend
        self.aclose = store.aclose

    @property
    def lease_seconds(self) -> float | None:
        return self._store.lease_seconds

    async def receive(self, *, max_events: int, wait_seconds: float) -> Sequence[QueuedEvent]:
        await anyio.sleep(wait_seconds)
        return ()

    async def statistics(self) -> EventQueueStatistics:
        return await self._store.statistics()
