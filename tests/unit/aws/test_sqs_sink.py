from __future__ import annotations

import asyncio
from typing import Any

import pytest

from eventflow.errors import AccessDeniedError, AdapterError, InvalidMessageError, UnavailableError
from eventflow.model import limits
from eventflow.model.destinations import OutboundMessage
from eventflow_aws.sqs.sink import SqsQueueSink
from tests.unit.aws.scripted_sqs import ScriptedSqs, failed, scripted_queue


@pytest.fixture
def sqs() -> ScriptedSqs:
    return ScriptedSqs()


@pytest.fixture
def sink(sqs: ScriptedSqs) -> SqsQueueSink:
    return SqsQueueSink(scripted_queue(sqs))


@pytest.fixture
def ordered(sqs: ScriptedSqs) -> SqsQueueSink:
    return SqsQueueSink(scripted_queue(sqs, name="orders.fifo"))


async def test_everything_that_sqs_has_is_sent(sqs: ScriptedSqs, sink: SqsQueueSink) -> None:
    attributes: dict[str, str | int | bytes] = {"text": "x", "number": -7, "bytes": b"\x00"}
    await sink.send(OutboundMessage(body=b"a", attributes=attributes, group_id="g", delay_seconds=1.2))
    [[entry]] = sqs.entries
    assert entry == {
        "Id": "0",
        "MessageBody": "a",
        "MessageAttributes": {
            "text": {"DataType": "String", "StringValue": "x"},
            "number": {"DataType": "Number", "StringValue": "-7"},
            "bytes": {"DataType": "Binary", "BinaryValue": b"\x00"},
        },
        "MessageGroupId": "g",
        "DelaySeconds": 2,
    }


async def test_messages_of_a_fifo_queue_leave_in_the_order_they_came(sqs: ScriptedSqs, ordered: SqsQueueSink) -> None:
    messages = [
        OutboundMessage(body=b"%d" % number, group_id="g", deduplication_id=f"d{number}") for number in range(25)
    ]
    await asyncio.gather(*map(ordered.send, messages))
    assert [int(entry["MessageBody"]) for entries in sqs.entries for entry in entries] == list(range(25))
    assert sqs.entries[0][3]["MessageDeduplicationId"] == "d3"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"body": b""}, "the message is empty"),
        ({"body": b"\xff"}, "the message is not UTF-8 text"),
        ({"body": b"x" * (limits.SQS_MESSAGE_BYTES + 1)}, "the message has 1,048,577 bytes; 1,048,576 are allowed"),
        ({"body": b"x" * limits.SQS_MESSAGE_BYTES, "attributes": {"a": b"b"}}, "the message has 1,048,584 bytes"),
        ({"body": b"a", "delay_seconds": 901}, "delay_seconds is 901; 0 to 900 are allowed"),
        ({"body": b"a", "delay_seconds": -1}, "delay_seconds is -1"),
        ({"body": b"a", "deduplication_id": "d"}, "deduplication_id is for FIFO queues"),
    ],
)
async def test_what_can_never_be_sent_is_refused_here(
    fields: dict[str, Any], told: str, sqs: ScriptedSqs, sink: SqsQueueSink
) -> None:
    with pytest.raises(InvalidMessageError, match=f"^sqs:orders: {told}"):
        await sink.send(OutboundMessage(**fields))
    assert sqs.entries == []


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "a FIFO queue needs a group_id with every message"),
        ({"group_id": "g", "delay_seconds": 1}, "a FIFO queue takes no delay_seconds per message"),
    ],
)
async def test_what_a_fifo_queue_never_takes_is_refused_here(
    fields: dict[str, Any], told: str, ordered: SqsQueueSink
) -> None:
    with pytest.raises(InvalidMessageError, match=told):
        await ordered.send(OutboundMessage(body=b"a", **fields))


@pytest.mark.parametrize(
    ("code", "sender_fault", "error"),
    [
        ("InvalidMessageContents", True, InvalidMessageError),
        ("InvalidMessageContents", False, InvalidMessageError),
        ("MissingParameter", True, InvalidMessageError),
        ("RequestThrottled", True, UnavailableError),
        ("KmsAccessDenied", True, AccessDeniedError),
        ("InternalError", False, UnavailableError),
    ],
)
async def test_an_entry_that_fails_fails_only_its_sender(
    code: str, sender_fault: bool, error: type[AdapterError], sqs: ScriptedSqs, sink: SqsQueueSink
) -> None:
    sqs.answers.append(lambda entries: [failed(entries[1], code, sender_fault=sender_fault)])
    sends = (sink.send(OutboundMessage(body=body)) for body in (b"a", b"b", b"c"))
    outcomes = await asyncio.gather(*sends, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), error, type(None)]
    assert "sqs:SendMessage" in str(outcomes[1])
