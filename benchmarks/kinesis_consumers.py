"""The contenders of the Kinesis benchmark: ``python -m benchmarks.kinesis_consumers NAME WARM_UP ITEMS``.

Each reads all shards of the same stream side by side, four times a second as the service's limits want it, and hands
the records to a handler that does nothing.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

import uvloop

from benchmarks.consumers import CLIENT_OPTIONS, Meter, run_eventflow
from benchmarks.kinesis_stub import STREAM
from eventflow import on_kinesis, on_kinesis_batch

BASELINE: Final = "aiobotocore, hand-written"
TUNED: Final = "aiobotocore, no datetimes"
"""botocore makes a datetime of every record's time of arrival, unless it is told not to. The aws adapter does that."""
BATCH: Final = 100
LIMIT: Final = 1_000
INTERVAL_SECONDS: Final = 0.25
"""Between two reads of a shard: Kinesis allows five a second."""

Consumer: TypeAlias = Callable[[Meter], Coroutine[Any, Any, None]]


async def eventflow_batches(meter: Meter) -> None:
    @on_kinesis_batch(STREAM, batch_size=BATCH)
    async def handle(event: dict[str, Any]) -> None:
        meter.add(len(event["Records"]))

    await run_eventflow(handle, meter)


async def eventflow_full_batches(meter: Meter) -> None:
    @on_kinesis_batch(STREAM, batch_size=LIMIT)
    async def handle(event: dict[str, Any]) -> None:
        meter.add(len(event["Records"]))

    await run_eventflow(handle, meter)


async def eventflow_records(meter: Meter) -> None:
    @on_kinesis(STREAM)
    async def handle(data: bytes) -> None:
        meter.add(1)

    await run_eventflow(handle, meter)


async def hand_written(meter: Meter, *, times_as_numbers: bool = False) -> None:
    """What one writes first with aiobotocore: no checkpoints, no error handling, all shards for this process."""
    from aiobotocore.config import AioConfig
    from aiobotocore.session import AioSession

    session = AioSession()
    if times_as_numbers:
        session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=float)

    async def handle(records: list[Any]) -> None:
        meter.add(len(records))

    async def read(shard: str) -> None:
        found = await kinesis.get_shard_iterator(StreamName=STREAM, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
        iterator = found["ShardIterator"]
        while not meter.over.is_set():
            pause = asyncio.create_task(asyncio.sleep(INTERVAL_SECONDS))
            answer = await kinesis.get_records(ShardIterator=iterator, Limit=LIMIT)
            records, iterator = answer["Records"], answer["NextShardIterator"]
            for start in range(0, len(records), BATCH):
                await handle(records[start : start + BATCH])
            await pause

    async with session.create_client("kinesis", config=AioConfig(**CLIENT_OPTIONS)) as kinesis:
        shards = (await kinesis.list_shards(StreamName=STREAM))["Shards"]
        async with asyncio.TaskGroup() as tasks:
            for shard in shards:
                tasks.create_task(read(shard["ShardId"]))


CONSUMERS: Final[Mapping[str, Consumer]] = {
    BASELINE: hand_written,
    TUNED: partial(hand_written, times_as_numbers=True),
    f"eventflow, batches of {BATCH}": eventflow_batches,
    f"eventflow, batches of {LIMIT:,}": eventflow_full_batches,
    "eventflow, on_kinesis": eventflow_records,
}


async def main(name: str, warm_up: int, items: int) -> None:
    await CONSUMERS[name](Meter(warm_up=warm_up, items=items))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
