from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from eventflow import Context, EventBridgeEvent, SqsRecord, function, on_eventbridge, on_sqs, to_function, to_sqs
from eventflow.errors import UnavailableError
from eventflow.model.records import SourceIdentity
from eventflow.ports import Deliver
from eventflow.runtime.metrics import DropReason
from eventflow.testing.faults import FaultyEventQueueStore, unavailable
from eventflow.testing.virtual_time import VirtualClock
from tests.runtime.event_store import LeasedStore
from tests.runtime.running import running, seconds

EVENT = json.dumps(
    {
        "version": "0",
        "id": "1",
        "detail-type": "t",
        "source": "s",
        "account": "000000000000",
        "time": "2026-01-01T00:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {},
    }
).encode()


class Bus:
    """A notification source that delivers what it is given, again and again until it is taken."""

    identity = SourceIdentity(arn="", region="", extras={})

    def __init__(self, *payloads: bytes) -> None:
        self.payloads = list(payloads)
        self.runs: list[float] = []
        self.away_until = 0.0
        self.breaks_at: list[float] = []

    async def run(self, deliver: Deliver) -> None:
        self.runs.append(seconds())
        if seconds() < self.away_until:
            raise UnavailableError("eventbridge:bus", "away")
        while True:
            while self.payloads:
                try:
                    await deliver(self.payloads[0])
                except UnavailableError:
                    await anyio.sleep(1)
                else:
                    del self.payloads[0]
            if self.breaks_at and seconds() >= self.breaks_at[0]:
                del self.breaks_at[0]
                raise UnavailableError("eventbridge:bus", "broken off")
            await anyio.sleep(1)

    async def backlog(self) -> int:
        return len(self.payloads)

    async def aclose(self) -> None:
        return


@on_eventbridge(bus="bus", pattern={"source": ["s"]})
@function(name="audit")
async def audit(event: EventBridgeEvent) -> None: ...


# The block


async def test_what_is_raised_in_the_block_leaves_it_as_it_is() -> None:
    with pytest.raises(LookupError, match="mine"):
        async with running([audit]):
            raise LookupError("mine")


async def test_cancelling_the_block_cancels_the_work_and_loses_nothing() -> None:
    @function
    async def handler() -> None:
        await anyio.sleep(2)

    store = LeasedStore(VirtualClock())

    async def use() -> None:
        async with running([handler], store=store, drain_seconds=25) as run:
            await run.accept("handler")
            await anyio.sleep(600)

    with anyio.move_on_after(1) as scope:
        await use()
    assert scope.cancelled_caught
    assert seconds() == 1
    assert len(store.events) == 1


async def test_a_crash_inside_ends_the_block() -> None:
    class Broken(Bus):
        async def run(self, deliver: Deliver) -> None:
            await anyio.sleep(1)
            raise KeyError("a bug in an adapter")

    async def use() -> None:
        async with running([audit], notifications=lambda plan: Broken()):
            await anyio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        await use()
    assert caught.group_contains(KeyError)


# The lifespan


async def test_the_lifespan_is_around_everything_and_its_state_is_the_contexts() -> None:
    order: list[str] = []

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[Any]:
        order.append("up")
        yield {"pool": 1}
        order.append("down")

    @function
    async def handler(context: Context) -> None:
        await anyio.sleep(1)
        order.append(f"handled with {context.state}")

    async with running([handler], lifespan=lifespan, drain_seconds=25) as run:
        await run.accept("handler")
    assert order == ["up", "handled with {'pool': 1}", "down"]


async def test_a_lifespan_that_fails_is_the_callers_to_handle() -> None:
    database: list[str] = []

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[Any]:
        if not database:
            raise ConnectionError("no database")
        yield database

    with pytest.raises(ConnectionError, match="no database"):
        async with running([audit], lifespan=lifespan):
            pytest.fail("it began all the same")


# Stopping


