from __future__ import annotations

from functools import partial
from typing import Literal, NamedTuple

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventflow.model.function import FunctionDefinition, FunctionSettings
from eventflow.model.outcome import ThrottleReason
from eventflow.runtime.admission import Admission, Slice
from eventflow.testing import run


def slice_of(limit: int) -> Slice:
    return Slice(limit, ThrottleReason.FUNCTION)


async def until_waiting() -> None:
    """Let every task that was just started come to its first wait."""
    await anyio.wait_all_tasks_blocked()


# Permits


async def test_as_many_enter_as_the_limit_says() -> None:
    permits = slice_of(2)
    assert [permits.enter() for _ in range(3)] == [True, True, False]
    permits.leave()
    assert permits.enter()


async def test_nobody_ever_enters_a_slice_of_none() -> None:
    permits = slice_of(0)
    assert not permits.enter()
    with anyio.move_on_after(3_600) as waiting:
        await permits.available()
    assert waiting.cancelled_caught
    with anyio.move_on_after(3_600) as receiving:
        async with permits.promise():
            pytest.fail("a permit that does not exist was promised")
    assert receiving.cancelled_caught


async def test_an_app_has_a_slice_per_reservation_and_one_for_all_others() -> None:
    def function(name: str, reserved: int | None) -> FunctionDefinition:
        return FunctionDefinition(name=name, handler=print, settings=FunctionSettings(reserved_concurrency=reserved))

    functions = [function("a", 30), function("b", 0), function("c", None), function("d", None)]
    admission = Admission(functions, concurrency=100)
    assert (admission.slice_of("a").limit, admission.slice_of("a").reason) == (30, ThrottleReason.FUNCTION)
    assert (admission.slice_of("b").limit, admission.slice_of("b").reason) == (0, ThrottleReason.FUNCTION)
    assert admission.slice_of("c") is admission.slice_of("d")
    assert (admission.slice_of("c").limit, admission.slice_of("c").reason) == (70, ThrottleReason.ACCOUNT)


# Promises


async def test_a_promise_keeps_no_more_than_is_free() -> None:
    permits = slice_of(10)
    permits.enter()
    async with permits.promise(6) as first, permits.promise(6) as second:
        assert (first, second) == (6, 3)
        assert permits.free == 0
    await anyio.lowlevel.checkpoint()
    assert permits.free == 9


async def test_a_promise_outlasts_its_block_until_what_was_promised_can_be_taken() -> None:
    permits = slice_of(1)
    async with permits.promise():
        pass
    assert permits.free == 0
    assert permits.enter()
    await anyio.lowlevel.checkpoint()
    assert permits.free == 0
    permits.leave()
    assert permits.free == 1


async def test_a_promise_takes_no_permit_from_those_who_have_work() -> None:
    permits = slice_of(1)
    async with permits.promise():
        assert permits.enter()


async def test_a_promise_waits_for_the_one_before_it() -> None:
    permits = slice_of(1)
    began: list[float] = []

    async def receive() -> None:
        async with permits.promise():
            began.append(anyio.current_time())
            await anyio.sleep(20)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(receive)
    assert began == pytest.approx([0, 20, 40])


# Nobody sleeps on while there is a permit for them


async def test_a_free_permit_reaches_whoever_has_work_though_a_poller_waits_before_it() -> None:
    permits = slice_of(1)
    permits.enter()
    ran_at: list[float] = []

    async def poll() -> None:
        async with permits.promise():
            await anyio.sleep(20)  # a long poll that brings nothing

    async def work() -> None:
        await permits.available()
        ran_at.append(anyio.current_time())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(poll)
        await until_waiting()
        tasks.start_soon(work)
        await until_waiting()
        freed_at = anyio.current_time()
        permits.leave()
    assert ran_at == pytest.approx([freed_at])


