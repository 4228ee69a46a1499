"""The app that is killed and cut off: every handler writes what it handled to a ledger, one line per record."""

from __future__ import annotations

import json
import os
import time

from eventflow import App, KinesisRecord, function, on_kinesis, on_sqs

_LEDGER = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def handled(**entry: object) -> None:
    """One write per line, so that a kill leaves whole lines."""
    os.write(_LEDGER, (json.dumps({**entry, "pid": os.getpid(), "at": time.time()}) + "\n").encode())


@on_sqs("work")
async def work(id: str) -> None:
    handled(kind="sqs", id=id)


@on_kinesis("flow")
async def flow(record: KinesisRecord) -> None:
    key, _, number = record.payload.partition("-")
    handled(kind="kinesis", id=record.payload, key=key, number=int(number), shard=record.event_id.partition(":")[0])


@function()
async def later(event: dict[str, str]) -> None:
    handled(kind="event", id=event["id"])


queue_app = App([work])
stream_app = App([flow])
event_app = App([later])
both_app = App([work, later])
