"""The peer of the durable benchmark: taskiq over Redis streams.

``python -m benchmarks.taskiq_app SENDERS TASKS`` sends; ``python -m taskiq worker benchmarks.taskiq_app:broker``
runs. ``EVENTFLOW_BENCHMARK_REDIS`` is the server's URL.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Final

import uvloop
from taskiq_redis import RedisStreamBroker

from benchmarks.payload import EVENT

broker: Final = RedisStreamBroker(os.environ["EVENTFLOW_BENCHMARK_REDIS"], xread_block=100)

_executed = 0


@broker.task(task_name="work")  # the producer knows this module as __main__
async def work(event: dict[str, str], of: int) -> None:
    """Does nothing but count; says so when a run is through."""
    global _executed
    _executed += 1
    if _executed == of:
        _executed = 0
        print("executed", flush=True)


async def send(senders: int, tasks: int) -> None:
    """Every sender awaits the acceptance of one task before it sends the next."""
    await broker.startup()
    left = iter(range(tasks))

    async def sender() -> None:
        for _ in left:
            await work.kiq(EVENT, tasks)

    print("ready", flush=True)
    sys.stdin.readline()
    async with asyncio.TaskGroup() as group:
        for _ in range(senders):
            group.create_task(sender())
    print("accepted", flush=True)
    sys.stdin.readline()
    await broker.shutdown()


if __name__ == "__main__":
    uvloop.run(send(int(sys.argv[1]), int(sys.argv[2])))
