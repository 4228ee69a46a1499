"""What a bucket tells EventBridge, in the form of S3's own notifications.

Source: S3 guide: EventBridge event message structure, mapping to event types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventflow.events.s3 import s3_wire_event
from eventflow_aws.notifications.messages import text_at, time_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventflow.model.json import JsonObject

SOURCE: Final = "aws.s3"

_CREATED: Final = {
    "PutObject": "ObjectCreated:Put",
    "POST Object": "ObjectCreated:Post",
    "CopyObject": "ObjectCreated:Copy",
    "CompleteMultipartUpload": "ObjectCreated:CompleteMultipartUpload",
}
_DELETED: Final = {"DeleteObject": "ObjectRemoved", "Lifecycle Expiration": "LifecycleExpiration"}
_DELETION: Final = {"Permanently Deleted": "Delete", "Delete Marker Created": "DeleteMarkerCreated"}
_OTHER: Final = {
    "Object Restore Initiated": "ObjectRestore:Post",
    "Object Restore Completed": "ObjectRestore:Completed",
    "Object Restore Expired": "ObjectRestore:Delete",
    "Object Storage Class Changed": "LifecycleTransition",
    "Object Access Tier Changed": "IntelligentTiering",
    "Object ACL Updated": "ObjectAcl:Put",
    "Object Tags Added": "ObjectTagging:Put",
    "Object Tags Deleted": "ObjectTagging:Delete",
}


def s3_event(event: JsonObject) -> JsonObject | None:
    """The S3 event that says the same; ``None`` if this is none of a bucket's, or of a kind that S3 has no name for.

    Who did it is known by account only, and the configuration's id is the event's.
    """
    detail = event["detail"]
    bucket, key = text_at(detail, "bucket", "name"), text_at(detail, "object", "key")
    name, time = _event_name(event), time_at(event, "time")
    if event["source"] != SOURCE or bucket is None or key is None or name is None or time is None:
        return None
    changed = detail["object"]
    wire = s3_wire_event(
        bucket=bucket,
        key=key,
        event_name=name,
        event_time=time,
        size=changed.get("size"),
        etag=changed.get("etag"),
        sequencer=changed.get("sequencer"),
        version_id=changed.get("version-id"),
        region=text_at(event, "region") or "",
        account_id=text_at(event, "account") or "",
        configuration_id=text_at(event, "id") or "",
        source_ip_address=text_at(detail, "source-ip-address") or "",
    )
    wire["Records"][0] |= {**_requester(detail), **_further_data(name, detail)}
    return wire


def _event_name(event: JsonObject) -> str | None:
    kind, detail = event["detail-type"], event["detail"]
    reason, deletion = text_at(detail, "reason") or "", text_at(detail, "deletion-type") or ""
    if kind == "Object Created":
        return _CREATED.get(reason)
    if kind == "Object Deleted":
        family, how = _DELETED.get(reason), _DELETION.get(deletion)
        return f"{family}:{how}" if family and how else None
    return _OTHER.get(kind) if isinstance(kind, str) else None


def _requester(detail: JsonObject) -> JsonObject:
    return {
        "userIdentity": {"principalId": f"AWS:{text_at(detail, 'requester') or ''}"},
        "responseElements": {"x-amz-request-id": text_at(detail, "request-id") or "", "x-amz-id-2": ""},
    }


def _further_data(name: str, detail: JsonObject) -> Mapping[str, JsonObject]:
    """What some kinds of events tell beside the object."""
    match name:
        case "ObjectRestore:Completed":
            restored = {
                "lifecycleRestorationExpiryTime": text_at(detail, "restore-expiry-time"),
                "lifecycleRestoreStorageClass": text_at(detail, "source-storage-class"),
            }
            return {"glacierEventData": {"restoreEventData": restored}}
        case "LifecycleTransition":
            moved = {"destinationStorageClass": text_at(detail, "destination-storage-class")}
            return {"lifecycleEventData": {"transitionEventData": moved}}
        case "IntelligentTiering":
            return {
                "intelligentTieringEventData": {"destinationAccessTier": text_at(detail, "destination-access-tier")}
            }
    return {}
