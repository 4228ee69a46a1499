"""Kinesis batches. Source: Lambda guide: with-kinesis."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Final, Generic

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from eventflow.events._base import EventModel, PayloadModel, PayloadT
from eventflow.events._codec import RecordCodec
from eventflow.events._window import WindowedEvent
from eventflow.events._wire import (
    arn_account,
    arn_region,
    base64_size,
    decode_base64,
    encode_base64,
    is_stream_event,
    stream_name,
    text_size,
)
from eventflow.model.destinations import Service
from eventflow.model.filtering import FilterMismatch, FilterRules, FilterView
from eventflow.model.partitions import partition_of
from eventflow.model.records import StreamRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.events._payload import UserData
    from eventflow.model.json import JsonObject
    from eventflow.model.records import SourceIdentity

_ENVELOPE_BYTES: Final = 700
"""Keys and punctuation of a record, two sequence numbers, and the longest ARNs (no path in the role's) and region."""


class KinesisData(EventModel):
    """``data`` is base64; ``approximate_arrival_timestamp`` is in epoch seconds."""

    model_config = ConfigDict(alias_generator=to_camel)

    kinesis_schema_version: str
    partition_key: str
    sequence_number: str
    data: str
    approximate_arrival_timestamp: int | float


class KinesisRecord(PayloadModel[PayloadT], Generic[PayloadT]):
    """One record of a shard."""

    model_config = ConfigDict(alias_generator=to_camel)

    kinesis: KinesisData
    event_source: str
    event_version: str
    event_id: str = Field(alias="eventID")
    event_name: str
    invoke_identity_arn: str
    aws_region: str
    event_source_arn: str = Field(alias="eventSourceARN")

    @property
    def data_bytes(self) -> bytes:
        """The data, decoded."""
        return decode_base64(self.kinesis.data)

    @property
    def partition_key(self) -> str:
        return self.kinesis.partition_key

    @property
    def sequence_number(self) -> str:
        return self.kinesis.sequence_number

    @property
    def shard_id(self) -> str:
        return self.event_id.rpartition(":")[0]

    def _user_data(self) -> UserData:
        return self.data_bytes


class KinesisStreamEvent(WindowedEvent, Generic[PayloadT]):
    """A batch of records of one shard."""

    records: list[KinesisRecord[PayloadT]] = Field(alias="Records")


class KinesisCodec(RecordCodec[StreamRecord]):
    """``StreamRecord.key`` is the partition key, ``position`` the sequence number as an integer. The source's
    extras may carry ``invokeIdentityArn``, the role that the function runs as."""

    service: ClassVar[Service] = Service.KINESIS
    event_model: ClassVar[type[EventModel]] = KinesisStreamEvent
    record_model: ClassVar[type[EventModel]] = KinesisRecord
    filter_rules: ClassVar[FilterRules] = FilterRules(data_key="data", plain_text=False, mismatch=FilterMismatch.DROP)

    def recognises(self, wire: JsonObject) -> bool:
        return is_stream_event(wire, "kinesis")

    def origin(self, wire: JsonObject) -> str:
        """The name of the stream that an event is from; empty if it does not say."""
        return stream_name(wire)

    def wire_record(self, record: StreamRecord, identity: SourceIdentity) -> JsonObject:
        data = {**_metadata(record), "data": encode_base64(record.data or b"")}
        return {"kinesis": data, **_envelope(record, identity)}

    def wire_event(self, records: Sequence[StreamRecord], identity: SourceIdentity) -> JsonObject:
        return {"Records": [self.wire_record(record, identity) for record in records]}

    def records(self, wire: JsonObject) -> list[StreamRecord]:
        return [_read_record(record) for record in wire["Records"]]

    def wire_records(self, wire: JsonObject) -> list[JsonObject]:
        return list(wire["Records"])

    def identifier(self, record: StreamRecord) -> str:
        return str(record.position)

    def record_payload(self, record: StreamRecord) -> UserData:
        return record.data

    def filter_view(self, record: StreamRecord, identity: SourceIdentity) -> FilterView:
        """Filters see what is inside ``kinesis`` beside the rest of the record."""
        return FilterView(record.data, {**_metadata(record), **_envelope(record, identity)})

    def sizes(self, records: Sequence[StreamRecord]) -> list[int]:
        return [
            _ENVELOPE_BYTES + len(record.partition) + text_size(str(record.key)) + base64_size(record.data)
            for record in records
        ]


KINESIS = KinesisCodec()


def _metadata(record: StreamRecord) -> JsonObject:
    return {
        "kinesisSchemaVersion": "1.0",
        "partitionKey": record.key,
        "sequenceNumber": str(record.position),
        "approximateArrivalTimestamp": record.timestamp,
    }


def _envelope(record: StreamRecord, identity: SourceIdentity) -> JsonObject:
    role = identity.extras.get("invokeIdentityArn") or _default_role(identity.arn)
    return {
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{record.partition}:{record.position}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": role,
        "awsRegion": identity.region,
        "eventSourceARN": identity.arn,
    }


@lru_cache
def _default_role(stream_arn: str) -> str:
    """One of the stream's account."""
    return f"arn:{partition_of(arn_region(stream_arn))}:iam::{arn_account(stream_arn)}:role/eventflow"


def _read_record(record: JsonObject) -> StreamRecord:
    data = record["kinesis"]
    return StreamRecord(
        partition=record["eventID"].rpartition(":")[0],
        position=int(data["sequenceNumber"]),
        key=data["partitionKey"],
        data=decode_base64(data["data"]),
        timestamp=data["approximateArrivalTimestamp"],
        attributes={},
    )
