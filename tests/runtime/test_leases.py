from __future__ import annotations

import math
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import pytest

from eventflow.errors import UnavailableError
from eventflow.model.records import QueueRecord, SourceIdentity
from eventflow.policy.settlement import Settlement
from eventflow.ports import QueueProperties
from eventflow.runtime.queues.leases import Leases
from eventflow.runtime.settle import QueueSettler


def record(receipt: str) -> QueueRecord:
    return QueueRecord(f"m{receipt}", receipt, "", 1, None, {}, {})


class Service:
    """The far side of a queue: notes every call and when it came. ``gone`` are somebody else's receipts."""

    identity = SourceIdentity(arn="", region="", extras={})
    properties = QueueProperties(visibility_timeout_seconds=40)

    def __init__(self) -> None:
        self.calls: list[tuple[float, str, tuple[str, ...], float]] = []
        self.gone: set[str] = set()
        self.call_seconds = 0.0
        self.away = False

    async def _call(self, verb: str, receipts: Sequence[str], seconds: float = 0) -> None:
        self.calls.append((anyio.current_time(), verb, tuple(receipts), seconds))
        await anyio.sleep(self.call_seconds)
        if self.away:
            raise UnavailableError("sqs:orders", "away")

    async def receive(self, *, max_records: int, wait_seconds: float) -> Sequence[QueueRecord]:
        raise NotImplementedError

    async def delete(self, receipts: Sequence[str]) -> None:
        await self._call("delete", receipts)

    async def release(self, receipts: Sequence[str], *, after_seconds: float = 0) -> None:
        await self._call("release", receipts, after_seconds)

    async def extend(self, receipts: Sequence[str], *, seconds: float) -> Collection[str]:
        await self._call("extend", receipts, seconds)
        return self.gone & set(receipts)

    async def backlog(self) -> int:
        return 0

    async def aclose(self) -> None:
        return


@asynccontextmanager
async def leasing(service: Service) -> AsyncIterator[Leases]:
    leases = Leases(service)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leases.run)
        yield leases
        tasks.cancel_scope.cancel()


async def test_a_short_handler_costs_no_call() -> None:
    service = Service()
    async with leasing(service) as leases:
        for _ in range(10):
            leases.begin([record("a")])
            await anyio.sleep(19)
            leases.end([record("a")])
    assert service.calls == []
    assert len(leases) == 0


async def test_each_record_is_extended_when_half_of_its_time_is_over() -> None:
    service = Service()
    async with leasing(service) as leases:
        leases.begin([record("a")])
        await anyio.sleep(5)
        leases.begin([record("b")])
        await anyio.sleep(41)
    assert service.calls == [
        (20, "extend", ("a",), 40),
        (25, "extend", ("b",), 40),
        (40, "extend", ("a",), 40),
        (45, "extend", ("b",), 40),
    ]


async def test_a_queue_with_a_short_timeout_is_extended_further_and_still_in_time() -> None:
    service = Service()
    service.properties = replace(Service.properties, visibility_timeout_seconds=2)
    async with leasing(service) as leases:
        leases.begin([record("a")])
        await anyio.sleep(4)
        leases.begin([record("b")])
        await anyio.sleep(13)
    assert service.calls == [(1, "extend", ("a",), 30), (5, "extend", ("b",), 30), (16, "extend", ("a",), 30)]


async def test_many_records_are_extended_a_receive_at_a_time_and_side_by_side() -> None:
    service = Service()
    service.call_seconds = 1
    async with leasing(service) as leases:
        leases.begin([record(str(number)) for number in range(105)])
        await anyio.sleep(25)
    assert [len(receipts) for _, _, receipts, _ in service.calls] == [10] * 10 + [5]
    assert [at for at, _, _, _ in service.calls] == [20] * 10 + [21]


async def test_a_service_that_is_away_is_asked_again_in_time() -> None:
    service = Service()
    service.away = True
    async with leasing(service) as leases:
        leases.begin([record("a")])
        await anyio.sleep(30)
        service.away = False
        await anyio.sleep(5)
    assert [at for at, _, _, _ in service.calls] == [20, 24, 28, 32]


