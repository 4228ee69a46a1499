"""Per-record handlers whose record turns out to be somebody else's while they run."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import anyio
import pytest

from eventflow import function, on_sqs
from eventflow.testing import TestApp
from eventflow.testing.faults import expire_receipt
from tests.runtime.running import seconds

VISIBILITY_SECONDS = 40
EXTENDED_AT = VISIBILITY_SECONDS / 2
"""When the queue says that the record is somebody else's."""


def losing() -> dict[str, Any]:
    """What an app needs whose first record is lost when it is to be kept hidden for longer."""
    faults: Any = {("extend", 1): expire_receipt}
    queues = {"orders": {"visibility_timeout_seconds": VISIBILITY_SECONDS}}
    return {"options": {"queues": queues}, "faults": {"sqs:orders": faults}}


async def test_the_handler_is_stopped_and_nobody_calls_it_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    stopped: list[float] = []
    bodies: list[str] = []

    @on_sqs("orders")
    @function(timeout_seconds=VISIBILITY_SECONDS)
    async def handle(body: str) -> None:
        bodies.append(body)
        if len(bodies) == 1:
            try:
                await anyio.sleep(30)
            finally:
                stopped.append(seconds())

    with caplog.at_level(logging.WARNING):
        async with TestApp([handle], **losing()) as app:
            await app.sqs("orders").send("one")
            await app.settle()
            assert len(app.invocations("handle")) == 1  # the second; the first has no outcome
    assert stopped == [pytest.approx(EXTENDED_AT)]
    assert bodies == ["one", "one"]
    assert [record.levelname for record in caplog.records if "somebody else's" in record.message] == ["WARNING"]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_handler_that_takes_no_notice_goes_on_and_what_follows_is_not_cancelled() -> None:
    ended: list[tuple[str, int]] = []

    @on_sqs("orders")
    @function(timeout_seconds=VISIBILITY_SECONDS)
    async def handle(body: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        pending = task.cancelling()
        if not ended:
            try:
                await anyio.sleep(30)
            except asyncio.CancelledError:
                await anyio.sleep(1)
        await anyio.sleep(1)
        ended.append((body, pending))

    async with TestApp([handle], **losing()) as app:
        await app.sqs("orders").send("one")
        await app.settle()
        await app.sqs("orders").send("two")
        await app.settle()
    assert ended == [("one", 0), ("one", 0), ("two", 0)]
