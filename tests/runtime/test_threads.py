from __future__ import annotations

import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import Future, wait

import pytest

from eventflow.runtime.threads import HandlerThreads

PATIENCE_SECONDS = 120


@pytest.fixture
def gate() -> threading.Event:
    return threading.Event()


def test_a_result_and_an_error_reach_the_caller() -> None:
    threads = HandlerThreads(1)
    assert threads.submit(divmod, 7, 2).result() == (3, 1)
    with pytest.raises(ZeroDivisionError):
        threads.submit(divmod, 7, 0).result()
    with pytest.raises(SystemExit):
        threads.submit(sys.exit, 3).result()
    threads.shutdown()


def test_as_many_run_at_once_as_there_may_be_threads(gate: threading.Event) -> None:
    threads = HandlerThreads(3)
    began = threading.Semaphore(0)

    def call() -> str:
        began.release()
        gate.wait()
        return threading.current_thread().name

    futures = [threads.submit(call) for _ in range(6)]
    for _ in range(3):
        began.acquire()
    assert not began.acquire(blocking=False)
    gate.set()
    assert len({future.result() for future in futures}) == 3
    threads.shutdown()


def test_an_idle_thread_is_used_again() -> None:
    threads = HandlerThreads(100)
    names: set[str] = set()
    for _ in range(20):
        names.add(threads.submit(lambda: threading.current_thread().name).result())
        until_idle(threads)
    assert len(names) == 1
    threads.shutdown()


def until_idle(threads: HandlerThreads) -> None:
    """A future is resolved a moment before its thread is idle."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not threads.idle and time.monotonic() < give_up_at:
        time.sleep(0)


def test_threads_that_were_idle_for_long_end_and_new_ones_take_their_place() -> None:
    threads = HandlerThreads(4, idle_seconds=0.01)
    workers = {threads.submit(threading.current_thread).result() for _ in range(4)}
    for worker in workers:
        worker.join(PATIENCE_SECONDS)
        assert not worker.is_alive()
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while threads.idle and time.monotonic() < give_up_at:  # one may have been started that no call came to
        threading.Event().wait(0.01)
    assert threads.idle == 0
    assert threads.submit(divmod, 7, 2).result() == (3, 1)
    threads.shutdown()


def test_threads_that_are_to_spare_end_although_calls_keep_coming() -> None:
    threads = HandlerThreads(8, idle_seconds=0.2)
    together = threading.Barrier(8)

    def call() -> threading.Thread:
        together.wait(PATIENCE_SECONDS)
        return threading.current_thread()

    workers = [future.result() for future in [threads.submit(call) for _ in range(8)]]
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while sum(worker.is_alive() for worker in workers) > 1 and time.monotonic() < give_up_at:
        threads.submit(int).result()
    assert [worker.is_alive() for worker in workers].count(True) <= 1
    threads.shutdown()


def test_a_call_that_comes_as_a_thread_leaves_is_not_lost() -> None:
    threads = HandlerThreads(2, idle_seconds=0)
    futures = [threads.submit(int, number) for number in range(2_000)]
    assert [future.result(PATIENCE_SECONDS) for future in futures] == list(range(2_000))
    assert all(threads.submit(int, number).result(PATIENCE_SECONDS) == number for number in range(500))
    threads.shutdown()


def test_an_idle_thread_keeps_nobodys_event_alive() -> None:
    class Event: ...

    threads = HandlerThreads(1)
    event = Event()
    alive = weakref.ref(event)
    threads.submit(id, event).result()
    until_idle(threads)
    del event
    assert alive() is None
    threads.shutdown()


def test_a_call_that_is_cancelled_in_the_queue_never_runs(gate: threading.Event) -> None:
    threads = HandlerThreads(1)
    ran: list[str] = []
    first = threads.submit(gate.wait)
    second = threads.submit(ran.append, "second")
    third = threads.submit(ran.append, "third")
    assert second.cancel()
    gate.set()
    wait([first])
    third.result()
    assert ran == ["third"]
    threads.shutdown()


def test_after_the_shutdown_nothing_is_taken_and_idle_threads_end() -> None:
    threads = HandlerThreads(5)
    gate = threading.Barrier(3)
    found: list[Future[threading.Thread]] = []

    def call() -> threading.Thread:
        gate.wait()
        return threading.current_thread()

    found += [threads.submit(call) for _ in range(3)]
    workers = [future.result() for future in found]
    threads.shutdown()
    for worker in workers:
        worker.join(PATIENCE_SECONDS)
        assert not worker.is_alive()
    with pytest.raises(RuntimeError):
        threads.submit(print)


def test_a_call_that_never_returns_does_not_keep_the_process() -> None:
    script = (
        "import threading\n"
        "from eventflow.runtime.threads import HandlerThreads\n"
        "began = threading.Event()\n"
        "HandlerThreads(1).submit(lambda: (began.set(), threading.Event().wait()))\n"
        "began.wait()\n"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=PATIENCE_SECONDS, check=False).returncode == 0
