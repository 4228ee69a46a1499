"""The contenders of the Kafka benchmark: ``python -m benchmarks.kafka_consumers NAME WARM_UP ITEMS``.

Each reads the same topic from its beginning, in a group of its own, up to 500 records at a time where it is asked, and
hands them to a handler that does nothing.
"""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Final, TypeAlias

import uvloop
from pydantic import BaseModel

from benchmarks.consumers import Meter, run_eventflow
from eventflow import KafkaEvent, on_kafka, on_kafka_batch
from eventflow.plan.environment import SourceBinding

BASELINE: Final = "aiokafka, getmany"
EACH: Final = "aiokafka, async for"
BASELINE_MODELS: Final = "aiokafka, getmany, models"
SINGLE: Final = "FastStream, single"
SINGLE_MODELS: Final = "FastStream, single, models"
BATCH_MODELS: Final = "FastStream, batch, models"
OUR_RECORDS: Final = "eventflow, on_kafka"
OUR_KEYS: Final = "eventflow, on_kafka, 10 at a time by key"
OUR_RECORD_MODELS: Final = "eventflow, on_kafka, models"
OUR_BATCHES: Final = "eventflow, on_kafka_batch"
OUR_BATCH_MODELS: Final = "eventflow, on_kafka_batch, models"
OUR_EVENTS: Final = "eventflow, on_kafka_batch, dict"
OUR_EVENT_MODELS: Final = "eventflow, on_kafka_batch, KafkaEvent"
TOPIC_VARIABLE: Final = "BENCHMARK_TOPIC"
SERVERS_VARIABLE: Final = "BENCHMARK_SERVERS"
BATCH: Final = 500

Consumer: TypeAlias = Callable[[Meter], Coroutine[Any, Any, None]]


class Order(BaseModel):
    """The value of every record."""

    order: str
    total: float
    note: str


def topic() -> str:
    return os.environ[TOPIC_VARIABLE]


def group() -> str:
    return f"benchmark-{uuid.uuid4().hex}"


# eventflow


def kafka() -> dict[str, Any]:
    options = {"bootstrap_servers": os.environ[SERVERS_VARIABLE]}
    return {"adapter": "local", "sources": {"kafka": SourceBinding(adapter="kafka", options=options)}}


async def eventflow_records(meter: Meter) -> None:
    @on_kafka(topic(), consumer_group=group())
    async def handle(value: bytes) -> None:
        meter.add(1)

    await run_eventflow(handle, meter, **kafka())


async def eventflow_keys(meter: Meter) -> None:
    @on_kafka(topic(), consumer_group=group(), parallelization_factor=10)
    async def handle(value: bytes) -> None:
        meter.add(1)

    await run_eventflow(handle, meter, **kafka())


async def eventflow_record_models(meter: Meter) -> None:
    @on_kafka(topic(), consumer_group=group())
    async def handle(order: Order) -> None:
        meter.add(1)

    await run_eventflow(handle, meter, **kafka())


async def eventflow_batches(meter: Meter) -> None:
    @on_kafka_batch(topic(), consumer_group=group(), batch_size=BATCH)
    async def handle(values: list[bytes]) -> None:
        meter.add(len(values))

    await run_eventflow(handle, meter, **kafka())


async def eventflow_batch_models(meter: Meter) -> None:
    @on_kafka_batch(topic(), consumer_group=group(), batch_size=BATCH)
    async def handle(orders: list[Order]) -> None:
        meter.add(len(orders))

    await run_eventflow(handle, meter, **kafka())


async def eventflow_events(meter: Meter) -> None:
    @on_kafka_batch(topic(), consumer_group=group(), batch_size=BATCH)
    async def handle(event: dict[str, Any]) -> None:
        for records in event["records"].values():
            meter.add(len(records))

    await run_eventflow(handle, meter, **kafka())


