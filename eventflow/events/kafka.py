"""Kafka batches, of MSK and self-managed clusters. Source: Lambda guide: with-msk, with-kafka."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Never

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from eventflow.errors import EventValidationError
from eventflow.events._base import EventModel, PayloadModel, PayloadT
from eventflow.events._codec import RecordCodec
from eventflow.events._wire import decode_base64, encode_base64, text_size
from eventflow.model.columns import key_bytes, shared_attributes, value_bytes, values
from eventflow.model.destinations import Service
from eventflow.model.filtering import FilterMismatch, FilterRules, FilterView
from eventflow.model.records import StreamRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from eventflow.events._payload import UserData
    from eventflow.model.json import JsonObject
    from eventflow.model.records import SourceIdentity

_EVENT_SOURCES: Final = ("aws:kafka", "aws:SelfManagedKafka", "SelfManagedKafka")
_ENVELOPE_BYTES: Final = 160
"""Keys and punctuation of a record, and its numbers."""
_SCHEMA_METADATA: Final = ("keySchemaMetadata", "valueSchemaMetadata")
_SIGNED_BYTE: Final = len("-128,")
_topic_size: Final = lru_cache(maxsize=256)(text_size)


class KafkaRecord(PayloadModel[PayloadT], Generic[PayloadT]):
    """One record of a partition. ``key`` and ``value`` are base64; a tombstone has no value.

    ``timestamp`` is in epoch milliseconds. ``headers`` hold bytes as signed numbers; :meth:`header` reads them.
    """

    model_config = ConfigDict(alias_generator=to_camel)

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: str
    key: str | None = None
    value: str | None = None
    headers: list[dict[str, list[int] | None]] = Field(default_factory=list)
    key_schema_metadata: dict[str, Any] | None = None
    value_schema_metadata: dict[str, Any] | None = None

    @property
    def key_bytes(self) -> bytes | None:
        return None if self.key is None else decode_base64(self.key)

    @property
    def value_bytes(self) -> bytes | None:
        """The value; ``None`` for a tombstone."""
        return None if self.value is None else decode_base64(self.value)

    def header(self, name: str) -> bytes | None:
        """The value of the last header of that name, which is the one that counts; ``None`` without one."""
        values = [value for header in self.headers for key, value in header.items() if key == name]
        return _unsigned(values[-1]) if values and values[-1] is not None else None

    def _user_data(self) -> UserData:
        return self.value_bytes


class KafkaEvent(EventModel, Generic[PayloadT]):
    """A batch of one or more partitions: ``records`` by ``topic-partition``, each in order of its offsets."""

    model_config = ConfigDict(alias_generator=to_camel)

    event_source: str
    event_source_arn: str | None = None
    bootstrap_servers: str | None = None
    records: dict[str, list[KafkaRecord[PayloadT]]]

    @property
    def all_records(self) -> list[KafkaRecord[PayloadT]]:
        """The records of every partition, one partition after the other."""
        return [record for records in self.records.values() for record in records]


class KafkaCodec(RecordCodec[StreamRecord]):
    """``StreamRecord.partition`` is ``topic-0``, ``position`` the offset; ``attributes`` are ``topic``,
    ``partition``, ``timestampType`` and ``headers``, a list of name and bytes. A source with an ARN is MSK, one
    without is self-managed; its extras may carry ``bootstrapServers``.

    With a schema registry there may be ``key``, which is decoded where ``record.key`` is not, ``keySchemaMetadata`` and
    ``valueSchemaMetadata``; or ``problem``, the reason why the record cannot be read. Then all but ``identifier`` and
    ``sizes`` raise EventValidationError."""

    service: ClassVar[Service] = Service.KAFKA
    event_model: ClassVar[type[EventModel]] = KafkaEvent
    record_model: ClassVar[type[EventModel]] = KafkaRecord
    filter_rules: ClassVar[FilterRules] = FilterRules(
        data_key="value", plain_text=True, mismatch=FilterMismatch.IGNORE_DATA
    )

    def recognises(self, wire: JsonObject) -> bool:
        return wire.get("eventSource") in _EVENT_SOURCES

    def origin(self, wire: JsonObject) -> str:
        """The topic that an event is from; empty if it does not say."""
        return next((str(batch[0].get("topic", "")) for batch in wire["records"].values() if batch), "")

    def wire_record(self, record: StreamRecord, identity: SourceIdentity) -> JsonObject:
        wire = _metadata(record)
        if record.data is not None:
            wire["value"] = encode_base64(record.data)
        return wire

    def wire_event(self, records: Sequence[StreamRecord], identity: SourceIdentity) -> JsonObject:
        partitions: dict[str, list[JsonObject]] = {}
        for record in records:
            partitions.setdefault(record.partition, []).append(self.wire_record(record, identity))
        wire: JsonObject = {"eventSource": "aws:kafka" if identity.arn else "SelfManagedKafka"}
        if identity.arn:
            wire["eventSourceArn"] = identity.arn
        if "bootstrapServers" in identity.extras:
            wire["bootstrapServers"] = identity.extras["bootstrapServers"]
        wire["records"] = partitions
        return wire

    def records(self, wire: JsonObject) -> list[StreamRecord]:
        return [_read_record(partition, record) for partition, records in wire["records"].items() for record in records]

    def wire_records(self, wire: JsonObject) -> list[JsonObject]:
        return [record for records in wire["records"].values() for record in records]

    def identifier(self, record: StreamRecord) -> JsonObject:
        return {"partition": record.partition, "offset": record.position}

    def record_payload(self, record: StreamRecord) -> UserData:
        if "problem" in record.attributes:
            _raise_problem(record)
        return record.data

    def record_payloads(self, records: Sequence[StreamRecord]) -> Sequence[UserData]:
        shared = shared_attributes(records)
        if shared is None or "problem" in shared:
            return [self.record_payload(record) for record in records]
        return values(records)

    def filter_view(self, record: StreamRecord, identity: SourceIdentity) -> FilterView:
        return FilterView(record.data, _metadata(record))

    def sizes(self, records: Sequence[StreamRecord]) -> list[int]:
        sizes: list[int] = []
        before: Mapping[str, Any] | None = None
        around = 0
        for _, _, key, data, _, attributes in records:
            if attributes is not before:  # records without headers share theirs
                before, around = attributes, _size_around(attributes)
            size = around
            if data:  # what base64_size does, without a call for each record
                size += (len(data) + 2) // 3 * 4
            if key:
                size += (len(key if isinstance(key, bytes) else key.encode()) + 2) // 3 * 4
            sizes.append(size)
        return sizes

    def size_together(self, records: Sequence[StreamRecord]) -> int:
        shared = shared_attributes(records)
        if shared is None:
            return sum(self.sizes(records))
        try:
            data = value_bytes(records) + key_bytes(records)
        except TypeError:  # keys that are text
            return sum(self.sizes(records))
        padding = 2 * len(records)  # base64's, at most, of a value and of a key
        return len(records) * _size_around(shared) + (data + 2 * padding + 2) // 3 * 4


KAFKA = KafkaCodec()


def _size_around(attributes: Mapping[str, Any]) -> int:
    """What a record has beside its key and its value."""
    headers = sum(text_size(name) + _SIGNED_BYTE * len(value) + 8 for name, value in attributes["headers"])
    return _ENVELOPE_BYTES + _topic_size(attributes["topic"]) + len(attributes["timestampType"]) + headers


def _metadata(record: StreamRecord) -> JsonObject:
    """The record without its value."""
    _, offset, key, _, timestamp, attributes = record
    if "problem" in attributes:
        _raise_problem(record)
    wire: JsonObject = {
        "topic": attributes["topic"],
        "partition": attributes["partition"],
        "offset": offset,
        "timestamp": round(timestamp * 1000),
        "timestampType": attributes["timestampType"],
    }
    key = attributes.get("key", key)
    if key is not None:
        wire["key"] = encode_base64(key if isinstance(key, bytes) else key.encode())
    for name in _SCHEMA_METADATA:
        if name in attributes:
            wire[name] = dict(attributes[name])
    wire["headers"] = [{name: _signed(value)} for name, value in attributes["headers"]]
    return wire


def _raise_problem(record: StreamRecord) -> Never:
    raise EventValidationError("the Kafka record", [("", record.attributes["problem"])])


def _read_record(partition: str, record: JsonObject) -> StreamRecord:
    key, value = record.get("key"), record.get("value")
    headers = [(name, _unsigned(data)) for header in record.get("headers") or () for name, data in header.items()]
    return StreamRecord(
        partition=partition,
        position=record["offset"],
        key=None if key is None else decode_base64(key),
        data=None if value is None else decode_base64(value),
        timestamp=record["timestamp"] / 1000,
        attributes={
            "topic": record["topic"],
            "partition": record["partition"],
            "timestampType": record["timestampType"],
            "headers": headers,
            **{name: record[name] for name in _SCHEMA_METADATA if name in record},
        },
    )


def _signed(data: bytes) -> list[int]:
    """Header bytes as Java's signed bytes."""
    return memoryview(data).cast("b").tolist()


def _unsigned(numbers: Iterable[int] | None) -> bytes:
    return bytes(number & 0xFF for number in numbers or ())
