"""Cases are worth something only if a broken adapter fails them: here one thing at a time is broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from eventflow.model.destinations import Service
from eventflow.model.records import StreamRead
from eventflow.testing import (
    event_queue_cases,
    fifo_cases,
    notification_cases,
    progress_cases,
    queue_cases,
    rebalance_cases,
    settling_cases,
    sink_cases,
    stream_cases,
)
from eventflow.testing.faults import EVERY, Call, Fault, FaultyAdapter, delay, duplicate, expire_receipt
from eventflow.testing.harness import Case, EventQueueHarness, Harness, case_name
from tests.contract.embedded import Embedded, Processes
from tests.contract.test_local_notifications import notification_harness
from tests.contract.test_local_queues import queue_harness, queue_options
from tests.contract.test_local_sinks import KINDS, sink_harness
from tests.contract.test_local_streams import stream_harness, stream_options

T = TypeVar("T")


def pretend(result: object = None) -> Fault:
    """Nothing is done, but the caller is told that it was."""

    async def fault(call: Call[T]) -> T:
        answer: Any = result
        return answer  # type: ignore[no-any-return]  # the wrong answer is the point

    return fault


def queues(processes: Processes) -> Harness:
    return queue_harness(processes)


def streams(processes: Processes) -> Harness:
    return stream_harness(processes, Service.KINESIS)


def topics(processes: Processes) -> Harness:
    return notification_harness(processes, Service.SNS)


def sinks(processes: Processes) -> Harness:
    return sink_harness(processes, next(kind for kind in KINDS if kind.service is Service.SQS))


def event_queues(processes: Processes) -> Harness:
    return EventQueueHarness(
        adapter=processes.adapter, other_adapter=processes.other_adapter, clock=processes.clock, name="events"
    )


ORDERED = "sqs:lasting-1.fifo"
QUEUE = "sqs:lasting-1"
RETURNING = "sqs:queue-1"
STREAM = "kinesis:stream-1"
EVENTS = "event_queue:events"


@pytest.mark.parametrize(
    ("case", "build", "resource", "operation", "fault"),
    [
        (queue_cases.sent_record_is_received, queues, QUEUE, "send", pretend()),
        (queue_cases.receive_returns_as_soon_as_a_record_arrives, queues, QUEUE, "receive", delay(20)),
        (queue_cases.receive_waits_and_returns_nothing_from_an_empty_queue, queues, QUEUE, "receive", pretend(())),
        (queue_cases.hidden_record_is_not_received_again, queues, QUEUE, "receive", expire_receipt),
        (queue_cases.two_consumers_never_hold_one_record_at_once, queues, QUEUE, "receive", duplicate),
        (queue_cases.backlog_counts_what_is_not_deleted, queues, QUEUE, "backlog", pretend(0)),
        (queue_cases.backlog_counts_what_is_not_deleted, queues, QUEUE, "backlog", pretend(3)),
        (settling_cases.deleted_record_never_returns, queues, RETURNING, "delete", pretend()),
        (settling_cases.released_record_is_visible_at_once, queues, QUEUE, "release", pretend()),
        (settling_cases.extend_keeps_a_record_hidden, queues, RETURNING, "extend", pretend(())),
        (settling_cases.extend_reports_deleted_records_as_lost, queues, QUEUE, "extend", pretend(())),
        (fifo_cases.records_of_a_group_come_in_order, queues, ORDERED, "delete", pretend()),
        (
            fifo_cases.group_is_blocked_while_a_record_of_it_is_in_flight,
            queues,
            ORDERED,
            "receive",
            expire_receipt,
        ),
        (fifo_cases.deduplication_id_is_queued_once, queues, ORDERED, "send", pretend()),
        (stream_cases.records_of_a_partition_come_in_order, streams, STREAM, "read", pretend(StreamRead(()))),
        (stream_cases.read_returns_as_soon_as_a_record_arrives, streams, STREAM, "read", delay(30)),
        (progress_cases.reading_continues_behind_the_checkpoint_after_a_restart, streams, STREAM, "commit", pretend()),
        (progress_cases.state_survives_with_the_checkpoint, streams, STREAM, "commit", pretend()),
        (progress_cases.backlog_counts_what_is_not_committed, streams, STREAM, "backlog", pretend(0)),
        (rebalance_cases.loser_can_neither_commit_nor_read, streams, "kinesis:stream-2", "commit", pretend()),
        (rebalance_cases.member_that_leaves_hands_over_what_it_owned, streams, "kinesis:stream-2", "commit", pretend()),
        (rebalance_cases.nothing_is_lost_repeated_or_reordered_by_resharding, streams, STREAM, "complete", pretend()),
        (notification_cases.events_are_delivered, topics, "sns:sns-1", "deliver", pretend()),
        (notification_cases.events_are_delivered, topics, "sns:sns-1", "deliver", duplicate),
        (notification_cases.event_that_could_not_be_delivered_comes_again, topics, "sns:sns-1", "send", pretend()),
        (notification_cases.backlog_counts_what_is_not_delivered, topics, "sns:sns-1", "backlog", pretend(0)),
        (sink_cases.message_arrives, sinks, "sqs:contract", "send", pretend()),
        (sink_cases.every_message_arrives, sinks, "sqs:contract", "send", duplicate),
        (sink_cases.invalid_messages_are_refused_for_good, sinks, "sqs:contract", "send", pretend()),
        (event_queue_cases.event_round_trips, event_queues, EVENTS, "put", pretend(False)),
        (event_queue_cases.put_is_idempotent, event_queues, EVENTS, "put", pretend(True)),
        (event_queue_cases.received_event_is_not_received_again, event_queues, EVENTS, "receive", expire_receipt),
        (event_queue_cases.waiting_receive_wakes_up_when_an_event_is_due, event_queues, EVENTS, "receive", delay(20)),
        (event_queue_cases.deleted_event_never_returns, event_queues, EVENTS, "delete", pretend()),
        (event_queue_cases.deliveries_round_trip_exactly, event_queues, EVENTS, "reschedule", pretend()),
        (event_queue_cases.claims_of_a_closed_store_come_back, event_queues, EVENTS, "aclose", pretend()),
    ],
    ids=lambda value: case_name(value) if callable(value) and hasattr(value, "__name__") else None,
)
async def test_a_broken_adapter_fails(
    case: Case, build: Callable[[Processes], Harness], resource: str, operation: str, fault: Fault
) -> None:
    async with Embedded(None).processes(queues=queue_options(), **stream_options()) as processes:
        faulty = FaultyAdapter(processes.adapter, {resource: {(operation, EVERY): fault}})
        harness = replace(build(processes), adapter=faulty, other_adapter=faulty)
        with pytest.raises((AssertionError, ExceptionGroup)) as raised:
            await case(harness)
    assert faulty.unused == set()
    error: BaseException = raised.value
    while isinstance(error, ExceptionGroup):
        [error] = error.exceptions
    assert isinstance(error, AssertionError)
