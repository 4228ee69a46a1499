from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from collections.abc import Collection, Sequence
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from pydantic import BaseModel

from eventflow import SqsEvent, SqsRecord, function, on_sqs, on_sqs_batch
from eventflow.model.records import QueueRecord, SourceIdentity
from eventflow.ports import QueueProperties
from eventflow.runtime.metrics import DropReason
from eventflow.testing import TestApp
from eventflow.testing.faults import EVERY, expire_receipt, hang, lose_reply, missing, unavailable
from tests.runtime.running import running, seconds

REPORT: dict[str, Any] = {"report_batch_item_failures": True}
MIB = 1024 * 1024


def queues(**options: Any) -> dict[str, Any]:
    """Options of the embedded environment for a queue called ``orders``, or its FIFO twin."""
    names = ["orders"] if "dead_letter_queue" in options else ["orders", "orders.fifo"]
    return {"queues": dict.fromkeys(names, options)}


async def send_all(app: TestApp, bodies: Sequence[str], **options: Any) -> None:
    """Put messages in before anybody polls."""
    for body in bodies:
        await app.sqs("orders").send(body, **options)


async def send_group(app: TestApp, *bodies: str) -> None:
    """FIFO messages whose group is their first letter."""
    for number, body in enumerate(bodies):
        await app.sqs("orders.fifo").send(body, group_id=body[0], deduplication_id=f"{number}{body[:9]}")


