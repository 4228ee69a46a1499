"""DynamoDB stream batches. Source: Lambda guide: with-ddb; DynamoDB Streams API: StreamRecord."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel, to_pascal

from eventflow.events._base import EventModel, PayloadModel, PayloadT
from eventflow.events._codec import RecordCodec
from eventflow.events._window import WindowedEvent
from eventflow.events._wire import copy_json, is_stream_event, json_size, stream_name
from eventflow.events.attribute_values import deserialise_item, item_size
from eventflow.model.destinations import Service
from eventflow.model.filtering import FilterMismatch, FilterRules, FilterView
from eventflow.model.mapping import StreamViewType
from eventflow.model.records import StreamRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eventflow.events._payload import UserData
    from eventflow.model.json import JsonObject
    from eventflow.model.records import PartitionId, SourceIdentity

_ENVELOPE_BYTES: Final = 620
"""Keys and punctuation of a record, and the longest ARN, region and event id."""
TTL_IDENTITY: Final[Mapping[str, str]] = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
"""Who deletes an item whose time to live is over."""


class DynamoDBChange(EventModel):
    """What changed, in DynamoDB's typed JSON. Which images there are is the stream's view type's business.

    ``approximate_creation_date_time`` is in epoch seconds.
    """

    model_config = ConfigDict(alias_generator=to_pascal)

    approximate_creation_date_time: int | float | None = None
    keys: dict[str, Any]
    new_image: dict[str, Any] | None = None
    old_image: dict[str, Any] | None = None
    sequence_number: str
    size_bytes: int | None = None
    stream_view_type: str | None = None


class DynamoDBUserIdentity(EventModel):
    model_config = ConfigDict(alias_generator=to_camel)

    type: str
    principal_id: str


class DynamoDBRecord(PayloadModel[PayloadT], Generic[PayloadT]):
    """One change of one item. ``event_name`` is INSERT, MODIFY or REMOVE.

    The payload is the item as it is now, else as it was, else its keys: whichever the stream holds.
    """

    model_config = ConfigDict(alias_generator=to_camel)

    event_id: str = Field(alias="eventID")
    event_name: str
    event_version: str
    event_source: str
    aws_region: str
    dynamodb: DynamoDBChange
    event_source_arn: str = Field(alias="eventSourceARN")
    user_identity: DynamoDBUserIdentity | None = None

    @cached_property
    def keys(self) -> dict[str, Any]:
        """The item's keys as Python values: numbers as Decimal, binary as bytes, sets as sets."""
        return deserialise_item(self.dynamodb.keys)

    @cached_property
    def new_image(self) -> dict[str, Any] | None:
        """The item after the change as Python values; ``None`` if the record has no such image."""
        return None if self.dynamodb.new_image is None else deserialise_item(self.dynamodb.new_image)

    @cached_property
    def old_image(self) -> dict[str, Any] | None:
        """The item before the change as Python values; ``None`` if the record has no such image."""
        return None if self.dynamodb.old_image is None else deserialise_item(self.dynamodb.old_image)

    @property
    def is_expiry(self) -> bool:
        """Whether the item was deleted because its time to live was over."""
        identity = self.user_identity
        return identity is not None and identity.principal_id == TTL_IDENTITY["principalId"]

    def _user_data(self) -> UserData:
        images = (self.new_image, self.old_image)
        return next((image for image in images if image is not None), self.keys)


class DynamoDBStreamEvent(WindowedEvent, Generic[PayloadT]):
    """A batch of changes of one table."""

    records: list[DynamoDBRecord[PayloadT]] = Field(alias="Records")


