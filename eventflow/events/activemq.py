"""Batches of an ActiveMQ queue. Source: Lambda guide: with-mq."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from eventflow.events._base import EventModel, PayloadModel, PayloadT
from eventflow.events._codec import RecordCodec
from eventflow.events._wire import base64_size, copy_json, decode_base64, encode_base64, json_size, text_size
from eventflow.model.destinations import Service
from eventflow.model.filtering import FilterMismatch, FilterRules, FilterView
from eventflow.model.records import QueueRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eventflow.events._payload import UserData
    from eventflow.model.json import JsonObject
    from eventflow.model.records import SourceIdentity

_EVENT_SOURCES: Final = ("aws:mq", "aws:amq")
_ENVELOPE_BYTES: Final = len('{"messageID":,"data":"",}')


class ActiveMQDestination(EventModel):
    """The queue that a message was sent to."""

    model_config = ConfigDict(alias_generator=to_camel)

    physical_name: str


class ActiveMQMessage(PayloadModel[PayloadT], Generic[PayloadT]):
    """One message. ``data`` is base64; times are in epoch milliseconds."""

    model_config = ConfigDict(alias_generator=to_camel)

    message_id: str = Field(alias="messageID")
    message_type: str
    data: str
    destination: ActiveMQDestination
    redelivered: bool = False
    delivery_mode: int | None = None
    persistent: bool | None = None
    reply_to: str | None = None
    type: str | None = None
    expiration: str | int | None = None
    priority: int | None = None
    correlation_id: str | None = None
    timestamp: int | None = None
    broker_in_time: int | None = None
    broker_out_time: int | None = None
    properties: dict[str, Any] = Field(default_factory=dict)

    @property
    def data_bytes(self) -> bytes:
        """The body, decoded."""
        return decode_base64(self.data)

    def _user_data(self) -> UserData:
        return self.data_bytes


class ActiveMQEvent(EventModel, Generic[PayloadT]):
    """A batch of messages of one queue."""

    model_config = ConfigDict(alias_generator=to_camel)

    event_source: str
    event_source_arn: str
    messages: list[ActiveMQMessage[PayloadT]]


class ActiveMQCodec(RecordCodec[QueueRecord]):
    """``QueueRecord.body`` is the message's bytes; ``attributes`` are the rest of the wire message, but for its id:
    see :func:`message_headers`."""

    service: ClassVar[Service] = Service.ACTIVEMQ
    event_model: ClassVar[type[EventModel]] = ActiveMQEvent
    record_model: ClassVar[type[EventModel]] = ActiveMQMessage
    filter_rules: ClassVar[FilterRules] = FilterRules(
        data_key="data", plain_text=True, mismatch=FilterMismatch.IGNORE_DATA
    )

    def recognises(self, wire: JsonObject) -> bool:
        return wire.get("eventSource") in _EVENT_SOURCES

    def origin(self, wire: JsonObject) -> str:
        """The queue that an event is from; empty if it does not say."""
        destinations = [message.get("destination") or {} for message in wire["messages"][:1]]
        return next((str(destination.get("physicalName", "")) for destination in destinations), "")

    def wire_record(self, record: QueueRecord, identity: SourceIdentity) -> JsonObject:
        wire = _metadata(record)
        wire["data"] = encode_base64(_as_bytes(record.body))
        return wire

    def wire_event(self, records: Sequence[QueueRecord], identity: SourceIdentity) -> JsonObject:
        return {
            "eventSource": "aws:mq",
            "eventSourceArn": identity.arn,
            "messages": [self.wire_record(record, identity) for record in records],
        }

    def records(self, wire: JsonObject) -> list[QueueRecord]:
        return [_read_record(message) for message in wire["messages"]]

    def wire_records(self, wire: JsonObject) -> list[JsonObject]:
        return list(wire["messages"])

    def identifier(self, record: QueueRecord) -> str:
        return record.message_id

    def record_payload(self, record: QueueRecord) -> UserData:
        return record.body

    def filter_view(self, record: QueueRecord, identity: SourceIdentity) -> FilterView:
        return FilterView(record.body, _metadata(record))

    def sizes(self, records: Sequence[QueueRecord]) -> list[int]:
        return [
            _ENVELOPE_BYTES
            + text_size(record.message_id)
            + base64_size(_as_bytes(record.body))
            + json_size(dict(record.attributes))
            for record in records
        ]


ACTIVEMQ = ActiveMQCodec()


def message_headers(
    queue: str,
    *,
    sent_at: float,
    delivered_at: float,
    redelivered: bool = False,
    binary: bool = False,
    correlation_id: str | None = None,
    properties: Mapping[str, Any] | None = None,
) -> JsonObject:
    """The attributes of a record, as Lambda writes a message's headers. Times are in epoch seconds; ``binary`` tells
    a BytesMessage from a TextMessage. Values of ``properties`` are text, as Lambda makes them."""
    return {
        "messageType": "jms/bytes-message" if binary else "jms/text-message",
        "deliveryMode": 2,
        "replyTo": None,
        "type": None,
        "expiration": "0",
        "priority": 4,
        "correlationId": correlation_id,
        "redelivered": redelivered,
        "destination": {"physicalName": queue},
        "timestamp": round(sent_at * 1000),
        "brokerInTime": round(sent_at * 1000),
        "brokerOutTime": round(delivered_at * 1000),
        "properties": {name: str(value) for name, value in (properties or {}).items()},
    }


def _metadata(record: QueueRecord) -> JsonObject:
    """The message without its data."""
    return {"messageID": record.message_id, **copy_json(dict(record.attributes))}


def _read_record(message: JsonObject) -> QueueRecord:
    return QueueRecord(
        message_id=message["messageID"],
        receipt_handle="",
        body=decode_base64(message["data"]),
        receive_count=2 if message.get("redelivered") else 1,
        group_id=None,
        attributes={name: value for name, value in message.items() if name not in ("messageID", "data")},
        message_attributes={},
    )


def _as_bytes(body: str | bytes) -> bytes:
    return body if isinstance(body, bytes) else body.encode()
