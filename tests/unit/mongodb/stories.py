"""Answers as MongoDB 7 and DocumentDB 5 give them, shortened where nobody looks."""

from __future__ import annotations

from typing import Any, Final

from bson import ObjectId, Timestamp

from tests.unit.mongodb.scripted_mongodb import Document, failed

NS: Final = {"db": "shop", "coll": "orders"}
KEY: Final = {"_id": ObjectId("63eeb6e7d418cd98afb1c1d7")}


def change(number: int, operation: str, **details: Any) -> Document:
    """A change of the collection shop.orders."""
    return {
        "_id": {"_data": f"82{number:04d}"},
        "operationType": operation,
        "clusterTime": Timestamp(1_795_900_000 + number, 1),
        "ns": NS,
        **details,
    }


def insert(number: int, **fields: Any) -> Document:
    return change(number, "insert", fullDocument={**KEY, "number": number, **fields}, documentKey=KEY)


def invalidate(number: int) -> Document:
    return {
        "_id": {"_data": f"82{number:04d}"},
        "operationType": "invalidate",
        "clusterTime": Timestamp(1_795_900_000 + number, 1),
    }


HISTORY_LOST: Final = failed(
    286,
    "ChangeStreamHistoryLost",
    "PlanExecutor error during aggregation :: caused by :: Resume of change stream was not possible, as the resume"
    " point may no longer be in the oplog.",
    "NonResumableChangeStreamError",
)
POSITION_LOST: Final = failed(
    136, "CappedPositionLost", "CollectionScan died due to position in capped collection being deleted"
)
NOT_ENABLED: Final = failed(
    136, "CappedPositionLost", "modifyChangeStreams has not been run for this collection/database/cluster"
)
NO_REPLICA_SET: Final = failed(40573, "Location40573", "The $changeStream stage is only supported on replica sets")
UNAUTHORIZED: Final = failed(
    13, "Unauthorized", 'not authorized on shop to execute command { aggregate: "orders", pipeline: "s3cret" }'
)
WRONG_PASSWORD: Final = failed(18, "AuthenticationFailed", "Authentication failed.")
NOT_PRIMARY: Final = failed(10107, "NotWritablePrimary", "not primary", "ResumableChangeStreamError")
NOT_PRIMARY_NO_SECONDARY: Final = failed(
    13435, "NotPrimaryNoSecondaryOk", "not primary and secondaryOk=false", "ResumableChangeStreamError"
)
SHUTTING_DOWN: Final = failed(11600, "InterruptedAtShutdown", "interrupted at shutdown", "ResumableChangeStreamError")
NO_CURSOR: Final = failed(43, "CursorNotFound", "cursor id 7000000001 not found")
TOO_LARGE: Final = failed(
    10334,
    "BSONObjectTooLarge",
    "PlanExecutor error during aggregation :: caused by :: BSONObj size: 16793600 (0x1004000) is invalid. Size must be"
    " between 0 and 16793600(16MB)",
    "NonResumableChangeStreamError",
)
INVALIDATED_TOKEN: Final = failed(
    260,
    "InvalidResumeToken",
    "Attempting to resume a change stream using 'resumeAfter' is not allowed from an invalidate notification.",
)
FOREIGN_TOKEN: Final = failed(9, "FailedToParse", "Invalid resume token: {_data: '820001'}")
NO_START_AFTER: Final = failed(40415, "Location40415", "BSON field '$changeStream.startAfter' is an unknown field")
