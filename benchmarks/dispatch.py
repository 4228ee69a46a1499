"""Calling a handler that does nothing, with every guard of an invocation on: permit, context, request id,
deadline, error handling, outcome, counters and duration histogram.

The floor is a bare ``await``; the peers are what one writes first, with the same guards from asyncio or anyio.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeAlias

import anyio

from benchmarks.event_loop import run
from benchmarks.measure import CPU, RATE, Contender, Effort, Figures, Stopwatch, compare
from benchmarks.report import Report, Table, at_least, at_most
from eventflow import App, Context, Environment, function
from eventflow.runtime.admission import Admission
from eventflow.runtime.dispatch import Dispatcher
from eventflow.runtime.functions import Functions
from eventflow.runtime.invoker import Entry
from eventflow.runtime.metrics import Metrics

ITEMS: Final = 100_000
PEER_ITEMS: Final = 20_000
KEYS: Final = 10_000
WORKERS: Final = 64
CAPACITY: Final = 1_000
TIMEOUT_SECONDS: Final = 30
EVENT: Final[dict[str, Any]] = {}

Handler: TypeAlias = Callable[[Any, Any], Awaitable[None]]
Measurement: TypeAlias = Callable[[int], Coroutine[Any, Any, Figures]]


@function(timeout_seconds=TIMEOUT_SECONDS)
async def nothing(event: dict[str, Any], context: Context) -> None:
    """The handler of every contender."""


@function(timeout_seconds=TIMEOUT_SECONDS)
async def one_turn(event: dict[str, Any], context: Context) -> None:
    """A handler that waits for something, once."""
    await asyncio.sleep(0)


def measure(effort: Effort) -> Report:
    """All contenders."""
    unordered: list[tuple[str, Measurement, int]] = [
        ("bare await", _bare, ITEMS),
        ("eventflow inline", partial(_inline, nothing), ITEMS),
        ("eventflow pooled", partial(_pooled, nothing, None), ITEMS),
        ("naive asyncio", _naive_asyncio, PEER_ITEMS),
        ("naive anyio", _naive_anyio, PEER_ITEMS),
    ]
    ordered: list[tuple[str, Measurement, int]] = [
        ("bare await", _bare, ITEMS),
        ("eventflow ordered", partial(_pooled, nothing, KEYS), ITEMS),
        ("eventflow ordered, waiting", partial(_pooled, one_turn, KEYS), ITEMS),
        ("a lock per key", _lock_per_key, PEER_ITEMS),
    ]
    calls = compare(_contenders(unordered, effort), rounds=effort.rounds)
    by_key = compare(_contenders(ordered, effort), rounds=effort.rounds)
    return Report(
        tables=[
            Table("dispatch: one handler that does nothing", calls, CPU, "bare await"),
            Table(f"ordered dispatch: {KEYS:,} keys", by_key, CPU, "bare await"),
        ],
        targets=[
            at_least("pooled dispatch, items/s", calls.median("eventflow pooled", RATE), 500_000),
            at_most("pooled dispatch, CPU over a bare await", calls.ratio("eventflow pooled", "bare await", CPU), 20),
            at_least("naive asyncio, CPU over pooled", calls.ratio("naive asyncio", "eventflow pooled", CPU), 5),
            at_least("naive anyio, CPU over pooled", calls.ratio("naive anyio", "eventflow pooled", CPU), 30),
            at_least("ordered dispatch, items/s", by_key.median("eventflow ordered", RATE), 400_000),
            at_most(
                "ordered dispatch, CPU over a bare await", by_key.ratio("eventflow ordered", "bare await", CPU), 25
            ),
            at_least("a lock per key, CPU over ordered", by_key.ratio("a lock per key", "eventflow ordered", CPU), 6),
        ],
    )


def _contenders(measurements: list[tuple[str, Measurement, int]], effort: Effort) -> list[Contender]:
    return [
        Contender(name, partial(run, partial(measurement, effort.items(items))))
        for name, measurement, items in measurements
    ]


async def _bare(items: int) -> Figures:
    watch = Stopwatch()
    for _ in range(items):
        await nothing(EVENT, None)  # type: ignore[arg-type]
    return watch.figures(items)


async def _inline(handler: Handler, items: int) -> Figures:
    entry = _entry(handler)
    watch = Stopwatch()
    for _ in range(items):
        await entry.invoke(EVENT)
    return watch.figures(items)


async def _pooled(handler: Handler, keys: int | None, items: int) -> Figures:
    """As a poller does it: as many as there is room for, then wait for room."""
    entry = _entry(handler)

    async def call(item: dict[str, Any]) -> None:
        await entry.invoke(item)

    async with anyio.create_task_group() as tasks:
        dispatcher = Dispatcher(call, workers=WORKERS, capacity=CAPACITY, tasks=tasks)
        watch = Stopwatch()
        pushed = 0
        while pushed < items:
            await dispatcher.room()
            free = min(dispatcher.free, items - pushed)
            for number in range(pushed, pushed + free):
                dispatcher.push(EVENT, None if keys is None else number % keys)
            pushed += free
        await dispatcher.quiet()
        figures = watch.figures(items)
        tasks.cancel_scope.cancel()
    return figures


async def _naive_asyncio(items: int) -> Figures:
    limiter = asyncio.Semaphore(CAPACITY)

    async def call() -> None:
        async with limiter, asyncio.timeout(TIMEOUT_SECONDS):
            await nothing(EVENT, None)  # type: ignore[arg-type]

    watch = Stopwatch()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(items):
            tasks.create_task(call())
    return watch.figures(items)


async def _naive_anyio(items: int) -> Figures:
    limiter = anyio.CapacityLimiter(CAPACITY)

    async def call() -> None:
        async with limiter:
            with anyio.fail_after(TIMEOUT_SECONDS):
                await nothing(EVENT, None)  # type: ignore[arg-type]

    watch = Stopwatch()
    async with anyio.create_task_group() as tasks:
        for _ in range(items):
            tasks.start_soon(call)
    return watch.figures(items)


async def _lock_per_key(items: int) -> Figures:
    """A task per message that waits for its key's lock; no other guard."""
    locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def call(key: int) -> None:
        async with locks[key]:
            await nothing(EVENT, None)  # type: ignore[arg-type]

    watch = Stopwatch()
    async with asyncio.TaskGroup() as tasks:
        for number in range(items):
            tasks.create_task(call(number % KEYS))
    return watch.figures(items)


def _entry(handler: Handler) -> Entry:
    """The entry of a function, built as a run builds it."""
    plan = App([handler]).freeze(Environment())
    functions = Functions(
        plan,
        clock=time,
        monotonic=asyncio.get_running_loop().time,
        admission=Admission([function.definition for function in plan.functions.values()], concurrency=CAPACITY),
        metrics=Metrics(),
        threads=ThreadPoolExecutor(1),
    )
    (only,) = functions.values()
    return only.entry_of("direct", {})
