"""What the plan asks of a source's codec: pure functions between neutral records and Lambda's events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.events._base import EventModel
    from eventflow.events._payload import UserData
    from eventflow.model.destinations import Service
    from eventflow.model.filtering import FilterRules, FilterView
    from eventflow.model.json import JsonObject
    from eventflow.model.records import QueueRecord, SourceIdentity, StreamRecord

RecordT = TypeVar("RecordT", "QueueRecord", "StreamRecord")


class EventCodec(Protocol):
    """Reads events that arrive whole: HTTP requests, notifications, calls of services that wait for an answer.

    A codec inherits from it, and with it what holds for most of them.
    """

    service: ClassVar[Service]
    event_model: ClassVar[type[EventModel]]
    payload_name: ClassVar[str | None] = None
    """What the user's data in an event is called in messages; ``None`` if handlers cannot ask for any."""

    def recognises(self, wire: JsonObject) -> bool:
        """Whether a raw Lambda event is this source's."""

    def payload(self, wire: JsonObject) -> UserData:
        """The user's data in the event: an SNS message, an EventBridge detail, an HTTP body. An event that is
        all metadata (S3) is its own payload."""

    def opened(self, wire: JsonObject) -> JsonObject:
        """The event itself, if what brought it is wrapped around it."""
        return wire

    def completed(self, wire: JsonObject, result: Any) -> Any:
        """A handler's result as the caller takes it, which may be more than the handler had to say."""
        return result


class RecordCodec(Protocol[RecordT]):
    """Builds and reads the batches of a polled source. A codec inherits from it.

    What is built shares nothing mutable with the records, so a handler may change it.
    """

    service: ClassVar[Service]
    event_model: ClassVar[type[EventModel]]
    record_model: ClassVar[type[EventModel]]
    filter_rules: ClassVar[FilterRules]

    def recognises(self, wire: JsonObject) -> bool:
        """Whether a raw Lambda event is this source's."""

    def wire_record(self, record: RecordT, identity: SourceIdentity) -> JsonObject:
        """One record as Lambda writes it."""

    def wire_event(self, records: Sequence[RecordT], identity: SourceIdentity) -> JsonObject:
        """A batch as Lambda writes it."""

    def records(self, wire: JsonObject) -> list[RecordT]:
        """The records of a wire event, in order: the inverse of ``wire_event``."""

    def wire_records(self, wire: JsonObject) -> list[JsonObject]:
        """The same records as they stand in the event."""

    def identifier(self, record: RecordT) -> Any:
        """What ``batchItemFailures[].itemIdentifier`` names this record by."""

    def record_payload(self, record: RecordT) -> UserData:
        """The user's data in one record."""

    def record_payloads(self, records: Sequence[RecordT]) -> Sequence[UserData]:
        """The user's data in each record, in order."""
        return [self.record_payload(record) for record in records]

    def filter_view(self, record: RecordT, identity: SourceIdentity) -> FilterView:
        """The record as filter criteria see it."""

    def sizes(self, records: Sequence[RecordT]) -> list[int]:
        """Bytes that each record adds to a batch's 6 MB, metadata included: its encoded length, or a close
        upper bound that costs no encoding."""

    def size_together(self, records: Sequence[RecordT]) -> int:
        """At most so many bytes all of them add, where that costs less than weighing each."""
        return sum(self.sizes(records))


Codec: TypeAlias = "EventCodec | RecordCodec[QueueRecord] | RecordCodec[StreamRecord]"
