"""What the dispatcher does for records that are tried again later."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import anyio

from eventflow.runtime.dispatch import Dispatcher, Line


async def test_a_paused_item_blocks_its_key_and_no_worker() -> None:
    finished: list[tuple[str, float]] = []

    async def run(item: str) -> float | None:
        if item.startswith("slow") and anyio.current_time() < 10:
            return 4.0
        finished.append((item, anyio.current_time()))
        return None

    async with anyio.create_task_group() as tasks:
        dispatcher = Dispatcher(run, workers=1, capacity=10, tasks=tasks)
        for item, key in [("slow", "a"), ("after slow", "a"), ("other", "b"), ("free", None)]:
            dispatcher.push(item, key)
        await dispatcher.quiet()
        assert finished == [("other", 0.0), ("free", 0.0), ("slow", 12.0), ("after slow", 12.0)]
        tasks.cancel_scope.cancel()


async def test_abandoning_forgets_all_but_what_runs() -> None:
    started: list[str] = []
    release = anyio.Event()

    async def run(item: str) -> float | None:
        started.append(item)
        if item == "paused":
            return 60.0
        await release.wait()
        return 1.0

    async with anyio.create_task_group() as tasks:
        dispatcher = Dispatcher(run, workers=2, capacity=10, tasks=tasks)
        pushed = [("paused", "a"), ("behind", "a"), ("one", "b"), ("two", "c"), ("ready", "d"), ("behind", "b")]
        for item, key in pushed:
            dispatcher.push(item, key)
        await anyio.sleep(1)
        dispatcher.abandon()
        assert dispatcher.held == 2
        release.set()
        await dispatcher.quiet()
        await anyio.sleep(100)
        assert started == ["paused", "one", "two"]
        tasks.cancel_scope.cancel()


async def test_abandoning_an_empty_dispatcher_leaves_it_quiet() -> None:
    async def run(item: str) -> None: ...

    async with anyio.create_task_group() as tasks:
        dispatcher = Dispatcher(run, workers=1, capacity=1, tasks=tasks)
        dispatcher.abandon()
        await dispatcher.quiet()
        assert dispatcher.held == 0


def again(item: str, pause: float | None) -> Awaitable[float | None] | None:
    """After a run that says itself when to run again."""

    async def rest() -> float | None:
        return pause

    return None if pause is None else rest()


async def test_a_paused_item_holds_up_the_whole_line() -> None:
    finished: list[tuple[str, float]] = []

    async def run(item: str) -> float | None:
        if item == "slow" and anyio.current_time() < 10:
            return 4.0
        await anyio.sleep(1)
        finished.append((item, anyio.current_time()))
        return None

    async with anyio.create_task_group() as tasks:
        line = Line(run, again, tasks=tasks)
        line.push(["first", "slow"])
        await anyio.sleep(2)
        line.push(["last"])
        await line.quiet()
        assert finished == [("first", 1.0), ("slow", 14.0), ("last", 15.0)]
        line.push(["later"])
        await line.quiet()
        assert finished[-1] == ("later", 16.0)
        tasks.cancel_scope.cancel()


async def test_an_abandoned_line_finishes_what_runs_and_no_more() -> None:
    started: list[str] = []
    release = anyio.Event()

    async def run(item: str) -> float | None:
        started.append(item)
        await release.wait()
        return 1.0

    async with anyio.create_task_group() as tasks:
        line = Line(run, again, tasks=tasks)
        line.push(["runs", "behind"])
        await anyio.sleep(1)
        line.abandon()
        with anyio.move_on_after(1) as waiting:
            await line.quiet()
        assert waiting.cancelled_caught
        release.set()
        await line.quiet()
        await anyio.sleep(100)
        assert started == ["runs"]
        tasks.cancel_scope.cancel()


async def test_an_abandoned_line_does_not_wait_for_what_is_paused() -> None:
    started: list[float] = []

    async def run(item: str) -> float | None:
        started.append(anyio.current_time())
        return 60.0

    async with anyio.create_task_group() as tasks:
        line = Line(run, again, tasks=tasks)
        line.push(["paused", "behind"])
        await anyio.sleep(1)
        line.abandon()
        await line.quiet()
        assert anyio.current_time() == 1
        await anyio.sleep(100)
        assert started == [0.0]
        tasks.cancel_scope.cancel()


async def test_a_line_survives_an_item_that_cancels_its_task() -> None:
    ran: list[str] = []

    async def run(item: str) -> None:
        if item == "suicidal":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        await anyio.sleep(1)
        ran.append(item)

    async with anyio.create_task_group() as tasks:
        line = Line[str, None](run, again, tasks=tasks)
        line.push(["suicidal", "next"])
        await line.quiet()
        assert ran == ["next"]
        tasks.cancel_scope.cancel()
