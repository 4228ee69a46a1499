"""The contenders of the SQS benchmark: ``python -m benchmarks.sqs_consumers NAME WARM_UP ITEMS``.

Each receives from the same queue, ten messages at a time with all their attributes, hands them to a handler that does
nothing, and deletes them ten at a time.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeAlias

import uvloop

from benchmarks.consumers import CLIENT_OPTIONS, Meter, run_eventflow
from benchmarks.sqs_stub import BATCH, QUEUE
from eventflow import on_sqs, on_sqs_batch

POLLERS: Final = 5
"""With which eventflow starts, as Lambda does."""
WAIT_SECONDS: Final = 20

Consumer: TypeAlias = Callable[[Meter], Coroutine[Any, Any, None]]


async def eventflow_batches(meter: Meter) -> None:
    @on_sqs_batch(QUEUE, maximum_concurrency=POLLERS)
    async def handle(event: dict[str, Any]) -> None:
        meter.add(len(event["Records"]))

    await run_eventflow(handle, meter)


async def eventflow_messages(meter: Meter) -> None:
    @on_sqs(QUEUE, maximum_concurrency=POLLERS * BATCH)
    async def handle(body: str) -> None:
        meter.add(1)

    await run_eventflow(handle, meter)


async def hand_written(meter: Meter) -> None:
    """What one writes first with aiobotocore: no timeouts, no error handling, nothing kept hidden for longer."""
    from aiobotocore.config import AioConfig
    from aiobotocore.session import AioSession

    async def handle(messages: list[Any]) -> None:
        meter.add(len(messages))

    async def poll() -> None:
        while not meter.over.is_set():
            answer = await sqs.receive_message(**_receiving(url))
            if messages := answer.get("Messages"):
                await handle(messages)
                await sqs.delete_message_batch(QueueUrl=url, Entries=_entries(messages))

    async with AioSession().create_client("sqs", config=AioConfig(**CLIENT_OPTIONS)) as sqs:
        url = (await sqs.get_queue_url(QueueName=QUEUE))["QueueUrl"]
        async with asyncio.TaskGroup() as tasks:
            for _ in range(POLLERS):
                tasks.create_task(poll())


async def one_thread(meter: Meter) -> None:
    """What one writes first with boto3."""
    import boto3
    from botocore.config import Config

    def handle(messages: list[Any]) -> None:
        meter.add(len(messages))

    sqs = boto3.client("sqs", config=Config(**CLIENT_OPTIONS))
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    while not meter.over.is_set():
        if messages := sqs.receive_message(**_receiving(url)).get("Messages"):
            handle(messages)
            sqs.delete_message_batch(QueueUrl=url, Entries=_entries(messages))


def _receiving(url: str) -> dict[str, Any]:
    return {
        "QueueUrl": url,
        "MaxNumberOfMessages": BATCH,
        "WaitTimeSeconds": WAIT_SECONDS,
        "MessageSystemAttributeNames": ["All"],
        "MessageAttributeNames": ["All"],
    }


def _entries(messages: list[Any]) -> list[Any]:
    return [{"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(messages)]


CONSUMERS: Final[Mapping[str, Consumer]] = {
    "aiobotocore, hand-written": hand_written,
    "eventflow, on_sqs_batch": eventflow_batches,
    "eventflow, on_sqs": eventflow_messages,
    "boto3, one thread": one_thread,
}


async def main(name: str, warm_up: int, items: int) -> None:
    await CONSUMERS[name](Meter(warm_up=warm_up, items=items))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
