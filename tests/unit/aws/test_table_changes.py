from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from eventflow.events.dynamodb import DYNAMODB, TTL_IDENTITY, change_record
from eventflow.model.mapping import StreamViewType
from eventflow.model.records import SourceIdentity
from eventflow_aws.streams.table_changes import change_of

if TYPE_CHECKING:
    from types_aiobotocore_dynamodbstreams.type_defs import RecordTypeDef

SHARD = "shardId-00000001541626099285-f35f62ef"
CREATED_AT = 1_767_268_807.0
IDENTITY = SourceIdentity(arn="arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/x", region="us-east-1", extras={})
NATIVE: dict[str, Any] = {
    "id": {"S": "a"},
    "binary": {"B": b"\x00\xff"},
    "binaries": {"BS": [b"a", b"b"]},
    "nested": {"M": {"list": {"L": [{"B": b"q"}, {"N": "1.5"}, {"NULL": True}, {"SS": ["x"]}]}}},
}
WIRE: dict[str, Any] = {
    "id": {"S": "a"},
    "binary": {"B": "AP8="},
    "binaries": {"BS": ["YQ==", "Yg=="]},
    "nested": {"M": {"list": {"L": [{"B": "cQ=="}, {"N": "1.5"}, {"NULL": True}, {"SS": ["x"]}]}}},
}


def api_record(**fields: Any) -> RecordTypeDef:
    record: Any = {
        "eventID": "e1",
        "eventName": "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": CREATED_AT,
            "Keys": {"id": {"S": "a"}},
            "NewImage": NATIVE,
            "OldImage": {"id": {"S": "a"}},
            "SequenceNumber": "000000000000000000121",
            "SizeBytes": 72,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    }
    return cast("RecordTypeDef", record | fields)


def test_change_is_what_the_embedded_environment_would_make_of_it() -> None:
    expected = change_record(
        partition=SHARD,
        sequence_number=121,
        timestamp=CREATED_AT,
        event_id="e1",
        keys={"id": {"S": "a"}},
        old_image={"id": {"S": "a"}},
        new_image=WIRE,
        view_type=StreamViewType.NEW_AND_OLD_IMAGES,
    )
    change = {**expected.attributes["dynamodb"], "SequenceNumber": "000000000000000000121", "SizeBytes": 72}
    assert change_of(SHARD, api_record()) == expected._replace(attributes={**expected.attributes, "dynamodb": change})


def test_codec_reads_back_what_it_writes_of_a_change() -> None:
    record = change_of(SHARD, api_record())
    event = DYNAMODB.wire_event([record], IDENTITY)
    assert event["Records"][0]["dynamodb"]["NewImage"] == WIRE
    assert DYNAMODB.records({**event, "shardId": SHARD}) == [record]


def test_expiry_keeps_its_identity() -> None:
    identity = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}
    assert change_of(SHARD, api_record(userIdentity=identity)).attributes["userIdentity"] == TTL_IDENTITY


@pytest.mark.parametrize("missing", ["NewImage", "OldImage", "SizeBytes"])
def test_what_a_change_does_not_have_stays_away(missing: str) -> None:
    record: Any = api_record()
    del record["dynamodb"][missing]
    assert missing not in change_of(SHARD, record).attributes["dynamodb"]


def test_time_in_whole_seconds_is_a_whole_number() -> None:
    assert repr(change_of(SHARD, api_record()).attributes["dynamodb"]["ApproximateCreationDateTime"]) == "1767268807"
