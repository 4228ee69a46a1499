"""Apps on a RabbitMQ queue that write what they handled to a ledger, one line per message."""

from __future__ import annotations

import asyncio
import json
import os
import time

from eventflow import App, RabbitMQEvent, on_mq, on_mq_batch, to_mq

_LEDGER = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def handled(id: str) -> None:
    """One write per line, so that a kill leaves whole lines."""
    os.write(_LEDGER, (json.dumps({"id": id, "pid": os.getpid(), "at": time.time()}) + "\n").encode())


@on_mq("work", engine="rabbitmq", maximum_concurrency=20, maximum_batching_window_seconds=0)
async def each(id: str) -> None:
    await asyncio.sleep(0.01)
    handled(id)


@on_mq_batch("batches", engine="rabbitmq", batch_size=20, maximum_batching_window_seconds=0.1)
async def together(batch: RabbitMQEvent) -> None:
    await asyncio.sleep(0.01)
    for message in batch.messages:
        handled(message.data_bytes.decode())


@on_mq(
    "poison",
    engine="rabbitmq",
    maximum_batching_window_seconds=0,
    maximum_retry_attempts=1,
    on_failure=to_mq("given-up", engine="rabbitmq"),
)
async def picky(id: str) -> None:
    if id.startswith("bad"):
        raise ValueError("this one is bad")
    handled(id)


each_app = App([each])
both_app = App([each, together])
picky_app = App([picky, each])