async def test_what_is_in_flight_may_finish_what_it_began() -> None:
    @function(on_success=to_function("second"))
    async def first() -> int:
        await anyio.sleep(1)
        return 1

    @function(on_success=to_sqs("done"))
    async def second(event: Any) -> Any:
        await anyio.sleep(1)
        return event["responsePayload"]

    async with running([first, second], drain_seconds=25) as run:
        await run.accept("first")
    assert [record["responsePayload"] for record in run.inboxes["sqs:done"].records] == [1]
    assert seconds() == pytest.approx(2)


async def test_what_takes_too_long_is_cancelled_and_said_so(caplog: pytest.LogCaptureFixture) -> None:
    @function(timeout_seconds=900)
    async def handler() -> None:
        await anyio.sleep(600)

    async with running([handler], drain_seconds=25) as run:
        await run.accept("handler")
        await anyio.sleep(1)
    assert seconds() == pytest.approx(26)
    assert "what is still in flight is cancelled; it will run again" in caplog.text


async def test_nothing_is_said_when_nothing_was_in_flight(caplog: pytest.LogCaptureFixture) -> None:
    @on_sqs("orders")
    async def handler(record: SqsRecord) -> None: ...

    async with running([handler, audit], notifications=lambda plan: Bus(), drain_seconds=0) as run:
        await run.accept("audit", json.loads(EVENT))
        await anyio.sleep(1)
    assert caplog.text == ""


async def test_an_event_that_waits_for_its_store_at_the_end_stays_there() -> None:
    @function
    async def handler() -> None: ...

    inner = LeasedStore(VirtualClock())
    store = FaultyEventQueueStore(inner, {("delete", number): unavailable for number in range(1, 100)})
    async with running([handler], store=store, drain_seconds=25) as run:
        await run.accept("handler")
        await anyio.sleep(1)
    await anyio.sleep(600)  # no timer of the run goes off any more
    assert len(inner.events) == 1


# Notifications


async def test_a_notification_is_delivered_until_it_is_stored() -> None:
    bus = Bus(EVENT)
    store = FaultyEventQueueStore(LeasedStore(VirtualClock()), {("put", 1): unavailable, ("put", 2): unavailable})
    async with running([audit], store=store, notifications=lambda plan: bus) as run:
        await anyio.sleep(10)
        assert bus.payloads == []
        assert len(run.calls) == 1


@pytest.mark.parametrize(
    ("payload", "reason"),
    [(b'"' + b"x" * 2_000_000 + b'"', DropReason.OVERSIZED), (b"{", DropReason.UNDECODABLE)],
)
async def test_a_notification_that_no_later_try_would_store_is_counted(payload: bytes, reason: DropReason) -> None:
    bus = Bus(payload, EVENT)
    async with running([audit], notifications=lambda plan: bus) as run:
        await anyio.sleep(10)
        assert run.dropped == {("audit", "eventbridge", reason): 1}
        assert len(run.calls) == 1


async def test_a_source_that_is_away_is_reported_until_it_works_again() -> None:
    bus = Bus(EVENT)
    bus.away_until = 100
    async with running([audit], notifications=lambda plan: bus) as run:
        await anyio.sleep(90)
        assert run.problems == {"audit <- eventbridge:bus": "eventbridge:bus: away"}
        assert len(bus.runs) < 15  # it backs off
        await anyio.sleep(60)
        assert run.problems == {}
        assert len(run.calls) == 1


async def test_a_source_that_breaks_off_now_and_then_is_taken_up_again_at_once() -> None:
    bus = Bus()
    bus.breaks_at = [100.0, 200.0, 300.0, 400.0, 500.0]
    async with running([audit], notifications=lambda plan: bus) as run:
        await anyio.sleep(501)
        bus.payloads.append(EVENT)
        await anyio.sleep(2)
        assert len(run.calls) == 1
        assert len(bus.runs) == 6
        await anyio.sleep(10)
        assert run.problems == {}