async def eventflow_event_models(meter: Meter) -> None:
    @on_kafka_batch(topic(), consumer_group=group(), batch_size=BATCH)
    async def handle(event: KafkaEvent[Order]) -> None:
        meter.add(len([record.payload for record in event.all_records]))

    await run_eventflow(handle, meter, **kafka())


# aiokafka


def raw_consumer() -> Any:
    from aiokafka import AIOKafkaConsumer

    return AIOKafkaConsumer(
        topic(), bootstrap_servers=os.environ[SERVERS_VARIABLE], group_id=group(), auto_offset_reset="earliest"
    )


async def getmany(meter: Meter) -> None:
    async def handle(records: list[Any]) -> None:
        meter.add(len(records))

    await _getmany(meter, handle)


async def getmany_models(meter: Meter) -> None:
    async def handle(records: list[Any]) -> None:
        meter.add(len([Order.model_validate_json(record.value) for record in records]))

    await _getmany(meter, handle)


async def _getmany(meter: Meter, handle: Callable[[list[Any]], Awaitable[None]]) -> None:
    async with raw_consumer() as consumer:
        while not meter.over.is_set():
            for records in (await consumer.getmany(timeout_ms=1_000, max_records=BATCH)).values():
                await handle(records)


async def async_for(meter: Meter) -> None:
    async def handle(record: Any) -> None:
        meter.add(1)

    async with raw_consumer() as consumer:
        async for record in consumer:
            await handle(record)
            if meter.over.is_set():
                return


# FastStream


async def faststream_single(meter: Meter) -> None:
    async def handle(value: bytes) -> None:
        meter.add(1)

    await _faststream(meter, handle, decoder=_undecoded)


async def faststream_single_models(meter: Meter) -> None:
    async def handle(order: Order) -> None:
        meter.add(1)

    await _faststream(meter, handle)


async def faststream_batch(meter: Meter) -> None:
    async def handle(values: list[bytes]) -> None:
        meter.add(len(values))

    await _faststream(meter, handle, batch=True, max_records=BATCH, decoder=_undecoded)


async def faststream_batch_models(meter: Meter) -> None:
    async def handle(orders: list[Order]) -> None:
        meter.add(len(orders))

    await _faststream(meter, handle, batch=True, max_records=BATCH)


async def _undecoded(message: Any) -> Any:
    """FastStream parses JSON, whatever the handler asks for, unless it is told not to."""
    return message.body


async def _faststream(meter: Meter, handle: Callable[..., Awaitable[None]], **options: Any) -> None:
    """It commits in the background, which is cheapest; by default it waits for a commit after every message."""
    from faststream import AckPolicy, FastStream
    from faststream.kafka import KafkaBroker

    broker = KafkaBroker(os.environ[SERVERS_VARIABLE], logger=None)
    subscriber = broker.subscriber(
        topic(), group_id=group(), auto_offset_reset="earliest", ack_policy=AckPolicy.ACK_FIRST, **options
    )
    subscriber(handle)
    running = asyncio.create_task(FastStream(broker).run())
    await meter.over.wait()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


CONSUMERS: Final[Mapping[str, Consumer]] = {
    BASELINE: getmany,
    EACH: async_for,
    BASELINE_MODELS: getmany_models,
    OUR_RECORDS: eventflow_records,
    OUR_KEYS: eventflow_keys,
    OUR_RECORD_MODELS: eventflow_record_models,
    OUR_BATCHES: eventflow_batches,
    OUR_BATCH_MODELS: eventflow_batch_models,
    OUR_EVENTS: eventflow_events,
    OUR_EVENT_MODELS: eventflow_event_models,
    SINGLE: faststream_single,
    SINGLE_MODELS: faststream_single_models,
    "FastStream, batch": faststream_batch,
    BATCH_MODELS: faststream_batch_models,
}


async def main(name: str, warm_up: int, items: int) -> None:
    await CONSUMERS[name](Meter(warm_up=warm_up, items=items))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
