"""An app with a source of every kind that AWS has outside HTTP, each of which can be missing or refused."""

from __future__ import annotations

from typing import Any

from eventflow import (
    function,
    on_dynamodb_stream,
    on_eventbridge,
    on_kinesis,
    on_s3,
    on_sns,
    on_sqs_batch,
    to_sns,
    to_sqs,
)


@on_sqs_batch("orders")
@function(timeout_seconds=20)
async def fulfil(event: dict[str, Any]) -> None: ...


@on_s3("uploads", events="s3:ObjectCreated:*")
@function(on_failure=to_sqs("unread"))
async def file_note(event: dict[str, Any]) -> None: ...


@on_sns("alarms")
async def evacuate(event: dict[str, Any]) -> None: ...


@on_eventbridge({"source": ["shop"]}, bus="operations")
@function(on_success=to_sns("picked"))
async def pick(event: dict[str, Any]) -> None: ...


@on_kinesis("temperatures")
async def watch(record: dict[str, Any]) -> None: ...


@on_dynamodb_stream("stock")
async def reorder(record: dict[str, Any]) -> None: ...
