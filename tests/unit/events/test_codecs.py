"""What holds for the codec of every polled source."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflow.events import RecordCodec
from eventflow.events.activemq import ACTIVEMQ
from eventflow.events.documentdb import DOCUMENTDB
from eventflow.events.dynamodb import DYNAMODB
from eventflow.events.kafka import KAFKA
from eventflow.events.kinesis import KINESIS
from eventflow.events.rabbitmq import RABBITMQ
from eventflow.events.sqs import SQS
from eventflow.model.records import QueueRecord, SourceIdentity, StreamRecord
from tests.unit.events.records import (
    activemq_records,
    documentdb_records,
    dynamodb_records,
    kafka_records,
    kinesis_records,
    rabbitmq_records,
    sqs_records,
)
from tests.unit.events.samples import every_sample, load

CODECS: dict[str, RecordCodec[Any]] = {
    "sqs": SQS,
    "kinesis": KINESIS,
    "dynamodb": DYNAMODB,
    "kafka": KAFKA,
    "rabbitmq": RABBITMQ,
    "activemq": ACTIVEMQ,
    "documentdb": DOCUMENTDB,
}

Case = tuple[RecordCodec[Any], Sequence[Any], SourceIdentity]


def identity(service: str, resource: str, **extras: str) -> SourceIdentity:
    return SourceIdentity(arn=f"arn:aws:{service}:us-east-1:123456789012:{resource}", region="us-east-1", extras=extras)


SQS_QUEUE = identity("sqs", "q" * 80)
KINESIS_STREAM = identity("kinesis", f"stream/{'s' * 128}", invokeIdentityArn=f"arn:aws:iam::1:role/{'r' * 64}")
DYNAMODB_STREAM = identity("dynamodb", f"table/{'t' * 255}/stream/2026-01-01T16:00:00.000")
KAFKA_CLUSTER = identity("kafka", "cluster/c", bootstrapServers="b-1:9092")
SELF_MANAGED_KAFKA = SourceIdentity(arn="", region="us-east-1", extras={"bootstrapServers": "b-1:9092"})

CLUSTER = identity("rds", "cluster:c")
BROKER = identity("mq", "broker:b:b-1")


def cases() -> st.SearchStrategy[Case]:
    def batches(codec: Any, records: st.SearchStrategy[Any], *sources: SourceIdentity) -> st.SearchStrategy[Case]:
        return st.tuples(st.just(codec), st.lists(records, min_size=1, max_size=3), st.sampled_from(sources))

    return st.one_of(
        batches(SQS, sqs_records(), SQS_QUEUE),
        batches(KINESIS, kinesis_records(), KINESIS_STREAM),
        batches(DYNAMODB, dynamodb_records(), DYNAMODB_STREAM),
        batches(KAFKA, kafka_records(), KAFKA_CLUSTER, SELF_MANAGED_KAFKA),
        batches(RABBITMQ, rabbitmq_records(), BROKER),
        batches(ACTIVEMQ, activemq_records(), BROKER),
        batches(DOCUMENTDB, documentdb_records(), CLUSTER),
    )


def sharing_attributes(records: Sequence[Any]) -> list[Any]:
    """As Kafka's are that have no headers."""
    return [record._replace(attributes=records[0].attributes) for record in records]


def grouped(records: Sequence[Any]) -> list[Any]:
    """Records in the order of a wire event, which keeps Kafka's partitions and RabbitMQ's queues apart."""
    places = [getattr(record, "partition", None) or record.attributes.get("queue") for record in records]
    order = list(dict.fromkeys(places))
    return [record for place in order for record, its in zip(records, places, strict=True) if its == place]


@given(cases())
def test_records_of_an_event_are_those_it_was_built_from(case: Case) -> None:
    codec, records, source = case
    expected = grouped(records) if codec in (KAFKA, RABBITMQ) else list(records)
    assert codec.records(codec.wire_event(records, source)) == expected


@given(cases())
def test_an_event_that_was_built_is_one_that_its_model_reads(case: Case) -> None:
    codec, records, source = case
    wire = codec.wire_event(records, source)
    assert codec.event_model.model_validate(wire).to_wire() == wire
    for record in records:
        one = codec.wire_record(record, source)
        assert codec.record_model.model_validate(one).to_wire() == one


@given(cases())
def test_an_event_that_was_built_is_recognised_by_its_codec_alone(case: Case) -> None:
    codec, records, source = case
    wire = codec.wire_event(records, source)
    assert [other for other in CODECS.values() if other.recognises(wire)] == [codec]


@given(cases(), st.booleans())
def test_the_payloads_of_records_are_those_of_each(case: Case, share: bool) -> None:
    codec, records, _ = case
    records = sharing_attributes(records) if share else records
    assert codec.record_payloads(records) == [codec.record_payload(record) for record in records]


