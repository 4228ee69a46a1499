"""Batches of a RabbitMQ queue. Source: Lambda guide: with-mq."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from eventflow.events._base import EventModel, PayloadModel, PayloadT
from eventflow.events._codec import RecordCodec
from eventflow.events._wire import base64_size, copy_json, decode_base64, encode_base64, json_size
from eventflow.model.destinations import Service
from eventflow.model.filtering import FilterMismatch, FilterRules, FilterView
from eventflow.model.message_queues import QueueAddress
from eventflow.model.records import QueueRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eventflow.events._payload import UserData
    from eventflow.model.json import JsonObject
    from eventflow.model.records import SourceIdentity

QUEUE: Final = "queue"
"""The attribute of a record that says which queue it is from: ``orders::/``."""
_ENVELOPE_BYTES: Final = len('{"data":"",}')


class RabbitMQProperties(EventModel):
    """A message's AMQP properties. ``timestamp`` is text: ``Jan 1, 1970, 12:33:41 AM``."""

    model_config = ConfigDict(alias_generator=to_camel)

    content_type: str | None = None
    content_encoding: str | None = None
    headers: dict[str, Any] | None = None
    delivery_mode: int | None = None
    priority: int | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    expiration: str | None = None
    message_id: str | None = None
    timestamp: str | None = None
    type: str | None = None
    user_id: str | None = None
    app_id: str | None = None
    cluster_id: str | None = None
    body_size: int | None = None


class RabbitMQMessage(PayloadModel[PayloadT], Generic[PayloadT]):
    """One message. ``data`` is base64. Headers hold text as signed bytes; :meth:`header` reads them."""

    model_config = ConfigDict(alias_generator=to_camel)

    basic_properties: RabbitMQProperties
    redelivered: bool
    data: str

    @property
    def data_bytes(self) -> bytes:
        """The body, decoded."""
        return decode_base64(self.data)

    def header(self, name: str) -> Any:
        """The value of a header, text decoded; ``None`` without one."""
        return _plain((self.basic_properties.headers or {}).get(name))

    def _user_data(self) -> UserData:
        return self.data_bytes


class RabbitMQEvent(EventModel, Generic[PayloadT]):
    """A batch of one queue: ``rmq_messages_by_queue`` holds its messages under ``queue::virtual_host``."""

    model_config = ConfigDict(alias_generator=to_camel)

    event_source: str
    event_source_arn: str
    rmq_messages_by_queue: dict[str, list[RabbitMQMessage[PayloadT]]]

    @property
    def messages(self) -> list[RabbitMQMessage[PayloadT]]:
        """The messages, in order."""
        return [message for messages in self.rmq_messages_by_queue.values() for message in messages]


class RabbitMQCodec(RecordCodec[QueueRecord]):
    """``QueueRecord.body`` is the message's bytes; ``attributes`` are ``queue`` and the rest of the wire message:
    ``redelivered`` and ``basicProperties``, see :func:`basic_properties`."""

    service: ClassVar[Service] = Service.RABBITMQ
    event_model: ClassVar[type[EventModel]] = RabbitMQEvent
    record_model: ClassVar[type[EventModel]] = RabbitMQMessage
    filter_rules: ClassVar[FilterRules] = FilterRules(
        data_key="data", plain_text=True, mismatch=FilterMismatch.IGNORE_DATA
    )

    def recognises(self, wire: JsonObject) -> bool:
        return wire.get("eventSource") == "aws:rmq"

    def origin(self, wire: JsonObject) -> str:
        """The queue that an event is from, as its address is written."""
        return next((QueueAddress.parse(queue).name for queue in wire["rmqMessagesByQueue"]), "")

    def wire_record(self, record: QueueRecord, identity: SourceIdentity) -> JsonObject:
        wire = _metadata(record)
        wire["data"] = encode_base64(_as_bytes(record.body))
        return wire

    def wire_event(self, records: Sequence[QueueRecord], identity: SourceIdentity) -> JsonObject:
        queues: dict[str, list[JsonObject]] = {}
        for record in records:
            queues.setdefault(record.attributes[QUEUE], []).append(self.wire_record(record, identity))
        return {"eventSource": "aws:rmq", "eventSourceArn": identity.arn, "rmqMessagesByQueue": queues}

    def records(self, wire: JsonObject) -> list[QueueRecord]:
        queues = wire["rmqMessagesByQueue"]
        return [_read_record(queue, message) for queue, messages in queues.items() for message in messages]

    def wire_records(self, wire: JsonObject) -> list[JsonObject]:
        return [message for messages in wire["rmqMessagesByQueue"].values() for message in messages]

    def identifier(self, record: QueueRecord) -> str:
        return record.message_id

    def record_payload(self, record: QueueRecord) -> UserData:
        return record.body

    def filter_view(self, record: QueueRecord, identity: SourceIdentity) -> FilterView:
        return FilterView(record.body, _metadata(record))

    def sizes(self, records: Sequence[QueueRecord]) -> list[int]:
        return [
            _ENVELOPE_BYTES + base64_size(_as_bytes(record.body)) + json_size(dict(record.attributes))
            for record in records
        ]


