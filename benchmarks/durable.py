"""Asynchronous invocations that survive a crash: accepted (fsynced), executed and settled, 1 KB each.

Every sender awaits the acceptance of one event before it sends the next. eventflow does all of it in one process;
the peer is taskiq on a Redis that syncs every write too, and its cost is that of producer, worker and server.
"""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from benchmarks.event_loop import run
from benchmarks.measure import CPU, RATE, Contender, Effort, Figures, Stopwatch, compare
from benchmarks.payload import PAYLOAD
from benchmarks.processes import Process, free_port, module
from benchmarks.report import Report, Table, at_least, at_most
from eventflow import App, Environment, function
from eventflow.cli.serving import YOUNG_OBJECTS
from eventflow.run.runner import running
from eventflow.runtime.stopping import StopSignal

EVENTS: Final = {1: 2_000, 10: 10_000, 100: 30_000, 1_000: 30_000}
"""How many events a round sends, by the number of senders."""
PEER_SENDERS: Final = 100
PEER_EVENTS: Final = 3_000
FSYNCS: Final = 500


@function
async def nothing(event: dict[str, Any]) -> None:
    """The handler."""


def measure(effort: Effort) -> Report:
    """eventflow by number of senders, and taskiq where it and Redis are installed."""
    remarks = []
    contenders = [Contender("the disk: append 1 KB, fsync", partial(_fsyncs, effort.items(FSYNCS)))]
    for senders, events in EVENTS.items():
        one_round = partial(_send_all, senders, effort.items(events))
        contenders.append(Contender(_ours(senders), partial(run, one_round)))
    with ExitStack() as stack:
        if missing := _missing():
            remarks.append(f"taskiq on Redis: {missing}")
        else:
            try:
                peer = stack.enter_context(_taskiq())
            except RuntimeError as exc:
                remarks.append(f"taskiq on Redis: {exc}")
            else:
                one_round_of_theirs = partial(peer.send_all, effort.items(PEER_EVENTS))
                contenders.append(Contender("taskiq, Redis streams", one_round_of_theirs))
        results = compare(contenders, rounds=effort.rounds)
    ours, theirs = _ours(PEER_SENDERS), "taskiq, Redis streams"
    return Report(
        tables=[Table("durable asynchronous invocations, 1 KB", results, CPU, ours)],
        targets=[
            at_least("100 senders, settled events/s", results.median(ours, RATE), 60_000),
            at_most("100 senders, CPU µs/event", results.median(ours, CPU), 15),
            at_least("100 senders, rate over taskiq's", results.ratio(ours, theirs, RATE), 20),
        ],
        remarks=remarks,
    )


def _ours(senders: int) -> str:
    return f"eventflow, {senders:,} sender{'s' if senders > 1 else ''}"


def _fsyncs(count: int) -> Figures:
    """What the disk alone allows a caller that waits for each write."""
    with tempfile.TemporaryFile(dir=".", buffering=0) as file:
        watch = Stopwatch()
        for _ in range(count):
            file.write(PAYLOAD)
            os.fsync(file.fileno())
        return watch.figures(count)


async def _send_all(senders: int, events: int) -> Figures:
    """All of it, until nothing is left in the store."""
    gc.set_threshold(YOUNG_OBJECTS)  # as `eventflow serve` does
    with tempfile.TemporaryDirectory(dir=".", prefix=".benchmark-") as data:
        plan = App([nothing]).freeze(Environment(options={"data": data}))
        async with running(plan, stop=StopSignal()) as supervisor:
            path, executed = supervisor.event_path, supervisor.metrics.of("nothing", "direct")
            left = iter(range(events))

            async def sender() -> None:
                for _ in left:
                    await path.accept("nothing", PAYLOAD)

            watch = Stopwatch()
            async with asyncio.TaskGroup() as tasks:
                for _ in range(senders):
                    tasks.create_task(sender())
            while executed.succeeded < events:  # noqa: ASYNC110 (the last few are received later)
                await asyncio.sleep(0.001)
            await path.quiet()
            return watch.figures(events)


def _missing() -> str | None:
    if shutil.which("redis-server") is None:
        return "redis-server is not installed; apt-get install redis-server, or brew install redis"
    if find_spec("taskiq_redis") is None:
        return "taskiq-redis is not installed; pip install -e '.[benchmark]'"
    return None


@contextmanager
def _taskiq() -> Iterator[_Taskiq]:
    """A Redis of our own with one taskiq worker. Redis syncs before it answers, as our store does."""
    port = free_port()
    with tempfile.TemporaryDirectory(dir=".", prefix=".benchmark-") as directory:
        settings = {
            "bind": "127.0.0.1", "port": str(port), "dir": str(Path(directory).absolute()), "save": "",
            "appendonly": "yes", "appendfsync": "always", "loglevel": "warning",
        }  # fmt: skip
        command = ["redis-server", *(word for name, value in settings.items() for word in (f"--{name}", value))]
        variables = {"EVENTFLOW_BENCHMARK_REDIS": f"redis://127.0.0.1:{port}"}
        worker_command = module("taskiq", "worker", "benchmarks.taskiq_app:broker", "-w", "1", "--log-level", "ERROR")
        with Process(command) as redis:
            redis.wait_until(partial(_listens, port))
            with Process(worker_command, variables=variables) as worker:
                peer = _Taskiq(redis, worker, variables)
                peer.send_all(10)  # which waits until the worker works
                yield peer


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


class _Taskiq:
    """A worker and its server, running."""

    def __init__(self, redis: Process, worker: Process, variables: dict[str, str]) -> None:
        self._redis = redis
        self._worker = worker
        self._variables = variables

    def send_all(self, events: int) -> Figures:
        """One round with a new producer."""
        command = module("benchmarks.taskiq_app", str(PEER_SENDERS), str(events))
        with Process(command, variables=self._variables) as producer:
            everybody = (self._redis, self._worker, producer)
            assert producer.line() == "ready"
            cpu_before = sum(process.cpu_seconds() for process in everybody)
            started = time.perf_counter()
            producer.go()
            assert self._worker.line() == "executed"
            seconds = time.perf_counter() - started
            assert producer.line() == "accepted"
            cpu_seconds = sum(process.cpu_seconds() for process in everybody) - cpu_before
        return {RATE: events / seconds, CPU: cpu_seconds / events * 1e6}
