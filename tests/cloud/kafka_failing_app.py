"""Functions that meet records which cannot be handled, and give them up to a topic."""

from __future__ import annotations

import json
import os

from eventflow import App, on_kafka, to_kafka

_LEDGER = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
POISON = "poison"


def handled(id: str) -> None:
    os.write(_LEDGER, (json.dumps({"id": id}) + "\n").encode())


@on_kafka("plain", maximum_retry_attempts=1, on_failure=to_kafka("failed"))
async def plain(value: str) -> None:
    if value.startswith(POISON):
        raise ValueError("cannot be handled")
    handled(value)


@on_kafka("written", schema_validation_configs=["VALUE"], maximum_retry_attempts=0, on_failure=to_kafka("failed"))
async def written(id: str) -> None:
    handled(id)


app = App([plain, written])
