"""Receiving from RabbitMQ, handling and acknowledging: eventflow against aio-pika by hand and FastStream.

All of them consume the same queue of a real broker, with the same prefetch. Every contender has a process of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Final

import aio_pika

from benchmarks.consumers import consume
from benchmarks.measure import CPU, Contender, Effort, Figures, compare
from benchmarks.payload import SHORT_BODY
from benchmarks.processes import family_cpu_seconds
from benchmarks.rabbitmq_consumers import CONSUMERS, FASTSTREAM, PREFETCH, QUEUE, URL_VARIABLE
from benchmarks.report import Report, Table, at_least
from tests.servers.installing import NotInstalledError
from tests.servers.running import running
from tests.servers.server import Server

MESSAGES: Final = 5_000
WARM_UP: Final = 1_000
TO_SPARE: Final = 3 * PREFETCH
BASELINE: Final = "aio-pika, hand-written"
_MODULE: Final = "benchmarks.rabbitmq_consumers"


def measure(effort: Effort) -> Report:
    """All contenders on one broker."""
    remarks = [] if find_spec("faststream") else ["FastStream: pip install 'eventflow[benchmark]'"]
    names = [name for name in CONSUMERS if find_spec("faststream") or name != FASTSTREAM]
    try:
        with running("rabbitmq") as (server, process):
            spent = partial(family_cpu_seconds, process.pid)
            measured = [Contender(name, partial(on_broker, server, spent, effort, name)) for name in names]
            results = compare(measured, rounds=effort.rounds)
    except NotInstalledError as exc:
        return Report(tables=[], remarks=[f"RabbitMQ: {exc}"])
    title = f"RabbitMQ: receive, handle, acknowledge; classic queue, prefetch {PREFETCH}"
    return Report(
        tables=[Table(title, results, CPU, BASELINE)],
        targets=[
            at_least(f"{name}: messages per CPU second over {BASELINE}", results.ratio(BASELINE, name, CPU), 0.9)
            for name in names
            if name.startswith("eventflow")
        ],
        remarks=remarks,
    )


def on_broker(server: Server, spent: Callable[[], float], effort: Effort, name: str) -> Figures:
    """One round of one contender, with messages of its own and a few to spare. ``spent`` reads the broker's CPU."""
    warm_up, messages = effort.items(WARM_UP), effort.items(MESSAGES)
    asyncio.run(_fill(server.endpoint_url, warm_up + messages + TO_SPARE))
    return consume({URL_VARIABLE: server.endpoint_url}, spent, _MODULE, name, warm_up=warm_up, items=messages)


async def _fill(url: str, count: int) -> None:
    message = aio_pika.Message(SHORT_BODY.encode(), content_type="application/json")
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        queue = await channel.declare_queue(QUEUE, durable=True)
        await queue.purge()
        for start in range(0, count, PREFETCH):
            sends = range(start, min(start + PREFETCH, count))
            await asyncio.gather(*(channel.default_exchange.publish(message, QUEUE) for _ in sends))
