"""Whom a queue message is for: every shape that services send, and what is nobody's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflow.policy.buckets import selects_change
from eventflow_aws.notifications.messages import Kind, read_message
from eventflow_aws.notifications.routes import Interest, Route, Router
from tests.unit.aws.notifying import (
    ACCOUNT,
    REGION,
    TOPIC,
    bucket,
    bus,
    bus_event,
    envelope,
    queue_record,
    s3_body,
    s3_bus_event,
    s3_record,
    schedule,
    schedule_arn,
    scheduled,
    topic,
)
from tests.unit.events.samples import DIRECTORY, load

OTHER_TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:uploads"
TEST_EVENT = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "uploads", "RequestId": "1"})
CONFIRMATION = json.dumps({"Type": "SubscriptionConfirmation", "TopicArn": TOPIC, "Token": "t", "Message": "confirm"})
S3_SAMPLES = sorted(path.stem for path in (DIRECTORY / "s3").glob("*.json"))
DONE = Route()


def route(body: str, *interests: Interest, **fields: Any) -> Route:
    return Router(interests).route(queue_record(body, **fields))


def only_event(found: Route) -> Any:
    [delivery] = found.deliveries
    assert not found.stays
    return json.loads(delivery.payload)


def hearers(found: Route) -> list[Interest]:
    return [delivery.interest for delivery in found.deliveries]


# Buckets


@pytest.mark.parametrize("name", S3_SAMPLES)
def test_an_s3_event_is_handed_over_as_it_came(name: str) -> None:
    wire = load("s3", name)
    record = wire["Records"][0]
    interest = bucket(record["s3"]["bucket"]["name"], events=("s3:*",))
    body = json.dumps(wire, indent=1)
    [delivery] = route(body, interest).deliveries
    assert delivery.payload == body.encode()


def test_a_key_is_compared_decoded() -> None:
    wanted, other = bucket("b", prefix="in/a b", suffix="@.csv"), bucket("b", prefix="in/a+b")
    assert hearers(route(s3_body(s3_record("b", "in/a b@.csv")), wanted, other)) == [wanted]


def test_an_object_that_nobody_wants_is_done_with() -> None:
    assert route(s3_body(s3_record("b", "a.txt")), bucket("b", suffix=".csv")) == DONE


def test_every_function_gets_its_own_records_and_those_together() -> None:
    csv, everything, other = bucket("b", suffix=".csv"), bucket("b"), bucket("c")
    one, two, three, four = (s3_record(*at) for at in (("b", "1.csv"), ("b", "2.txt"), ("c", "3.csv"), ("b", "4.csv")))
    found = route(s3_body(one, two, three, four), csv, everything, other)
    got = {delivery.interest: json.loads(delivery.payload)["Records"] for delivery in found.deliveries}
    assert got == {csv: [one, four], everything: [one, two, four], other: [three]}


def test_a_bucket_is_known_by_its_physical_name() -> None:
    interest = bucket("uploads", physical="shop-uploads-prod")
    assert hearers(route(s3_body(s3_record("shop-uploads-prod", "k")), interest)) == [interest]
    assert route(s3_body(s3_record("uploads", "k")), interest).stays


def test_records_of_a_bucket_that_nobody_subscribes_to_keep_the_message_in_the_queue() -> None:
    found = route(s3_body(s3_record("b", "k"), s3_record("stranger", "k")), bucket("b"))
    assert found.stays
    assert not found.deliveries
    assert "s3:stranger" in (found.warning or "")


@pytest.mark.parametrize("body", [TEST_EVENT, envelope(TEST_EVENT, arn=OTHER_TOPIC)], ids=["direct", "by topic"])
def test_the_test_event_of_a_bucket_is_done_with(body: str) -> None:
    assert route(body, bucket("uploads"), topic()) == DONE


def test_an_s3_event_that_came_through_a_topic_is_unwrapped() -> None:
    text = s3_body(s3_record("b", "k"))
    assert only_event(route(envelope(text, arn=OTHER_TOPIC), bucket("b"), topic())) == json.loads(text)


def test_an_s3_event_in_a_topic_that_a_function_subscribes_to_is_text() -> None:
    listener, uploads = topic(), bucket("b")
    found = route(envelope(s3_body(s3_record("b", "k"))), listener, uploads)
    assert hearers(found) == [listener]
    assert "s3:b" in (found.warning or "")


def test_a_bucket_may_speak_through_eventbridge() -> None:
    event = only_event(route(json.dumps(s3_bus_event("b", "in/a b.csv")), bucket("b", prefix="in/a b")))
    [record] = event["Records"]
    assert (record["eventName"], record["s3"]["object"]["key"]) == ("ObjectCreated:Put", "in/a+b.csv")


def test_an_event_of_s3_is_for_rules_and_buckets_alike() -> None:
    rule, uploads = bus("default", {"source": ["aws.s3"]}), bucket("b")
    assert hearers(route(json.dumps(s3_bus_event("b", "k")), rule, uploads)) == [rule, uploads]


EVENT_TYPES = st.sampled_from(["ObjectCreated:Put", "ObjectCreated:Copy", "ObjectRemoved:Delete", "s3:ObjectAcl:Put"])
KEYS = st.text(st.sampled_from("ab/ +%ü"), max_size=6)
WANTED = st.lists(
    st.sampled_from(["s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectRemoved:*", "s3:ObjectAcl:Put"]),
    min_size=1,
    max_size=3,
)


@given(
    changes=st.lists(st.tuples(st.sampled_from("bc"), KEYS, EVENT_TYPES), min_size=1, max_size=6),
    subscriptions=st.lists(st.tuples(st.sampled_from("bc"), WANTED, KEYS, KEYS), max_size=4),
)
def test_a_split_neither_loses_nor_repeats_a_record(
    changes: list[tuple[str, str, str]], subscriptions: list[tuple[str, list[str], str, str]]
) -> None:
    interests = [
        bucket(name, events=tuple(events), prefix=prefix, suffix=suffix, subscriber=str(number))
        for number, (name, events, prefix, suffix) in enumerate(subscriptions)
    ]
    everything = [bucket("b", events=("s3:*",)), bucket("c", events=("s3:*",))]
    records = [s3_record(name, key, event_name) for name, key, event_name in changes]
    found = route(s3_body(*records), *interests, *everything)
    got = {delivery.interest: json.loads(delivery.payload)["Records"] for delivery in found.deliveries}
    for interest in [*interests, *everything]:
        expected = [
            record
            for record, (name, key, event_name) in zip(records, changes, strict=True)
            if name == interest.bucket and selects_change(interest.subscription, event_name, key)
        ]
        assert got.get(interest, []) == expected


# Topics


@pytest.mark.parametrize("name", ["null_subject", "subject_and_attributes"])
def test_a_notification_becomes_the_event_that_lambda_gets(name: str) -> None:
    wire = load("sns", name)
    message = wire["Records"][0]["Sns"]
    renamed = {"SigningCertUrl": "SigningCertURL", "UnsubscribeUrl": "UnsubscribeURL"}
    sent = {renamed.get(key, key): value for key, value in message.items() if value not in (None, {})}
    event = only_event(route(json.dumps(sent), topic()))
    assert event["Records"][0]["Sns"] == message
    assert event["Records"][0]["EventSubscriptionArn"].startswith(f"{TOPIC}:21be56ed")
    assert {key: event["Records"][0][key] for key in ("EventSource", "EventVersion")} == {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
    }


def test_a_notification_of_a_fifo_topic_has_a_made_up_subscription() -> None:
    sent = json.loads(envelope("hello", SequenceNumber="10000000000000003000"))
    for key in ("SignatureVersion", "Signature", "SigningCertURL", "UnsubscribeURL"):
        del sent[key]
    [record] = only_event(route(json.dumps(sent), topic()))["Records"]
    assert record["EventSubscriptionArn"] == f"{TOPIC}:made-up"
    assert record["Sns"]["SequenceNumber"] == "10000000000000003000"


def test_filter_policies_choose_among_the_subscribers_of_a_topic() -> None:
    orders, refunds, paid = topic(policy={"kind": ["order"]}), topic(policy={"kind": ["refund"]}), topic()
    by_body = topic(policy={"status": ["paid"]}, body=True)
    body = envelope('{"status": "paid"}', MessageAttributes={"kind": {"Type": "String", "Value": "order"}})
    assert hearers(route(body, orders, refunds, paid, by_body)) == [orders, paid, by_body]


def test_a_notification_that_no_filter_lets_through_is_done_with() -> None:
    assert route(envelope("hello"), topic(policy={"kind": ["order"]})) == DONE


def test_a_notification_of_another_topic_stays() -> None:
    found = route(envelope("hello", arn=OTHER_TOPIC), topic())
    assert found.stays
    assert OTHER_TOPIC in (found.warning or "")


def test_a_raw_message_of_the_only_topic_becomes_its_event() -> None:
    attributes = {
        "kind": {"stringValue": "order", "dataType": "String"},
        "count": {"stringValue": "7.5", "dataType": "Number"},
        "raw": {"binaryValue": "AP8=", "dataType": "Binary"},
    }
    [record] = only_event(route("hello", topic(policy={"kind": ["order"]}), message_attributes=attributes))["Records"]
    assert record["EventSubscriptionArn"] == f"{TOPIC}:made-up"
    assert record["Sns"] == {
        "Type": "Notification",
        "MessageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "TopicArn": TOPIC,
        "Subject": None,
        "Message": "hello",
        "Timestamp": "2018-12-17T21:37:29.183Z",
        "MessageAttributes": {
            "kind": {"Type": "String", "Value": "order"},
            "count": {"Type": "Number", "Value": "7.5"},
            "raw": {"Type": "Binary", "Value": "AP8="},
        },
    }


def test_a_raw_message_may_look_like_anything_where_there_is_one_topic_alone() -> None:
    text = s3_body(s3_record("b", "k"))
    assert only_event(route(text, topic()))["Records"][0]["Sns"]["Message"] == text


def test_beside_a_bucket_a_raw_message_is_what_a_bucket_would_not_send() -> None:
    listener, uploads = topic(), bucket("b")
    assert hearers(route("hello", listener, uploads)) == [listener]
    assert hearers(route(s3_body(s3_record("b", "k")), listener, uploads)) == [uploads]
    assert route(json.dumps(bus_event()), listener, uploads).stays


def test_a_raw_message_of_one_of_two_topics_stays() -> None:
    assert route("hello", topic(), topic(OTHER_TOPIC)).stays


def test_a_subscription_that_wants_to_be_confirmed_stays() -> None:
    found = route(CONFIRMATION, topic())
    assert found.stays
    assert "confirmed" in (found.warning or "")


# Buses


def test_an_event_is_for_every_rule_that_it_matches() -> None:
    orders, all_of_shop, bank = (
        bus("shop", {"detail": {"total": [{"numeric": [">", 5]}]}}),
        bus("shop", {"source": ["shop"]}),
        bus("shop", {"source": ["bank"]}),
    )
    body = json.dumps(bus_event(total=9))
    found = route(body, orders, all_of_shop, bank)
    assert hearers(found) == [orders, all_of_shop]
    assert {delivery.payload for delivery in found.deliveries} == {body.encode()}


def test_an_event_that_no_rule_matches_is_done_with() -> None:
    assert route(json.dumps(bus_event()), bus("shop", {"source": ["bank"]})) == DONE


def test_an_event_of_a_bus_stays_where_nobody_has_rules() -> None:
    assert route(json.dumps(bus_event()), topic(), bucket("b")).stays


@pytest.mark.parametrize("name", ["aws_service", "custom_replayed", "s3_object_created"])
def test_samples_of_buses_reach_a_rule(name: str) -> None:
    wire = load("eventbridge", name)
    assert only_event(route(json.dumps(wire), bus("b", {"source": [wire["source"]]}))) == wire


# Schedules


@pytest.mark.parametrize("name", ["rule", "scheduler"])
def test_samples_of_schedules_reach_their_function(name: str) -> None:
    wire = load("schedule", name)
    mine, other = schedule("nightly"), schedule("daily")
    found = route(json.dumps(wire), mine, other)
    assert hearers(found) == [mine]
    assert only_event(found) == wire


def test_a_schedule_may_be_bound_by_arn_by_name_or_with_its_group() -> None:
    arn = schedule_arn("night-run", group="batch")
    for bound in (arn, "night-run", "batch/night-run"):
        assert hearers(route(json.dumps(scheduled(arn)), schedule("nightly", bound=bound)))
    for bound in ("run", "other/night-run", schedule_arn("night-run")):
        assert route(json.dumps(scheduled(arn)), schedule("nightly", bound=bound)).stays


def test_the_declared_input_is_the_event() -> None:
    interest = schedule("nightly", input={"job": "x"})
    assert only_event(route(json.dumps(scheduled(schedule_arn("nightly"))), interest)) == {"job": "x"}


def test_two_schedules_of_a_function_are_told_apart_by_the_names_that_they_are_made_with() -> None:
    hourly, daily = schedule("clean"), schedule("clean", expression="rate(1 day)", input={"all": True})
    assert hearers(route(json.dumps(scheduled(schedule_arn(daily.provisioned))), hourly, daily)) == [daily]


def test_two_schedules_of_a_function_under_one_name_stay() -> None:
    hourly, daily = schedule("clean"), schedule("clean", expression="rate(1 day)")
    found = route(json.dumps(scheduled(schedule_arn("clean"))), hourly, daily)
    assert found.stays
    assert hourly.provisioned in (found.warning or "")


def test_two_functions_may_share_a_schedule() -> None:
    one, two = schedule("one", bound="nightly"), schedule("two", bound="nightly")
    assert hearers(route(json.dumps(scheduled(schedule_arn("nightly"))), one, two)) == [one, two]


def test_a_strike_is_no_event_of_a_bus() -> None:
    everything = bus("default", {"source": [{"prefix": "aws."}]})
    assert route(json.dumps(scheduled(schedule_arn("nightly"))), everything).stays


# Whatever else there is


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "[1]",
        "null",
        '{"Records": []}',
        '{"Records": [{"eventSource": "aws:s3"}]}',
        '{"Records": [{"eventSource": "aws:s3", "eventName": 1, "s3": {}}]}',
        '{"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:123456789012:orders"}',
        '{"source": "shop", "detail-type": "x", "detail": "text"}',
        '{"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}, "resources": []}',
        "[" * 100_000,
    ],
)
def test_what_no_service_sends_stays(body: str) -> None:
    found = route(body, bucket("b"), bus("shop", {"source": ["shop"]}), schedule("nightly"))
    assert found.stays
    assert not found.deliveries


FIELDS = """Records eventSource eventName s3 bucket object name key source detail detail-type resources Type TopicArn
MessageId Message MessageAttributes Event reason time UnsubscribeURL"""
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.sampled_from(["aws:s3", "aws.s3", TOPIC]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(FIELDS.split()),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_routing_never_raises(value: Any) -> None:
    everybody: list[Interest] = [bucket("b"), topic(), bus("shop", {"source": ["shop"]}), schedule("nightly")]
    for body in (json.dumps(value), envelope(json.dumps(value)), envelope(json.dumps(value), arn=OTHER_TOPIC)):
        Router(everybody).route(queue_record(body))


@given(JSON_VALUES, st.sampled_from(["detail", "time", "resources", "source", "id", "region", "account"]))
def test_a_damaged_event_never_raises(value: Any, field: str) -> None:
    event = {**s3_bus_event("b", "k"), field: value}
    Router([bucket("b"), bus("shop", {"source": ["shop"]})]).route(queue_record(json.dumps(event)))


def test_half_a_surrogate_pair_does_not_raise() -> None:
    assert route(envelope("\ud800"), topic()).deliveries
    assert read_message('"\ud800"').kind is Kind.UNKNOWN
