from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

import anyio
import pytest

from eventflow import (
    Context,
    S3Event,
    SqsRecord,
    function,
    on_s3,
    on_sqs,
    to_eventbridge,
    to_function,
    to_s3,
    to_sns,
    to_sqs,
)
from eventflow.errors import (
    FunctionNotFoundError,
    InvalidRequestContentError,
    RequestTooLargeError,
    UnavailableError,
)
from eventflow.model.destinations import Destination, OutboundMessage
from eventflow.ports import DestinationSink
from eventflow.runtime.metrics import DropReason
from eventflow.testing.faults import (
    EVERY,
    FaultyEventQueueStore,
    FaultySink,
    Script,
    delay,
    hang,
    lose_reply,
    refuse,
    unavailable,
)
from eventflow.testing.virtual_time import START, VirtualClock
from tests.runtime.event_store import LeasedStore
from tests.runtime.running import Inbox, Run, running, seconds

MIB = 1024 * 1024
ARN = "arn:aws:lambda:us-east-1:000000000000:function"


def faulty_sinks(script: Script) -> Any:
    def wrap(sink: DestinationSink, destination: Destination) -> DestinationSink:
        return FaultySink(sink, script)

    return wrap


# Accepting


async def test_an_event_is_durable_before_it_is_accepted() -> None:
    @function
    async def handler(event: Any) -> None:
        await anyio.sleep(1)

    async with running([handler]) as run:
        request_id = await run.accept("handler", {"n": 1})
        stored = (run.store.events)[request_id]  # type: ignore[attr-defined]
        assert (stored.payload, stored.function_name, stored.accepted_at) == (b'{"n": 1}', "handler", START)
        await run.settle()
    assert run.calls == [("handler", {"n": 1}, "Succeeded")]


async def test_an_empty_payload_is_an_empty_object() -> None:
    @function(on_success=to_sqs("done"))
    async def handler(event: Any) -> Any:
        return event

    async with running([handler]) as run:
        await run.supervisor.event_path.accept("handler", b"")
        await run.settle()
        [record] = run.inboxes["sqs:done"].records
        assert (record["requestPayload"], record["responsePayload"]) == ({}, {})


@pytest.mark.parametrize(
    ("name", "payload", "error"),
    [
        ("missing", b"{}", FunctionNotFoundError),
        ("handler", b'"' + b"x" * MIB + b'"', RequestTooLargeError),
        ("handler", b"{", InvalidRequestContentError),
        ("handler", b"NaN", InvalidRequestContentError),
        ("handler", b"\xff", InvalidRequestContentError),
    ],
)
async def test_what_cannot_be_an_event_is_refused(name: str, payload: bytes, error: type[Exception]) -> None:
    @function
    async def handler() -> None: ...

    async with running([handler]) as run:
        with pytest.raises(error):
            await run.supervisor.event_path.accept(name, payload)
        assert not run.supervisor.metrics.events_received
        await run.settle()
    assert run.calls == []


async def test_an_event_of_exactly_one_mebibyte_is_accepted() -> None:
    @function
    async def handler(event: str) -> int:
        return len(event)

    async with running([handler]) as run:
        await run.supervisor.event_path.accept("handler", b'"' + b"x" * (MIB - 2) + b'"')
        await run.settle()
    assert len(run.calls) == 1


async def test_an_event_that_cannot_be_stored_is_not_accepted() -> None:
    @function
    async def handler() -> None: ...

    store = FaultyEventQueueStore(LeasedStore(VirtualClock()), {("put", 1): unavailable})
    async with running([handler], store=store) as run:
        with pytest.raises(UnavailableError):
            await run.accept("handler")
        assert run.supervisor.metrics.events_received["handler"] == 0
        await run.accept("handler")
        await run.settle()
    assert len(run.calls) == 1


async def test_an_event_whose_acceptance_was_cancelled_runs_all_the_same_if_it_was_stored() -> None:
    @function
    async def handler(event: Any) -> None: ...

    store = LeasedStore(VirtualClock())
    store.put_seconds = 10
    async with running([handler], store=store) as run:
        with anyio.move_on_after(7) as impatient:
            await run.accept("handler", 1)
        assert impatient.cancelled_caught
        await run.settle()
    assert run.calls == [("handler", 1, "Succeeded")]


# Records, with every key


