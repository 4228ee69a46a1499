"""What each source's events offer beside their fields."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflow.events import (
    ActiveMQEvent,
    DocumentDBEvent,
    DynamoDBStreamEvent,
    EventBridgeEvent,
    HttpEvent,
    KafkaEvent,
    KinesisStreamEvent,
    RabbitMQEvent,
    S3Event,
    ScheduledEvent,
    SnsEvent,
    SqsEvent,
)
from eventflow.events.activemq import ACTIVEMQ, message_headers
from eventflow.events.documentdb import DOCUMENTDB
from eventflow.events.dynamodb import change_record
from eventflow.events.eventbridge import EVENTBRIDGE, eventbridge_wire_event
from eventflow.events.http import HTTP
from eventflow.events.rabbitmq import basic_properties
from eventflow.events.s3 import S3, s3_wire_event
from eventflow.events.schedule import SCHEDULE, scheduled_wire_event
from eventflow.events.sns import SNS, sns_wire_event
from eventflow.model.mapping import StreamViewType
from eventflow.testing.events import http_event
from tests.unit.events.samples import load

NEW_YEAR = 1_767_225_600.123


def http(name: str) -> HttpEvent:
    return HttpEvent.model_validate(load("function_url" if name.startswith("function_url") else "http", name))


def test_an_http_request_tells_its_method_path_and_origin() -> None:
    event = http("get_with_path_and_query")
    assert (event.method, event.path, event.source_ip) == ("GET", "/pets/7", "205.255.255.176")
    assert event.path_parameters["id"] == "7"


def test_an_http_path_is_without_its_stage() -> None:
    assert http("cookies_and_stage").path == "/a/b"
    assert http_event(path="/", stage="prod").path == "/"
    event = http_event(path="/x", stage="prod")
    assert event.model_copy(update={"raw_path": "/prod"}).path == "/"
    assert event.model_copy(update={"raw_path": "/production/x"}).path == "/production/x"


def test_http_query_values_are_kept_apart_even_with_commas_in_them() -> None:
    event = http("get_with_path_and_query")
    assert event.query == {"tag": ["big", "small,grey"], "empty": [""]}
    assert event.query_string_parameters["tag"] == "big,small,grey"


@pytest.mark.parametrize("name", ["mutual_tls", "function_url_iam_with_nulls"])
def test_http_maps_are_empty_when_absent_or_null(name: str) -> None:
    event = http(name)
    assert (event.path_parameters, event.stage_variables) == ({}, {})


def test_http_headers_are_found_whatever_their_case() -> None:
    event = http("jwt_authorizer")
    assert event.header("Content-Type") == "application/json"
    assert event.header("x-absent") is None


def test_http_bodies_are_decoded() -> None:
    assert http("lambda_authorizer_and_base64_body").body_bytes == b"\x00\xff\x10binary"
    assert http("jwt_authorizer").json() == {"id": "1", "total": 9.5}
    assert http("smallest").body_bytes == b""


def test_an_http_body_that_is_not_json_says_so() -> None:
    with pytest.raises(ValueError, match="expected value"):
        http("function_url_iam_with_nulls").json()


def test_the_payload_of_an_http_request_is_its_body() -> None:
    assert HTTP.payload(load("http", "jwt_authorizer")) == '{"id":"1","total":9.5}'
    assert HTTP.payload(load("http", "lambda_authorizer_and_base64_body")) == b"\x00\xff\x10binary"
    assert HTTP.payload(load("http", "smallest")) is None


def test_http_authorizers_are_typed() -> None:
    jwt = http("jwt_authorizer").request_context.authorizer
    assert jwt is not None
    assert jwt.jwt is not None
    assert (jwt.jwt.claims["sub"], jwt.jwt.scopes) == ("user-1", ["orders.write"])
    custom = http("lambda_authorizer_and_base64_body").request_context.authorizer
    assert custom is not None
    assert custom.lambda_["tenant"] == "t-1"
    iam = http("function_url_iam_with_nulls").request_context.authorizer
    assert iam is not None
    assert iam.iam is not None
    assert iam.iam.user_arn == "arn:aws:iam::111122223333:user/example-user"


def test_client_certificates_are_typed() -> None:
    authentication = http("mutual_tls").request_context.authentication
    assert authentication is not None
    assert authentication.client_cert is not None
    assert authentication.client_cert.subject_dn == "C=US,CN=example.com"


def test_an_s3_key_is_decoded() -> None:
    [record] = S3Event.model_validate(load("s3", "put_with_encoded_key")).records
    assert (record.bucket_name, record.object_key) == ("uploads", "in/résumé & b@c.csv")
    assert (record.s3.object.size, record.s3.object.e_tag) == (1024, "d41d8cd98f00b204e9800998ecf8427e")


def test_an_s3_event_type_has_no_prefix() -> None:
    [record] = S3Event.model_validate(load("s3", "replication_with_prefixed_name")).records
    assert record.event_type == "Replication:OperationFailedReplication"


def s3_wire(event_name: str, key: str = "in/a b@c.csv") -> dict[str, object]:
    wire = s3_wire_event(
        bucket="uploads",
        key=key,
        event_name=event_name,
        event_time=NEW_YEAR,
        size=5,
        etag="e",
        sequencer="0055AED6DCD90281E5",
        region="us-east-1",
        account_id="123456789012",
        configuration_id="c",
    )
    [record] = wire["Records"]
    assert isinstance(record, dict)
    return record


def test_an_s3_event_is_built_as_s3_writes_it() -> None:
    assert s3_wire("ObjectCreated:Put") == {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-01-01T00:00:00.123Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:123456789012"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": "0055AED6DCD90281E5", "x-amz-id-2": "0055AED6DCD90281E5"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "c",
            "bucket": {
                "name": "uploads",
                "ownerIdentity": {"principalId": "123456789012"},
                "arn": "arn:aws:s3:::uploads",
            },
            "object": {"key": "in/a+b%40c.csv", "size": 5, "eTag": "e", "sequencer": "0055AED6DCD90281E5"},
        },
    }


@pytest.mark.parametrize(
    ("event_name", "version", "fields"),
    [
        ("ObjectCreated:CompleteMultipartUpload", "2.1", ["eTag", "key", "sequencer", "size"]),
        ("ObjectRemoved:Delete", "2.1", ["key", "sequencer"]),
        ("ObjectRemoved:DeleteMarkerCreated", "2.1", ["eTag", "key", "sequencer"]),
        ("ObjectTagging:Put", "2.3", ["eTag", "key"]),
        ("ObjectAcl:Put", "2.3", ["eTag", "key", "sequencer"]),
        ("ObjectRestore:Delete", "2.3", ["eTag", "key", "sequencer", "size"]),
        ("ObjectRestore:Post", "2.1", ["eTag", "key", "sequencer", "size"]),
        ("Replication:OperationNotTracked", "2.2", ["eTag", "key", "sequencer", "size"]),
        ("LifecycleTransition", "2.3", ["eTag", "key", "sequencer", "size"]),
    ],
)
def test_an_s3_event_leaves_out_what_s3_leaves_out(event_name: str, version: str, fields: list[str]) -> None:
    record = s3_wire(event_name)
    assert record["eventVersion"] == version
    entity = record["s3"]
    assert isinstance(entity, dict)
    assert sorted(entity["object"]) == fields


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_any_s3_key_survives_its_encoding(key: str) -> None:
    [record] = S3Event.model_validate({"Records": [s3_wire("ObjectCreated:Put", key)]}).records
    assert record.object_key == key
    assert record.s3.object.key.isascii()


def test_an_s3_event_is_its_own_payload() -> None:
    wire = load("s3", "delete")
    assert S3.payload(wire) == wire


def test_an_sns_event_tells_its_message_and_subject() -> None:
    event = SnsEvent.model_validate(load("sns", "subject_and_attributes"))
    assert (event.subject, json.loads(event.message)) == ("New order", {"id": "1", "total": 9.5})
    attributes = event.records[0].sns.message_attributes
    assert (attributes["raw"].value_bytes, attributes["kind"].value_bytes) == (b"\x00\xff", b"order")
    assert SnsEvent.model_validate(load("sns", "null_subject")).subject is None


def test_an_sns_event_is_built_as_sns_writes_it() -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:orders"
    wire = sns_wire_event(
        topic_arn=topic,
        message_id="m-1",
        message="Hello",
        attributes={"kind": "order", "count": 3, "raw": b"\x00\xff"},
        timestamp=NEW_YEAR,
        subscription_arn=f"{topic}:s-1",
    )
    [record] = wire["Records"]
    assert (record["EventSource"], record["EventSubscriptionArn"]) == ("aws:sns", f"{topic}:s-1")
    message = record["Sns"]
    assert (message["Subject"], message["Timestamp"]) == (None, "2026-01-01T00:00:00.123Z")
    assert message["MessageAttributes"] == {
        "kind": {"Type": "String", "Value": "order"},
        "count": {"Type": "Number", "Value": "3"},
        "raw": {"Type": "Binary", "Value": "AP8="},
    }
    assert message.keys() == load("sns", "null_subject")["Records"][0]["Sns"].keys()
    assert SNS.recognises(wire)
    assert SNS.payload(wire) == "Hello"


def test_an_eventbridge_event_is_built_as_a_bus_writes_it() -> None:
    sample = load("eventbridge", "aws_service")
    wire = eventbridge_wire_event(
        event_id=sample["id"],
        detail_type=sample["detail-type"],
        source=sample["source"],
        account_id=sample["account"],
        time=1513968228.9,
        region=sample["region"],
        resources=sample["resources"],
        detail=sample["detail"],
    )
    assert wire == sample
    assert EVENTBRIDGE.payload(wire) == sample["detail"]


def test_a_replayed_eventbridge_event_names_its_replay() -> None:
    event = EventBridgeEvent.model_validate(load("eventbridge", "custom_replayed"))
    assert (event.detail_type, event.replay_name) == ("OrderPlaced", "replay-2026-01")


def test_a_scheduled_event_is_built_as_a_rule_writes_it() -> None:
    sample = load("schedule", "rule")
    wire = scheduled_wire_event(
        event_id=sample["id"],
        rule_arn=sample["resources"][0],
        account_id=sample["account"],
        time=1444323186.0,
        region=sample["region"],
    )
    assert wire == sample
    assert SCHEDULE.payload(wire) == {}


@pytest.mark.parametrize("name", ["rule", "scheduler"])
def test_a_scheduled_event_names_its_rule(name: str) -> None:
    assert ScheduledEvent.model_validate(load("schedule", name)).rule_name == "nightly"


def test_scheduled_events_of_others_are_eventbridge_s() -> None:
    wire = load("schedule", "rule") | {"source": "shop"}
    assert EVENTBRIDGE.recognises(wire)
    assert not SCHEDULE.recognises(wire)


def test_an_sqs_message_tells_its_receives_and_group() -> None:
    [standard, again] = SqsEvent.model_validate(load("sqs", "standard")).records
    assert (standard.receive_count, standard.message_group_id, again.receive_count) == (1, None, 3)
    [fifo] = SqsEvent.model_validate(load("sqs", "fifo_from_dead_letter_queue")).records
    assert fifo.message_group_id == "1"


def test_sqs_message_attributes_are_decoded() -> None:
    [record] = SqsEvent.model_validate(load("sqs", "message_attributes")).records
    values = {name: attribute.value_bytes for name, attribute in record.message_attributes.items()}
    assert values == {"kind": b"order", "count": b"3", "raw": b"\x00\xff"}


def test_a_kinesis_record_tells_where_it_is_from() -> None:
    [first, *_, last] = KinesisStreamEvent.model_validate(load("kinesis", "batch")).records
    assert (first.shard_id, first.partition_key) == ("shardId-000000000006", "1")
    assert first.sequence_number == "49590338271490256608559692538361571095921575989136588898"
    assert last.data_bytes == b"\x00\xff\x10"


def test_a_tumbling_window_is_typed() -> None:
    event = KinesisStreamEvent.model_validate(load("kinesis", "tumbling_window"))
    assert event.window is not None
    assert (event.window.start, event.window.end) == ("2026-01-01T17:00:00Z", "2026-01-01T17:05:00Z")
    assert event.state == {"total": 3, "by": {"a": [1, 2]}}
    assert (event.is_final_invoke_for_window, event.is_window_terminated_early) == (False, False)
    table = DynamoDBStreamEvent.model_validate(load("dynamodb", "tumbling_window"))
    assert (table.shard_id, table.is_window_terminated_early) == ("shardId-000000000006", True)


def test_an_event_without_a_window_has_none() -> None:
    event = KinesisStreamEvent.model_validate(load("kinesis", "batch"))
    assert (event.window, event.state, event.is_final_invoke_for_window) == (None, None, None)


def test_dynamodb_images_are_python_values() -> None:
    [record] = DynamoDBStreamEvent.model_validate(load("dynamodb", "modify_new_and_old_images")).records
    assert record.keys == {"Id": Decimal(101)}
    assert record.new_image == {"Id": Decimal(101), "n": Decimal(2)}
    assert record.old_image == {"Id": Decimal(101), "n": Decimal(1)}


def test_dynamodb_images_that_the_stream_does_not_hold_are_none() -> None:
    [inserted, _] = DynamoDBStreamEvent.model_validate(load("dynamodb", "keys_only")).records
    assert (inserted.new_image, inserted.old_image) == (None, None)


def test_a_dynamodb_removal_tells_whether_it_is_an_expiry() -> None:
    [expired] = DynamoDBStreamEvent.model_validate(load("dynamodb", "time_to_live_removal")).records
    [_, removed] = DynamoDBStreamEvent.model_validate(load("dynamodb", "keys_only")).records
    assert (expired.is_expiry, removed.is_expiry) == (True, False)


@pytest.mark.parametrize(
    ("view_type", "old", "new", "name", "images"),
    [
        (StreamViewType.KEYS_ONLY, {"a": {"S": "1"}}, {"a": {"S": "1"}}, "MODIFY", set()),
        (StreamViewType.NEW_IMAGE, {"a": {"S": "1"}}, {"a": {"S": "1"}}, "MODIFY", {"NewImage"}),
        (StreamViewType.OLD_IMAGE, {"a": {"S": "1"}}, {"a": {"S": "1"}}, "MODIFY", {"OldImage"}),
        (StreamViewType.NEW_AND_OLD_IMAGES, None, {"a": {"S": "1"}}, "INSERT", {"NewImage"}),
        (StreamViewType.NEW_AND_OLD_IMAGES, {"a": {"S": "1"}}, None, "REMOVE", {"OldImage"}),
        (StreamViewType.NEW_IMAGE, {"a": {"S": "1"}}, None, "REMOVE", set()),
    ],
)
def test_a_change_holds_the_images_of_its_view(
    view_type: StreamViewType,
    old: dict[str, object] | None,
    new: dict[str, object] | None,
    name: str,
    images: set[str],
) -> None:
    record = change_record(
        partition="s",
        sequence_number=1,
        timestamp=0.0,
        event_id="e",
        keys={"a": {"S": "1"}},
        old_image=old,
        new_image=new,
        view_type=view_type,
    )
    change = record.attributes["dynamodb"]
    assert record.attributes["eventName"] == name
    assert {"NewImage", "OldImage"} & change.keys() == images
    assert change["SizeBytes"] == 2 + 2 * len(images)


def test_a_kafka_record_is_decoded() -> None:
    event = KafkaEvent.model_validate(load("kafka", "msk_two_partitions"))
    [first, _, third] = event.all_records
    assert (first.key_bytes, first.value_bytes) == (b"customer-7", b'{"id":"1","total":9.5}')
    assert first.header("headerKey") == b"headerValue"
    assert (third.topic, third.partition, third.payload) == ("mytopic", 1, "plain text")


def test_a_kafka_tombstone_has_no_value() -> None:
    [record] = KafkaEvent.model_validate(load("kafka", "tombstone")).all_records
    assert (record.value, record.value_bytes, record.payload) == (None, None, None)


def test_a_kafka_key_may_be_null_or_absent() -> None:
    records = KafkaEvent.model_validate(load("kafka", "null_key_and_value")).all_records
    assert [record.key_bytes for record in records] == [None, None]


def test_kafka_headers_are_signed_bytes_and_the_last_of_a_name_counts() -> None:
    [record] = KafkaEvent.model_validate(load("kafka", "negative_header_bytes")).all_records
    assert record.header("trace") == "é".encode()
    assert record.header("empty") == b""
    assert record.header("absent") is None


def test_a_self_managed_kafka_event_has_no_arn() -> None:
    event = KafkaEvent.model_validate(load("kafka", "self_managed"))
    assert (event.event_source, event.event_source_arn) == ("SelfManagedKafka", None)


def test_an_activemq_message_is_decoded() -> None:
    [first, again] = ActiveMQEvent.model_validate(load("activemq", "text_messages")).messages
    assert (first.payload, first.destination.physical_name) == ({"id": "1", "total": 9.5}, "testQueue")
    assert (first.properties["index"], first.redelivered, again.redelivered) == ("1", False, True)
    [binary] = ActiveMQEvent.model_validate(load("activemq", "bytes_message_persistent")).messages
    assert (binary.data_bytes, binary.persistent, binary.delivery_mode) == (b"\x00\xff\x10", True, None)


def test_a_rabbitmq_message_is_decoded() -> None:
    event = RabbitMQEvent.model_validate(load("rabbitmq", "default_virtual_host"))
    assert list(event.rmq_messages_by_queue) == ["pizzaQueue::/"]
    [first, again] = event.messages
    assert (first.payload, first.basic_properties.priority) == ({"id": "1", "total": 9.5}, 34)
    assert (first.redelivered, again.redelivered, again.data_bytes) == (False, True, b"\x00\xff\x10")


def test_rabbitmq_headers_are_signed_bytes_and_numbers() -> None:
    [first, without] = RabbitMQEvent.model_validate(load("rabbitmq", "default_virtual_host")).messages
    assert [first.header(name) for name in ("header1", "accent", "numberInHeader")] == ["value1", "é", 10]
    assert (first.header("absent"), without.header("header1")) == (None, None)


def test_rabbitmq_properties_are_built_as_lambda_writes_them() -> None:
    properties = basic_properties(b"abc", headers={"text": "é", "n": 7, "raw": b"\xff"}, timestamp=2021.0)
    assert properties["headers"] == {"text": {"bytes": [-61, -87]}, "n": 7, "raw": {"bytes": [-1]}}
    assert (properties["timestamp"], properties["bodySize"]) == ("Jan 1, 1970, 12:33:41 AM", 3)
    assert basic_properties(b"", timestamp=1_767_272_400.0)["timestamp"] == "Jan 1, 2026, 1:00:00 PM"
    assert properties.keys() == sample_properties().keys()


def sample_properties() -> dict[str, object]:
    wire = load("rabbitmq", "default_virtual_host")
    properties: dict[str, object] = wire["rmqMessagesByQueue"]["pizzaQueue::/"][0]["basicProperties"]
    return properties


def test_activemq_headers_are_built_as_lambda_writes_them() -> None:
    [sample] = ACTIVEMQ.records(load("activemq", "text_messages"))[:1]
    headers = message_headers("orders", sent_at=1.5, delivered_at=2.0, properties={"n": 1})
    assert headers.keys() == sample.attributes.keys()
    assert (headers["timestamp"], headers["brokerOutTime"], headers["properties"]) == (1500, 2000, {"n": "1"})


def test_a_documentdb_change_is_decoded() -> None:
    [record] = DocumentDBEvent.model_validate(load("documentdb", "insert")).events
    assert (record.operation_type, record.document_id) == ("insert", "63eeb6e7d418cd98afb1c1d7")
    assert record.payload == {"_id": "63eeb6e7d418cd98afb1c1d7", "anyField": "sampleValue"}
    assert record.event.ns is not None
    assert (record.event.ns.db, record.event.ns.coll) == ("test_database", "test_collection")


def test_a_documentdb_update_tells_what_it_changed_and_the_document_if_asked() -> None:
    [update, looked_up, _, delete] = DocumentDBEvent.model_validate(load("documentdb", "update_and_delete")).events
    described = update.event.update_description
    assert described is not None
    assert (described.updated_fields, described.removed_fields) == ({"anyField": "new"}, ["old"])
    assert (update.payload, delete.payload) == (None, None)
    assert looked_up.payload == {"_id": "63eeb6e7d418cd98afb1c1d7", "anyField": "newer"}


def test_documents_are_python_values() -> None:
    [_, _, replaced, _] = DocumentDBEvent.model_validate(load("documentdb", "update_and_delete")).events
    document = replaced.document
    assert document is not None
    assert (document["a"], document["price"], document["raw"]) == (5, Decimal("9.50"), b"\x00\xff")
    assert document["at"] == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_change_of_a_collection_as_a_whole_has_no_document() -> None:
    [drop, invalidate] = DocumentDBEvent.model_validate(load("documentdb", "invalidate")).events
    assert (drop.operation_type, drop.document_id, drop.payload) == ("drop", None, None)
    assert (invalidate.operation_type, invalidate.event.ns) == ("invalidate", None)
    [record, _] = DOCUMENTDB.records(load("documentdb", "invalidate"))
    assert DOCUMENTDB.record_payload(record) is None
