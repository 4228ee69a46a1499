"""Apps on a Kafka topic that write what they handled to a ledger, one line per record."""

from __future__ import annotations

import asyncio
import json
import os
import time

from eventflow import App, KafkaEvent, KafkaRecord, on_kafka, on_kafka_batch

_LEDGER = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
_HANDLER_SECONDS = float(os.environ.get("HANDLER_SECONDS", "0.3"))
_failed: set[str] = set()


def handled(record: KafkaRecord[bytes]) -> None:
    """One write per line, so that a kill leaves whole lines."""
    payload = (record.value_bytes or b"").decode()
    key, _, number = payload.partition("-")
    entry = {"id": payload, "key": key, "number": int(number), "partition": record.partition}
    os.write(_LEDGER, (json.dumps({**entry, "pid": os.getpid(), "at": time.time()}) + "\n").encode())


@on_kafka("work")
async def each(record: KafkaRecord[bytes]) -> None:
    handled(record)


@on_kafka("work", parallelization_factor=4)
async def slowly(record: KafkaRecord[bytes]) -> None:
    await asyncio.sleep(_HANDLER_SECONDS)
    handled(record)


@on_kafka_batch("work", batch_size=20)
async def fails_once(batch: KafkaEvent) -> None:
    """The first batch of every partition fails."""
    new = batch.records.keys() - _failed
    _failed.update(new)
    if new:
        raise ValueError(f"{sorted(new)} fail once")
    for record in batch.all_records:
        handled(record)


each_app = App([each])
slow_app = App([slowly])
failing_app = App([fails_once])