async def test_whoever_holds_a_lost_record_is_told_once_nothing_is_left() -> None:
    service = Service()
    told: list[float] = []
    async with leasing(service) as leases:
        batch = [record("a"), record("b")]
        leases.begin(batch)
        leases.watch(batch, lambda: told.append(anyio.current_time()))
        service.gone = {"a"}
        await anyio.sleep(25)
        assert told == []
        assert (leases.lost, len(leases)) == ({"a"}, 1)
        service.gone = {"b"}
        await anyio.sleep(20)
        assert told == [40]
        leases.end(batch)
        assert leases.lost == set()


async def test_whoever_comes_too_late_is_told_at_once() -> None:
    service = Service()
    service.gone = {"a"}
    told: list[str] = []
    async with leasing(service) as leases:
        leases.begin([record("a")])
        await anyio.sleep(25)
        leases.watch([record("a")], lambda: told.append("lost"))
    assert told == ["lost"]


# Settling


async def test_lost_records_are_left_alone() -> None:
    service = Service()
    service.gone = {"a", "c"}
    async with leasing(service) as leases:
        settler = QueueSettler(service, leases, random=lambda: 0)
        a, b, c, d = (record(name) for name in "abcd")
        leases.begin([a, b, c, d])
        await anyio.sleep(25)
        await settler.settle(Settlement(delete=(a, b), leave=(c, d)))
    assert service.calls[1:] == [(25, "release", ("d",), 15), (25, "delete", ("b",), 0)]
    assert (leases.lost, len(leases)) == (set(), 0)


async def test_abandoned_records_are_released_at_once_unless_they_are_lost() -> None:
    service = Service()
    service.gone = {"a"}
    async with leasing(service) as leases:
        settler = QueueSettler(service, leases, random=lambda: 0)
        leases.begin([record("a"), record("b")])
        await anyio.sleep(25)
        await settler.abandon([record("a"), record("b")])
    assert service.calls[1:] == [(25, "release", ("b",), 0)]


async def test_records_that_are_left_are_not_extended_while_others_are_deleted() -> None:
    service = Service()
    async with leasing(service) as leases:
        settler = QueueSettler(service, leases, random=lambda: 0)
        leases.begin([record("a"), record("b")])
        await anyio.sleep(30)
        service.call_seconds = 60
        await settler.settle(Settlement(delete=(record("a"),), leave=(record("b"),)))
    assert all(receipts == ("a",) for at, verb, receipts, _ in service.calls if verb == "extend" and at > 30)


async def test_a_service_that_never_answers_does_not_hold_the_settling_up_for_ever() -> None:
    service = Service()
    service.call_seconds = 10_000
    async with leasing(service) as leases:
        settler = QueueSettler(service, leases, random=lambda: 0)
        leases.begin([record("a")])
        await settler.settle(Settlement(delete=(record("a"),), leave=()))
        assert 50 < anyio.current_time() < 70


async def test_what_is_done_is_deleted_even_if_settling_is_cancelled() -> None:
    service = Service()
    service.call_seconds = 1
    async with leasing(service) as leases:
        settler = QueueSettler(service, leases, random=lambda: 0)
        leases.begin([record("a")])
        with anyio.move_on_after(0.5) as scope:
            await settler.settle(Settlement(delete=(record("a"),), leave=()))
        assert scope.cancelled_caught
    assert [verb for _, verb, _, _ in service.calls] == ["delete", "delete"]  # the first may not have got through
    assert anyio.current_time() == pytest.approx(1.5)


async def test_a_broker_that_brings_nothing_back_has_failed_records_released_after_growing_delays() -> None:
    service = Service()
    service.properties = QueueProperties(visibility_timeout_seconds=math.inf, redelivers=False)
    async with leasing(service) as leases:
        settler = QueueSettler(service, leases, random=lambda: 0)
        once, again = record("a"), record("b")._replace(receive_count=3)
        leases.begin([once, again])
        await anyio.sleep(3_600)
        await settler.settle(Settlement(delete=(), leave=(once, again)))
    assert service.calls == [(3_600, "release", ("a",), 1), (3_600, "release", ("b",), 4)]
