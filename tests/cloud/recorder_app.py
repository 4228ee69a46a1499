"""Every kind of source that AWS has outside HTTP; each function keeps the raw event as it came."""

from __future__ import annotations

import json
import os
from typing import Any

from eventflow import (
    on_dynamodb_stream_batch,
    on_eventbridge,
    on_kinesis_batch,
    on_s3,
    on_sns,
    on_sqs_batch,
)

_LEDGER = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def keep(source: str, event: dict[str, Any]) -> None:
    os.write(_LEDGER, (json.dumps({"source": source, "event": event}) + "\n").encode())


@on_sqs_batch("shapes")
async def from_sqs(event: dict[str, Any]) -> None:
    keep("sqs", event)


@on_s3("shapes", events="s3:ObjectCreated:*")
async def from_s3(event: dict[str, Any]) -> None:
    keep("s3", event)


@on_sns("shapes")
async def from_sns(event: dict[str, Any]) -> None:
    keep("sns", event)


@on_eventbridge({"source": ["shapes"]}, bus="shapes")
async def from_eventbridge(event: dict[str, Any]) -> None:
    keep("eventbridge", event)


@on_kinesis_batch("shapes")
async def from_kinesis(event: dict[str, Any]) -> None:
    keep("kinesis", event)


@on_dynamodb_stream_batch("shapes")
async def from_dynamodb(event: dict[str, Any]) -> None:
    keep("dynamodb", event)
