from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import assert_type

import pytest
from pydantic import BaseModel

from eventflow.events import EventModel, SqsEvent, recognise
from eventflow.testing.events import (
    EVENT_FACTORIES,
    EventFactory,
    activemq_event,
    alb_event,
    alexa_event,
    cloudformation_event,
    cloudfront_event,
    cognito_event,
    documentdb_event,
    dynamodb_stream_event,
    eventbridge_event,
    function_url_event,
    http_authorizer_event,
    http_event,
    kafka_event,
    kinesis_event,
    lex_event,
    rabbitmq_event,
    rest_authorizer_event,
    rest_event,
    s3_event,
    scheduled_event,
    sns_event,
    sqs_event,
    websocket_authorizer_event,
    websocket_event,
)

FACTORIES: list[Callable[..., EventModel]] = [
    activemq_event,
    alb_event,
    alexa_event,
    documentdb_event,
    dynamodb_stream_event,
    eventbridge_event,
    function_url_event,
    http_authorizer_event,
    http_event,
    kafka_event,
    kinesis_event,
    rabbitmq_event,
    rest_authorizer_event,
    rest_event,
    s3_event,
    scheduled_event,
    sns_event,
    sqs_event,
    websocket_authorizer_event,
    websocket_event,
]

TIMELESS: list[Callable[..., EventModel]] = [cloudformation_event, cloudfront_event, cognito_event, lex_event]

every_factory = pytest.mark.parametrize("factory", FACTORIES, ids=lambda factory: factory.__name__)
every_entry = pytest.mark.parametrize("entry", EVENT_FACTORIES.values(), ids=map("-".join, EVENT_FACTORIES))


class Order(BaseModel):
    id: str
    total: float


@every_factory
def test_a_factory_needs_no_argument_and_makes_what_its_source_sends(factory: Callable[..., EventModel]) -> None:
    event = factory()
    wire = event.to_wire()
    assert recognise(wire) is type(event)
    assert json.loads(json.dumps(wire)) == wire
    assert type(event).model_validate(wire) == event


@every_factory
def test_a_factory_makes_the_same_event_each_time(factory: Callable[..., EventModel]) -> None:
    assert factory() == factory()


@pytest.mark.parametrize("factory", TIMELESS, ids=lambda factory: factory.__name__)
def test_an_event_without_a_time_is_the_same_each_time(factory: Callable[..., EventModel]) -> None:
    event = factory()
    assert isinstance(event, recognise(event.to_wire()))
    assert factory() == event


@every_factory
def test_time_and_other_options_are_given_by_name(factory: Callable[..., EventModel]) -> None:
    assert "time" in inspect.signature(factory).parameters
    assert factory(time=0.0) != factory(time=86_400.0)


def test_a_batch_is_of_the_type_it_is_asked_for() -> None:
    batch = sqs_event(Order(id="1", total=9.5), payload_type=Order)
    assert_type(batch, SqsEvent[Order])
    assert type(batch) is SqsEvent[Order]
    assert batch.records[0].payload == Order(id="1", total=9.5)


def test_every_body_is_a_message_of_its_own() -> None:
    batch = sqs_event("a", {"b": 1}, b"c", queue="orders.fifo", group_id="g")
    assert [record.body for record in batch.records] == ["a", '{"b":1}', "c"]
    assert len({record.message_id for record in batch.records}) == 3
    assert [record.message_group_id for record in batch.records] == ["g", "g", "g"]
    assert {record.event_source_arn for record in batch.records} == {"arn:aws:sqs:us-east-1:123456789012:orders.fifo"}


def test_stream_records_follow_one_another() -> None:
    [first, second] = kinesis_event("a", b"\xff", partition_key="k").records
    assert int(second.sequence_number) == int(first.sequence_number) + 1
    assert (second.data_bytes, second.partition_key) == (b"\xff", "k")
    [one, tombstone] = kafka_event("a", None, key="k", headers={"h": b"\xff"}, first_offset=7).all_records
    assert (one.offset, one.key_bytes, one.header("h")) == (7, b"k", b"\xff")
    assert (tombstone.offset, tombstone.value_bytes) == (8, None)


def test_a_self_managed_cluster_has_no_arn() -> None:
    assert kafka_event(self_managed=True).event_source == "SelfManagedKafka"


def test_a_request_carries_its_body_as_its_kind_demands() -> None:
    request = http_event("POST", "/orders", body=Order(id="1", total=9.5), query={"a": ["1", "2"], "b": "c d"})
    assert (request.header("content-type"), request.json()) == ("application/json", {"id": "1", "total": 9.5})
    assert request.query == {"a": ["1", "2"], "b": ["c d"]}
    assert http_event(body=b"\xff").body_bytes == b"\xff"
    assert http_event(body=b"\xff").is_base64_encoded
    assert http_event(body="text").body == "text"


def test_a_request_may_be_authorized() -> None:
    authorizer = http_event(authorizer={"jwt": {"claims": {"sub": "me"}, "scopes": None}}).request_context.authorizer
    assert authorizer is not None
    assert authorizer.jwt is not None
    assert authorizer.jwt.claims == {"sub": "me"}


def test_a_removed_object_has_no_size() -> None:
    [record] = s3_event("uploads", "a b.csv", event_name="ObjectRemoved:Delete").records
    assert (record.object_key, record.s3.object.size) == ("a b.csv", None)


def test_a_change_of_an_item_is_given_in_python_values() -> None:
    [changed] = dynamodb_stream_event({"id": "1", "n": 2}, {"id": "1", "n": 1}).records
    assert (changed.event_name, changed.new_image) == ("MODIFY", {"id": "1", "n": 2})
    [expired] = dynamodb_stream_event(None, {"id": "1"}, expired=True).records
    assert (expired.event_name, expired.is_expiry) == ("REMOVE", True)


@every_entry
def test_a_kind_of_event_is_made_from_its_defaults(entry: EventFactory) -> None:
    event = entry.make()
    assert isinstance(event, recognise(event.to_wire()))  # of several triggers of Cognito, one
    assert entry.description


@every_entry
def test_every_field_of_a_kind_of_event_shows_in_it(entry: EventFactory) -> None:
    for name, default in entry.fields.items():
        value = 7 if isinstance(default, int) else default + "x" if not default.startswith("{") else '{"id":"x"}'
        assert entry.make(**{name: value}) != entry.make(), name


def test_a_field_that_a_kind_of_event_does_not_have_is_refused() -> None:
    with pytest.raises(TypeError, match=r"unknown fields \['colour'\]; known: \['bucket'"):
        EVENT_FACTORIES["s3", "put"].make(colour="blue")


def test_events_are_found_by_the_names_sam_users_know() -> None:
    assert {
        ("apigateway", "aws-proxy"),
        ("alb", "request"),
        ("s3", "put"),
        ("s3", "delete"),
        ("sqs", "receive-message"),
        ("sns", "notification"),
    } <= set(EVENT_FACTORIES)


def test_a_token_event_needs_no_time() -> None:
    event = EVENT_FACTORIES["apigateway", "authorizer"].make(token="secret")
    assert recognise(event.to_wire()) is type(event)
    assert event.to_wire()["authorizationToken"] == "secret"