RABBITMQ = RabbitMQCodec()


def basic_properties(
    body: bytes,
    *,
    message_id: str | None = None,
    content_type: str | None = None,
    content_encoding: str | None = None,
    headers: Mapping[str, Any] | None = None,
    delivery_mode: int | None = 2,
    priority: int | None = None,
    correlation_id: str | None = None,
    reply_to: str | None = None,
    expiration: str | None = None,
    timestamp: float | None = None,
    type: str | None = None,
    user_id: str | None = None,
    app_id: str | None = None,
    cluster_id: str | None = None,
) -> JsonObject:
    """The properties of a message as Lambda writes them; ``timestamp`` is in epoch seconds, ``expiration`` text with
    milliseconds. Header values may be whatever AMQP has."""
    return {
        "contentType": content_type,
        "contentEncoding": content_encoding,
        "headers": None if headers is None else {name: _wire(value) for name, value in headers.items()},
        "deliveryMode": delivery_mode,
        "priority": priority,
        "correlationId": correlation_id,
        "replyTo": reply_to,
        "expiration": expiration,
        "messageId": message_id,
        "timestamp": None if timestamp is None else _time_text(timestamp),
        "type": type,
        "userId": user_id,
        "appId": app_id,
        "clusterId": cluster_id,
        "bodySize": len(body),
    }


def _time_text(timestamp: float) -> str:
    moment = datetime.fromtimestamp(timestamp, tz=UTC)
    return f"{moment:%b} {moment.day}, {moment:%Y}, {moment.hour % 12 or 12}:{moment:%M:%S %p}"


def _wire(value: Any) -> Any:
    """Text and bytes as Java's signed bytes, times as text, tables and arrays of them; numbers as they are. A number
    that JSON does not have is text."""
    match value:
        case str():
            return {"bytes": memoryview(value.encode()).cast("b").tolist()}
        case bytes() | bytearray():
            return {"bytes": memoryview(value).cast("b").tolist()}
        case datetime():
            return _time_text(value.timestamp())
        case Decimal():
            return float(value)
        case float():
            return value if isfinite(value) else str(value)
        case dict():
            return {name: _wire(item) for name, item in value.items()}
        case list():
            return [_wire(item) for item in value]
    return value


def _plain(value: Any) -> Any:
    """The inverse; bytes that are no text stay bytes."""
    if not isinstance(value, dict) or value.keys() != {"bytes"}:
        return value
    data = bytes(number & 0xFF for number in value["bytes"])
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _metadata(record: QueueRecord) -> JsonObject:
    """The message without its data."""
    attributes: JsonObject = copy_json(dict(record.attributes))
    attributes.pop(QUEUE)
    return attributes


def _read_record(queue: str, message: JsonObject) -> QueueRecord:
    return QueueRecord(
        message_id=message["basicProperties"].get("messageId") or "",
        receipt_handle="",
        body=decode_base64(message["data"]),
        receive_count=2 if message.get("redelivered") else 1,
        group_id=None,
        attributes={QUEUE: queue, **{name: value for name, value in message.items() if name != "data"}},
        message_attributes={},
    )


def _as_bytes(body: str | bytes) -> bytes:
    return body if isinstance(body, bytes) else body.encode()