class DynamoDBCodec(RecordCodec[StreamRecord]):
    """``StreamRecord.attributes`` are ``eventID``, ``eventName``, ``dynamodb`` and, if there is one,
    ``userIdentity``, all in the wire form. Events do not tell the shard: records read from one have the
    window's shard, or ``""``."""

    service: ClassVar[Service] = Service.DYNAMODB
    event_model: ClassVar[type[EventModel]] = DynamoDBStreamEvent
    record_model: ClassVar[type[EventModel]] = DynamoDBRecord
    filter_rules: ClassVar[FilterRules] = FilterRules(
        data_key="dynamodb", plain_text=False, mismatch=FilterMismatch.DROP, decoded=True
    )

    def recognises(self, wire: JsonObject) -> bool:
        return is_stream_event(wire, "dynamodb")

    def origin(self, wire: JsonObject) -> str:
        """The name of the table that an event is from; empty if it does not say."""
        return stream_name(wire)

    def wire_record(self, record: StreamRecord, identity: SourceIdentity) -> JsonObject:
        wire = _metadata(record, identity)
        wire["dynamodb"] = copy_json(record.attributes["dynamodb"])
        return wire

    def wire_event(self, records: Sequence[StreamRecord], identity: SourceIdentity) -> JsonObject:
        return {"Records": [self.wire_record(record, identity) for record in records]}

    def records(self, wire: JsonObject) -> list[StreamRecord]:
        shard = wire.get("shardId", "")
        return [_read_record(record, shard) for record in wire["Records"]]

    def wire_records(self, wire: JsonObject) -> list[JsonObject]:
        return list(wire["Records"])

    def identifier(self, record: StreamRecord) -> str:
        sequence_number: str = record.attributes["dynamodb"]["SequenceNumber"]
        return sequence_number

    def record_payload(self, record: StreamRecord) -> UserData:
        change = record.attributes["dynamodb"]
        images = (change.get("NewImage"), change.get("OldImage"))
        return deserialise_item(next((image for image in images if image is not None), change["Keys"]))

    def filter_view(self, record: StreamRecord, identity: SourceIdentity) -> FilterView:
        return FilterView(record.attributes["dynamodb"], _metadata(record, identity))

    def sizes(self, records: Sequence[StreamRecord]) -> list[int]:
        return [_ENVELOPE_BYTES + json_size(record.attributes["dynamodb"]) for record in records]


DYNAMODB = DynamoDBCodec()


def _metadata(record: StreamRecord, identity: SourceIdentity) -> JsonObject:
    """The record without its change."""
    attributes = record.attributes
    wire = {
        "eventID": attributes["eventID"],
        "eventName": attributes["eventName"],
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": identity.region,
        "eventSourceARN": identity.arn,
    }
    if "userIdentity" in attributes:
        wire["userIdentity"] = dict(attributes["userIdentity"])
    return wire


def item_key(keys: JsonObject) -> str:
    """An item's keys (typed JSON) as the text that stands for it in ``StreamRecord.key``."""
    return json.dumps(keys, separators=(",", ":"), sort_keys=True)


def change_record(
    *,
    partition: PartitionId,
    sequence_number: int,
    timestamp: float,
    event_id: str,
    keys: JsonObject,
    old_image: JsonObject | None,
    new_image: JsonObject | None,
    view_type: StreamViewType,
    expired: bool = False,
) -> StreamRecord:
    """The record of one change, with the images that ``view_type`` asks for.

    ``keys`` and the images are typed JSON; there is no old image of an insert and no new one of a removal.
    """
    change: JsonObject = {"ApproximateCreationDateTime": timestamp, "Keys": keys}
    if new_image is not None and view_type in (StreamViewType.NEW_IMAGE, StreamViewType.NEW_AND_OLD_IMAGES):
        change["NewImage"] = new_image
    if old_image is not None and view_type in (StreamViewType.OLD_IMAGE, StreamViewType.NEW_AND_OLD_IMAGES):
        change["OldImage"] = old_image
    change["SequenceNumber"] = str(sequence_number)
    change["SizeBytes"] = sum(item_size(change[name]) for name in ("Keys", "NewImage", "OldImage") if name in change)
    change["StreamViewType"] = str(view_type)
    attributes: JsonObject = {"eventID": event_id, "eventName": _event_name(old_image, new_image), "dynamodb": change}
    if expired:
        attributes["userIdentity"] = dict(TTL_IDENTITY)
    return StreamRecord(partition, sequence_number, item_key(keys), None, timestamp, attributes)


def _event_name(old_image: JsonObject | None, new_image: JsonObject | None) -> str:
    if new_image is None:
        return "REMOVE"
    return "INSERT" if old_image is None else "MODIFY"


def _read_record(record: JsonObject, shard: PartitionId) -> StreamRecord:
    change = record["dynamodb"]
    names = ("eventID", "eventName", "dynamodb", "userIdentity")
    return StreamRecord(
        partition=shard,
        position=int(change["SequenceNumber"]),
        key=item_key(change["Keys"]),
        data=None,
        timestamp=change.get("ApproximateCreationDateTime", 0.0),
        attributes={name: record[name] for name in names if name in record},
    )
