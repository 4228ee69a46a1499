from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from functools import partial
from typing import NamedTuple

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventflow.runtime.dispatch import Dispatcher
from eventflow.testing import run


async def test_items_of_one_key_run_in_order_while_others_go_on() -> None:
    ran: list[str] = []

    async def work(item: str) -> None:
        await anyio.sleep(10 if item == "a1" else 1)
        ran.append(item)

    async with anyio.create_task_group() as tasks:
        dispatcher = Dispatcher[str](work, workers=10, capacity=10, tasks=tasks)
        for item in ("a1", "a2", "b1", "b2"):
            dispatcher.push(item, item[0])
        await dispatcher.quiet()
        tasks.cancel_scope.cancel()
    assert ran == ["b1", "b2", "a1", "a2"]


async def test_a_paused_item_blocks_its_key_and_no_worker() -> None:
    ran: list[tuple[str, float]] = []
    paused: set[str] = set()

    async def work(item: str) -> float | None:
        ran.append((item, anyio.current_time()))
        if item == "a1" and item not in paused:
            paused.add(item)
            return 60
        return None

    async with anyio.create_task_group() as tasks:
        dispatcher = Dispatcher[str](work, workers=1, capacity=10, tasks=tasks)
        for item in ("a1", "a2", "b1"):
            dispatcher.push(item, item[0])
        await dispatcher.quiet()
        tasks.cancel_scope.cancel()
    assert ran == [("a1", 0), ("b1", 0), ("a1", 60), ("a2", 60)]


async def test_an_exception_ends_the_task_group() -> None:
    async def work(item: str) -> None:
        raise LookupError(item)

    async def dispatch() -> None:
        async with anyio.create_task_group() as tasks:
            dispatcher = Dispatcher[str](work, workers=1, capacity=1, tasks=tasks)
            dispatcher.push("a")
            await anyio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        await dispatch()
    assert caught.group_contains(LookupError, match="a")


async def test_a_worker_that_is_cancelled_alone_is_replaced() -> None:
    ran: list[str] = []

    async def work(item: str) -> None:
        if item == "suicidal":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        await anyio.sleep(1)
        ran.append(item)

    async with anyio.create_task_group() as tasks:
        dispatcher = Dispatcher[str](work, workers=1, capacity=10, tasks=tasks)
        for item in ("suicidal", "a1", "a2"):
            dispatcher.push(item, "a")
        await dispatcher.quiet()
        dispatcher.push("later")
        await dispatcher.quiet()
        tasks.cancel_scope.cancel()
    assert ran == ["a1", "a2", "later"]


async def test_what_is_abandoned_does_not_run_and_what_runs_is_waited_for() -> None:
    ran: list[str] = []

    async def work(item: str) -> float | None:
        if item == "paused":
            return 60
        await anyio.sleep(5)
        ran.append(item)
        return None

    async with anyio.create_task_group() as tasks:
        dispatcher = Dispatcher[str](work, workers=2, capacity=10, tasks=tasks)
        for item in ("paused", "a1", "a2", "b1"):
            dispatcher.push(item, item[0])
        await anyio.sleep(1)
        dispatcher.abandon()
        await dispatcher.quiet()
        assert anyio.current_time() == pytest.approx(5)
        tasks.cancel_scope.cancel()
    assert sorted(ran) == ["a1", "b1"]


async def test_it_takes_no_more_workers_than_it_needs() -> None:
    workers: set[asyncio.Task[object] | None] = set()

    async def work(item: int) -> None:
        workers.add(asyncio.current_task())
        await anyio.sleep(1)

    async with anyio.create_task_group() as tasks:
        dispatcher = Dispatcher[int](work, workers=50, capacity=100, tasks=tasks)
        for round_ in range(20):
            dispatcher.push(round_)
            dispatcher.push(-round_)
            await dispatcher.quiet()
        tasks.cancel_scope.cancel()
    assert len(workers) == 2


# Programs


class Item(NamedTuple):
    """Something to run for ``seconds``, after as many attempts that ask for a pause."""

    key: int | None
    seconds: int
    pauses: int


class Sender(NamedTuple):
    """Pushes items one after the other whenever there is room; cancelled at ``cancel_at``."""

    items: list[Item]
    cancel_at: int | None


items = st.builds(Item, key=st.none() | st.integers(0, 3), seconds=st.integers(0, 3), pauses=st.integers(0, 2))
senders = st.builds(Sender, items=st.lists(items, max_size=6), cancel_at=st.one_of(st.none(), st.integers(0, 5)))


class Program:
    """Runs senders against one dispatcher, and watches it."""

    def __init__(self, workers: int, capacity: int) -> None:
        self.workers = workers
        self.capacity = capacity
        self.pushed: list[tuple[int, Item]] = []
        self.attempts: Counter[int] = Counter()
        self.order: defaultdict[int | None, list[int]] = defaultdict(list)
        self.running: set[int] = set()
        self.busy_keys: set[int] = set()

    async def run(self, program: list[Sender]) -> None:
        async with anyio.create_task_group() as tasks:
            self.dispatcher = Dispatcher[int](self.work, workers=self.workers, capacity=self.capacity, tasks=tasks)
            async with anyio.create_task_group() as sending:
                for sender in program:
                    sending.start_soon(self.send, sender)
            await self.dispatcher.quiet()
            assert self.dispatcher.free == self.capacity
            tasks.cancel_scope.cancel()

    async def send(self, sender: Sender) -> None:
        cancelled = anyio.move_on_after(sender.cancel_at) if sender.cancel_at is not None else anyio.CancelScope()
        with cancelled:
            for item in sender.items:
                while not self.dispatcher.free:
                    await self.dispatcher.room()
                self.pushed.append((len(self.pushed), item))
                self.dispatcher.push(len(self.pushed) - 1, item.key)
                assert self.dispatcher.held <= self.capacity

    async def work(self, number: int) -> float | None:
        item = self.pushed[number][1]
        self.attempts[number] += 1
        self.running.add(number)
        assert len(self.running) <= self.workers
        assert item.key not in self.busy_keys
        if item.key is not None:
            self.busy_keys.add(item.key)
        await anyio.sleep(item.seconds)
        self.running.discard(number)
        if item.key is not None:
            self.busy_keys.discard(item.key)
        if self.attempts[number] <= item.pauses:
            return 2
        self.order[item.key].append(number)
        return None


@given(workers=st.integers(1, 3), capacity=st.integers(1, 4), program=st.lists(senders, max_size=5))
@settings(max_examples=150)
def test_everything_runs_once_in_order_per_key_within_the_limits(
    workers: int, capacity: int, program: list[Sender]
) -> None:
    interpreter = Program(workers, capacity)
    run(partial(interpreter.run, program))  # a lost wake-up would be a DeadlockError
    assert interpreter.attempts == {number: item.pauses + 1 for number, item in interpreter.pushed}
    for key, order in interpreter.order.items():
        if key is not None:
            assert order == sorted(order)
