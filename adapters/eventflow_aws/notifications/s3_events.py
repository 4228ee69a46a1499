"""Changes of objects, as a bucket sends them or as EventBridge tells of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from eventflow.policy.buckets import selects_change
from eventflow_aws.notifications.messages import Kind, encoded
from eventflow_aws.notifications.s3_from_eventbridge import s3_event

if TYPE_CHECKING:
    from eventflow.model.json import JsonObject
    from eventflow.model.records import SourceIdentity
    from eventflow.model.subscriptions import BucketNotification
    from eventflow_aws.notifications.messages import Message


@dataclass(frozen=True, slots=True, eq=False)
class BucketInterest:
    """One function's subscription to a bucket. ``bucket`` is its physical name."""

    subscription: BucketNotification
    identity: SourceIdentity
    bucket: str

    @property
    def resource(self) -> str:
        return f"s3:{self.subscription.name}"

    def concerns(self, message: Message) -> bool:
        return any(bucket_name(record) == self.bucket for record in object_changes(message))

    def payload(self, message: Message) -> bytes | None:
        """The event of the records that are wanted, all in one; as it came if that is all of them."""
        records = object_changes(message)
        wanted = [record for record in records if self._wants(record)]
        if not wanted:
            return None
        if message.kind is Kind.OBJECT_CHANGES and message.content is not None:
            everything = len(wanted) == len(records)
            return message.payload if everything else encoded({**message.content, "Records": wanted})
        return encoded({"Records": wanted})

    def _wants(self, record: JsonObject) -> bool:
        key = unquote_plus(record["s3"]["object"]["key"])
        return bucket_name(record) == self.bucket and selects_change(self.subscription, record["eventName"], key)


def object_changes(message: Message) -> list[JsonObject]:
    """The records of an S3 event in a message; none if it is about something else."""
    if message.content is None:
        return []
    if message.kind is Kind.OBJECT_CHANGES:
        records: list[JsonObject] = message.content["Records"]
        return records
    event = s3_event(message.content) if message.kind is Kind.BUS_EVENT else None
    return event["Records"] if event is not None else []


def bucket_name(record: JsonObject) -> str:
    """The bucket that a record is about."""
    return str(record["s3"]["bucket"]["name"])
