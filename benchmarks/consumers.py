"""What the consumers of the queue and stream benchmarks have in common.

Each runs in a process of its own against a server of its own. It counts the items that its handler gets; what is
measured begins after a warm-up, by which everything is imported and connected.
"""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.measure import Figures, Stopwatch
from benchmarks.processes import Process, module
from eventflow import App, Environment
from eventflow.cli.serving import YOUNG_OBJECTS
from eventflow.plan.environment import EventQueueBinding
from eventflow.run.runner import running
from eventflow.runtime.stopping import StopSignal

CONSUMER_CPU: Final = 0
SERVER_CPU: Final = 1
SERVER: Final = "server's CPU µs/item"
"""If this is near the consumer's own, the server may be what limits the rate."""
WARMED_UP: Final = "warmed up"
REGION: Final = "us-east-1"
CLIENT_OPTIONS: Final[Mapping[str, Any]] = {
    "connect_timeout": 5,
    "read_timeout": 35,
    "max_pool_connections": 512,
    "retries": {"mode": "standard", "total_max_attempts": 3},
    "tcp_keepalive": True,
}
"""botocore's configuration, as the aws adapter has it."""


class Meter:
    """Counts items, and measures from the end of the warm-up on."""

    def __init__(self, *, warm_up: int, items: int) -> None:
        self._count = 0
        self._next = warm_up
        self._items = items
        self._first = 0
        self._watch: Stopwatch | None = None
        self.figures: Figures | None = None
        """The result, once there is one."""
        self.over = asyncio.Event()

    def add(self, items: int) -> None:
        """So many were handled."""
        self._count += items
        if self._count >= self._next:
            self._turn()

    def _turn(self) -> None:
        if self._watch is None:
            print(WARMED_UP, flush=True)
            self._first, self._next = self._count, self._count + self._items
            self._watch = Stopwatch()
        elif self.figures is None:
            self.figures = self._watch.figures(self._count - self._first)
            print(json.dumps(self.figures), flush=True)
            self.over.set()


def consume(
    variables: Mapping[str, str],
    server_cpu_seconds: Callable[[], float],
    consumer: str,
    name: str,
    *,
    warm_up: int,
    items: int,
) -> Figures:
    """One round: what ``python -m CONSUMER NAME WARM_UP ITEMS`` measures of itself, and what the server that
    ``variables`` tell of spent meanwhile."""
    command = module(consumer, name, str(warm_up), str(items))
    with Process(command, cpu=CONSUMER_CPU, variables=variables) as process:
        assert process.line() == WARMED_UP
        before = server_cpu_seconds()
        figures: Figures = json.loads(process.line())
        spent_seconds = server_cpu_seconds() - before
    return {**figures, SERVER: spent_seconds / items * 1e6}


def aws_variables(url: str) -> Mapping[str, str]:
    """Clients of all services talk to this server, and to nothing else."""
    nothing = str(Path(__file__).with_name("no-aws-configuration"))
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": nothing,
        "AWS_SHARED_CREDENTIALS_FILE": nothing,
    }


async def run_eventflow(handler: Any, meter: Meter, **environment: Any) -> None:
    """The whole runtime, as ``eventflow serve`` has it, until everything is measured. On the aws adapter, unless
    ``environment`` says otherwise."""
    event_queue = EventQueueBinding(adapter="local", options={"data": "memory"})  # nothing is ever in it
    plan = App([handler]).freeze(Environment(**{"adapter": "aws", "event_queue": event_queue, **environment}))
    async with running(plan, stop=StopSignal()):
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS)
        await meter.over.wait()
