"""What the dispatcher does for records that are tried again later."""

from __future__ import annotations

import anyio

from eventflow.runtime.dispatch import Dispatcher


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
