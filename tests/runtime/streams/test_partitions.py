"""Owning partitions: bounded reading, draining, losing, ending, and sources that go away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from eventflow.errors import AccessDeniedError, AdapterError, ResourceNotFoundError, UnavailableError
from eventflow.runtime.metrics import DropReason
from eventflow.runtime.streams.progress import COMMIT_PAUSE_SECONDS, COMMIT_SECONDS
from eventflow.triggers.destinations import to_sqs
from eventflow.triggers.function import function
from eventflow.triggers.kafka import on_kafka_batch
from eventflow.triggers.kinesis import on_kinesis, on_kinesis_batch
from tests.runtime.streams.scripted import (
    KAFKA_IDENTITY,
    OTHER_SHARD,
    SHARD,
    Failures,
    Log,
    ScriptedSource,
    numbers,
    polling,
    record,
)


def log_of(count: int, *, partition: str = SHARD, keys: int = 1) -> Log:
    log = Log(partition)
    log.append(record(number, key=f"key-{number % keys}", partition=partition) for number in range(count))
    return log


async def test_a_backlog_is_not_read_ahead_of_what_is_handled() -> None:
    @on_kafka_batch("orders", batch_size=500, maximum_batching_window_seconds=0)
    @function(timeout_seconds=100)
    async def handle(event: dict[str, Any]) -> None:
        await anyio.sleep(60)

    source = ScriptedSource(log_of(100_000, partition="orders-0"), KAFKA_IDENTITY)
    async with polling(handle, source) as mapping:
        for _ in range(5):
            await anyio.sleep(61)
            done = mapping.log.committed("orders-0") or 0
            assert source.highest_read["orders-0"] - done <= 2_000
        assert mapping.log.committed("orders-0") >= 1_999


async def test_a_backlog_of_large_records_is_bounded_by_bytes() -> None:
    @on_kinesis_batch("orders", batch_size=10_000)
    @function(timeout_seconds=100)
    async def handle(event: dict[str, Any]) -> None:
        await anyio.sleep(60)

    log = Log()
    data = b"x" * 1_000_000
    log.append(record(number, data=data) for number in range(300))
    source = ScriptedSource(log)
    source.maximum_read = 10
    async with polling(handle, source):
        await anyio.sleep(30)
        assert source.highest_read[SHARD] <= 30


async def test_one_record_handlers_do_not_read_ahead_either() -> None:
    @on_kinesis("orders")
    async def handle(number: int) -> None:
        await anyio.sleep(1)

    source = ScriptedSource(log_of(50_000))
    async with polling(handle, source):
        await anyio.sleep(100.5)
        assert source.highest_read[SHARD] <= 1_000 + 101


async def test_a_saturated_function_is_not_read_for() -> None:
    @on_kinesis("orders")
    async def handle(number: int) -> None: ...

    source = ScriptedSource(log_of(10), assign_all=False)
    async with polling(handle, source, concurrency=1) as mapping:
        permits = mapping.functions["handle"].invoker.permits
        assert permits.enter()
        await anyio.sleep(1)
        await source.assign(SHARD)
        await anyio.sleep(60)
        assert not source.highest_read
        permits.leave()
        await mapping.all_done()


async def test_commits_are_coalesced_while_one_is_under_way() -> None:
    @on_kinesis_batch("orders", batch_size=1)
    async def handle(event: dict[str, Any]) -> None:
        await anyio.sleep(0.1)

    source = ScriptedSource(log_of(100))
    source.commit_seconds = 5
    async with polling(handle, source) as mapping:
        await mapping.all_done()
        assert len(mapping.log.commits) <= 5


async def test_commits_of_a_busy_partition_have_a_pause_between_them() -> None:
    @on_kinesis_batch("orders", batch_size=1)
    async def handle(event: dict[str, Any]) -> None:
        await anyio.sleep(0.1)

    async with polling(handle, ScriptedSource(log_of(100))) as mapping:
        await mapping.until(lambda: mapping.log.committed() is not None)
        assert mapping.log.committed() == 0, "the first commit waits for nothing"
        await mapping.all_done()
        assert len(mapping.log.commits) <= 10 / COMMIT_PAUSE_SECONDS + 2


async def test_a_partition_that_is_given_up_is_committed_without_a_pause() -> None:
    @on_kinesis_batch("orders", batch_size=1)
    async def handle(event: dict[str, Any]) -> None:
        return

    source = ScriptedSource(log_of(1))
    async with polling(handle, source) as mapping:
        await mapping.until(lambda: mapping.log.committed() == 0)
        mapping.log.append([record(1)])
        await mapping.until(lambda: mapping.poller.statistics().partitions[0].position == 1)
        assert mapping.log.committed() == 0
        before = anyio.current_time()
        await source.revoke(SHARD)
        assert anyio.current_time() - before < COMMIT_PAUSE_SECONDS
        assert mapping.log.committed() == 1


async def test_what_is_committed_never_passes_a_record_that_is_not_done() -> None:
    release = anyio.Event()

    @on_kinesis_batch("orders", batch_size=1, parallelization_factor=10)
    async def handle(event: dict[str, Any]) -> None:
        if 0 in numbers(event):
            await release.wait()

    source = ScriptedSource(log_of(50, keys=50))
    async with polling(handle, source) as mapping:
        await anyio.sleep(2)
        assert mapping.log.committed() is None
        release.set()
        await mapping.all_done()


async def test_draining_with_four_busy_lanes_finishes_what_runs_and_loses_nothing() -> None:
    finished: list[int] = []

    @on_kinesis_batch("orders", batch_size=5, parallelization_factor=4)
    async def handle(event: dict[str, Any]) -> None:
        await anyio.sleep(2)
        finished.extend(numbers(event))

    log = log_of(200, keys=40)
    async with polling(handle, ScriptedSource(log)) as mapping:
        await anyio.sleep(1)
        await mapping.poller.drain(25)
        at_drain = anyio.current_time()
        assert len(finished) == 20
        assert at_drain == pytest.approx(2, abs=0.2)
        committed = log.committed()
        assert committed is None or set(range(committed + 1)) <= set(finished)
    async with polling(handle, ScriptedSource(log)) as mapping:
        await mapping.all_done()
    assert set(finished) == set(range(200))


async def test_a_drain_cancels_what_does_not_finish_in_time_and_does_not_commit_it() -> None:
    started: list[int] = []
    cancelled: list[int] = []

    @on_kinesis("orders")
    async def handle(number: int) -> None:
        started.append(number)
        try:
            await anyio.sleep(0 if number < 3 else 2.5)
        except anyio.get_cancelled_exc_class():
            cancelled.append(number)
            raise

    log = log_of(10)
    async with polling(handle, ScriptedSource(log)) as mapping:
        await mapping.until(lambda: 3 in started)
        await mapping.poller.drain(1)
        assert anyio.current_time() <= 2
        assert cancelled == [3]
        assert log.committed() == 2


async def test_a_drain_does_not_wait_for_retries() -> None:
    @on_kinesis_batch("orders")
    async def handle(event: dict[str, Any]) -> None:
        raise RuntimeError("no")

    async with polling(handle, ScriptedSource(log_of(3))) as mapping:
        await anyio.sleep(100)
        before = anyio.current_time()
        await mapping.poller.drain(25)
        assert anyio.current_time() - before < 0.1
        assert mapping.log.committed() is None


async def test_a_drain_does_not_wait_for_records_that_are_being_retried() -> None:
    @on_kinesis("orders", parallelization_factor=4)
    async def handle(number: int) -> None:
        if number == 0:
            raise RuntimeError("no")

    async with polling(handle, ScriptedSource(log_of(9, keys=9))) as mapping:
        await anyio.sleep(100)
        assert not mapping.poller.idle
        before = anyio.current_time()
        await mapping.poller.drain(25)
        assert anyio.current_time() - before < 0.1
        assert mapping.log.committed() is None


@pytest.mark.parametrize(
    "mark",
    [
        on_kinesis("orders", maximum_retry_attempts=0, on_failure=to_sqs("failed")),
        on_kinesis_batch("orders", maximum_retry_attempts=0, on_failure=to_sqs("failed")),
    ],
)
async def test_a_drain_commits_nothing_that_could_not_be_given_up(
    mark: Callable[[Callable[..., Any]], Callable[..., Any]],
) -> None:
    @mark
    async def handle(event: Any) -> None:
        raise RuntimeError("no")

    async with polling(handle, ScriptedSource(log_of(3)), failures=Failures(away=True)) as mapping:
        await anyio.sleep(100)
        await mapping.poller.drain(25)
        assert mapping.log.committed() is None


@pytest.mark.parametrize("stops", [True, False], ids=["drained", "crashed"])
async def test_a_source_that_keeps_it_does_not_repeat_what_was_done_behind_a_record_that_fails(stops: bool) -> None:
    """Records 0 and 7 fail; a process ends in order, or a while after it had done the others."""
    seen: list[int] = []

    @on_kinesis("orders", parallelization_factor=3)
    async def handle(number: int) -> None:
        seen.append(number)
        if number in (0, 7) and not mended:
            raise RuntimeError("not yet")

    mended = False
    log = Log()
    log.append(record(number, key=str(number)) for number in range(12))
    async with polling(handle, ScriptedSource(log, keeps_ahead=True)) as mapping:
        await mapping.until(lambda: set(range(12)) <= set(seen))
        if stops:
            await mapping.poller.drain(25)
        else:
            await anyio.sleep(COMMIT_SECONDS + COMMIT_PAUSE_SECONDS)
    assert log.committed() is None or log.committed() < 0, "nothing before the first record is done"
    seen.clear()
    mended = True
    async with polling(handle, ScriptedSource(log, keeps_ahead=True)) as mapping:
        await mapping.until(lambda: log.committed() == 11)
    assert sorted(seen) == [0, 7]


async def test_nothing_is_read_or_accepted_after_a_drain() -> None:
    @on_kinesis("orders")
    async def handle(number: int) -> None: ...

    source = ScriptedSource(log_of(3))
    async with polling(handle, source) as mapping:
        await mapping.all_done()
        await mapping.poller.drain(25)
        source.log.append([record(99)])
        await source.assign(SHARD)
        await anyio.sleep(60)
        assert source.highest_read[SHARD] == 3
        assert mapping.poller.statistics().partitions == ()


async def test_a_revoked_partition_is_drained_and_committed_before_it_is_given_up() -> None:
    finished: list[int] = []

    @on_kinesis_batch("orders", batch_size=4)
    @function(timeout_seconds=10)
    async def handle(event: dict[str, Any]) -> None:
        await anyio.sleep(3)
        finished.extend(numbers(event))

    source = ScriptedSource(log_of(20))
    async with polling(handle, source) as mapping:
        await anyio.sleep(1)
        await source.revoke(SHARD)
        assert finished == [0, 1, 2, 3]
        assert mapping.log.committed() == 3
        await anyio.sleep(60)
        assert finished == [0, 1, 2, 3]
        await source.assign(SHARD)
        await mapping.all_done()
        assert finished == list(range(20))


async def test_a_revocation_does_not_outlast_its_budget() -> None:
    @on_kinesis_batch("orders")
    @function(timeout_seconds=10)
    async def handle(event: dict[str, Any]) -> None:
        await anyio.sleep(8)

    source = ScriptedSource(log_of(1))
    async with polling(handle, source, drain_seconds=1) as mapping:
        await mapping.until(lambda: mapping.poller.statistics().outstanding)
        before = anyio.current_time()
        await source.revoke(SHARD)
        assert anyio.current_time() - before <= 1.1
        assert mapping.log.committed() is None


async def test_other_partitions_go_on_while_one_is_revoked() -> None:
    finished: list[int] = []

    @on_kinesis_batch("orders", batch_size=1)
    async def handle(event: dict[str, Any]) -> None:
        await anyio.sleep(1)
        finished.extend(numbers(event))

    log = Log(SHARD, OTHER_SHARD)
    log.append(record(number) for number in range(100))
    log.append(record(number, partition=OTHER_SHARD) for number in range(1_000, 1_020))
    source = ScriptedSource(log)
    async with polling(handle, source) as mapping:
        await anyio.sleep(2.5)
        await source.revoke(SHARD)
        await mapping.until(lambda: log.committed(OTHER_SHARD) == 1_019)
        assert log.committed(SHARD) == 2


async def test_work_on_a_lost_partition_is_cancelled_and_not_committed() -> None:
    cancelled: list[bool] = []

    @on_kafka_batch("orders", maximum_batching_window_seconds=0)
    async def handle(event: dict[str, Any]) -> None:
        try:
            await anyio.sleep(2)
        except anyio.get_cancelled_exc_class():
            cancelled.append(True)
            raise

    log = log_of(5, partition="orders-0")
    source = ScriptedSource(log, KAFKA_IDENTITY)
    async with polling(handle, source) as mapping:
        await anyio.sleep(1)
        await source.lose("orders-0")
        await anyio.sleep(1)
        assert cancelled == [True]
        assert not log.commits
        assert mapping.poller.idle


async def test_a_lease_that_is_lost_at_a_commit_ends_the_work_of_its_partition() -> None:
    seen: list[int] = []

    @on_kinesis_batch("orders", batch_size=1)
    async def handle(event: dict[str, Any]) -> None:
        await anyio.sleep(1)
        seen.extend(numbers(event))

    source = ScriptedSource(log_of(10))
    async with polling(handle, source) as mapping:
        await anyio.sleep(1.5)
        source.steal(SHARD)
        await anyio.sleep(60)
        assert seen == [0, 1]
        assert mapping.log.committed() == 0
        assert mapping.poller.statistics().partitions == ()
        await source.assign(SHARD)
        await mapping.all_done()
        assert seen == [0, 1, *range(1, 10)]


async def test_a_partition_that_returns_waits_for_what_was_cancelled_in_it() -> None:
    running: list[int] = []
    overlapped: list[bool] = []

    @on_kinesis("orders")
    async def handle(number: int) -> None:
        overlapped.append(bool(running))
        running.append(number)
        try:
            await anyio.sleep(2)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.5)
            running.clear()

    source = ScriptedSource(log_of(2))
    async with polling(handle, source) as mapping:
        await anyio.sleep(1)
        await source.lose(SHARD)
        await source.assign(SHARD)
        await mapping.all_done()
        assert overlapped == [False, False, False]


async def test_an_ended_partition_is_completed_once_everything_in_it_is_committed() -> None:
    @on_kinesis_batch("orders", batch_size=2)
    async def handle(event: dict[str, Any]) -> None:
        await anyio.sleep(1)
        assert not log.completed

    log = log_of(5)
    log.end(SHARD)
    source = ScriptedSource(log)
    source.away.add("complete")
    async with polling(handle, source) as mapping:
        await anyio.sleep(60)
        assert log.committed() == 4
        assert mapping.readiness.problems
        source.away.clear()
        await mapping.until(lambda: log.completed)
        assert mapping.poller.statistics().partitions == ()
        assert not mapping.readiness.problems


async def test_an_ended_partition_is_not_completed_while_a_record_is_not_done() -> None:
    @on_kinesis("orders")
    async def handle(number: int) -> None:
        if number == 4:
            raise RuntimeError("no")

    log = log_of(5)
    log.end(SHARD)
    async with polling(handle, ScriptedSource(log)) as mapping:
        await anyio.sleep(100)
        await mapping.poller.drain(20)
        assert log.committed() == 3
        assert not log.completed


async def test_an_empty_partition_that_has_ended_is_completed_at_once() -> None:
    @on_kinesis("orders")
    async def handle(number: int) -> None: ...

    log = log_of(0)
    log.end(SHARD)
    async with polling(handle, ScriptedSource(log)) as mapping:
        await mapping.until(lambda: log.completed)
        assert not log.commits


async def test_a_source_that_is_away_is_reported_and_tried_again() -> None:
    seen: list[int] = []

    @on_kinesis("orders")
    async def handle(number: int) -> None:
        seen.append(number)

    source = ScriptedSource(log_of(3))
    source.away.add("run")
    async with polling(handle, source) as mapping:
        await anyio.sleep(60)
        assert mapping.readiness.problems == {"handle <- kinesis:orders": "kinesis:orders: run cannot be reached"}
        source.away.clear()
        await mapping.all_done()
        assert not mapping.readiness.problems
        assert seen == [0, 1, 2]


async def test_after_a_broken_connection_work_begins_again_behind_the_last_commit() -> None:
    seen: list[int] = []

    @on_kinesis_batch("orders", batch_size=1)
    async def handle(event: dict[str, Any]) -> None:
        await anyio.sleep(1)
        seen.extend(numbers(event))

    source = ScriptedSource(log_of(6))
    async with polling(handle, source) as mapping:
        await anyio.sleep(2.5)
        source.break_connection()
        await mapping.all_done()
        assert source.runs == 2
        assert seen == list(range(6))


@pytest.mark.parametrize("error", [UnavailableError, AccessDeniedError, ResourceNotFoundError])
@pytest.mark.parametrize("verb", ["read", "commit"])
async def test_a_partition_whose_service_is_away_goes_on_when_it_is_back(verb: str, error: type[AdapterError]) -> None:
    seen: list[int] = []

    @on_kinesis("orders")
    async def handle(number: int) -> None:
        seen.append(number)

    source = ScriptedSource(log_of(3))
    source.error = error
    source.away.add(verb)
    async with polling(handle, source) as mapping:
        await anyio.sleep(60)
        [problem] = mapping.readiness.problems.values()
        assert f"{verb} cannot be reached" in problem
        assert not mapping.log.commits
        source.away.clear()
        await mapping.all_done()
        assert seen == [0, 1, 2]
        assert not mapping.readiness.problems


async def test_an_unknown_backlog_is_no_problem() -> None:
    @on_kinesis("orders")
    async def handle(number: int) -> None: ...

    source = ScriptedSource(log_of(3))
    source.away.add("backlog")
    async with polling(handle, source) as mapping:
        await mapping.all_done()
        assert not mapping.readiness.problems


async def test_a_cancelled_poller_ends_whatever_its_partitions_wait_for() -> None:
    @on_kinesis("orders", parallelization_factor=3)
    async def handle(number: int) -> None:
        if number % 2:
            raise RuntimeError("no")
        await anyio.sleep(2)

    async with polling(handle, ScriptedSource(log_of(9, keys=9))) as mapping:
        await anyio.sleep(10)
        assert not mapping.poller.idle


async def test_statistics_tell_where_each_partition_stands() -> None:
    release = anyio.Event()

    @on_kinesis("orders")
    async def handle(number: int) -> None:
        if number == 2:
            await release.wait()

    async with polling(handle, ScriptedSource(log_of(5))) as mapping:
        await anyio.sleep(2)
        [partition] = mapping.poller.statistics().partitions
        assert (partition.partition, partition.outstanding, partition.position) == (SHARD, 3, 1)
        assert not mapping.poller.idle
        release.set()
        await mapping.all_done()
        assert mapping.poller.idle


async def test_records_that_expired_unread_are_counted_once_per_gap() -> None:
    @on_kinesis("orders")
    async def handle(event: dict[str, Any]) -> None: ...

    source = ScriptedSource(log_of(3))
    source.gap = True
    async with polling(handle, source) as mapping:
        await mapping.all_done()
        assert mapping.metrics.dropped == {("handle", "kinesis", DropReason.EXPIRED): 1}
