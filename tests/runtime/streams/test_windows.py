"""Tumbling windows: state from batch to batch, over restarts, and to the final invocation."""

from __future__ import annotations

import json
from typing import Any

import anyio

from eventflow.model.records import StreamRecord
from eventflow.runtime.metrics import DropReason
from eventflow.runtime.streams.window import TumblingWindow
from eventflow.testing.virtual_time import START
from eventflow.triggers.destinations import to_sqs
from eventflow.triggers.kinesis import on_kinesis_batch
from tests.runtime.streams.scripted import SHARD, STREAM_ARN, Log, ScriptedSource, numbers, polling, record


class Calls:
    """What a summing handler saw, and the sums that its windows ended with."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.sums: list[int] = []
        self.times: list[float] = []

    def add(self, event: dict[str, Any]) -> dict[str, Any]:
        self.events.append(json.loads(json.dumps(event)))
        self.times.append(anyio.current_time())
        total = event["state"].get("sum", 0) + sum(numbers(event))
        if event["isFinalInvokeForWindow"]:
            self.sums.append(total)
        return {"state": {"sum": total}}

    @property
    def batches(self) -> list[list[int]]:
        return [numbers(event) for event in self.events]


def source_of(*records: StreamRecord) -> ScriptedSource:
    log = Log()
    log.append(records)
    return ScriptedSource(log)


async def test_state_is_carried_within_a_window_and_dropped_after_it() -> None:
    calls = Calls()

    @on_kinesis_batch("orders", batch_size=2, tumbling_window_seconds=60)
    async def handle(event: dict[str, Any]) -> dict[str, Any]:
        return calls.add(event)

    records = [record(1, at=-100), record(2, at=-90), record(3, at=-80), record(4, at=-30), record(5, at=-20)]
    async with polling(handle, source_of(*records)) as mapping:
        await mapping.all_done()
        assert calls.batches == [[1, 2], [3], [], [4, 5], []]
        assert [event["state"] for event in calls.events] == [{}, {"sum": 3}, {"sum": 6}, {}, {"sum": 9}]
        assert calls.sums == [6, 9]
        assert mapping.log.checkpoints[SHARD].state is None


async def test_events_have_the_keys_of_lambda() -> None:
    calls = Calls()

    @on_kinesis_batch("orders", tumbling_window_seconds=300)
    async def handle(event: dict[str, Any]) -> dict[str, Any]:
        return calls.add(event)

    async with polling(handle, source_of(record(1, at=10))) as mapping:
        await mapping.all_done()
        event, final = calls.events
        assert {key: value for key, value in event.items() if key != "Records"} == {
            "window": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:05:00Z"},
            "state": {},
            "shardId": SHARD,
            "eventSourceARN": STREAM_ARN,
            "isFinalInvokeForWindow": False,
            "isWindowTerminatedEarly": False,
        }
        assert final["Records"] == []
        assert final["isFinalInvokeForWindow"] is True


async def test_an_idle_shard_gets_its_final_invocation_soon_after_the_window() -> None:
    calls = Calls()

    @on_kinesis_batch("orders", tumbling_window_seconds=60)
    async def handle(event: dict[str, Any]) -> dict[str, Any]:
        return calls.add(event)

    async with polling(handle, source_of(record(1, at=0))) as mapping:
        await mapping.until(lambda: calls.sums)
        assert 60 <= calls.times[-1] <= 70


async def test_a_window_does_not_end_by_the_clock_while_the_shard_cannot_be_read() -> None:
    calls = Calls()

    @on_kinesis_batch("orders", tumbling_window_seconds=60)
    async def handle(event: dict[str, Any]) -> dict[str, Any]:
        return calls.add(event)

    source = source_of(record(1, at=0))
    async with polling(handle, source) as mapping:
        await anyio.sleep(30)
        source.away.add("read")
        await anyio.sleep(600)
        assert not calls.sums
        mapping.log.append([record(2, at=50)])
        source.away.clear()
        await mapping.all_done()
        assert calls.sums == [3]


async def test_an_unmatched_record_ends_the_window_before_it() -> None:
    calls = Calls()

    @on_kinesis_batch("orders", tumbling_window_seconds=60, filters=[{"partitionKey": ["k"]}])
    async def handle(event: dict[str, Any]) -> dict[str, Any]:
        return calls.add(event)

    async with polling(handle, source_of(record(1, at=0), record(2, at=61, key="other"))) as mapping:
        await mapping.until(lambda: calls.sums, within=5)
        assert calls.sums == [1]


async def test_state_survives_a_crash_in_the_middle_of_a_window() -> None:
    calls = Calls()

    @on_kinesis_batch("orders", tumbling_window_seconds=600)
    async def handle(event: dict[str, Any]) -> dict[str, Any]:
        return calls.add(event)

    log = Log()
    log.append([record(1, at=0)])
    async with polling(handle, ScriptedSource(log)) as mapping:
        await mapping.until(lambda: log.committed() == 1)
    log.append([record(2, at=20)])
    async with polling(handle, ScriptedSource(log)) as mapping:
        await mapping.all_done()
    assert calls.batches == [[1], [2], []]
    assert calls.sums == [3]


async def test_a_window_that_ended_during_a_restart_is_closed_before_newer_records() -> None:
    calls = Calls()

    @on_kinesis_batch("orders", tumbling_window_seconds=60)
    async def handle(event: dict[str, Any]) -> dict[str, Any]:
        return calls.add(event)

    log = Log()
    log.append([record(1, at=0)])
    async with polling(handle, ScriptedSource(log)) as mapping:
        await mapping.until(lambda: log.committed() == 1)
    await anyio.sleep(300)
    log.append([record(2, at=250)])
    async with polling(handle, ScriptedSource(log)) as mapping:
        await mapping.all_done()
    assert calls.batches == [[1], [], [2], []]
    assert calls.sums == [1, 2]


async def test_a_failing_batch_is_repeated_with_the_same_state() -> None:
    calls = Calls()

    @on_kinesis_batch("orders", batch_size=1, tumbling_window_seconds=60)
    async def handle(event: dict[str, Any]) -> dict[str, Any]:
        result = calls.add(event)
        event["state"]["sum"] = 1_000
        if calls.batches.count([2]) in (1, 2) and calls.batches[-1] == [2]:
            raise RuntimeError("not yet")
        return result

    async with polling(handle, source_of(record(1), record(2))) as mapping:
        await mapping.all_done()
        assert calls.batches == [[1], [2], [2], [2], []]
        assert calls.sums == [3]


async def test_a_response_without_a_state_is_a_failure() -> None:
    calls = 0

    @on_kinesis_batch("orders", tumbling_window_seconds=60, maximum_retry_attempts=1, on_failure=to_sqs("failed"))
    async def handle(event: dict[str, Any]) -> dict[str, Any] | None:
        nonlocal calls
        calls += bool(event["Records"])
        return {"batchItemFailures": []}

    async with polling(handle, source_of(record(1))) as mapping:
        await mapping.all_done()
        assert calls == 2
        [failure] = mapping.failures.records
        assert failure["responseContext"]["functionError"] is None


async def test_the_state_of_a_partial_success_is_carried_to_the_remainder() -> None:
    calls = Calls()

    @on_kinesis_batch("orders", tumbling_window_seconds=60, report_batch_item_failures=True)
    async def handle(event: dict[str, Any]) -> dict[str, Any]:
        if numbers(event) == [1, 2, 3]:
            calls.add({**event, "Records": event["Records"][:2]})
            return {"state": {"sum": 3}, "batchItemFailures": [{"itemIdentifier": "3"}]}
        return calls.add(event)

    async with polling(handle, source_of(record(1), record(2), record(3))) as mapping:
        await mapping.all_done()
        assert calls.sums == [6]


async def test_a_state_that_outgrows_its_limit_ends_the_window_early() -> None:
    finals: list[tuple[int, bool]] = []
    states: list[int] = []

    @on_kinesis_batch("orders", batch_size=1, tumbling_window_seconds=60)
    async def handle(event: dict[str, Any]) -> dict[str, Any]:
        states.append(len(event["state"].get("text", "")))
        if event["isFinalInvokeForWindow"]:
            finals.append((states[-1], event["isWindowTerminatedEarly"]))
        size = 1_100_000 if numbers(event) == [1] else 5
        return {"state": {"text": "x" * size}}

    async with polling(handle, source_of(record(1), record(2))) as mapping:
        await mapping.all_done()
        assert states == [0, 1_100_000, 0, 5]
        assert finals == [(1_100_000, True), (5, False)]


async def test_the_end_of_a_shard_closes_its_window() -> None:
    calls = Calls()

    @on_kinesis_batch("orders", tumbling_window_seconds=900)
    async def handle(event: dict[str, Any]) -> dict[str, Any]:
        return calls.add(event)

    source = source_of(record(1))
    source.log.end(SHARD)
    async with polling(handle, source) as mapping:
        await mapping.until(lambda: mapping.log.completed, within=10)
        assert calls.sums == [1]
        assert mapping.log.checkpoints[SHARD].state is None


async def test_a_failing_final_invocation_is_tried_again_and_blocks_the_shard() -> None:
    calls = Calls()

    @on_kinesis_batch("orders", tumbling_window_seconds=60)
    async def handle(event: dict[str, Any]) -> dict[str, Any]:
        if event["isFinalInvokeForWindow"] and anyio.current_time() < 30:
            raise RuntimeError("not yet")
        return calls.add(event)

    async with polling(handle, source_of(record(1, at=-70), record(2, at=0))) as mapping:
        await mapping.all_done()
        assert calls.batches == [[1], [], [2], []]


async def test_a_final_invocation_is_given_up_under_the_same_limits() -> None:
    calls = Calls()

    @on_kinesis_batch("orders", tumbling_window_seconds=60, maximum_retry_attempts=2, on_failure=to_sqs("failed"))
    async def handle(event: dict[str, Any]) -> dict[str, Any]:
        calls.add(event)
        if event["isFinalInvokeForWindow"]:
            raise RuntimeError("no")
        return {"state": {}}

    async with polling(handle, source_of(record(1, at=0))) as mapping:
        await mapping.all_done()
        assert calls.batches == [[1], [], [], []]
        [failure] = mapping.failures.records
        assert failure["requestContext"]["approximateInvokeCount"] == 3
        assert failure["KinesisBatchInfo"]["batchSize"] == 0
        assert failure["KinesisBatchInfo"]["startSequenceNumber"] == "1"
        assert failure["KinesisBatchInfo"]["approximateArrivalOfLastRecord"] == "2026-01-01T00:01:00.000Z"


async def test_a_final_invocation_without_a_destination_counts_as_one_dropped() -> None:
    @on_kinesis_batch("orders", tumbling_window_seconds=60, maximum_record_age_seconds=60)
    async def handle(event: dict[str, Any]) -> dict[str, Any]:
        if event["isFinalInvokeForWindow"]:
            raise RuntimeError("no")
        return {"state": {}}

    async with polling(handle, source_of(record(1, at=0))) as mapping:
        await mapping.all_done()
        assert mapping.metrics.dropped == {("handle", "kinesis", DropReason.NO_DESTINATION): 1}


async def test_a_drain_in_a_window_keeps_its_state() -> None:
    calls = Calls()

    @on_kinesis_batch("orders", tumbling_window_seconds=60)
    async def handle(event: dict[str, Any]) -> dict[str, Any]:
        await anyio.sleep(1)
        return calls.add(event)

    log = Log()
    log.append([record(1, at=0)])
    async with polling(handle, ScriptedSource(log)) as mapping:
        await anyio.sleep(0.5)
        await mapping.poller.drain(20)
        state = log.checkpoints[SHARD].state
        assert state is not None
        assert json.loads(state) == {"window": int(START), "state": {"sum": 1}}
    async with polling(handle, ScriptedSource(log)) as mapping:
        await mapping.until(lambda: calls.sums)
    assert calls.sums == [1]


def test_a_late_record_belongs_to_the_open_window() -> None:
    window = TumblingWindow(60)
    window.enter(120)
    assert window.accepts(119)
    assert window.accepts(179.9)
    assert not window.accepts(180)


def test_a_window_without_records_has_nothing_to_keep() -> None:
    window = TumblingWindow(60)
    assert window.checkpoint() is None
    window.enter(61)
    assert TumblingWindow(60, window.checkpoint()).bounds == window.bounds
    window.close()
    assert window.checkpoint() is None
