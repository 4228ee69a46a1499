"""Functions with triggers that run in worker processes, which import them from here."""

# ruff: noqa: T201 (handlers print)

from __future__ import annotations

import logging
import os
import sys
import time
from typing import Any

from eventflow import (
    HttpEvent,
    KafkaEvent,
    SqsEvent,
    SqsRecord,
    function,
    on_http,
    on_kafka,
    on_sqs,
    on_sqs_batch,
)


@on_sqs("single")
@on_sqs_batch("many")
@function(isolation="process", timeout_seconds=30)
def either(event: SqsRecord | SqsEvent) -> str:
    return type(event).__name__


@on_sqs("orders")
@function(isolation="process", timeout_seconds=30)
async def per_record(record: SqsRecord) -> list[Any]:
    return [record.body, record.event_source_arn, record.receive_count]


@on_kafka("orders", starting_position="LATEST")
@function(isolation="process", timeout_seconds=30)
async def kafka(event: KafkaEvent) -> Any:
    return event.to_wire().get("bootstrapServers")


@on_http("GET /orders/{id}")
@function(isolation="process", timeout_seconds=30)
def order(id: int, event: HttpEvent) -> dict[str, Any]:
    return {"id": id, "path": event.raw_path, "query": event.query_string_parameters}


@function(isolation="process", timeout_seconds=30)
async def fail(event: Any) -> None:
    raise ValueError("x")


@function(isolation="process", timeout_seconds=30)
def fail_plainly(event: Any) -> None:
    raise ValueError("x")


@function(isolation="process", timeout_seconds=30)
def hang(event: str) -> None:
    with open(event, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(900)


@function(isolation="process", timeout_seconds=30)
async def print_something(event: str) -> None:
    print("first", event)
    sys.stderr.write("then\n")
    logging.getLogger().warning("logged")


@function(isolation="process", timeout_seconds=30)
def print_plainly(event: str) -> None:
    print("plainly", event)