def record_of(run: Run, request_id: str, *, at: str, condition: str, count: int, **rest: Any) -> dict[str, Any]:
    return {
        "version": "1.0",
        "timestamp": at,
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{ARN}:handler:$LATEST",
            "condition": condition,
            "approximateInvokeCount": count,
        },
        **rest,
    }


async def test_the_record_of_a_success() -> None:
    @function(on_success=to_sqs("done"))
    async def handler(event: Any) -> Any:
        await anyio.sleep(1.5)
        return {"ok": True}

    async with running([handler]) as run:
        request_id = await run.accept("handler", {"n": 1})
        await run.settle()
        [message] = run.inboxes["sqs:done"].messages
        expected = record_of(
            run,
            request_id,
            at="2026-01-01T00:00:01.500Z",
            condition="Success",
            count=1,
            requestPayload={"n": 1},
            responseContext={"statusCode": 200, "executedVersion": "$LATEST"},
            responsePayload={"ok": True},
        )
        assert message == OutboundMessage(body=json.dumps(expected).encode())


async def test_the_record_and_the_dead_letter_of_a_failure() -> None:
    @function(on_failure=to_sns("failed"), dead_letter_queue=to_sqs("dead"), maximum_retry_attempts=1)
    async def handler(event: Any) -> None:
        raise ValueError("ü" * 1_000)

    async with running([handler]) as run:
        request_id = await run.accept("handler", {"n": 1})
        await run.settle()
        [record] = run.inboxes["sns:failed"].records
        stack_trace = record["responsePayload"].pop("stackTrace")
        assert record == record_of(
            run,
            request_id,
            at="2026-01-01T00:01:00.000Z",
            condition="RetriesExhausted",
            count=2,
            requestPayload={"n": 1},
            responseContext={"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            responsePayload={"errorMessage": "ü" * 1_000, "errorType": "ValueError", "requestId": request_id},
        )
        assert len(stack_trace) == 1
        [dead] = run.inboxes["sqs:dead"].messages
        assert dead == OutboundMessage(
            body=b'{"n": 1}',
            attributes={"RequestID": request_id, "ErrorCode": 200, "ErrorMessage": "ü" * 512},
        )
        assert run.dropped == {}
        assert run.supervisor.metrics.dead_letters["handler"] == 1


async def test_the_record_of_a_timeout_has_lambdas_own_error() -> None:
    @function(on_failure=to_sqs("failed"), maximum_retry_attempts=0, timeout_seconds=2)
    async def handler() -> None:
        await anyio.sleep(60)

    async with running([handler]) as run:
        request_id = await run.accept("handler")
        await run.settle()
        [record] = run.inboxes["sqs:failed"].records
        assert list(record["responsePayload"].items()) == [
            ("errorType", "Sandbox.Timedout"),
            ("errorMessage", f"RequestId: {request_id} Error: Task timed out after 2.00 seconds"),
        ]


@pytest.mark.parametrize(
    ("result", "error_type"), [({1, 2}, "Runtime.MarshalError"), ("x" * 7_000_000, "Function.ResponseSizeTooLarge")]
)
async def test_a_result_that_cannot_be_sent_is_a_function_error(result: Any, error_type: str) -> None:
    @function(on_failure=to_sqs("failed"), maximum_retry_attempts=0)
    async def handler() -> Any:
        return result

    async with running([handler]) as run:
        await run.accept("handler")
        await run.settle()
        [record] = run.inboxes["sqs:failed"].records
        assert record["requestContext"]["condition"] == "RetriesExhausted"
        assert record["responsePayload"]["errorType"] == error_type


@pytest.mark.parametrize(
    ("result", "payload"),
    [
        (None, None),
        (b'{"a": 1}', {"a": 1}),
        (b"plain text", "plain text"),
        (b"\x00\xff", "AP8="),
        ({"n": math.nan, "i": math.inf}, {"n": None, "i": None}),
    ],
)
async def test_a_record_is_json_whatever_the_handler_returns(result: Any, payload: Any) -> None:
    @function(on_success=to_eventbridge("audit"))
    async def handler() -> Any:
        return result

    async with running([handler]) as run:
        await run.accept("handler")
        await run.settle()
        [record] = run.inboxes["eventbridge:audit"].records
        assert record["responsePayload"] == payload


async def test_an_event_bus_gets_the_record_as_detail_of_a_lambda_event() -> None:
    @function(on_success=to_eventbridge("audit"), on_failure=to_eventbridge("audit"), maximum_retry_attempts=0)
    async def handler(event: int) -> None:
        if event:
            raise ValueError("x")

    async with running([handler]) as run:
        await run.accept("handler", 0)
        await run.settle()
        await run.accept("handler", 1)
        await run.settle()
        messages = run.inboxes["eventbridge:audit"].messages
        assert [message.detail_type for message in messages] == [
            "Lambda Function Invocation Result - Success",
            "Lambda Function Invocation Result - Failure",
        ]
        assert {message.source for message in messages} == {"lambda"}
        assert {message.resources for message in messages} == {
            ("arn:aws:eventbridge:us-east-1:000000000000:audit", f"{ARN}:handler:$LATEST")
        }


async def test_a_bucket_gets_the_record_under_lambdas_key() -> None:
    @function(on_failure=to_s3("failures"), maximum_retry_attempts=0)
    async def handler(event: Any) -> None:
        raise ValueError("x")

    async with running([handler]) as run:
        await run.accept("handler", "x" * 1_000_000)
        await run.settle()
        [message] = run.inboxes["s3:failures"].messages
        assert message.key is not None
        prefix, moment, unique = message.key[:36], message.key[36:56], message.key[56:]
        assert (prefix, moment) == ("aws/lambda/async/handler/2026/01/01/", "2026-01-01T00.00.00-")
        assert len(unique) == 36
        assert len(json.loads(message.body)["requestPayload"]) == 1_000_000


@pytest.mark.parametrize(("destination", "size"), [(to_sns("done"), 262_000), (to_sqs("done"), MIB - 500)])
async def test_a_record_too_large_for_its_destination_loses_its_payloads_and_nothing_else(
    destination: Destination, size: int
) -> None:
    @function(on_success=destination)
    async def handler(event: Any) -> Any:
        return event

    async with running([handler]) as run:
        small = await run.accept("handler", "x" * (size // 4))
        large = await run.accept("handler", "x" * size)
        await run.settle()
        records = {item["requestContext"]["requestId"]: item for item in run.inboxes[destination.resource].records}
        assert records[small]["requestPayload"] == records[small]["responsePayload"] == "x" * (size // 4)
        assert records[large] == record_of(
            run,
            large,
            at="2026-01-01T00:00:00.000Z",
            condition="Success",
            count=1,
            requestPayload=None,
            responseContext={"statusCode": 200, "executedVersion": "$LATEST"},
            responsePayload=None,
        )
        assert len(run.inboxes[destination.resource].messages[1].body) < 1_000


@pytest.mark.parametrize(("kept_elsewhere", "dropped"), [(None, 1), (to_sqs("dead"), 0)])
async def test_an_event_too_large_for_its_failure_record_is_counted_as_dropped_unless_a_dead_letter_queue_has_it(
    kept_elsewhere: Destination | None, dropped: int
) -> None:
    @function(on_failure=to_sqs("failed"), dead_letter_queue=kept_elsewhere, maximum_retry_attempts=0)
    async def handler(event: Any) -> None:
        raise ValueError("x")

    async with running([handler]) as run:
        await run.accept("handler", "x" * (MIB - 300))
        await run.settle()
        [record] = run.inboxes["sqs:failed"].records
        assert (record["requestPayload"], record["responsePayload"]["errorMessage"]) == (None, "x")
        assert sum(run.dropped.values()) == dropped
        assert set(run.dropped) <= {("handler", "direct", DropReason.OVERSIZED)}


async def test_an_event_that_fills_a_dead_letter_to_the_brim_goes_without_its_error_text() -> None:
    @function(dead_letter_queue=to_sqs("dead"), maximum_retry_attempts=0)
    async def handler(event: Any) -> None:
        raise ValueError("x" * 2_000)

    async with running([handler]) as run:
        await run.accept("handler", "x" * (MIB - 300))
        await run.settle()
        [dead] = run.inboxes["sqs:dead"].messages
        assert set(dead.attributes) == {"RequestID", "ErrorCode"}


async def test_a_failure_that_nobody_wants_to_hear_of_is_counted() -> None:
    @function(maximum_retry_attempts=0, on_success=to_sqs("done"))
    async def handler() -> None:
        raise ValueError("x")

    async with running([handler]) as run:
        await run.accept("handler")
        await run.settle()
        assert run.dropped == {("handler", "direct", DropReason.NO_DESTINATION): 1}


# Functions as destinations


async def test_a_function_as_destination_is_invoked_asynchronously_with_the_record() -> None:
    @function(on_success=to_function("second"), on_failure=to_function("third"))
    async def handler(event: Any) -> Any:
        return event + 1

    @function(on_success=to_sqs("done"))
    async def second(event: Any) -> Any:
        return event["responsePayload"] + 1

    @function
    async def third() -> None: ...

    async with running([handler, second, third]) as run:
        await run.accept("handler", 1)
        await run.settle()
        assert [name for name, _, _ in run.calls] == ["handler", "second"]
        [record] = run.inboxes["sqs:done"].records
        assert record["requestPayload"]["requestContext"]["functionArn"] == f"{ARN}:handler:$LATEST"
        assert record["responsePayload"] == 3


async def test_a_record_too_large_for_a_function_loses_its_request_first() -> None:
    @function(on_success=to_function("second"))
    async def handler(event: Any) -> Any:
        return event

    @function
    async def second(event: Any) -> None: ...

    async with running([handler, second]) as run:
        await run.accept("handler", "x" * 900_000)
        await run.settle()
        name, event, outcome = run.calls[1]
        assert (name, outcome, event["requestPayload"]) == ("second", "Succeeded", None)
        assert event["responsePayload"] == "x" * 900_000
        assert run.dropped == {}


# Destinations that are away, slow, or say no


async def test_a_destination_that_is_away_for_hours_gets_its_record_in_the_end() -> None:
    @function(on_success=to_sqs("done"))
    async def handler(event: Any) -> Any:
        return event

    script: dict[tuple[str, int], Any] = {("send", EVERY): unavailable}
    async with running([handler], wrap_sink=faulty_sinks(script)) as run:
        request_id = await run.accept("handler", {"n": 1})
        await anyio.sleep(5 * 3_600)
        assert run.inboxes["sqs:done"].records == []
        assert run.held == 0  # it waits in the store, not in memory
        script.clear()
        await run.settle()
        [record] = run.inboxes["sqs:done"].records
        assert record == record_of(
            run,
            request_id,
            at="2026-01-01T00:00:00.000Z",
            condition="Success",
            count=1,
            requestPayload={"n": 1},
            responseContext={"statusCode": 200, "executedVersion": "$LATEST"},
            responsePayload={"n": 1},
        )
        assert seconds() < 5 * 3_600 + 301
        assert len(run.calls) == 1
        failures = run.supervisor.metrics.destination_failures[("handler", "sqs:done")]
        assert 60 < failures < 80  # 1 s doubling to 5 minutes
        assert run.dropped == {}


async def test_only_what_is_missing_is_sent_again() -> None:
    @function(on_failure=to_sqs("failed"), dead_letter_queue=to_sqs("dead"), maximum_retry_attempts=0)
    async def handler() -> None:
        raise ValueError("x")

    def wrap(sink: DestinationSink, destination: Destination) -> DestinationSink:
        return FaultySink(sink, {("send", 1): unavailable}) if destination.name == "dead" else sink

    async with running([handler], wrap_sink=wrap) as run:
        await run.accept("handler")
        await run.settle()
        assert [len(run.inboxes[name].messages) for name in ("sqs:failed", "sqs:dead")] == [1, 1]


async def test_a_destination_that_refuses_for_good_is_counted() -> None:
    @function(on_success=to_sqs("done"))
    async def handler() -> None: ...

    async with running([handler], wrap_sink=faulty_sinks({("send", 1): refuse})) as run:
        await run.accept("handler")
        await run.settle()
        assert run.dropped == {("handler", "direct", DropReason.DESTINATION_REFUSED): 1}
        assert run.inboxes["sqs:done"].messages == []


async def test_a_destination_that_hangs_is_away() -> None:
    @function(on_success=to_sqs("done"))
    async def handler() -> None: ...

    async with running([handler], wrap_sink=faulty_sinks({("send", 1): hang})) as run:
        await run.accept("handler")
        await run.settle()
        assert len(run.inboxes["sqs:done"].messages) == 1
        assert seconds() == pytest.approx(31)


async def test_a_destination_that_raises_what_it_should_not_is_away() -> None:
    class Odd(Inbox):
        async def send(self, message: OutboundMessage) -> None:
            if not self.messages:
                self.messages.append(message)
                raise KeyError("a bug in an adapter")
            await super().send(message)

    @function(on_success=to_sqs("done"))
    async def handler() -> None: ...

    odd = Odd(to_sqs("done"))
    async with running([handler], sinks={to_sqs("done"): odd}) as run:
        await run.accept("handler")
        await run.settle()
        assert odd.messages[0] == odd.messages[1]


async def test_a_record_for_a_destination_the_app_no_longer_has_is_kept() -> None:
    @function(on_success=to_sqs("done"))
    async def handler() -> None: ...

    store = LeasedStore(VirtualClock())
    async with running([handler], store=store, wrap_sink=faulty_sinks({("send", EVERY): unavailable})) as run:
        await run.accept("handler")
        await anyio.sleep(0.5)
    store.restart()

    @function(name="handler", on_success=to_sqs("elsewhere"))
    async def changed() -> None: ...

    async with running([changed], store=store) as run:
        await anyio.sleep(60)
        assert len(store.events) == 1
    store.restart()
    async with running([handler], store=store) as run:
        await run.settle()
        assert len(run.inboxes["sqs:done"].messages) == 1
        assert run.calls == []


# The store


async def test_an_event_whose_end_cannot_be_stored_does_not_run_twice_because_of_that() -> None:
    @function(on_success=to_sqs("done"))
    async def handler() -> None: ...

    script: dict[tuple[str, int], Any] = {("delete", EVERY): unavailable}
    store = FaultyEventQueueStore(LeasedStore(VirtualClock()), script)
    async with running([handler], store=store) as run:
        await run.accept("handler")
        await anyio.sleep(3_600)
        assert list(run.problems) == ["event queue (settling)"]
        script.clear()
        await run.settle()
        assert (len(run.calls), len(run.inboxes["sqs:done"].messages)) == (1, 1)
        assert run.problems == {}


async def test_an_event_whose_retry_cannot_be_stored_keeps_its_attempts() -> None:
    @function(on_failure=to_sqs("failed"))
    async def handler() -> None:
        raise ValueError("x")

    store = FaultyEventQueueStore(LeasedStore(VirtualClock()), {("reschedule", 1): unavailable})
    async with running([handler], store=store) as run:
        await run.accept("handler")
        await run.settle()
        [record] = run.inboxes["sqs:failed"].records
        assert record["requestContext"]["approximateInvokeCount"] == len(run.calls) == 3


async def test_an_event_whose_end_was_stored_though_the_answer_was_lost_is_over() -> None:
    @function
    async def handler() -> None: ...

    store = FaultyEventQueueStore(LeasedStore(VirtualClock()), {("delete", 1): lose_reply})
    async with running([handler], store=store) as run:
        await run.accept("handler")
        await run.settle()
        assert len(run.calls) == 1


async def test_a_store_that_is_away_is_reported_and_comes_back() -> None:
    @function
    async def handler() -> None: ...

    script: dict[tuple[str, int], Any] = {("receive", EVERY): unavailable}
    store = FaultyEventQueueStore(LeasedStore(VirtualClock()), script)
    async with running([handler], store=store) as run:
        await anyio.sleep(3_600)
        assert "a scripted fault" in run.problems["event queue"]
        assert 100 < store.faults.calls["receive"] < 200
        script.clear()
        await anyio.sleep(60)
        assert run.problems == {}


async def test_an_event_that_was_due_while_nobody_ran_is_run_by_the_next_process() -> None:
    @function(on_failure=to_sqs("failed"))
    async def handler(event: Any, context: Context) -> None:
        ids.append(context.aws_request_id)
        raise ValueError("x")

    ids: list[str] = []
    store, inboxes = LeasedStore(VirtualClock()), dict[str, Inbox]()
    async with running([handler], store=store, inboxes=inboxes) as run:
        request_id = await run.accept("handler", 1)
        await anyio.sleep(1)
    store.restart()
    await anyio.sleep(200)
    async with running([handler], store=store, inboxes=inboxes) as run:
        await run.settle()
    assert ids == [request_id] * 3
    [record] = inboxes["sqs:failed"].records
    assert record["requestContext"]["approximateInvokeCount"] == 3


async def test_an_event_that_was_running_when_its_process_died_runs_again() -> None:
    @function
    async def handler(event: Any) -> None:
        started.append(event)
        await anyio.sleep(1)

    started: list[int] = []
    store = LeasedStore(VirtualClock())
    async with running([handler], store=store) as run:
        await run.accept("handler", 1)
        await anyio.sleep(0.5)
    assert run.calls == []
    store.restart()
    async with running([handler], store=store) as run:
        await run.settle()
    assert started == [1, 1]
    assert run.calls == [("handler", 1, "Succeeded")]


# Functions that come and go


async def test_an_event_of_a_function_the_app_lacks_waits_for_a_version_that_has_it() -> None:
    @function
    async def handler(event: Any) -> None: ...

    @function
    async def other() -> None: ...

    store = LeasedStore(VirtualClock())
    async with running([handler, other], store=store) as run:
        store.put_seconds = 2
        with anyio.move_on_after(1):
            await run.accept("handler", 1)
    async with running([other], store=store) as run:
        await anyio.sleep(5 * 3_600)
    store.restart()
    store.put_seconds = 0
    async with running([handler, other], store=store) as run:
        await run.accept("handler", 2)
        await run.settle()
    assert ("handler", 2, "Succeeded") in run.calls


async def test_an_event_of_a_function_that_never_comes_back_is_counted() -> None:
    @function
    async def handler(event: Any) -> None:
        raise ValueError("x")

    @function
    async def other() -> None: ...

    store = LeasedStore(VirtualClock())
    async with running([handler, other], store=store) as run:
        await run.accept("handler", 1)
        await anyio.sleep(1)
    store.restart()
    async with running([other], store=store) as run:
        await run.settle()
        assert 21_600 <= seconds() <= 21_660
        assert run.dropped == {("handler", "direct", DropReason.UNKNOWN_FUNCTION): 1}


async def test_an_event_of_a_trigger_that_is_gone_still_reaches_the_function() -> None:
    @on_s3("uploads")
    @function(name="handler")
    async def before(event: S3Event) -> None:
        raise ValueError("x")

    @function(name="handler")
    async def after(event: Any) -> None: ...

    store = LeasedStore(VirtualClock())
    async with running([before], store=store) as run:
        await run.accept("handler", {"Records": []}, source="s3")
        await anyio.sleep(1)
    store.restart()
    async with running([after], store=store) as run:
        await run.settle()
    assert run.calls == [("handler", {"Records": []}, "Succeeded")]


async def test_an_event_that_only_looks_like_its_source_is_a_function_error() -> None:
    @on_sqs("orders")
    async def handler(record: SqsRecord) -> None: ...

    async with running([handler], queues=None) as run:
        events: list[Any] = [None, [], {"Records": 1}, {"Records": [{}]}]
        for event in events:
            await run.accept("handler", event)
        await anyio.sleep(1)
        assert Counter(outcome for _, _, outcome in run.calls) == {"FunctionFailed": 4}


async def test_a_per_record_handler_may_be_invoked_with_a_whole_batch() -> None:
    @on_sqs("orders")
    @function(on_success=to_sqs("done"))
    async def handler(body: str) -> None:
        if body == "bad":
            raise ValueError("x")

    def message(number: int, body: str, **attributes: str) -> dict[str, Any]:
        return {
            "messageId": str(number),
            "receiptHandle": "r",
            "body": body,
            "attributes": {"ApproximateReceiveCount": "1", **attributes},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:orders",
            "awsRegion": "us-east-1",
        }

    batch = [
        message(1, "good"),
        message(2, "bad", MessageGroupId="a"),
        message(3, "good", MessageGroupId="a"),
        message(4, "good", MessageGroupId="b"),
    ]
    async with running([handler]) as run:
        await run.accept("handler", {"Records": batch})
        await run.settle()
        [record] = run.inboxes["sqs:done"].records
        assert record["responsePayload"] == {"batchItemFailures": [{"itemIdentifier": "2"}, {"itemIdentifier": "3"}]}


# Throttles


async def test_throttled_events_wait_for_their_turn_in_memory() -> None:
    @function(reserved_concurrency=1)
    async def handler(event: int) -> None:
        started.append(seconds())
        await anyio.sleep(1)

    started: list[float] = []
    async with running([handler]) as run:
        for number in range(10):
            await run.accept("handler", number)
        await run.settle()
    assert started == pytest.approx(range(10))
    assert run.supervisor.metrics.retries == {}


async def test_what_waits_too_long_for_a_permit_backs_off_in_the_store_and_uses_up_no_attempt() -> None:
    @function(reserved_concurrency=1, timeout_seconds=900, on_success=to_sqs("done"))
    async def handler(event: int) -> None:
        await anyio.sleep(event)

    async with running([handler]) as run:
        await run.accept("handler", 90)
        await run.accept("handler", 0)
        await anyio.sleep(20.5)
        assert run.held == 1
        await run.settle()
        records = run.inboxes["sqs:done"].records
        assert [item["requestContext"]["approximateInvokeCount"] for item in records] == [1, 1]
        assert seconds() == pytest.approx(95)  # 20 s in memory, then 1, 2, 4 and 8 s in the store


async def test_an_event_that_is_throttled_until_it_is_too_old_was_never_run() -> None:
    @function(
        reserved_concurrency=1,
        timeout_seconds=900,
        maximum_event_age_seconds=60,
        on_failure=to_sqs("failed"),
        dead_letter_queue=to_sqs("dead"),
    )
    async def handler(event: int) -> None:
        await anyio.sleep(event)

    async with running([handler]) as run:
        await run.accept("handler", 600)
        request_id = await run.accept("handler", 0)
        await anyio.sleep(65)
        [record] = run.inboxes["sqs:failed"].records
        at = record.pop("timestamp")
        expected = record_of(run, request_id, at=at, condition="EventAgeExceeded", count=0, requestPayload=0)
        assert record == {key: value for key, value in expected.items() if key != "timestamp"}
        assert at <= "2026-01-01T00:01:00.000Z"
        [dead] = run.inboxes["sqs:dead"].messages
        assert dead.attributes == {"RequestID": request_id, "ErrorCode": 429}


async def test_an_event_never_begins_after_its_age() -> None:
    @function(reserved_concurrency=1, timeout_seconds=900, maximum_event_age_seconds=60, on_failure=to_sqs("failed"))
    async def handler(event: int) -> None:
        started.append(seconds())
        await anyio.sleep(event)

    started: list[float] = []
    async with running([handler]) as run:
        await run.accept("handler", 115)
        await anyio.sleep(50)
        await run.accept("handler", 0)  # waits in memory past its age, and is free to run a little later
        await run.settle()
        assert started == [0]
        assert len(run.inboxes["sqs:failed"].records) == 1


async def test_one_throttled_function_does_not_hold_up_the_others() -> None:
    @function(reserved_concurrency=1, timeout_seconds=900)
    async def slow(event: int) -> None:
        await anyio.sleep(600)

    @function
    async def quick(event: int) -> None:
        done.append(seconds())

    done: list[float] = []
    async with running([slow, quick]) as run:
        for number in range(3_000):
            await run.accept("slow", number)
        await anyio.sleep(1)
        await run.accept("quick", 0)
        await anyio.sleep(1)
        assert done == [pytest.approx(1)]


async def test_middleware_that_throttles_does_not_keep_the_loop_busy() -> None:
    from eventflow.model.outcome import Throttled, ThrottleReason

    def layer(call: Any) -> Any:
        async def limited(invocation: Any) -> Any:
            return Throttled(ThrottleReason.FUNCTION) if seconds() < 30 else await call(invocation)

        return limited

    @function
    async def handler(event: int) -> None: ...

    async with running([handler], middleware=[layer]) as run:
        await run.accept("handler", 1)
        await run.settle()
        assert run.calls[-1] == ("handler", 1, "Succeeded")
        assert len(run.calls) < 20


async def test_a_handler_that_cancels_its_own_task_fails_and_harms_nobody_else() -> None:
    import asyncio

    @function(on_failure=to_sqs("failed"), maximum_retry_attempts=0)
    async def handler(event: int) -> None:
        task = asyncio.current_task()
        assert task is not None
        if event == 0:
            task.cancel()
        await anyio.sleep(1)

    async with running([handler]) as run:
        for number in range(3):
            await run.accept("handler", number)
        await run.settle()
        [record] = run.inboxes["sqs:failed"].records
        assert record["responsePayload"]["errorType"] == "Runtime.ExitError"
        assert [event for _, event, outcome in run.calls if outcome == "Succeeded"] == [1, 2]


# Claims that run out


async def test_claims_are_renewed_while_a_handler_runs() -> None:
    @function(timeout_seconds=900)
    async def handler() -> None:
        await anyio.sleep(500)

    store = LeasedStore(VirtualClock(), lease_seconds=30)
    async with running([handler], store=store) as run:
        await run.accept("handler")
        await run.settle()
    assert len(run.calls) == 1


async def test_claims_are_renewed_though_a_renewal_fails_or_hangs() -> None:
    @function(timeout_seconds=900)
    async def handler() -> None:
        await anyio.sleep(500)

    script = {("extend", 1): unavailable, ("extend", 3): hang, ("extend", 5): delay(5)}
    store = FaultyEventQueueStore(LeasedStore(VirtualClock(), lease_seconds=30), script)
    async with running([handler], store=store) as run:
        await run.accept("handler")
        await run.settle()
        assert store.faults.unused == set()
    assert len(run.calls) == 1


async def test_the_handler_of_an_event_that_somebody_else_has_is_stopped_and_settles_nothing() -> None:
    @function(timeout_seconds=900, on_success=to_sqs("done"))
    async def handler() -> None:
        try:
            await anyio.sleep(500)
        finally:
            stopped.append(seconds())

    stopped: list[float] = []
    store = LeasedStore(VirtualClock(), lease_seconds=30)
    async with running([handler], store=store) as run:
        request_id = await run.accept("handler")
        await anyio.sleep(12)
        store.take_away(request_id)
        await anyio.sleep(100)
        assert stopped == [pytest.approx(20)]
        assert run.calls == []
        assert run.held == 0
        assert request_id in store.events


async def test_an_event_that_is_lost_before_its_end_could_be_stored_is_no_problem_any_more() -> None:
    @function
    async def handler() -> None: ...

    leased = LeasedStore(VirtualClock(), lease_seconds=30)
    store = FaultyEventQueueStore(leased, {("delete", EVERY): unavailable})
    async with running([handler], store=store) as run:
        request_id = await run.accept("handler")
        await anyio.sleep(5)
        assert list(run.problems) == ["event queue (settling)"]
        leased.take_away(request_id)
        await anyio.sleep(300)
        assert run.problems == {}


async def test_claims_are_renewed_while_what_is_left_drains() -> None:
    @function(timeout_seconds=900)
    async def handler() -> None:
        await anyio.sleep(100)

    store = LeasedStore(VirtualClock(), lease_seconds=30)
    async with running([handler], store=store, drain_seconds=200) as run:
        await run.accept("handler")
        await anyio.sleep(5)
    assert run.calls == [("handler", None, "Succeeded")]
    assert store.events == {}


# Bounds


async def test_a_backlog_of_many_events_waits_in_the_store() -> None:
    held: list[int] = []

    @function
    async def handler(event: int) -> None:
        held.append(run.held)
        await anyio.sleep(1)

    async with running([handler]) as run:
        async with anyio.create_task_group() as senders:
            for _ in range(40):
                senders.start_soon(_accept_many, run, 250)
        await run.settle()
    assert max(held) <= 1_000
    assert len(run.calls) == 10_000


async def _accept_many(run: Run, number: int) -> None:
    for item in range(number):
        await run.accept("handler", item)
        assert run.held <= 1_000


async def test_many_who_accept_at_once_do_not_overfill_memory() -> None:
    @function(timeout_seconds=60)
    async def handler(event: int) -> None:
        await anyio.sleep(10)

    store = LeasedStore(VirtualClock())
    store.put_seconds = 1
    async with running([handler], store=store) as run:
        async with anyio.create_task_group() as senders:
            for number in range(3_000):
                senders.start_soon(run.accept, "handler", number)
        assert run.held <= 1_000
        await anyio.sleep(1)
        assert 900 <= run.held <= 1_000
        store.put_seconds = 0
        await run.settle()
    assert len(run.calls) == 3_000


async def test_everything_accepted_concurrently_runs_up_to_the_concurrency() -> None:
    started: list[float] = []

    @function
    async def handler(event: int) -> None:
        started.append(seconds())
        await anyio.sleep(1)

    async with running([handler]) as run:
        for number in range(900):
            await run.accept("handler", number)
        await run.settle()
    assert started == [0] * 900
    assert seconds() == pytest.approx(1)
