"""The user's own data, read as the type an event is given."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, assert_type

import pytest
from pydantic import BaseModel
from typing_extensions import TypeVar

from eventflow.errors import EventValidationError
from eventflow.events import (
    DynamoDBStreamEvent,
    EventBridgeEvent,
    KafkaEvent,
    KinesisStreamEvent,
    SnsEvent,
    SqsEvent,
    SqsRecord,
)
from eventflow.testing.events import (
    dynamodb_stream_event,
    eventbridge_event,
    kafka_event,
    kinesis_event,
    sns_event,
    sqs_event,
)
from tests.unit.events.samples import load

T = TypeVar("T", default=Any)


class Order(BaseModel):
    id: str
    total: float


ORDER = Order(id="1", total=9.5)


def test_sqs_records_carry_the_type_in_brackets() -> None:
    batch = SqsEvent[Order].model_validate(sqs_event(ORDER).to_wire())
    assert_type(batch.records[0].payload, Order)
    assert batch.records[0].payload == ORDER


def test_kinesis_records_carry_the_type_in_brackets() -> None:
    batch = KinesisStreamEvent[Order].model_validate(kinesis_event(ORDER).to_wire())
    assert_type(batch.records[0].payload, Order)
    assert batch.records[0].payload == ORDER


def test_kafka_records_carry_the_type_in_brackets() -> None:
    batch = KafkaEvent[Order].model_validate(kafka_event(ORDER).to_wire())
    assert_type(batch.all_records[0].payload, Order)
    assert batch.all_records[0].payload == ORDER


def test_dynamodb_records_carry_the_type_in_brackets() -> None:
    item = {"id": "1", "total": Decimal("9.5")}
    batch = DynamoDBStreamEvent[Order].model_validate(dynamodb_stream_event(item).to_wire())
    assert_type(batch.records[0].payload, Order)
    assert batch.records[0].payload == ORDER


def test_an_sns_event_and_its_record_carry_the_type_in_brackets() -> None:
    event = SnsEvent[Order].model_validate(sns_event(ORDER).to_wire())
    assert_type(event.payload, Order)
    assert_type(event.records[0].payload, Order)
    assert event.payload == event.records[0].payload == ORDER


def test_an_eventbridge_event_carries_the_type_in_brackets() -> None:
    event = EventBridgeEvent[Order].model_validate(eventbridge_event(ORDER).to_wire())
    assert_type(event.payload, Order)
    assert event.payload == ORDER
    assert event.detail == {"id": "1", "total": 9.5}


def test_reading_the_payload_leaves_the_event_as_it_is_on_the_wire() -> None:
    wire = load("sqs", "standard")
    event = SqsEvent[dict[str, Any]].model_validate(wire)
    assert event.records[1].payload == {"id": "1", "total": 9.5}
    assert event.to_wire() == wire
    assert event == SqsEvent[dict[str, Any]].model_validate(wire)


def test_a_bad_body_fails_only_the_record_it_is_in() -> None:
    batch = sqs_event('{"id": "1"}', ORDER, payload_type=Order)
    assert batch.records[1].payload == ORDER
    with pytest.raises(EventValidationError, match=r"the payload of SqsRecord\[Order\] is not valid: total: Field"):
        _ = batch.records[0].payload


def test_the_error_of_a_bad_body_does_not_repeat_its_values() -> None:
    batch = sqs_event('{"id": "1", "total": "hunter2"}', payload_type=Order)
    with pytest.raises(EventValidationError) as caught:
        _ = batch.records[0].payload
    assert "hunter2" not in str(caught.value)


def test_a_payload_is_validated_once() -> None:
    record = sqs_event(ORDER, payload_type=Order).records[0]
    assert record.payload is record.payload


def test_a_copy_with_another_body_has_another_payload() -> None:
    record = sqs_event(ORDER, payload_type=Order).records[0]
    assert record.payload.id == "1"
    assert record.model_copy(update={"body": '{"id": "2", "total": 1}'}).payload.id == "2"
    assert record.model_copy(update={"body": '{"id": "3", "total": 1}'}, deep=True).payload.id == "3"


@pytest.mark.parametrize(
    ("body", "payload"),
    [
        ('{"a": [1, null]}', {"a": [1, None]}),
        ("17", 17),
        ('"quoted"', "quoted"),
        ("plain text", "plain text"),
        ("", ""),
        ("NaN", "NaN"),
    ],
)
def test_without_a_type_text_is_parsed_if_it_is_json(body: str, payload: object) -> None:
    assert sqs_event(body).records[0].payload == payload


@pytest.mark.parametrize(
    ("data", "payload"), [(b'{"a": 1}', {"a": 1}), ("é".encode(), "é"), (b"\xff\x00", b"\xff\x00"), (b"", "")]
)
def test_without_a_type_bytes_are_json_or_text_if_they_can_be(data: bytes, payload: object) -> None:
    assert kinesis_event(data).records[0].payload == payload


def test_text_and_bytes_are_given_as_they_are_if_that_is_the_type() -> None:
    assert sqs_event('{"a": 1}', payload_type=str).records[0].payload == '{"a": 1}'
    assert sqs_event('{"a": 1}', payload_type=bytes).records[0].payload == b'{"a": 1}'
    assert kinesis_event(b'"x"', payload_type=str).records[0].payload == '"x"'
    assert kinesis_event(b"\xff", payload_type=bytes).records[0].payload == b"\xff"


def test_bytes_that_have_to_be_text_and_are_not_fail_the_record() -> None:
    with pytest.raises(EventValidationError, match="is not UTF-8 text"):
        _ = kinesis_event(b"\xff", payload_type=str).records[0].payload


def test_any_in_brackets_is_like_no_brackets() -> None:
    batch = SqsEvent[Any].model_validate(sqs_event("plain text", "1").to_wire())
    assert [record.payload for record in batch.records] == ["plain text", 1]


def test_a_tombstone_is_none_where_the_type_allows_it() -> None:
    wire = kafka_event(None).to_wire()
    assert KafkaEvent.model_validate(wire).all_records[0].payload is None
    assert KafkaEvent[Order | None].model_validate(wire).all_records[0].payload is None
    assert KafkaEvent[bytes | None].model_validate(wire).all_records[0].payload is None
    with pytest.raises(EventValidationError):
        _ = KafkaEvent[Order].model_validate(wire).all_records[0].payload


def test_optional_text_is_given_as_it_is() -> None:
    wire = kafka_event("plain").to_wire()
    assert KafkaEvent[str | None].model_validate(wire).all_records[0].payload == "plain"
    assert KafkaEvent[bytes | None].model_validate(wire).all_records[0].payload == b"plain"


def test_dataclasses_and_containers_are_types_too() -> None:
    @dataclass
    class Point:
        x: int

    assert sqs_event('{"x": "1"}', payload_type=Point).records[0].payload == Point(1)
    assert SqsEvent[list[int]].model_validate(sqs_event("[1,2]").to_wire()).records[0].payload == [1, 2]


class OrderRecord(SqsRecord[Order]):
    pass


class MyRecord(SqsRecord[T], Generic[T]):
    pass


def test_subclasses_know_the_type_of_their_base() -> None:
    wire = sqs_event(ORDER).records[0].to_wire()
    assert OrderRecord.model_validate(wire).payload == ORDER
    assert MyRecord[Order].model_validate(wire).payload == ORDER
    assert MyRecord.model_validate(wire).payload == ORDER.model_dump()


def test_dynamodb_payload_is_the_newest_image_there_is() -> None:
    new, old = {"id": "1", "n": 2}, {"id": "1", "n": 1}
    assert dynamodb_stream_event(new, old).records[0].payload == new
    assert dynamodb_stream_event(None, old).records[0].payload == old
    wire = load("dynamodb", "keys_only")
    assert DynamoDBStreamEvent.model_validate(wire).records[0].payload == {"Id": 101}
