"""Apps on a queue of ActiveMQ that write what they handled to a ledger, one line per message."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from eventflow import ActiveMQEvent, ActiveMQMessage, App, function, on_mq, on_mq_batch, to_mq

_LEDGER = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def handled(message: ActiveMQMessage[Any]) -> None:
    """One write per line, so that a kill leaves whole lines."""
    entry = {"id": message.data_bytes[:40].decode(), "redelivered": message.redelivered, "pid": os.getpid()}
    os.write(_LEDGER, (json.dumps(entry) + "\n").encode())


@on_mq("work", engine="activemq", batch_size=10, maximum_concurrency=20)
async def each(message: ActiveMQMessage[bytes]) -> None:
    await asyncio.sleep(0.01)
    handled(message)


@on_mq("work", engine="activemq")
@function(timeout_seconds=840)
async def stuck(message: ActiveMQMessage[bytes]) -> None:
    """Says that it began, and when it was stopped; it never ends by itself."""
    handled(message)
    try:
        await asyncio.sleep(840)
    except asyncio.CancelledError:
        os.write(_LEDGER, (json.dumps({"id": "cancelled", "pid": os.getpid()}) + "\n").encode())
        raise


@on_mq_batch("work", engine="activemq", batch_size=10, maximum_batching_window_seconds=0.2)
async def batches(event: ActiveMQEvent) -> None:
    for message in event.messages:
        handled(message)


@on_mq("work", engine="activemq", maximum_retry_attempts=1, on_failure=to_mq("failed", engine="activemq"))
async def picky(order: dict[str, int]) -> None:
    """What is no JSON object of numbers is poison."""
    os.write(_LEDGER, (json.dumps({"id": json.dumps(order), "pid": os.getpid()}) + "\n").encode())


each_app = App([each])
stuck_app = App([stuck])
batch_app = App([batches])
picky_app = App([picky])
