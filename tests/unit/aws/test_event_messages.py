from __future__ import annotations

import base64
import json
import os
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflow.errors import InvalidMessageError
from eventflow.model import limits
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.invocation import PendingDelivery, QueuedEvent
from eventflow.model.records import QueueRecord
from eventflow_aws.sqs.event_messages import EVENT, PACKED, to_event, to_message

EVERYTHING = OutboundMessage(
    body=b"\x00\xff", key=b"\xff", attributes={"text": "Zo\u00eb", "number": 7, "bytes": b"\x00"}, resources=("arn",)
)
DELIVERIES = (PendingDelivery(destination=Destination(Service.SQS, "failures"), message=EVERYTHING),)


def an_event(**fields: Any) -> QueuedEvent:
    defaults: dict[str, Any] = {
        "request_id": "1-2-3",
        "function_name": "shop-import",
        "source": "s3",
        "payload": b'{"n": 1}',
        "accepted_at": 1_767_225_600.123456,
        "due_at": 1_767_225_660.5,
    }
    return QueuedEvent(**defaults | fields)


def packed_delivery(body: bytes) -> tuple[PendingDelivery, ...]:
    return (PendingDelivery(destination=DELIVERIES[0].destination, message=OutboundMessage(body=body)),)


def sent(event: QueuedEvent) -> QueueRecord:
    """What a queue makes of the event's message."""
    return received(to_message("sqs:events", event, delay_seconds=0))


def received(message: OutboundMessage) -> QueueRecord:
    attributes = {
        name: {"binaryValue": base64.b64encode(value).decode()}
        if isinstance(value, bytes)
        else {"stringValue": str(value)}
        for name, value in message.attributes.items()
    }
    return QueueRecord("m", "r", message.body.decode(), 1, None, {}, attributes)


def size(message: OutboundMessage) -> int:
    """A lower bound of what counts."""
    values = (value if isinstance(value, bytes) else str(value).encode() for value in message.attributes.values())
    return len(message.body) + sum(map(len, values))


@given(
    payload=st.binary() | st.text().map(str.encode),
    attempt=st.integers(0, 2),
    deliveries=st.sampled_from([(), DELIVERIES]),
    due_at=st.floats(0, 1e10),
)
def test_an_event_comes_back_as_it_was(
    payload: bytes, attempt: int, deliveries: tuple[PendingDelivery, ...], due_at: float
) -> None:
    event = an_event(payload=payload, attempt=attempt, deliveries=deliveries, due_at=due_at, backoffs=3)
    assert to_event(sent(event)) == event


def test_the_payload_is_the_body_for_people_to_read() -> None:
    assert sent(an_event(payload='{"name": "Zo\u00eb"}'.encode())).body == '{"name": "Zo\u00eb"}'


def test_deliveries_come_back_as_tuples() -> None:
    event = to_event(sent(an_event(deliveries=DELIVERIES)))
    assert event is not None
    assert isinstance(event.deliveries[0].message.resources, tuple)


@pytest.mark.parametrize("payload", ['"\uffff"'.encode(), b"\x01", b"\xff", b""])
def test_what_sqs_would_not_take_as_text_is_packed(payload: bytes) -> None:
    record = sent(an_event(payload=payload))
    assert PACKED in record.message_attributes
    assert to_event(record) == an_event(payload=payload)


def test_a_payload_of_the_largest_size_fits() -> None:
    text = base64.b64encode(os.urandom(limits.ASYNCHRONOUS_REQUEST_BYTES * 3 // 4))  # as hard to compress as text gets
    payload = b'"' + text[: limits.ASYNCHRONOUS_REQUEST_BYTES - 2] + b'"'
    message = to_message("sqs:events", an_event(payload=payload), delay_seconds=0)
    assert size(message) < limits.SQS_MESSAGE_BYTES
    assert to_event(received(message)) == an_event(payload=payload)


def test_an_event_that_is_too_large_is_refused() -> None:
    event = an_event(payload=os.urandom(limits.SQS_MESSAGE_BYTES))
    with pytest.raises(InvalidMessageError, match=r"^sqs:events: event 1-2-3 of shop-import has 1,04\d,\d{3} bytes"):
        to_message("sqs:events", event, delay_seconds=0)


def test_an_event_that_only_waits_for_its_deliveries_goes_without_its_payload_if_it_must() -> None:
    event = an_event(payload=os.urandom(700_000), deliveries=packed_delivery(os.urandom(700_000)))
    assert to_event(sent(event)) == replace(event, payload=b"null")


def test_deliveries_that_are_too_large_are_refused() -> None:
    event = an_event(deliveries=packed_delivery(os.urandom(limits.SQS_MESSAGE_BYTES)))
    with pytest.raises(InvalidMessageError):
        to_message("sqs:events", event, delay_seconds=0)


def with_header(**changes: Any) -> QueueRecord:
    record = sent(an_event(payload=b"\xff"))
    header = json.loads(record.message_attributes[EVENT]["stringValue"]) | changes
    attributes = {**record.message_attributes, EVENT: {"stringValue": json.dumps(header)}}
    return record._replace(message_attributes=attributes)


def with_packed(content: bytes) -> QueueRecord:
    record = with_header()
    attributes = {**record.message_attributes, PACKED: {"binaryValue": base64.b64encode(content).decode()}}
    return record._replace(message_attributes=attributes)


@pytest.mark.parametrize(
    "record",
    [
        QueueRecord("m", "r", "{}", 1, None, {}, {}),
        QueueRecord("m", "r", "{}", 1, None, {}, {EVENT: {"stringValue": "no JSON"}}),
        QueueRecord("m", "r", "{}", 1, None, {}, {EVENT: {"stringValue": "[]"}}),
        with_header(version=2),
        with_header(unknown=1),
        with_packed(b"no zlib"),
        with_packed(zlib.compress(bytes(65 * limits.MEBIBYTE))),
    ],
    ids=["plain", "no JSON", "no object", "newer", "unknown field", "garbage", "a bomb"],
)
def test_what_is_no_event_is_told_from_events(record: QueueRecord) -> None:
    assert to_event(record) is None