@given(cases())
def test_the_size_of_a_record_is_a_close_upper_bound_of_its_json(case: Case) -> None:
    codec, records, source = case
    for record, size in zip(records, codec.sizes(records), strict=True):
        wire = json.dumps(codec.wire_record(record, source), separators=(",", ":"), ensure_ascii=False).encode()
        assert len(wire) <= size <= 1.5 * len(wire) + 700


@given(cases(), st.booleans())
def test_the_size_of_records_together_is_a_close_upper_bound(case: Case, share: bool) -> None:
    codec, records, _ = case
    records = sharing_attributes(records) if share else records
    exact = sum(codec.sizes(records))
    assert exact <= codec.size_together(records) <= exact + 8 * len(records)


@pytest.mark.parametrize(
    ("codec", "records", "source"),
    [
        (SQS, SQS.records(load("sqs", "message_attributes")), SQS_QUEUE),
        (KINESIS, KINESIS.records(load("kinesis", "batch")), KINESIS_STREAM),
        (DYNAMODB, DYNAMODB.records(load("dynamodb", "insert_every_type")), DYNAMODB_STREAM),
        (DYNAMODB, DYNAMODB.records(load("dynamodb", "time_to_live_removal")), DYNAMODB_STREAM),
        (KAFKA, KAFKA.records(load("kafka", "negative_header_bytes")), KAFKA_CLUSTER),
        (RABBITMQ, RABBITMQ.records(load("rabbitmq", "default_virtual_host")), BROKER),
        (ACTIVEMQ, ACTIVEMQ.records(load("activemq", "text_messages")), BROKER),
        (DOCUMENTDB, DOCUMENTDB.records(load("documentdb", "update_and_delete")), CLUSTER),
    ],
)
def test_a_handler_that_changes_its_event_does_not_change_the_records(
    codec: RecordCodec[Any], records: list[Any], source: SourceIdentity
) -> None:
    before = copy.deepcopy(records)
    ruin(codec.wire_event(records, source))
    assert records == before


def ruin(value: Any) -> None:
    if isinstance(value, dict | list):
        for item in list(value.values() if isinstance(value, dict) else value):
            ruin(item)
        value.clear()


@pytest.mark.parametrize(
    ("source", "name", "identity"),
    [
        ("sqs", "standard", identity("sqs", "orders")),
        ("sqs", "fifo_from_dead_letter_queue", identity("sqs", "fifoqueue.fifo")),
        (
            "kinesis",
            "batch",
            identity("kinesis", "stream/clicks", invokeIdentityArn="arn:aws:iam::123456789012:role/lambda-role"),
        ),
        ("dynamodb", "insert_every_type", identity("dynamodb", "table/orders/stream/2026-01-01T16:00:00.000")),
        ("dynamodb", "time_to_live_removal", identity("dynamodb", "table/orders/stream/2026-01-01T16:00:00.000")),
        ("dynamodb", "keys_only", identity("dynamodb", "table/orders/stream/2026-01-01T16:00:00.000")),
        ("kafka", "tombstone", None),
        ("kafka", "msk_two_partitions", None),
        ("kafka", "negative_header_bytes", None),
        ("kafka", "self_managed", None),
        ("rabbitmq", "default_virtual_host", None),
        ("rabbitmq", "named_virtual_host", None),
        ("activemq", "text_messages", None),
        ("activemq", "bytes_message_persistent", None),
        ("documentdb", "insert", None),
        ("documentdb", "update_and_delete", None),
        ("documentdb", "invalidate", None),
    ],
)
def test_what_a_codec_builds_is_what_lambda_sends(source: str, name: str, identity: SourceIdentity | None) -> None:
    wire = load(source, name)
    codec = CODECS[source]
    if identity is None:
        servers = {"bootstrapServers": wire.get("bootstrapServers")}
        identity = SourceIdentity(arn=wire.get("eventSourceArn", ""), region="us-east-1", extras=servers)
    else:
        region = wire["Records"][0]["awsRegion"]
        arn = identity.arn.replace("us-east-1", region)
        identity = SourceIdentity(arn=arn, region=region, extras=identity.extras)
    assert codec.wire_event(codec.records(wire), identity) == wire


@every_sample(*CODECS)
def test_the_records_of_a_sample_survive_being_built_again(source: str, name: str) -> None:
    codec = CODECS[source]
    wire = load(source, name)
    wire.pop("shardId", None)
    records = codec.records(wire)
    assert codec.records(codec.wire_event(records, SQS_QUEUE)) == records


