"""What the tests of a real runtime ask: which loop it is, what the context says, how errors look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from eventflow import App, Context, function, on_schedule


@asynccontextmanager
async def lifespan() -> AsyncIterator[dict[str, int]]:
    yield {"invocations": 0}


@function(timeout_seconds=10)
async def look(event: dict[str, Any], context: Context) -> dict[str, Any]:
    context.state["invocations"] += 1
    return {
        "loop": id(asyncio.get_running_loop()),
        "state": context.state,
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
        "name": context.function_name,
        "version": context.function_version,
        "remaining": context.get_remaining_time_in_millis(),
        "request_id": context.aws_request_id,
    }


@on_schedule("rate(1 hour)", input={"do": "wait"})
@function(timeout_seconds=1)
async def wait(event: dict[str, Any]) -> None:
    await asyncio.Event().wait()


@on_schedule("rate(1 hour)", input={"do": "fail"})
def fail(event: dict[str, Any]) -> None:
    raise LookupError("no such thing")


@on_schedule("rate(1 hour)", input={"do": "return a set"})
def unwritable(event: dict[str, Any]) -> set[int]:
    return {1}


app = App([look, wait, fail, unwritable], lifespan=lifespan)
