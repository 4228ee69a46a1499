"""SQS batches. Source: Lambda guide: with-sqs."""

from __future__ import annotations

from hashlib import md5
from typing import TYPE_CHECKING, ClassVar, Final, Generic

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from eventflow.events._base import EventModel, PayloadModel, PayloadT
from eventflow.events._codec import RecordCodec
from eventflow.events._wire import copy_json, decode_base64, first_record, json_size
from eventflow.model.destinations import Service
from eventflow.model.filtering import FilterMismatch, FilterRules, FilterView
from eventflow.model.records import QueueRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.events._payload import UserData
    from eventflow.model.json import JsonObject
    from eventflow.model.records import SourceIdentity

_ENVELOPE_BYTES: Final = 380
"""Keys and punctuation of a record, its checksum, and the longest ARN and region."""


class SqsMessageAttribute(EventModel):
    """A message attribute; ``binary_value`` is base64."""

    model_config = ConfigDict(alias_generator=to_camel)

    data_type: str
    string_value: str | None = None
    binary_value: str | None = None
    string_list_values: list[str] | None = None
    binary_list_values: list[str] | None = None

    @property
    def value_bytes(self) -> bytes:
        """The value; decoded if it is binary."""
        if self.binary_value is not None:
            return decode_base64(self.binary_value)
        return (self.string_value or "").encode()


class SqsRecord(PayloadModel[PayloadT], Generic[PayloadT]):
    """One message. ``attributes`` are the queue's, all of them text (times in epoch milliseconds)."""

    model_config = ConfigDict(alias_generator=to_camel)

    message_id: str
    receipt_handle: str
    body: str
    attributes: dict[str, str]
    message_attributes: dict[str, SqsMessageAttribute] = Field(default_factory=dict)
    md5_of_message_attributes: str | None = None
    md5_of_body: str | None = None
    event_source: str
    event_source_arn: str = Field(alias="eventSourceARN")
    aws_region: str

    @property
    def receive_count(self) -> int:
        """How often the message was received so far, this time included."""
        return int(self.attributes["ApproximateReceiveCount"])

    @property
    def message_group_id(self) -> str | None:
        return self.attributes.get("MessageGroupId")

    def _user_data(self) -> UserData:
        return self.body


class SqsEvent(EventModel, Generic[PayloadT]):
    """A batch of messages of one queue."""

    records: list[SqsRecord[PayloadT]] = Field(alias="Records")


class SqsCodec(RecordCodec[QueueRecord]):
    """``QueueRecord.attributes`` are SQS's system attributes and hold ``ApproximateReceiveCount`` and, on FIFO
    queues, ``MessageGroupId``; ``message_attributes`` are in the wire form (``stringValue`` ...)."""

    service: ClassVar[Service] = Service.SQS
    event_model: ClassVar[type[EventModel]] = SqsEvent
    record_model: ClassVar[type[EventModel]] = SqsRecord
    filter_rules: ClassVar[FilterRules] = FilterRules(data_key="body", plain_text=True, mismatch=FilterMismatch.DROP)

    def recognises(self, wire: JsonObject) -> bool:
        return first_record(wire).get("eventSource") == "aws:sqs"

    def origin(self, wire: JsonObject) -> str:
        """The name of the queue that an event is from; empty if it does not say."""
        return str(first_record(wire).get("eventSourceARN", "")).rpartition(":")[2]

    def wire_record(self, record: QueueRecord, identity: SourceIdentity) -> JsonObject:
        body = _body_text(record)
        return {
            "messageId": record.message_id,
            "receiptHandle": record.receipt_handle,
            "body": body,
            "attributes": dict(record.attributes),
            "messageAttributes": copy_json(dict(record.message_attributes)) if record.message_attributes else {},
            "md5OfMessageAttributes": None,
            "md5OfBody": md5(body.encode(), usedforsecurity=False).hexdigest(),
            "eventSource": "aws:sqs",
            "eventSourceARN": identity.arn,
            "awsRegion": identity.region,
        }

    def wire_event(self, records: Sequence[QueueRecord], identity: SourceIdentity) -> JsonObject:
        return {"Records": [self.wire_record(record, identity) for record in records]}

    def records(self, wire: JsonObject) -> list[QueueRecord]:
        return [_read_record(record) for record in wire["Records"]]

    def wire_records(self, wire: JsonObject) -> list[JsonObject]:
        return list(wire["Records"])

    def identifier(self, record: QueueRecord) -> str:
        return record.message_id

    def record_payload(self, record: QueueRecord) -> UserData:
        return record.body

    def filter_view(self, record: QueueRecord, identity: SourceIdentity) -> FilterView:
        metadata = self.wire_record(record, identity)
        return FilterView(metadata.pop("body"), metadata)

    def sizes(self, records: Sequence[QueueRecord]) -> list[int]:
        return [_size(record) for record in records]


SQS = SqsCodec()


def _size(record: QueueRecord) -> int:
    attributes = record.attributes
    return (
        _ENVELOPE_BYTES
        + len(record.message_id)
        + len(record.receipt_handle)
        + _body_size(record.body)
        + sum(map(len, attributes))
        + sum(map(len, attributes.values())) * 2
        + len(attributes) * 6
        + (json_size(dict(record.message_attributes)) if record.message_attributes else 0)
    )


def _read_record(record: JsonObject) -> QueueRecord:
    attributes = record["attributes"]
    return QueueRecord(
        message_id=record["messageId"],
        receipt_handle=record["receiptHandle"],
        body=record["body"],
        receive_count=int(attributes["ApproximateReceiveCount"]),
        group_id=attributes.get("MessageGroupId"),
        attributes=attributes,
        message_attributes=record.get("messageAttributes") or {},
    )


def _body_text(record: QueueRecord) -> str:
    return record.body if isinstance(record.body, str) else record.body.decode()


def _body_size(body: str | bytes) -> int:
    """An upper bound of the body's bytes in JSON. SQS lets no other control characters in, so counting these
    few is enough, and quicker by far than looking at every character."""
    if isinstance(body, bytes):
        return len(body) + sum(map(body.count, (b'"', b"\\", b"\n", b"\r", b"\t")))
    size = len(body) if body.isascii() else len(body.encode())
    return size + sum(map(body.count, ('"', "\\", "\n", "\r", "\t")))
