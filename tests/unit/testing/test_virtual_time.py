from __future__ import annotations

import asyncio
import socket
import threading
import time

import anyio
import pytest

from eventflow.testing.virtual_time import DeadlockError, VirtualClock, VirtualTimeLoop


async def test_six_hours_pass_without_waiting() -> None:
    clock = VirtualClock()
    before = clock.time()
    await anyio.sleep(6 * 3600)
    assert clock.time() - before == pytest.approx(6 * 3600)


async def test_timeouts_jump_too() -> None:
    with pytest.raises(TimeoutError):
        with anyio.fail_after(900):
            await anyio.sleep_forever()


async def test_work_in_an_executor_takes_no_virtual_time() -> None:
    loop = asyncio.get_running_loop()
    reached = asyncio.Event()
    timer = loop.call_later(3600, reached.set)
    await loop.run_in_executor(None, time.thread_time)
    assert not reached.is_set()
    timer.cancel()


async def test_no_time_passes_while_the_world_outside_answers() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    answering, waiting = socket.socketpair()
    with answering, waiting:
        waiting.setblocking(False)
        timer = threading.Timer(0.05, answering.send, [b"answer"])
        timer.start()
        with loop.standstill():
            assert await loop.sock_recv(waiting, 10) == b"answer"
        timer.join()
    assert loop.time() == 0


async def test_quiet_returns_before_the_clock_jumps() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    timer = loop.call_later(60, lambda: None)
    assert await loop.quiet() == pytest.approx(60)
    assert loop.time() < 60
    timer.cancel()


def test_a_deadlock_is_an_error() -> None:
    async def stuck() -> None:
        await anyio.sleep_forever()

    with pytest.raises(DeadlockError):
        anyio.run(stuck, backend="asyncio", backend_options={"loop_factory": VirtualTimeLoop})
