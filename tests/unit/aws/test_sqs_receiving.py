from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

import anyio
import pytest

from eventflow.errors import ResourceNotFoundError, UnavailableError
from eventflow_aws.background import Background
from eventflow_aws.sqs.receiving import LATE_SECONDS, Receiving
from tests.unit.aws.scripted_sqs import ScriptedSqs, refusal, scripted_queue


class Bench:
    """A Receiving, what it was answered, and what it gave back."""

    def __init__(self, background: Background, *, name: str = "orders") -> None:
        self.sqs = ScriptedSqs()
        self.given_back: list[str] = []
        self.receiving = Receiving(scripted_queue(self.sqs, name=name), background, self._give_back)

    async def leave(self, *, most: int = 10) -> None:
        """A receive that is cancelled while it waits."""
        with anyio.move_on_after(1):
            await self.receiving.receive(most=most, wait_seconds=20)

    async def receive(self, *, most: int = 10, wait_seconds: float = 20) -> list[str]:
        records = await self.receiving.receive(most=most, wait_seconds=wait_seconds)
        return [str(record.body) for record in records]

    async def _give_back(self, receipts: Sequence[str]) -> None:
        self.given_back.extend(receipts)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with Background() as background:
        yield Bench(background)


async def settled() -> None:
    """Everything that can happen without time going by has happened."""
    await asyncio.sleep(0.001)


async def test_a_poll_asks_for_whole_seconds(bench: Bench) -> None:
    started = anyio.current_time()
    assert await bench.receive(wait_seconds=2.6) == []
    assert bench.sqs.requests == [(10, 2), (10, 0)]
    assert anyio.current_time() - started == pytest.approx(2.6)


async def test_a_receive_that_does_not_wait_asks_once(bench: Bench) -> None:
    assert await bench.receive(wait_seconds=0) == []
    assert bench.sqs.requests == [(10, 0)]


async def test_a_fifo_queue_is_told_which_attempt_it_is() -> None:
    async with Background() as background:
        bench = Bench(background, name="orders.fifo")
        await bench.receive(wait_seconds=0)
        await bench.receive(wait_seconds=0)
    first, second = (arguments["ReceiveRequestAttemptId"] for arguments in bench.sqs.arguments)
    assert first != second


async def test_the_next_receive_takes_over_the_poll_of_a_cancelled_one(bench: Bench) -> None:
    await bench.leave()
    asyncio.get_running_loop().call_later(1, bench.sqs.arrive, "a")
    assert await bench.receive() == ["a"]
    assert bench.sqs.requests == [(10, 20)]
    assert bench.given_back == []


async def test_a_poll_that_may_bring_too_much_is_not_taken_over(bench: Bench) -> None:
    await bench.leave(most=10)
    asyncio.get_running_loop().call_later(1, bench.sqs.arrive, "for nobody")
    asyncio.get_running_loop().call_later(2, bench.sqs.arrive, "a")
    assert await bench.receive(most=5) == ["a"]
    assert bench.given_back == ["for nobody-1"]


async def test_a_poll_that_was_taken_over_is_not_waited_for_longer_than_asked(bench: Bench) -> None:
    await bench.leave()
    started = anyio.current_time()
    assert await bench.receive(wait_seconds=3) == []
    assert anyio.current_time() - started == pytest.approx(3)
    asyncio.get_running_loop().call_later(1, bench.sqs.arrive, "a")
    assert await bench.receive() == ["a"]
    assert [wait for _, wait in bench.sqs.requests if wait] == [20]


async def test_when_a_poll_that_was_taken_over_ends_early_another_one_goes_on(bench: Bench) -> None:
    await bench.leave()
    await asyncio.sleep(15.5)
    asyncio.get_running_loop().call_later(10, bench.sqs.arrive, "a")
    assert await bench.receive() == ["a"]
    assert bench.sqs.requests == [(10, 20), (10, 16)]


async def test_what_comes_for_nobody_is_given_back(bench: Bench) -> None:
    await bench.leave()
    bench.sqs.arrive("a", "b")
    await settled()
    assert bench.given_back == ["a-1", "b-2"]


async def test_what_comes_in_the_moment_of_cancellation_is_given_back(bench: Bench) -> None:
    for steps in range(12):
        receiving = asyncio.ensure_future(bench.receive())
        await settled()
        bench.sqs.arrive(f"{steps}")
        for _ in range(steps):
            await asyncio.sleep(0)
        receiving.cancel()
        await asyncio.wait([receiving])
        await settled()
        returned = [] if receiving.cancelled() else receiving.result()
        assert [*returned, *(receipt.partition("-")[0] for receipt in bench.given_back)] == [f"{steps}"]
        bench.given_back.clear()


async def test_several_receives_wait_at_the_same_time(bench: Bench) -> None:
    waiting = [asyncio.ensure_future(bench.receive()) for _ in range(3)]
    await settled()
    for body in ("a", "b", "c"):
        bench.sqs.arrive(body)
    assert sorted([body for one in waiting for body in await one]) == ["a", "b", "c"]


async def test_a_service_that_is_away_is_reported_once_for_everybody_who_asks(bench: Bench) -> None:
    bench.sqs.fails.append(refusal("ServiceUnavailable"))
    with pytest.raises(UnavailableError, match="sqs:ReceiveMessage: ServiceUnavailable"):
        await bench.receive()
    bench.sqs.fails.append(refusal("QueueDoesNotExist"))
    with pytest.raises(ResourceNotFoundError):
        await bench.receive()


async def test_a_service_that_does_not_answer_is_given_up(bench: Bench) -> None:
    async def hang(**_: object) -> dict[str, object]:
        await asyncio.sleep(1000)
        return {}

    bench.sqs.receive_message = hang  # type: ignore[method-assign]
    started = anyio.current_time()
    with pytest.raises(UnavailableError, match="no answer in time"):
        await bench.receive(wait_seconds=20)
    assert anyio.current_time() - started == pytest.approx(20 + LATE_SECONDS)


async def test_a_queue_with_as_many_messages_in_flight_as_it_may_have_is_waited_for(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.sqs.fails.extend(refusal("OverLimit") for _ in range(2))
    started = anyio.current_time()
    with caplog.at_level(logging.WARNING):
        assert await bench.receive(wait_seconds=20) == []
        assert await bench.receive(wait_seconds=0) == []
    assert anyio.current_time() - started == pytest.approx(21)
    assert caplog.text.count("as many messages as SQS allows are in flight") == 1


async def test_closing_ends_the_polls_and_those_who_wait_for_them(bench: Bench) -> None:
    await bench.leave()
    waiting = asyncio.ensure_future(bench.receive(most=5))
    await settled()
    await bench.receiving.aclose()
    with pytest.raises(UnavailableError, match="was closed"):
        await waiting
    with pytest.raises(UnavailableError, match="is closed"):
        await bench.receive()
    await bench.receiving.aclose()


async def test_closing_waits_until_what_came_for_nobody_is_given_back(bench: Bench) -> None:
    await bench.leave()
    bench.sqs.arrive("a")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await bench.receiving.aclose()
    assert bench.given_back == ["a-1"]


async def test_an_environment_that_closes_ends_what_was_left() -> None:
    before = asyncio.all_tasks()
    async with Background() as background:
        bench = Bench(background)
        await bench.leave()
        assert asyncio.all_tasks() > before
    assert asyncio.all_tasks() == before