async def test_a_permit_that_was_waited_for_and_not_taken_goes_to_the_next() -> None:
    permits = slice_of(1)
    permits.enter()
    came: list[str] = []

    async def wait(name: str) -> None:
        await permits.available()
        came.append(name)  # and changes its mind

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, "first")
        tasks.start_soon(wait, "second")
        await until_waiting()
        permits.leave()
    assert came == ["first", "second"]


async def test_the_turn_of_a_waiter_that_is_cancelled_is_passed_on() -> None:
    permits = slice_of(1)
    permits.enter()
    came: list[str] = []

    async def wait(name: str, scope: anyio.CancelScope) -> None:
        with scope:
            await permits.available()
            came.append(name)

    scopes = [anyio.CancelScope(), anyio.CancelScope()]
    async with anyio.create_task_group() as tasks:
        for number, scope in enumerate(scopes):
            tasks.start_soon(wait, str(number), scope)
            await until_waiting()
        permits.leave()
        scopes[0].cancel()
    assert came[-1] == "1"


# Programs


class Step(NamedTuple):
    """A task that begins ``at`` and holds what it gets for ``hold`` seconds; cancelled ``cancel_after`` seconds.

    ``insist`` waits for permits until it has run, ``try`` runs if it can, ``look`` waits for a permit and leaves
    it, ``promise`` receives for a while and then runs what it was promised.
    """

    kind: Literal["insist", "try", "look", "promise"]
    at: int
    hold: int
    wanted: int
    cancel_after: int | None


steps = st.builds(
    Step,
    kind=st.sampled_from(["insist", "try", "look", "promise"]),
    at=st.integers(0, 6),
    hold=st.integers(0, 5),
    wanted=st.integers(1, 4),
    cancel_after=st.one_of(st.none(), st.integers(0, 6)),
)


class Interpreter:
    """Runs a program on one slice, and watches that the limit holds and that nobody waits beside a free permit."""

    def __init__(self, limit: int) -> None:
        self.permits = slice_of(limit)
        self.inside = 0
        self.finished = 0

    async def run(self, program: list[Step]) -> None:
        async with anyio.create_task_group() as tasks:
            for step in program:
                tasks.start_soon(self.task, step)
        self.permits_are_all_back()

    def permits_are_all_back(self) -> None:
        assert (self.permits.running, self.permits.promised, self.inside) == (0, 0, 0)

    async def task(self, step: Step) -> None:
        await anyio.sleep(step.at)
        with anyio.move_on_after(step.cancel_after) if step.cancel_after is not None else anyio.CancelScope() as scope:
            match step.kind:
                case "insist":
                    await self.insist(step.hold)
                case "try" if self.permits.enter():
                    await self.hold(step.hold)
                case "look":
                    await self.permits.available()
                case "promise":
                    await self.promise(step)
        if not scope.cancelled_caught:
            self.finished += 1

    async def insist(self, seconds: float) -> None:
        while not self.permits.enter():
            await self.permits.available()
        await self.hold(seconds)

    async def hold(self, seconds: float) -> None:
        self.inside += 1
        assert self.inside == self.permits.running <= self.permits.limit
        try:
            await anyio.sleep(seconds)
        finally:
            self.inside -= 1
            self.permits.leave()

    async def promise(self, step: Step) -> None:
        async with self.permits.promise(step.wanted) as kept:
            assert 1 <= kept <= step.wanted
            assert self.permits.promised <= self.permits.limit
            await anyio.sleep(step.hold)
        async with anyio.create_task_group() as running:
            for _ in range(kept):
                running.start_soon(self.insist, step.hold)


@given(limit=st.integers(1, 3), program=st.lists(steps, max_size=12))
@settings(max_examples=150)
def test_the_limit_holds_and_everybody_who_is_not_cancelled_gets_through(limit: int, program: list[Step]) -> None:
    interpreter = Interpreter(limit)
    run(partial(interpreter.run, program))  # a lost wake-up would be a DeadlockError
    assert interpreter.finished >= sum(1 for step in program if step.cancel_after is None)