def test_records_are_named_by_what_a_partial_response_names_them_by() -> None:
    [sqs, *_] = SQS.records(load("sqs", "standard"))
    [kinesis, *_] = KINESIS.records(load("kinesis", "batch"))
    [dynamodb, *_] = DYNAMODB.records(load("dynamodb", "keys_only"))
    [kafka, *_] = KAFKA.records(load("kafka", "msk_two_partitions"))
    assert SQS.identifier(sqs) == "059f36b4-87a3-44ab-83d2-661975830a7d"
    assert KINESIS.identifier(kinesis) == "49590338271490256608559692538361571095921575989136588898"
    assert DYNAMODB.identifier(dynamodb) == "4421584500000000017450439091"
    [documentdb] = DOCUMENTDB.records(load("documentdb", "insert"))
    assert DOCUMENTDB.identifier(documentdb) == "0163eeb6e7000000090100000009000041e1"
    [activemq, *_] = ACTIVEMQ.records(load("activemq", "bytes_message_persistent"))
    [_, rabbitmq] = RABBITMQ.records(load("rabbitmq", "default_virtual_host"))
    assert ACTIVEMQ.identifier(activemq).startswith("ID:b-9bcfa592")
    assert RABBITMQ.identifier(rabbitmq) == "m-2"
    assert KAFKA.identifier(kafka) == {"partition": "mytopic-0", "offset": 15}


def test_filters_see_an_sqs_body_and_the_rest_of_the_message() -> None:
    [record, *_] = SQS.records(load("sqs", "standard"))
    data, metadata = SQS.filter_view(record, SQS_QUEUE)
    assert data == "Test message."
    assert metadata["eventSource"] == "aws:sqs"
    assert "body" not in metadata


def test_filters_see_kinesis_data_beside_what_surrounds_it() -> None:
    [record, *_] = KINESIS.records(load("kinesis", "batch"))
    data, metadata = KINESIS.filter_view(record, KINESIS_STREAM)
    assert data == b"Hello, this is a test."
    assert (metadata["partitionKey"], metadata["eventName"]) == ("1", "aws:kinesis:record")
    assert "data" not in metadata


def test_filters_see_a_dynamodb_change_in_typed_json() -> None:
    [record] = DYNAMODB.records(load("dynamodb", "new_image"))
    data, metadata = DYNAMODB.filter_view(record, DYNAMODB_STREAM)
    assert isinstance(data, dict)
    assert data["NewImage"] == {"Id": {"N": "101"}}
    assert metadata["eventName"] == "MODIFY"
    assert "dynamodb" not in metadata


def test_filters_see_a_kafka_value_and_where_it_is_from() -> None:
    [record, *_] = KAFKA.records(load("kafka", "msk_two_partitions"))
    data, metadata = KAFKA.filter_view(record, KAFKA_CLUSTER)
    assert data == b'{"id":"1","total":9.5}'
    assert (metadata["topic"], metadata["partition"], metadata["offset"]) == ("mytopic", 0, 15)
    assert "value" not in metadata


def test_filters_see_a_message_s_data_and_its_properties() -> None:
    [record, *_] = RABBITMQ.records(load("rabbitmq", "default_virtual_host"))
    data, metadata = RABBITMQ.filter_view(record, BROKER)
    assert (data, metadata["redelivered"]) == (b'{"id":"1","total":9.5}', False)
    assert metadata["basicProperties"]["priority"] == 34
    assert "data" not in metadata
    [record, *_] = ACTIVEMQ.records(load("activemq", "text_messages"))
    data, metadata = ACTIVEMQ.filter_view(record, BROKER)
    assert (data, metadata["messageType"]) == (b'{"id":"1","total":9.5}', "jms/text-message")
    assert "data" not in metadata


def test_the_last_event_of_a_window_is_recognised_without_a_record() -> None:
    wire = load("kinesis", "tumbling_window_final_without_records")
    assert KINESIS.recognises(wire)
    assert not DYNAMODB.recognises(wire)
    assert KINESIS.records(wire) == []


def test_kafka_events_group_records_by_partition_in_the_order_of_their_offsets() -> None:
    def record(partition: int, offset: int) -> StreamRecord:
        attributes = {"topic": "t", "partition": partition, "timestampType": "CREATE_TIME", "headers": []}
        return StreamRecord(f"t-{partition}", offset, None, b"", 0.0, attributes)

    wire = KAFKA.wire_event([record(1, 7), record(0, 3), record(1, 8)], KAFKA_CLUSTER)
    offsets = {name: [item["offset"] for item in records] for name, records in wire["records"].items()}
    assert offsets == {"t-1": [7, 8], "t-0": [3]}


def test_an_sqs_body_of_bytes_is_text_on_the_wire() -> None:
    record = QueueRecord("m", "r", "é".encode(), 1, None, {"ApproximateReceiveCount": "1"}, {})
    wire = SQS.wire_record(record, SQS_QUEUE)
    assert (wire["body"], wire["md5OfBody"]) == ("é", "66ddcd97cfdeabb2f6fb8a999b4bc76f")
