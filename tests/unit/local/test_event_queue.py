"""The store behind asynchronous invocation. What every store promises is in the contract cases."""

from __future__ import annotations

import asyncio
from pathlib import Path

import anyio
import pytest

from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.invocation import PendingDelivery, QueuedEvent
from eventflow.ports import EventQueueStatistics
from eventflow.testing.virtual_time import START
from tests.unit.local.environments import environment


def event(number: int, *, due_at: float = START) -> QueuedEvent:
    return QueuedEvent(
        request_id=f"request-{number}",
        function_name="import_csv",
        source="s3",
        payload=b'{"n": %d}' % number,
        accepted_at=START,
        due_at=due_at,
    )


EVERYTHING = QueuedEvent(
    request_id="everything",
    function_name="import_csv",
    source="s3",
    payload=b"{}",
    accepted_at=START - 5,
    due_at=START,
    attempt=3,
    backoffs=2,
    delivery_attempt=4,
    deliveries=(
        PendingDelivery(
            destination=Destination(Service.EVENTBRIDGE, "audit"),
            message=OutboundMessage(
                body=b"\x00\xff",
                key="k",
                attributes={"text": "Zoë", "number": 7, "raw": b"\xfe"},
                group_id="g",
                deduplication_id="d",
                delay_seconds=1.5,
                subject="s",
                source="lambda",
                detail_type="t",
                resources=("one", "two"),
            ),
        ),
        PendingDelivery(destination=Destination(Service.SQS, "dead"), message=OutboundMessage(body=b"{}")),
    ),
)


async def test_every_field_of_an_event_survives(directory: Path | None) -> None:
    async with environment(directory) as adapter:
        store = await adapter.event_queue("default")
        await store.put(EVERYTHING, claim=False)
        assert await store.receive(max_events=10, wait_seconds=0) == [EVERYTHING]


async def test_every_field_of_a_rescheduled_event_survives(directory: Path | None) -> None:
    async with environment(directory) as adapter:
        store = await adapter.event_queue("default")
        first = EVERYTHING.at(START, deliveries=(), attempt=0, backoffs=0, delivery_attempt=0)
        assert await store.put(first, claim=True)
        await store.reschedule(EVERYTHING)
        assert await store.receive(max_events=10, wait_seconds=0) == [EVERYTHING]


async def test_of_many_puts_at_once_only_the_new_ones_are_claimed(directory: Path | None) -> None:
    async with environment(directory) as adapter:
        store = await adapter.event_queue("default")
        await store.put(event(50), claim=False)
        numbers = [*range(100), *range(20)]
        claimed = await asyncio.gather(*(store.put(event(number), claim=True) for number in numbers))
        assert claimed == [number != 50 for number in range(100)] + [False] * 20
        assert await store.statistics() == EventQueueStatistics(waiting=1, claimed=99)


async def test_many_deletes_at_once_leave_the_rest(directory: Path | None) -> None:
    async with environment(directory) as adapter:
        store = await adapter.event_queue("default")
        await asyncio.gather(*(store.put(event(number), claim=False) for number in range(100)))
        await asyncio.gather(*(store.delete(event(number)) for number in range(93)))
        left = await store.receive(max_events=100, wait_seconds=0)
        assert [found.request_id for found in left] == [f"request-{number}" for number in range(93, 100)]


async def test_queues_of_different_names_share_nothing(directory: Path | None) -> None:
    async with environment(directory) as adapter:
        one, two = await adapter.event_queue("one"), await adapter.event_queue("two")
        await one.put(event(1), claim=False)
        assert await two.receive(max_events=1, wait_seconds=0) == []
        assert (await two.statistics()).total == 0


async def test_claims_of_a_process_that_died_are_free_when_another_waits(tmp_path: Path) -> None:
    async with environment(tmp_path) as survivor:
        store = await survivor.event_queue("default")
        async with environment(tmp_path) as casualty:
            await (await casualty.event_queue("default")).put(event(1), claim=True)
            assert await store.receive(max_events=1, wait_seconds=0) == []
            started = anyio.current_time()
            casualty._opened.owner.close()  # its lock goes, and nothing else is put in order
            assert await store.receive(max_events=1, wait_seconds=60) == [event(1)]
            assert anyio.current_time() - started <= 2


async def test_a_receive_wakes_up_when_the_next_event_is_due(directory: Path | None) -> None:
    async with environment(directory) as adapter:
        store = await adapter.event_queue("default")
        await store.put(event(1, due_at=START + 3_600), claim=False)
        started = anyio.current_time()
        assert len(await store.receive(max_events=1, wait_seconds=86_400)) == 1
        assert anyio.current_time() - started == pytest.approx(3_600, abs=0.01)


async def test_a_receive_that_is_cancelled_leaves_no_claim(tmp_path: Path) -> None:
    async with environment(tmp_path) as adapter:
        store = await adapter.event_queue("default")
        await store.put(event(1), claim=False)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: store.receive(max_events=1, wait_seconds=0))
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        assert await store.receive(max_events=1, wait_seconds=5) == [event(1)]
