from __future__ import annotations

import anyio

from eventflow.testing.virtual_time import VirtualClock
from eventflow_postgresql.listening import Notifications


async def seconds_waited(notifications: Notifications, *, due_in: float, at_most: float, tell: list[float]) -> float:
    """How long a listener waits; ``tell`` are due times, in seconds from now, that it is told after a second."""
    clock = VirtualClock()
    start = clock.time()

    async def teller() -> None:
        await anyio.sleep(1)
        for due_in in tell:
            notifications._heard(None, 1, "events", repr(start + due_in))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(teller)
        with notifications.listen() as changes:
            await changes.wait(due_at=start + due_in, timeout_seconds=at_most)
            waited = clock.time() - start
    return round(waited, 3)


async def test_a_wait_ends_when_the_next_event_is_due() -> None:
    notifications = Notifications("events", VirtualClock())
    assert await seconds_waited(notifications, due_in=7, at_most=30, tell=[]) == 7


async def test_a_wait_ends_after_the_timeout() -> None:
    notifications = Notifications("events", VirtualClock())
    assert await seconds_waited(notifications, due_in=100, at_most=30, tell=[50]) == 30


async def test_an_event_that_is_due_ends_the_wait_at_once() -> None:
    notifications = Notifications("events", VirtualClock())
    assert await seconds_waited(notifications, due_in=100, at_most=30, tell=[0]) == 1


async def test_an_event_that_will_be_due_ends_the_wait_then_and_not_before() -> None:
    notifications = Notifications("events", VirtualClock())
    assert await seconds_waited(notifications, due_in=100, at_most=30, tell=[20, 5, 10]) == 5


async def test_what_is_told_before_the_wait_is_not_missed() -> None:
    clock = VirtualClock()
    notifications = Notifications("events", clock)
    start = clock.time()
    with notifications.listen() as changes:
        notifications._heard(None, 1, "events", "0")
        await changes.wait(due_at=start + 10, timeout_seconds=30)
        assert clock.time() == start
        await changes.wait(due_at=start + 10, timeout_seconds=30)
        assert round(clock.time() - start, 3) == 10


async def test_everybody_looks_when_the_connection_is_lost() -> None:
    clock = VirtualClock()
    notifications = Notifications("events", clock)
    start = clock.time()
    with notifications.listen() as one, notifications.listen() as other:
        notifications._lost(None)
        await one.wait(due_at=start + 10, timeout_seconds=30)
        await other.wait(due_at=start + 10, timeout_seconds=30)
    assert clock.time() == start
