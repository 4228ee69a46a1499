"""Two functions on one topic, each in a group of its own, that fail at random and write down what they handled."""

from __future__ import annotations

import asyncio
import json
import os
import random
from pathlib import Path

from eventflow import App, KafkaEvent, KafkaRecord, on_kafka, on_kafka_batch

FAILING_RECORDS = 0.005
FAILING_BATCHES = 0.1

_DIRECTORY = Path(os.environ["LEDGERS"])


def opened(name: str) -> int:
    return os.open(_DIRECTORY / f"{name}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


_EACH, _BATCHES, _FAILED = opened("each"), opened("batches"), opened("failed")


def handled(ledger: int, record: KafkaRecord[bytes]) -> None:
    """One write per line, so that a kill leaves whole lines."""
    payload = (record.value_bytes or b"").decode()
    key, _, number = payload.partition("-")
    entry = {"id": payload, "key": key, "number": int(number), "pid": os.getpid()}
    os.write(ledger, (json.dumps(entry) + "\n").encode())


def fail(what: str) -> None:
    os.write(_FAILED, (json.dumps({"id": what}) + "\n").encode())
    raise ValueError(f"{what} fails")


@on_kafka("work", parallelization_factor=4)
async def each(record: KafkaRecord[bytes]) -> None:
    """A record that fails is not handled yet; others of its partition overtake it, those of its key wait."""
    await asyncio.sleep(random.random() / 1_000)
    if random.random() < FAILING_RECORDS:
        fail("a record")
    handled(_EACH, record)


@on_kafka_batch("work", batch_size=100)
async def batches(batch: KafkaEvent) -> None:
    """A batch that fails has handled some of its records, and all of them come again."""
    records = batch.all_records
    fails_at = random.randrange(len(records)) if random.random() < FAILING_BATCHES else None
    for index, record in enumerate(records):
        if index == fails_at:
            fail("a batch")
        handled(_BATCHES, record)
        await asyncio.sleep(0)


app = App([each, batches])
