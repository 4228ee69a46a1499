from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from proton import Message, byte, float32, symbol, ulong

from eventflow.errors import InvalidMessageError
from eventflow.events.activemq import ACTIVEMQ
from eventflow.model.destinations import OutboundMessage
from eventflow.model.records import SourceIdentity
from eventflow_activemq.messages import UnsupportedMessageError, encoded, read, written

SAMPLES = Path(__file__).parents[2] / "samples" / "activemq"
NOW = 1_598_827_811.959
TEXT, BYTES, MAP = 5, 3, 2


def message(body: Any, *, kind: int | None = None, **fields: Any) -> Message:
    """As it comes from the broker."""
    sent = Message(body, **fields)
    if kind is not None:
        sent.annotations = {symbol("x-opt-jms-msg-type"): byte(kind)}
    sent.inferred = isinstance(body, bytes)
    arrived = Message()
    arrived.decode(sent.encode())
    return arrived


def wire(arrived: Message, *, deliveries: int = 1) -> dict[str, Any]:
    record = read(arrived, queue="testQueue", receipt="r-1", deliveries=deliveries, now=NOW)
    return ACTIVEMQ.wire_record(record, SourceIdentity(arn="arn", region="eu-west-1", extras={}))


def test_a_text_message_is_as_in_the_sample() -> None:
    [first, second] = json.loads((SAMPLES / "text_messages.json").read_text())["messages"]
    arrived = message(
        "plain text",
        kind=TEXT,
        id=first["messageID"],
        durable=False,
        priority=1,
        correlation_id="myJMSCoID",
        creation_time=1_598_827_811.958,
        properties={"index": ulong(1), "doAlarm": False, "myCustomProperty": "value"},
    )
    found = wire(arrived, deliveries=2)
    same = found.keys() - {"messageID", "destination", "expiration", "data", "brokerOutTime"}
    assert found.keys() == second.keys()
    assert {key: found[key] for key in same} == {key: second[key] for key in same}
    assert found["data"] == second["data"]
    assert found["destination"] == {"physicalName": "testQueue"}


def test_a_bytes_message_is_one() -> None:
    found = wire(message(b"\x00\xff\x10", kind=BYTES, durable=True))
    assert (found["messageType"], found["data"], found["deliveryMode"]) == ("jms/bytes-message", "AP8Q", 2)


@pytest.mark.parametrize(
    ("arrived", "kind"),
    [
        (message("text"), "jms/text-message"),
        (message(b"data"), "jms/bytes-message"),
        (message(b"data", kind=TEXT), "jms/text-message"),
        (message(None, kind=TEXT), "jms/text-message"),
        (message(None, kind=BYTES), "jms/bytes-message"),
    ],
)
def test_text_is_told_from_bytes(arrived: Message, kind: str) -> None:
    assert wire(arrived)["messageType"] == kind


@pytest.mark.parametrize(
    ("arrived", "says"),
    [
        (message({"a": 1}, kind=MAP), "a MapMessage"),
        (message(b"\xac\xed", kind=1), "an ObjectMessage"),
        (message({"a": 1}), "of the type dict"),
        (message([1]), "of the type list"),
        (message(None), "of the type NoneType"),
    ],
)
def test_anything_else_is_unsupported(arrived: Message, says: str) -> None:
    with pytest.raises(UnsupportedMessageError, match=says):
        wire(arrived)


def test_expiry_and_address_and_kind_of_a_message() -> None:
    found = wire(
        message("a", expiry_time=1_598_827_871.958, address="queue://orders.eu", subject="order", reply_to="x")
    )
    assert found["expiration"] == "1598827871958"
    assert found["destination"] == {"physicalName": "orders.eu"}
    assert (found["type"], found["replyTo"]) == ("order", "x")


def test_numbers_are_written_as_java_does() -> None:
    numbers = {"byte": byte(-1), "long": ulong(2**40), "float": float32(1.5), "double": 2.25, "flag": True}
    written_as = {"byte": "-1", "long": "1099511627776", "float": "1.5", "double": "2.25", "flag": "true"}
    assert wire(message("a", properties=numbers))["properties"] == written_as
    assert wire(message("a", id=ulong(7)))["messageID"] == "7"


def test_a_message_without_id_and_time_gets_them() -> None:
    found = wire(message("a"))
    assert found["messageID"] == "ID:r-1"
    assert found["timestamp"] == found["brokerOutTime"] == round(NOW * 1000)


def test_what_is_sent_can_be_read() -> None:
    outbound = OutboundMessage(body="Zoë".encode(), attributes={"n": -7, "text": "a", "correlation_id": "c"})
    sent = written(outbound, resource="activemq:orders", identifier="ID:1", now=NOW)
    arrived = Message()
    arrived.decode(encoded(sent, resource="activemq:orders"))
    found = wire(arrived)
    assert (found["messageID"], found["messageType"], found["correlationId"]) == ("ID:1", "jms/text-message", "c")
    assert found["properties"] == {"n": "-7", "text": "a"}
    assert found["timestamp"] == round(NOW * 1000)


@pytest.mark.parametrize(
    ("outbound", "says"),
    [
        (OutboundMessage(body=b"", attributes={"x": b""}), "'x' is bytes"),
        (OutboundMessage(body=b"", attributes={"x": 2**63}), "64 bits"),
        (OutboundMessage(body=b"", delay_seconds=-1), "cannot be negative"),
        (OutboundMessage(body=bytes(16 * 1024 * 1024 + 1)), "16,777,216 are allowed"),
    ],
)
def test_what_cannot_be_sent_is_refused(outbound: OutboundMessage, says: str) -> None:
    with pytest.raises(InvalidMessageError, match=says):
        written(outbound, resource="activemq:orders", identifier="ID:1", now=NOW)


def test_text_that_is_no_unicode_is_refused() -> None:
    outbound = OutboundMessage(body=b"", attributes={"x": "\ud800"})
    sent = written(outbound, resource="activemq:orders", identifier="ID:1", now=NOW)
    with pytest.raises(InvalidMessageError, match="cannot be written"):
        encoded(sent, resource="activemq:orders")
