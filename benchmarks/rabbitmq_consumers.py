"""The contenders of the RabbitMQ benchmark: ``python -m benchmarks.rabbitmq_consumers NAME WARM_UP ITEMS``.

Each consumes the same queue with the same prefetch, hands messages to a handler that does nothing, and acknowledges
them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import uvloop

from benchmarks.consumers import Meter, run_eventflow
from eventflow import on_mq, on_mq_batch
from eventflow.plan.environment import SourceBinding

QUEUE: Final = "benchmark"
URL_VARIABLE: Final = "BENCHMARK_RABBITMQ_URL"
"""Where the broker is, with its credentials."""
PREFETCH: Final = 100
FASTSTREAM: Final = "FastStream"

Consumer: TypeAlias = Callable[[Meter], Coroutine[Any, Any, None]]


def _url() -> str:
    return os.environ[URL_VARIABLE]


def _sources() -> Mapping[str, SourceBinding]:
    parts = urlsplit(_url())
    os.environ["EVENTFLOW_RABBITMQ_PASSWORD"] = parts.password or ""
    options = {"url": f"amqp://{parts.hostname}:{parts.port}", "username": parts.username}
    return {"rabbitmq": SourceBinding(adapter="rabbitmq", options=options)}


async def eventflow_batches(meter: Meter) -> None:
    @on_mq_batch(QUEUE, engine="rabbitmq", batch_size=PREFETCH)
    async def handle(event: dict[str, Any]) -> None:
        meter.add(sum(map(len, event["rmqMessagesByQueue"].values())))

    await run_eventflow(handle, meter, sources=_sources())


async def eventflow_messages(meter: Meter) -> None:
    @on_mq(QUEUE, engine="rabbitmq", batch_size=PREFETCH, maximum_concurrency=PREFETCH)
    async def handle(body: str) -> None:
        meter.add(1)

    await run_eventflow(handle, meter, sources=_sources())


async def hand_written(meter: Meter) -> None:
    """What one writes first with aio-pika: nothing is retried, and nothing ends a handler."""
    import aio_pika

    async def handle(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        async with message.process():
            meter.add(1)

    connection = await aio_pika.connect_robust(_url())
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        queue = await channel.declare_queue(QUEUE, durable=True)
        await queue.consume(handle)
        await meter.over.wait()


async def faststream(meter: Meter) -> None:
    from faststream.rabbit import Channel, RabbitBroker, RabbitQueue

    broker = RabbitBroker(_url(), default_channel=Channel(prefetch_count=PREFETCH), logger=None)

    @broker.subscriber(RabbitQueue(QUEUE, durable=True))
    async def handle(body: dict[str, Any]) -> None:
        meter.add(1)

    await broker.start()
    await meter.over.wait()
    await broker.stop()


CONSUMERS: Final[Mapping[str, Consumer]] = {
    "aio-pika, hand-written": hand_written,
    "eventflow, on_mq_batch": eventflow_batches,
    "eventflow, on_mq": eventflow_messages,
    FASTSTREAM: faststream,
}


async def main(name: str, warm_up: int, items: int) -> None:
    await CONSUMERS[name](Meter(warm_up=warm_up, items=items))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
