"""What buckets tell EventBridge, as S3's own events."""

from __future__ import annotations

from typing import Any

import pytest

from eventflow.events import S3Event
from eventflow_aws.notifications.s3_from_eventbridge import s3_event
from tests.unit.aws.notifying import ACCOUNT, bus_event, s3_bus_event
from tests.unit.events.samples import load

GONE = {"deletion-type": "Permanently Deleted"}
MARKED = {"deletion-type": "Delete Marker Created"}
NAMES: list[tuple[str, dict[str, Any], str]] = [
    ("Object Created", {"reason": "PutObject"}, "ObjectCreated:Put"),
    ("Object Created", {"reason": "POST Object"}, "ObjectCreated:Post"),
    ("Object Created", {"reason": "CopyObject"}, "ObjectCreated:Copy"),
    ("Object Created", {"reason": "CompleteMultipartUpload"}, "ObjectCreated:CompleteMultipartUpload"),
    ("Object Deleted", {"reason": "DeleteObject", **GONE}, "ObjectRemoved:Delete"),
    ("Object Deleted", {"reason": "DeleteObject", **MARKED}, "ObjectRemoved:DeleteMarkerCreated"),
    ("Object Deleted", {"reason": "Lifecycle Expiration", **GONE}, "LifecycleExpiration:Delete"),
    ("Object Deleted", {"reason": "Lifecycle Expiration", **MARKED}, "LifecycleExpiration:DeleteMarkerCreated"),
    ("Object Restore Initiated", {}, "ObjectRestore:Post"),
    ("Object Restore Completed", {}, "ObjectRestore:Completed"),
    ("Object Restore Expired", {}, "ObjectRestore:Delete"),
    ("Object Storage Class Changed", {}, "LifecycleTransition"),
    ("Object Access Tier Changed", {}, "IntelligentTiering"),
    ("Object ACL Updated", {}, "ObjectAcl:Put"),
    ("Object Tags Added", {}, "ObjectTagging:Put"),
    ("Object Tags Deleted", {}, "ObjectTagging:Delete"),
]


def record(event: dict[str, Any]) -> dict[str, Any]:
    translated = s3_event(event)
    assert translated is not None
    [found] = translated["Records"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(("detail_type", "detail", "name"), NAMES, ids=[name for _, _, name in NAMES])
def test_every_kind_of_event_has_the_name_that_s3_gives_it(detail_type: str, detail: dict[str, Any], name: str) -> None:
    assert record(s3_bus_event("b", "k", detail_type, **detail))["eventName"] == name


def test_the_sample_becomes_the_event_of_the_same_object() -> None:
    translated = s3_event(load("eventbridge", "s3_object_created"))
    [found] = S3Event.model_validate(translated).records
    assert (found.bucket_name, found.object_key, found.s3.object.key) == ("uploads", "in/a b.csv", "in/a+b.csv")
    assert (found.s3.object.size, found.s3.object.e_tag) == (1024, "b57f9512698f4b09e608f4f2a65852e5")
    assert (found.s3.object.version_id, found.s3.object.sequencer) == (
        "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
        "00617F08299329D189",
    )
    assert (found.event_time, found.aws_region) == ("2017-12-22T18:43:48.000Z", "us-west-1")
    assert found.request_parameters is not None
    assert found.request_parameters.source_ip_address == "1.2.3.4"
    assert found.response_elements == {"x-amz-request-id": "N4N7GDK58NMKJ12R", "x-amz-id-2": ""}
    assert found.user_identity is not None
    assert found.user_identity.principal_id == f"AWS:{ACCOUNT}"


def test_a_restored_object_says_for_how_long() -> None:
    detail = {"restore-expiry-time": "2021-11-13T00:00:00Z", "source-storage-class": "GLACIER"}
    restored = record(s3_bus_event("b", "k", "Object Restore Completed", **detail))
    assert restored["glacierEventData"]["restoreEventData"] == {
        "lifecycleRestorationExpiryTime": "2021-11-13T00:00:00Z",
        "lifecycleRestoreStorageClass": "GLACIER",
    }


def test_a_moved_object_says_where_it_is() -> None:
    moved = record(s3_bus_event("b", "k", "Object Storage Class Changed", **{"destination-storage-class": "GLACIER"}))
    assert moved["lifecycleEventData"] == {"transitionEventData": {"destinationStorageClass": "GLACIER"}}
    tiered = record(s3_bus_event("b", "k", "Object Access Tier Changed", **{"destination-access-tier": "ARCHIVE"}))
    assert tiered["intelligentTieringEventData"] == {"destinationAccessTier": "ARCHIVE"}


@pytest.mark.parametrize(
    "event",
    [
        bus_event(bucket={"name": "b"}, object={"key": "k"}),
        s3_bus_event("b", "k", reason="NewWayToPut"),
        s3_bus_event("b", "k", "Object Deleted", reason="DeleteObject"),
        s3_bus_event("b", "k", "Object Admired"),
        {**s3_bus_event("b", "k"), "time": "soon"},
        s3_bus_event("b", "k", object="k"),
    ],
    ids=["not of s3", "unknown reason", "unknown deletion", "unknown type", "no time", "no object"],
)
def test_what_s3_has_no_name_for_is_not_translated(event: dict[str, Any]) -> None:
    assert s3_event(event) is None