class Gauge:
    """How many run at once, and the most there were."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0

    async def run(self, seconds: float) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await anyio.sleep(seconds)
        finally:
            self.now -= 1


# Permit first, receive second


async def test_low_concurrency_burns_no_receive_counts() -> None:
    gauge, counts, in_flight = Gauge(), list[int](), list[int]()

    @on_sqs("orders")
    @function(reserved_concurrency=1, timeout_seconds=20)
    async def handler(record: SqsRecord) -> None:
        counts.append(record.receive_count)
        await gauge.run(10)
        in_flight.append(app.supervisor.queue_pollers[0].in_flight)

    options = queues(visibility_timeout_seconds=5, maximum_receive_count=1, dead_letter_queue="dead")
    async with TestApp([handler], options=options) as app:
        await send_all(app, [str(number) for number in range(50)])
        await app.settle()
        assert counts == [1] * 50
        assert (gauge.most, max(in_flight)) == (1, 1)
        assert 499 <= seconds() <= 502
        assert await app.sqs("dead").receive() == []


async def test_low_concurrency_burns_no_receive_counts_of_batches() -> None:
    gauge, counts = Gauge(), list[int]()

    @on_sqs_batch("orders", batch_size=5)
    @function(reserved_concurrency=1, timeout_seconds=60)
    async def handler(batch: SqsEvent) -> None:
        counts.extend(record.receive_count for record in batch.records)
        await gauge.run(30)

    async with TestApp([handler], options=queues(visibility_timeout_seconds=10)) as app:
        await send_all(app, [str(number) for number in range(50)])
        await app.settle()
        assert counts == [1] * 50
        assert gauge.most == 1


async def test_a_function_that_may_never_run_receives_nothing() -> None:
    @on_sqs("orders")
    @function(reserved_concurrency=0)
    async def handler() -> None: ...

    async with TestApp([handler]) as app:
        await send_all(app, ["1"])
        await app.advance(3_600)
        assert app.invocations("handler") == ()
        [record] = await app.sqs("orders").receive()
        assert record.receive_count == 1


async def test_records_wait_hidden_while_others_have_the_permits() -> None:
    @on_sqs("orders")
    @function(reserved_concurrency=1, timeout_seconds=900)
    async def handler(record: SqsRecord | None = None) -> None:
        await anyio.sleep(100 if record is None else 1)

    async with TestApp([handler], options=queues(visibility_timeout_seconds=10)) as app:
        async with anyio.create_task_group() as tasks:
            await app.advance(1)
            tasks.start_soon(app.invoke, "handler", {"Records": []})
            await app.advance(1)
            await send_all(app, ["1"])
        await app.settle()
        [handled] = [item for item in app.invocations("handler") if isinstance(item.event, QueueRecord)]
        assert handled.event.receive_count == 1


# Concurrency of the mapping


@pytest.mark.parametrize(("maximum", "most"), [(2, 2), (10, 10), (15, 14), (40, 40)])
async def test_no_more_records_run_at_once_than_the_mapping_allows(maximum: int, most: int) -> None:
    gauge = Gauge()

    @on_sqs("orders", maximum_concurrency=maximum)
    async def handler(record: SqsRecord) -> None:
        await gauge.run(1)

    async with TestApp([handler]) as app:
        await send_all(app, [str(number) for number in range(200)])
        await app.settle()
        assert gauge.most == most
        assert len(app.invocations("handler")) == 200


async def test_no_more_batches_run_at_once_than_the_mapping_allows() -> None:
    gauge = Gauge()

    @on_sqs_batch("orders", batch_size=2, maximum_concurrency=3)
    async def handler(batch: SqsEvent) -> None:
        await gauge.run(1)

    async with TestApp([handler]) as app:
        await send_all(app, [str(number) for number in range(60)])
        await app.settle()
        assert gauge.most == 3
        assert len(app.invocations("handler")) == 30


async def test_pollers_follow_the_backlog_up_and_down() -> None:
    @on_sqs_batch("orders", batch_size=1)
    async def handler(batch: SqsEvent) -> None:
        await anyio.sleep(2)

    async with TestApp([handler]) as app:
        [poller] = app.supervisor.queue_pollers
        await app.advance(1)
        assert poller.statistics().pollers == 5
        await send_all(app, [str(number) for number in range(400)])
        await app.advance(10)
        grown = poller.statistics().pollers
        assert 30 <= grown <= 60  # 300 a minute
        await app.settle()
        await app.advance(3_600)
        assert poller.statistics().pollers == 2
        await send_all(app, ["again"])
        await app.settle()
        assert len(app.invocations("handler")) == 401


async def test_pollers_grow_for_batches_that_no_single_receive_fills() -> None:
    @on_sqs_batch("orders", batch_size=100, maximum_batching_window_seconds=1)
    async def handler(batch: SqsEvent) -> None:
        await anyio.sleep(2)

    async with TestApp([handler]) as app:
        [poller] = app.supervisor.queue_pollers
        await send_all(app, [str(number) for number in range(10_000)])
        await app.advance(10)
        assert poller.statistics().pollers > 20


# Batches


def recording(batches: list[tuple[float, list[str]]]) -> Any:
    """A batch handler that writes down when it got what."""

    async def handler(batch: SqsEvent) -> None:
        batches.append((seconds(), [record.body for record in batch.records]))

    return handler


async def test_without_a_window_a_batch_is_what_one_receive_returns() -> None:
    batches: list[tuple[float, list[str]]] = []
    handler = on_sqs_batch("orders", batch_size=10)(function(reserved_concurrency=1)(recording(batches)))
    async with TestApp([handler]) as app:
        await app.advance(1)
        await send_all(app, ["1"])
        await app.settle()
        await send_all(app, ["2", "3"])
        await app.settle()
        assert [len(bodies) for _, bodies in batches] in ([1, 2], [1, 1, 1])
        assert all(at == pytest.approx(1) for at, _ in batches)


async def test_a_window_opens_when_polling_begins_and_again_with_the_next_record() -> None:
    batches: list[tuple[float, list[str]]] = []
    handler = on_sqs_batch("orders", batch_size=100, maximum_batching_window_seconds=5)(
        function(reserved_concurrency=1)(recording(batches))
    )
    async with TestApp([handler]) as app:
        for at, body in ((1, "1"), (2, "2"), (4.5, "3"), (6, "4"), (30, "5"), (33, "6")):
            await app.advance(at - seconds())
            await send_all(app, [body])
        await app.settle()
        assert [bodies for _, bodies in batches] == [["1", "2", "3"], ["4"], ["5", "6"]]
        assert [at for at, _ in batches] == pytest.approx([5, 10, 35])


async def test_a_full_batch_does_not_wait_for_its_window() -> None:
    batches: list[tuple[float, list[str]]] = []
    handler = on_sqs_batch("orders", batch_size=25, maximum_batching_window_seconds=60)(
        function(reserved_concurrency=1)(recording(batches))
    )
    async with TestApp([handler]) as app:
        await send_all(app, [str(number) for number in range(60)])
        await app.advance(1)
        assert [len(bodies) for _, bodies in batches] == [25, 25]
        await app.settle()
        [(at, bodies)] = batches[2:]
        assert at == pytest.approx(60, abs=1)
        assert len(bodies) == 10


async def test_a_batch_is_closed_before_it_passes_six_megabytes() -> None:
    batches: list[tuple[float, list[str]]] = []
    handler = on_sqs_batch("orders", batch_size=10)(function(reserved_concurrency=1)(recording(batches)))
    async with TestApp([handler]) as app:
        await send_all(app, [str(number) * (MIB - 100) for number in range(8)])
        await app.settle()
        sizes = [len(json.dumps(bodies)) for _, bodies in batches]
        assert sum(len(bodies) for _, bodies in batches) == 8
        assert all(size < 6 * MIB for size in sizes)
        assert len(batches[0][1]) == 5  # six with their metadata are too many


# Filters


async def test_records_that_no_filter_matches_are_deleted_and_nobody_waits_for_them() -> None:
    @on_sqs_batch("orders", batch_size=10, filters=[{"body": {"n": [1]}}], maximum_batching_window_seconds=300)
    @function(reserved_concurrency=1)
    async def handler(batch: SqsEvent) -> None: ...

    async with TestApp([handler]) as app:
        [poller] = app.supervisor.queue_pollers
        for _ in range(20):
            await send_all(app, ['{"n": 2}'] * 10)
            await app.advance(1)
            assert poller.in_flight == 0
        await send_all(app, ['{"n": 1}', '{"n": 2}', '{"n": 1}', "plain text"])
        await app.advance(1)
        assert poller.in_flight == 2
        await app.settle()
        [call] = app.invocations("handler")
        assert [record["body"] for record in call.event["Records"]] == ['{"n": 1}', '{"n": 1}']
        assert app.supervisor.metrics.filtered[("handler", "sqs")] == 202


# FIFO


async def test_a_failure_holds_up_its_group_and_no_other() -> None:
    handled: list[tuple[str, str]] = []

    @on_sqs("orders.fifo")
    async def handler(record: SqsRecord) -> None:
        ok = record.body != "a1" or record.receive_count > 1
        handled.append((record.body, "ok" if ok else "failed"))
        if not ok:
            raise ValueError("x")

    async with TestApp([handler], options=queues(visibility_timeout_seconds=20)) as app:
        await send_group(app, "a0", "a1", "a2", "b1", "b2", "a3")
        await app.advance(10)
        assert [item for item in handled if item[0][0] == "b"] == [("b1", "ok"), ("b2", "ok")]
        assert [item for item in handled if item[0][0] == "a"] == [("a0", "ok"), ("a1", "failed")]
        await app.settle()
        assert [body for body, outcome in handled if outcome == "ok" and body[0] == "a"] == ["a0", "a1", "a2", "a3"]
        assert len(handled) == 7


async def test_what_did_not_fit_a_failed_batch_does_not_overtake_it() -> None:
    seen: list[list[str]] = []

    @on_sqs_batch("orders.fifo", batch_size=10)
    async def handler(batch: SqsEvent) -> None:
        seen.append([record.body[:2] for record in batch.records])
        if len(seen) == 1:
            raise ValueError("x")

    async with TestApp([handler], options=queues(visibility_timeout_seconds=20)) as app:
        await send_group(app, *[f"a{number}" + "x" * (MIB - 200) for number in range(8)])
        await app.settle()
        first, second = ["a0", "a1", "a2", "a3", "a4"], ["a5", "a6", "a7"]
        assert seen == [first, first, second]


async def test_groups_run_side_by_side() -> None:
    gauge = Gauge()

    @on_sqs("orders.fifo")
    async def handler(record: SqsRecord) -> None:
        await gauge.run(1)

    async with TestApp([handler]) as app:
        await send_group(app, *[f"{letter}{number}" for number in range(3) for letter in "abcdef"])
        await app.settle()
        assert gauge.most == 6


# Visibility


async def test_a_long_handler_keeps_its_record_hidden() -> None:
    @on_sqs("orders")
    @function(timeout_seconds=900)
    async def handler(record: SqsRecord) -> None:
        await anyio.sleep(600)

    async with TestApp([handler], options=queues(visibility_timeout_seconds=4)) as app:
        await send_all(app, ["1", "2"])
        await app.settle()
        assert len(app.invocations("handler")) == 2


async def test_a_queue_without_a_visibility_timeout_is_kept_hidden_too() -> None:
    @on_sqs("orders")
    @function(timeout_seconds=900)
    async def handler(record: SqsRecord) -> None:
        await anyio.sleep(100)

    async with TestApp([handler], options=queues(visibility_timeout_seconds=0.1)) as app:
        await send_all(app, ["1"])
        await app.settle()
        assert len(app.invocations("handler")) == 1


async def test_keeping_hidden_survives_failing_and_hanging_calls() -> None:
    @on_sqs_batch("orders")
    @function(timeout_seconds=900)
    async def handler(batch: SqsEvent) -> None:
        await anyio.sleep(300)

    faults: Any = {("extend", 1): unavailable, ("extend", 3): hang, ("extend", 5): lose_reply}
    async with TestApp([handler], options=queues(visibility_timeout_seconds=40), faults={"sqs:orders": faults}) as app:
        await send_all(app, ["1"])
        await app.settle()
        assert len(app.invocations("handler")) == 1


async def test_a_service_that_never_keeps_records_hidden_does_not_keep_the_loop_busy() -> None:
    @on_sqs("orders")
    @function(timeout_seconds=900)
    async def handler(record: SqsRecord) -> None:
        await anyio.sleep(100 if record.receive_count == 1 else 0)

    faults: Any = {("extend", EVERY): unavailable}
    async with TestApp([handler], options=queues(visibility_timeout_seconds=60), faults={"sqs:orders": faults}) as app:
        await send_all(app, ["1"])
        await app.settle()
        counts = [call.event.receive_count for call in app.invocations("handler")]
        assert counts == [2, 1]  # it came back while it was handled


@pytest.mark.parametrize("per_record", [True, False])
async def test_a_handler_whose_record_is_lost_is_stopped_and_settles_nothing(per_record: bool) -> None:
    began: list[float] = []
    stopped: list[float] = []

    @function(timeout_seconds=900)
    async def handler(event: Any) -> None:
        began.append(seconds())
        if len(began) > 1:
            return
        try:
            await anyio.sleep(500)
        finally:
            stopped.append(seconds())

    marked = on_sqs("orders")(handler) if per_record else on_sqs_batch("orders")(handler)
    faults: Any = {("extend", 1): expire_receipt}
    async with TestApp([marked], options=queues(visibility_timeout_seconds=20), faults={"sqs:orders": faults}) as app:
        await send_all(app, ["1"])
        await app.settle()
        assert stopped == [pytest.approx(10)]
        [call] = app.invocations("handler")  # the one after: a lost invocation has no outcome
        record = call.event if per_record else call.event["Records"][0]
        count = record.receive_count if per_record else int(record["attributes"]["ApproximateReceiveCount"])
        assert count == 2


async def test_records_that_fail_come_back_when_they_would_have_without_extension() -> None:
    started: list[tuple[float, int]] = []

    @on_sqs_batch("orders", batch_size=2, **REPORT)
    @function(reserved_concurrency=1, timeout_seconds=60)
    async def handler(batch: SqsEvent) -> Any:
        started.append((seconds(), len(batch.records)))
        if len(started) > 1:
            return None
        await anyio.sleep(25)  # extended at 15, to 45
        return {"batchItemFailures": [{"itemIdentifier": batch.records[0].message_id}]}

    async with TestApp([handler], options=queues(visibility_timeout_seconds=30)) as app:
        await send_all(app, ["1", "2"])
        await app.settle()
        assert started == [(0, 2), (pytest.approx(30), 1)]


async def test_records_whose_handler_took_longer_than_they_would_have_stayed_away_come_back_at_once() -> None:
    started: list[float] = []

    @on_sqs("orders")
    @function(timeout_seconds=60)
    async def handler(record: SqsRecord) -> None:
        started.append(seconds())
        if len(started) == 1:
            await anyio.sleep(50)
            raise ValueError("x")

    async with TestApp([handler], options=queues(visibility_timeout_seconds=30)) as app:
        await send_all(app, ["1"])
        await app.settle()
        assert started == [0, pytest.approx(50)]


# Settling against a service that does not play along


@pytest.mark.parametrize("fault", [unavailable, lose_reply, hang, missing])
async def test_a_delete_that_goes_wrong_is_tried_again(fault: Any) -> None:
    @on_sqs("orders")
    async def handler(record: SqsRecord) -> None: ...

    faults: Any = {("delete", 1): fault, ("delete", 2): fault}
    async with TestApp([handler], options=queues(visibility_timeout_seconds=60), faults={"sqs:orders": faults}) as app:
        await send_all(app, ["1"])
        await app.settle()
        assert len(app.invocations("handler")) == 1
        assert await app.pending() == {}


async def test_a_message_that_cannot_be_deleted_at_all_is_handled_again() -> None:
    @on_sqs("orders")
    async def handler(record: SqsRecord) -> None: ...

    faults: Any = {("delete", number): unavailable for number in range(1, 6)}
    async with TestApp([handler], options=queues(visibility_timeout_seconds=60), faults={"sqs:orders": faults}) as app:
        await send_all(app, ["1"])
        await app.settle()
        assert [call.event.receive_count for call in app.invocations("handler")] == [1, 2]


async def test_a_queue_that_is_away_degrades_its_own_mapping_and_comes_back() -> None:
    @on_sqs("orders")
    async def handler(record: SqsRecord) -> None: ...

    @on_sqs("others")
    async def other(record: SqsRecord) -> None: ...

    faults: Any = {("receive", EVERY): unavailable}
    async with TestApp([handler, other], faults={"sqs:orders": faults}) as app:
        await send_all(app, ["1"])
        await app.sqs("others").send("2")
        await app.advance(600)
        problems = app.supervisor.readiness.problems
        assert list(problems) == ["handler <- sqs:orders"]
        assert "a scripted fault" in problems["handler <- sqs:orders"]
        assert len(app.invocations("other")) == 1
        faults.clear()
        await app.settle()
        assert len(app.invocations("handler")) == 1
        assert app.supervisor.readiness.problems == {}


@pytest.mark.parametrize("fault", [hang, missing])
async def test_a_queue_that_hangs_or_is_gone_is_reported(fault: Any) -> None:
    @on_sqs("orders")
    async def handler(record: SqsRecord) -> None: ...

    faults: Any = {("receive", EVERY): fault}
    async with TestApp([handler], faults={"sqs:orders": faults}) as app:
        await app.advance(400)
        assert list(app.supervisor.readiness.problems) == ["handler <- sqs:orders"]
        faults.clear()
        await app.advance(400)
        assert app.supervisor.readiness.problems == {}


# Stopping


async def test_what_is_in_flight_is_finished_before_the_end() -> None:
    @on_sqs("orders")
    @function(timeout_seconds=60)
    async def handler(record: SqsRecord) -> None:
        await anyio.sleep(20)

    async with running([handler], queues=lambda plan: source, drain_seconds=25) as run:
        source.put(message("1"))
        await anyio.sleep(5)
        source.put(message("2"))
        run.stop.request()
        await anyio.sleep(1)
    assert seconds() == pytest.approx(25)
    assert [outcome for _, _, outcome in run.calls] == ["Succeeded", "Succeeded"]
    assert source.deleted == ["1", "2"]


@pytest.mark.parametrize("per_record", [True, False])
async def test_what_is_not_finished_in_time_is_released_and_not_failed(per_record: bool) -> None:
    @function(timeout_seconds=900)
    async def handler(event: Any) -> None:
        await anyio.sleep(300)

    marked = on_sqs("orders")(handler) if per_record else on_sqs_batch("orders")(handler)
    async with running([marked], queues=lambda plan: source, drain_seconds=25) as run:
        source.put(*[message(str(number)) for number in range(3)])
        await anyio.sleep(1)
    assert seconds() == pytest.approx(26)
    assert run.calls == []
    assert source.released == {"0": 0, "1": 0, "2": 0}
    assert source.deleted == []


async def test_records_that_are_done_when_their_batch_is_cut_off_are_deleted() -> None:
    @on_sqs("orders")
    @function(timeout_seconds=900)
    async def handler(body: str) -> None:
        if body == "bad":
            raise ValueError("x")
        await anyio.sleep(1 if body == "quick" else 300)

    source = PlainSource()
    async with running([handler], queues=lambda plan: source, drain_seconds=25) as run:
        source.put(message("1", "quick"), message("2", "slow"), message("3", "bad"))
        await anyio.sleep(1)
    assert len(run.calls) == 2
    assert (source.deleted, source.released) == (["1"], {"2": 0, "3": pytest.approx(4)})


async def test_an_impatient_second_request_skips_the_waiting() -> None:
    @on_sqs("orders")
    @function(timeout_seconds=900)
    async def handler(record: SqsRecord) -> None:
        await anyio.sleep(300)

    source = PlainSource()
    async with running([handler], queues=lambda plan: source, drain_seconds=25) as run:
        source.put(message("1"))
        await anyio.sleep(1)
        run.stop.request()
        asyncio.get_running_loop().call_later(3, run.stop.request)
    assert seconds() == pytest.approx(4)
    assert source.released == {"1": 0}


async def test_a_batch_that_is_still_being_filled_is_released() -> None:
    @on_sqs_batch("orders", batch_size=100, maximum_batching_window_seconds=300)
    @function(reserved_concurrency=1)
    async def handler(batch: SqsEvent) -> None: ...

    source = PlainSource()
    async with running([handler], queues=lambda plan: source, drain_seconds=25) as run:
        source.put(message("1"), message("2"))
        await anyio.sleep(10)
    assert seconds() == pytest.approx(10)
    assert run.calls == []
    assert source.released == {"1": 0, "2": 0}


async def test_a_mapping_whose_queue_is_away_stops_at_once() -> None:
    @on_sqs("orders")
    async def handler(record: SqsRecord) -> None: ...

    source = PlainSource()
    source.away = True
    async with running([handler], queues=lambda plan: source, drain_seconds=25):
        await anyio.sleep(100)
    assert seconds() == pytest.approx(100)


# Odd records and handlers


class PlainSource:
    """A queue in a list, that remembers what it was told."""

    identity = SourceIdentity(arn="arn:aws:sqs:us-east-1:000000000000:orders", region="us-east-1", extras={})
    properties = QueueProperties(visibility_timeout_seconds=30)

    def __init__(self) -> None:
        self.away = False
        self.deleted: list[str] = []
        self.released: dict[str, float] = {}
        self._waiting: deque[QueueRecord] = deque()
        self._changed = anyio.Event()

    def put(self, *records: QueueRecord) -> None:
        self._waiting.extend(records)
        self._changed.set()
        self._changed = anyio.Event()

    async def receive(self, *, max_records: int, wait_seconds: float) -> Sequence[QueueRecord]:
        if self.away:
            from eventflow.errors import UnavailableError

            raise UnavailableError("sqs:orders", "is away")
        with anyio.move_on_after(wait_seconds):
            while not self._waiting:
                await self._changed.wait()
        return [self._waiting.popleft() for _ in range(min(max_records, len(self._waiting)))]

    async def delete(self, receipts: Sequence[str]) -> None:
        await anyio.lowlevel.checkpoint()
        self.deleted += receipts

    async def release(self, receipts: Sequence[str], *, after_seconds: float = 0) -> None:
        await anyio.lowlevel.checkpoint()
        self.released.update(dict.fromkeys(receipts, after_seconds))

    async def extend(self, receipts: Sequence[str], *, seconds: float) -> Collection[str]:
        await anyio.lowlevel.checkpoint()
        return []

    async def backlog(self) -> int:
        return len(self._waiting)

    async def aclose(self) -> None:
        return


source = PlainSource()


@pytest.fixture(autouse=True)
def fresh_source() -> None:
    source.__init__()  # type: ignore[misc]


def message(receipt: str, body: str | bytes = "hello") -> QueueRecord:
    attributes = {"ApproximateReceiveCount": "1"}
    return QueueRecord(f"m{receipt}", receipt, body, 1, None, attributes, {})


async def test_a_record_that_cannot_be_decoded_fails_alone() -> None:
    @on_sqs("orders")
    async def handler(body: str) -> None: ...

    async with running([handler], queues=lambda plan: source) as run:
        source.put(message("1"), message("2", b"\xff"), message("3"))
        await anyio.sleep(1)
        assert Counter(outcome for _, _, outcome in run.calls) == {"Succeeded": 2, "FunctionFailed": 1}
    assert sorted(source.deleted) == ["1", "3"]


async def test_a_batch_that_cannot_be_decoded_comes_back() -> None:
    @on_sqs_batch("orders", filters=[{"body": [{"prefix": "h"}]}])
    async def handler(batch: SqsEvent) -> None: ...

    async with running([handler], queues=lambda plan: source) as run:
        source.put(message("1"), message("2", b"\xff"))
        await anyio.sleep(1)
        assert {outcome for _, _, outcome in run.calls} == {"FunctionFailed"}
        assert run.supervisor.queue_pollers[0].in_flight == 0
    assert source.deleted == []


async def test_a_record_that_fits_no_batch_is_dropped_and_counted() -> None:
    @on_sqs_batch("orders")
    async def handler(batch: SqsEvent) -> None: ...

    async with running([handler], queues=lambda plan: source) as run:
        source.put(message("1"), message("2", "x" * (6 * MIB)))
        await anyio.sleep(1)
        assert run.dropped == {("handler", "sqs", DropReason.OVERSIZED): 1}
        assert len(run.calls) == 1
    assert sorted(source.deleted) == ["1", "2"]


@pytest.mark.parametrize("per_record", [True, False])
async def test_a_handler_that_cancels_its_own_task_fails_its_records_only(per_record: bool) -> None:
    @function(maximum_retry_attempts=0)
    async def handler(event: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(calls) == 0:
            calls.append("suicidal")
            task.cancel()
        await anyio.sleep(1)
        calls.append("ok")

    calls: list[str] = []
    marked = on_sqs("orders")(handler) if per_record else on_sqs_batch("orders", batch_size=1)(handler)
    async with TestApp([marked], options=queues(visibility_timeout_seconds=10)) as app:
        await send_all(app, ["1", "2", "3"])
        await app.settle()
        assert calls == ["suicidal", "ok", "ok", "ok"]


class Failures(BaseModel):
    batchItemFailures: list[dict[str, str]]


@pytest.mark.parametrize("kind", ["model", "text", "tuple"])
async def test_a_batch_response_counts_as_lambda_would_read_it(kind: str) -> None:
    @on_sqs_batch("orders", batch_size=10, **REPORT)
    async def handler(batch: SqsEvent) -> Any:
        bad = [{"itemIdentifier": record.message_id} for record in batch.records if record.body == "bad"]
        seen.extend(record.body for record in batch.records)
        if len(seen) > 2:
            return None
        return {
            "model": Failures(batchItemFailures=bad),
            "text": json.dumps({"batchItemFailures": bad}).encode(),
            "tuple": {"batchItemFailures": tuple(bad)},
        }[kind]

    seen: list[str] = []
    async with TestApp([handler], options=queues(visibility_timeout_seconds=10)) as app:
        await send_all(app, ["good", "bad"])
        await app.settle()
        assert sorted(seen[:2]) == ["bad", "good"]
        assert seen[2:] == ["bad"]


async def test_a_result_that_cannot_be_sent_fails_the_batch() -> None:
    @on_sqs_batch("orders")
    async def handler(batch: SqsEvent) -> Any:
        return {1, 2} if batch.records[0].receive_count == 1 else None

    async with TestApp([handler], options=queues(visibility_timeout_seconds=10)) as app:
        await send_all(app, ["1"])
        await app.settle()
        assert len(app.invocations("handler")) == 2


async def test_middleware_that_throttles_makes_records_wait() -> None:
    from eventflow import App
    from eventflow.model.outcome import Throttled, ThrottleReason

    def layer(call: Any) -> Any:
        async def limited(invocation: Any) -> Any:
            return Throttled(ThrottleReason.FUNCTION) if seconds() < 30 else await call(invocation)

        return limited

    @on_sqs("orders")
    async def handler(record: SqsRecord) -> None: ...

    async with TestApp(App([handler], middleware=[layer])) as app:
        await send_all(app, ["1"])
        await app.settle()
        assert [call.event.receive_count for call in app.invocations("handler")][-1] == 1
        assert 30 <= seconds() < 70
