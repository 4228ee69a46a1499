"""Documents of every type, as extended JSON and back as Python values."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import bson
import pytest
from bson import Binary, Code, DatetimeMS, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.binary import UuidRepresentation

from eventflow.events.documentdb import DOCUMENTDB
from eventflow.events.extended_json import deserialise
from eventflow_mongodb.changes import CODEC_OPTIONS, change_record

ID = ObjectId("63eeb6e7d418cd98afb1c1d7")
UNIQUE = UUID("00112233-4455-6677-8899-aabbccddeeff")


def written(value: Any) -> Any:
    """A field of a document, through the driver's decoding, as it is in the event."""
    change = {"_id": {"_data": "82"}, "operationType": "insert", "fullDocument": {"field": value}}
    return json.loads(change_record(decoded(bson.encode(change))).data or b"")["fullDocument"]["field"]


def decoded(data: bytes) -> dict[str, Any]:
    """As the driver decodes a change."""
    return bson.decode(data, CODEC_OPTIONS)


@pytest.mark.parametrize(
    ("value", "wire", "python"),
    [
        ("text ünïcode", "text ünïcode", "text ünïcode"),
        (5, 5, 5),
        (Int64(2**62 + 1), 2**62 + 1, 2**62 + 1),
        (9.5, 9.5, 9.5),
        (5.0, 5.0, 5.0),
        (float("inf"), {"$numberDouble": "Infinity"}, float("inf")),
        (True, True, True),
        (None, None, None),
        ([1, {"a": ID}], [1, {"a": {"$oid": str(ID)}}], [1, {"a": str(ID)}]),
        (ID, {"$oid": str(ID)}, str(ID)),
        (Decimal128("9.50"), {"$numberDecimal": "9.50"}, Decimal("9.50")),
        (
            datetime(2026, 1, 1, 12, 30, 0, 250_000, tzinfo=UTC),
            {"$date": "2026-01-01T12:30:00.250Z"},
            datetime(2026, 1, 1, 12, 30, 0, 250_000, tzinfo=UTC),
        ),
        (
            datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
            {"$date": {"$numberLong": "-1000"}},
            datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
        ),
        (b"\x00\xff", {"$binary": {"base64": "AP8=", "subType": "00"}}, b"\x00\xff"),
        (
            Binary.from_uuid(UNIQUE, UuidRepresentation.STANDARD),
            {"$binary": {"base64": "ABEiM0RVZneImaq7zN3u/w==", "subType": "04"}},
            UNIQUE,
        ),
    ],
    ids=str,
)
def test_a_value_keeps_its_type(value: Any, wire: Any, python: Any) -> None:
    assert written(value) == wire
    assert deserialise(wire) == python
    assert type(deserialise(wire)) is type(python)


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (Timestamp(5, 6), {"$timestamp": {"t": 5, "i": 6}}),
        (Regex("^a", "i"), {"$regularExpression": {"pattern": "^a", "options": "i"}}),
        (Code("x()"), {"$code": "x()"}),
        (Code("x()", {"x": ID}), {"$code": "x()", "$scope": {"x": {"$oid": str(ID)}}}),
        (MinKey(), {"$minKey": 1}),
        (MaxKey(), {"$maxKey": 1}),
        (DatetimeMS(2**60), {"$date": {"$numberLong": str(2**60)}}),
    ],
    ids=str,
)
def test_what_python_has_no_counterpart_for_is_written_as_the_specification_says(value: Any, wire: Any) -> None:
    assert written(value) == wire


def test_text_that_is_no_utf_8_stops_nothing() -> None:
    encoded = bson.encode({"_id": {"_data": "82"}, "fullDocument": {"field": "ab"}}).replace(b"ab\0", b"a\xff\0")
    record = change_record(decoded(encoded))
    assert DOCUMENTDB.record_payload(record) == {"field": "a\ufffd"}


def test_numbers_that_json_does_not_have_change_nothing_else() -> None:
    assert written([float("nan"), Int64(5), Code("x()")]) == [{"$numberDouble": "NaN"}, 5, {"$code": "x()"}]
