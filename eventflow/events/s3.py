"""S3 notifications. Source: S3 guide: notification-content-structure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote_plus, unquote_plus

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from eventflow.events._base import EventModel
from eventflow.events._codec import EventCodec
from eventflow.events._wire import first_record
from eventflow.model.destinations import Service
from eventflow.model.invocation import iso_milliseconds
from eventflow.model.partitions import partition_of

if TYPE_CHECKING:
    from eventflow.events._payload import UserData
    from eventflow.model.json import JsonObject


class S3Principal(EventModel):
    model_config = ConfigDict(alias_generator=to_camel)

    principal_id: str


class S3RequestParameters(EventModel):
    source_ip_address: str | None = Field(default=None, alias="sourceIPAddress")


class S3Bucket(EventModel):
    model_config = ConfigDict(alias_generator=to_camel)

    name: str
    owner_identity: S3Principal | None = None
    arn: str | None = None


class S3Object(EventModel):
    """The object. ``key`` is form-encoded, see :attr:`S3EventRecord.object_key`.

    ``size`` and ``e_tag`` are absent on removals, ``version_id`` outside versioned buckets. ``sequencer`` orders
    the events of one key: pad the shorter one with zeros on the right, then compare as text.
    """

    model_config = ConfigDict(alias_generator=to_camel)

    key: str
    size: int | None = None
    e_tag: str | None = None
    version_id: str | None = None
    sequencer: str | None = None


class S3Entity(EventModel):
    model_config = ConfigDict(alias_generator=to_camel)

    s3_schema_version: str | None = None
    configuration_id: str | None = None
    bucket: S3Bucket
    object: S3Object


class S3EventRecord(EventModel):
    """One change of one object."""

    model_config = ConfigDict(alias_generator=to_camel)

    event_version: str
    event_source: str
    aws_region: str
    event_time: str
    event_name: str
    user_identity: S3Principal | None = None
    request_parameters: S3RequestParameters | None = None
    response_elements: dict[str, Any] | None = None
    s3: S3Entity
    glacier_event_data: dict[str, Any] | None = None
    replication_event_data: dict[str, Any] | None = None
    lifecycle_event_data: dict[str, Any] | None = None
    intelligent_tiering_event_data: dict[str, Any] | None = None

    @property
    def bucket_name(self) -> str:
        return self.s3.bucket.name

    @property
    def object_key(self) -> str:
        """The object's key, decoded."""
        return unquote_plus(self.s3.object.key)

    @property
    def event_type(self) -> str:
        """The event's name without the ``s3:`` that some events carry: ``ObjectCreated:Put``."""
        return self.event_name.removeprefix("s3:")


class S3Event(EventModel):
    """A notification of a bucket; usually of one record."""

    records: list[S3EventRecord] = Field(alias="Records")


class S3Codec(EventCodec):
    service: ClassVar[Service] = Service.S3
    event_model: ClassVar[type[EventModel]] = S3Event

    def recognises(self, wire: JsonObject) -> bool:
        return first_record(wire).get("eventSource") == "aws:s3"

    def change(self, wire: JsonObject) -> tuple[str, str, str]:
        """Bucket, event name and plain key of an event's first record."""
        record = wire["Records"][0]
        s3 = record["s3"]
        return s3["bucket"]["name"], record["eventName"], unquote_plus(s3["object"]["key"])

    def payload(self, wire: JsonObject) -> UserData:
        return wire


S3 = S3Codec()

# Events about an object's surroundings are newer than the record format they share.
_LATER_VERSIONS: Final = {
    "Replication": "2.2",
    "LifecycleTransition": "2.3",
    "LifecycleExpiration": "2.3",
    "IntelligentTiering": "2.3",
    "ObjectTagging": "2.3",
    "ObjectAcl": "2.3",
    "ObjectRestore:Delete": "2.3",
}
_WITHOUT_SIZE: Final = ("ObjectRemoved", "ObjectTagging", "ObjectAcl")


def s3_wire_event(
    *,
    bucket: str,
    key: str,
    event_name: str,
    event_time: float,
    size: int | None = None,
    etag: str | None = None,
    sequencer: str | None = None,
    version_id: str | None = None,
    region: str,
    account_id: str,
    configuration_id: str,
    source_ip_address: str = "127.0.0.1",
) -> JsonObject:
    """The event of one object's change, as S3 writes it.

    ``key`` is plain and gets encoded. ``event_name`` has no ``s3:``. ``event_time`` is in epoch seconds. What
    S3 leaves out for an event (the size and entity tag of a removed object) is left out, even if given.
    """
    request_id = sequencer or "0000000000000000"
    kind = event_name.partition(":")[0]
    return {
        "Records": [
            {
                "eventVersion": _LATER_VERSIONS.get(event_name) or _LATER_VERSIONS.get(kind, "2.1"),
                "eventSource": "aws:s3",
                "awsRegion": region,
                "eventTime": iso_milliseconds(event_time),
                "eventName": event_name,
                "userIdentity": {"principalId": f"AWS:{account_id}"},
                "requestParameters": {"sourceIPAddress": source_ip_address},
                "responseElements": {"x-amz-request-id": request_id, "x-amz-id-2": request_id},
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": configuration_id,
                    "bucket": {
                        "name": bucket,
                        "ownerIdentity": {"principalId": account_id},
                        "arn": f"arn:{partition_of(region)}:s3:::{bucket}",
                    },
                    "object": _wire_object(key, event_name, size, etag, version_id, sequencer),
                },
            }
        ]
    }


def _wire_object(
    key: str, event_name: str, size: int | None, etag: str | None, version_id: str | None, sequencer: str | None
) -> JsonObject:
    fields = {
        "key": quote_plus(key, safe="/"),
        "size": None if event_name.startswith(_WITHOUT_SIZE) else size,
        "eTag": None if event_name == "ObjectRemoved:Delete" else etag,
        "versionId": version_id,
        "sequencer": None if event_name.startswith("ObjectTagging") else sequencer,
    }
    return {name: value for name, value in fields.items() if value is not None}
