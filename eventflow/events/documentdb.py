"""Batches of a DocumentDB change stream. Source: Lambda guide: with-documentdb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import from_json, to_json

from eventflow.events._base import EventModel, PayloadModel, PayloadT
from eventflow.events._codec import RecordCodec
from eventflow.events.extended_json import deserialise
from eventflow.model.destinations import Service
from eventflow.model.documentdb import CollectionAddress
from eventflow.model.filtering import FilterMismatch, FilterRules, FilterView
from eventflow.model.records import StreamRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.events._payload import UserData
    from eventflow.model.json import JsonObject
    from eventflow.model.records import PartitionId, SourceIdentity

CHANGES: Final[PartitionId] = "changes"
"""The only partition: a change stream is in one order."""
SIZE: Final = "size"
"""Attribute of a change that came without its document, for no cluster sends it with it: the bytes that it has at
least."""
_ENVELOPE_BYTES: Final = len('{"event":},')


class ChangeNamespace(EventModel):
    """Where a change happened. A change of the whole database has no collection."""

    db: str
    coll: str | None = None


class UpdateDescription(EventModel):
    """What an update changed, in extended JSON."""

    model_config = ConfigDict(alias_generator=to_camel)

    updated_fields: dict[str, Any] = Field(default_factory=dict)
    removed_fields: list[str] = Field(default_factory=list)


class DocumentDBChange(EventModel):
    """A change as DocumentDB writes it, documents in MongoDB's extended JSON.

    ``id`` is the resume token. ``operation_type`` is ``insert``, ``update``, ``replace``, ``delete`` or of a collection
    as a whole: ``drop``, ``dropDatabase``, ``rename``, ``invalidate``.
    """

    model_config = ConfigDict(alias_generator=to_camel)

    id: dict[str, Any] = Field(alias="_id")
    operation_type: str
    cluster_time: dict[str, Any] | None = None
    ns: ChangeNamespace | None = None
    document_key: dict[str, Any] | None = None
    full_document: dict[str, Any] | None = None
    update_description: UpdateDescription | None = None


class DocumentDBRecord(PayloadModel[PayloadT], Generic[PayloadT]):
    """One change. Its payload is the document after it, as Python values: ``None`` after a removal, and after an update
    unless ``full_document="UpdateLookup"`` asked for it."""

    event: DocumentDBChange

    @property
    def operation_type(self) -> str:
        return self.event.operation_type

    @property
    def document_id(self) -> Any:
        """The document's ``_id`` as a Python value; ``None`` if the change is not one document's."""
        return deserialise((self.event.document_key or {}).get("_id"))

    @property
    def document(self) -> dict[str, Any] | None:
        """The document after the change, as Python values."""
        found: dict[str, Any] | None = deserialise(self.event.full_document)
        return found

    def _user_data(self) -> UserData:
        return self.document


class DocumentDBEvent(EventModel, Generic[PayloadT]):
    """A batch of changes of one collection or database, in order."""

    model_config = ConfigDict(alias_generator=to_camel)

    event_source: str
    event_source_arn: str
    events: list[DocumentDBRecord[PayloadT]]


class DocumentDBCodec(RecordCodec[StreamRecord]):
    """``StreamRecord.data`` is the change as DocumentDB writes it, in extended JSON; ``position`` is its resume token,
    ``timestamp`` its cluster time. There is no key, and one partition. Lambda filters no changes."""

    service: ClassVar[Service] = Service.DOCUMENTDB
    event_model: ClassVar[type[EventModel]] = DocumentDBEvent
    record_model: ClassVar[type[EventModel]] = DocumentDBRecord
    filter_rules: ClassVar[FilterRules] = FilterRules(data_key="event", plain_text=False, mismatch=FilterMismatch.DROP)

    def recognises(self, wire: JsonObject) -> bool:
        return wire.get("eventSource") == "aws:docdb"

    def origin(self, wire: JsonObject) -> str:
        """The collection that an event is from, as its address is written; empty if it does not say."""
        namespaces = [entry["event"].get("ns") or {} for entry in wire["events"][:1]]
        return next((CollectionAddress(ns.get("db", ""), ns.get("coll")).name for ns in namespaces), "")

    def wire_record(self, record: StreamRecord, identity: SourceIdentity) -> JsonObject:
        return {"event": _change(record)}

    def wire_event(self, records: Sequence[StreamRecord], identity: SourceIdentity) -> JsonObject:
        return {
            "eventSourceArn": identity.arn,
            "events": [self.wire_record(record, identity) for record in records],
            "eventSource": "aws:docdb",
        }

    def records(self, wire: JsonObject) -> list[StreamRecord]:
        return [change_record(entry["event"]) for entry in wire["events"]]

    def wire_records(self, wire: JsonObject) -> list[JsonObject]:
        return list(wire["events"])

    def identifier(self, record: StreamRecord) -> str:
        return str(record.position)

    def record_payload(self, record: StreamRecord) -> UserData:
        document: UserData = deserialise(_change(record).get("fullDocument"))
        return document

    def filter_view(self, record: StreamRecord, identity: SourceIdentity) -> FilterView:
        return FilterView(record.data, {})

    def sizes(self, records: Sequence[StreamRecord]) -> list[int]:
        return [_ENVELOPE_BYTES + (record.attributes.get(SIZE, 0) or len(record.data or b"")) for record in records]


DOCUMENTDB = DocumentDBCodec()


def change_record(change: JsonObject) -> StreamRecord:
    """The record of a change as DocumentDB writes it."""
    clock = (change.get("clusterTime") or {}).get("$timestamp") or {}
    token: str = change["_id"]["_data"]
    return StreamRecord(CHANGES, token, None, to_json(change), float(clock.get("t", 0)), {})


def _change(record: StreamRecord) -> JsonObject:
    change: JsonObject = from_json(record.data or b"{}")
    return change
