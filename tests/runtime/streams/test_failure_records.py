"""On-failure records, key by key. Source: Lambda guide: with-kinesis, with-ddb, with-kafka: on-failure destinations."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from eventflow.events import codec_for
from eventflow.model.destinations import Condition, Destination, Service
from eventflow.model.records import SourceIdentity, StreamRecord
from eventflow.runtime.streams.failure_records import BatchSpan, FailureRecords, GivenUp
from eventflow.testing.virtual_time import START
from tests.runtime.streams.scripted import CLUSTER_ARN, KAFKA_IDENTITY, KINESIS_IDENTITY, record

FUNCTION_ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
TABLE_ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/2025-11-25T16:00:00.000"
NOW = START + 3_600.123
CONTEXT = {
    "requestId": "id-1",
    "functionArn": FUNCTION_ARN,
    "condition": "RetryAttemptsExhausted",
    "approximateInvokeCount": 2,
}


def failure_records(service: Service, identity: SourceIdentity) -> FailureRecords:
    codec: Any = codec_for(service)
    return FailureRecords(
        service=service, identity=identity, codec=codec, function_arn=FUNCTION_ARN, mapping_id="mapping-1"
    )


def given_up(*records: StreamRecord, event: dict[str, Any] | None = None) -> GivenUp:
    return GivenUp(
        partition=records[0].partition,
        records=records,
        span=BatchSpan.of(records),
        condition=Condition.RETRY_ATTEMPTS_EXHAUSTED,
        request_id="id-1",
        invoke_count=2,
        raised=True,
        event=event,
    )


def test_a_kinesis_record_is_written_as_lambda_writes_it() -> None:
    batch = given_up(record(5, at=0.456), record(6, at=1.5))
    wire = failure_records(Service.KINESIS, KINESIS_IDENTITY).record(batch, now=NOW)
    assert wire == {
        "requestContext": CONTEXT,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": "2026-01-01T01:00:00.123Z",
        "KinesisBatchInfo": {
            "shardId": "shardId-000000000000",
            "startSequenceNumber": "5",
            "endSequenceNumber": "6",
            "approximateArrivalOfFirstRecord": "2026-01-01T00:00:00.456Z",
            "approximateArrivalOfLastRecord": "2026-01-01T00:00:01.500Z",
            "batchSize": 2,
            "streamArn": KINESIS_IDENTITY.arn,
        },
    }
    assert list(wire) == ["requestContext", "responseContext", "version", "timestamp", "KinesisBatchInfo"]


def test_a_dynamodb_record_has_whole_seconds() -> None:
    identity = SourceIdentity(arn=TABLE_ARN, region="us-east-1", extras={})
    info = failure_records(Service.DYNAMODB, identity).record(given_up(record(5, at=1.9)), now=NOW)
    assert info["DDBStreamBatchInfo"]["approximateArrivalOfFirstRecord"] == "2026-01-01T00:00:01Z"
    assert info["DDBStreamBatchInfo"]["streamArn"] == TABLE_ARN


def test_a_kafka_record_names_its_offsets_and_the_size_of_its_event() -> None:
    batch = given_up(record(5, partition="orders-0"), record(9, partition="orders-0", at=2), event={"a": 1})
    info = failure_records(Service.KAFKA, KAFKA_IDENTITY).record(batch, now=NOW)["KafkaBatchInfo"]
    assert info == {
        "batchSize": 2,
        "eventSourceArn": CLUSTER_ARN,
        "bootstrapServers": "b-1:9092",
        "payloadSize": len('{"a":1}'),
        "recordsInfo": {
            "orders-0": {
                "firstRecordOffset": "5",
                "lastRecordOffset": "9",
                "firstRecordTimestamp": "2026-01-01T00:00:00.000Z",
                "lastRecordTimestamp": "2026-01-01T00:00:02.000Z",
            }
        },
    }


@pytest.mark.parametrize(
    ("condition", "raised", "context"),
    [
        (Condition.RETRY_ATTEMPTS_EXHAUSTED, True, {"functionError": "Unhandled"}),
        (Condition.RETRY_ATTEMPTS_EXHAUSTED, False, {"functionError": None}),
    ],
)
def test_the_function_error_is_null_where_failures_were_reported(
    condition: Condition, raised: bool, context: dict[str, Any]
) -> None:
    batch = replace(given_up(record(1)), condition=condition, raised=raised)
    wire = failure_records(Service.KINESIS, KINESIS_IDENTITY).record(batch, now=NOW)
    assert wire["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", **context}


def test_what_never_ran_has_no_response_context_and_counts_one_invocation() -> None:
    batch = replace(given_up(record(1)), condition=Condition.RECORD_AGE_EXCEEDED, invoke_count=0)
    wire = failure_records(Service.KINESIS, KINESIS_IDENTITY).record(batch, now=NOW)
    assert "responseContext" not in wire
    assert wire["requestContext"]["approximateInvokeCount"] == 1


def test_the_response_context_of_an_oversized_record_is_null() -> None:
    batch = replace(given_up(record(1)), condition=Condition.MAXIMUM_PAYLOAD_SIZE_EXCEEDED, invoke_count=0)
    wire = failure_records(Service.KINESIS, KINESIS_IDENTITY).record(batch, now=NOW)
    assert wire["responseContext"] is None


def test_an_oversized_record_goes_to_a_topic_without_its_payload() -> None:
    records = failure_records(Service.KAFKA, KAFKA_IDENTITY)
    batch = replace(given_up(record(1), event={}), condition=Condition.MAXIMUM_PAYLOAD_SIZE_EXCEEDED, invoke_count=0)
    [message] = records.messages(batch, Destination(Service.KAFKA, "failed"), now=NOW, unique=lambda: "u")
    assert json.loads(message.body)["payload"] is None


@pytest.mark.parametrize("service", [Service.SQS, Service.SNS])
def test_queues_and_topics_get_the_record_alone(service: Service) -> None:
    records = failure_records(Service.KINESIS, KINESIS_IDENTITY)
    batch = given_up(record(1), event={"Records": []})
    [message] = records.messages(batch, Destination(service, "failed"), now=NOW, unique=lambda: "u")
    assert json.loads(message.body) == records.record(batch, now=NOW)


def test_a_bucket_gets_the_event_as_text_under_a_key_with_the_time() -> None:
    records = failure_records(Service.KINESIS, KINESIS_IDENTITY)
    batch = given_up(record(1), event={"Records": ["é"]})
    [message] = records.messages(batch, Destination(Service.S3, "failed"), now=NOW, unique=lambda: "u-1")
    assert message.key == "aws/lambda/mapping-1/shardId-000000000000/2026/01/01/2026-01-01T01.00.00-u-1"
    body = json.loads(message.body)
    assert json.loads(body.pop("payload")) == {"Records": ["é"]}
    assert body == records.record(batch, now=NOW)


def test_a_bucket_gets_a_null_payload_where_there_is_no_event() -> None:
    records = failure_records(Service.KINESIS, KINESIS_IDENTITY)
    [message] = records.messages(given_up(record(1)), Destination(Service.S3, "b"), now=NOW, unique=lambda: "u")
    assert json.loads(message.body)["payload"] is None


def test_a_kafka_topic_gets_each_record_with_its_key_and_payload() -> None:
    first = record(5, key=b"\xff", partition="orders-0")
    second = record(6, key=None, partition="orders-0")
    records = failure_records(Service.KAFKA, KAFKA_IDENTITY)
    batch = given_up(first, second, event={"records": {}})
    messages = records.messages(batch, Destination(Service.KAFKA, "failed"), now=NOW, unique=lambda: "u")
    assert [message.key for message in messages] == [b"\xff", None]
    body = json.loads(messages[0].body)
    payload = records.codec.wire_event([first], KAFKA_IDENTITY)
    assert body["payload"] == payload
    assert body["KafkaBatchInfo"] == {
        "batchSize": 1,
        "eventSourceArn": CLUSTER_ARN,
        "bootstrapServers": "b-1:9092",
        "payloadSize": len(json.dumps(payload, separators=(",", ":"))),
        "recordInfo": {"offset": "5", "timestamp": "2026-01-01T00:00:00.000Z"},
    }
    assert body["requestContext"] == CONTEXT
