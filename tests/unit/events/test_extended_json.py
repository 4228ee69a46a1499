"""MongoDB's extended JSON as Python values."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from eventflow.events.extended_json import deserialise

SOME_UUID = UUID("c8edabc3-f738-4ca3-b68d-ab92a91478a3")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"$oid": "63eeb6e7d418cd98afb1c1d7"}, "63eeb6e7d418cd98afb1c1d7"),
        ({"$numberInt": "-7"}, -7),
        ({"$numberLong": "9223372036854775807"}, 2**63 - 1),
        ({"$numberDouble": "9.5"}, 9.5),
        ({"$numberDouble": "-Infinity"}, float("-inf")),
        ({"$numberDecimal": "9.50"}, Decimal("9.50")),
        ({"$date": "2026-01-01T01:00:00.5+01:00"}, datetime(2026, 1, 1, microsecond=500_000, tzinfo=UTC)),
        ({"$date": {"$numberLong": "-1"}}, datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
        ({"$binary": {"base64": "AP8=", "subType": "00"}}, b"\x00\xff"),
        ({"$binary": {"base64": "yO2rw/c4TKO2jauSqRR4ow==", "subType": "04"}}, SOME_UUID),
        ({"$uuid": str(SOME_UUID)}, SOME_UUID),
        ({"$symbol": "s"}, "s"),
        ({"$timestamp": {"t": 1, "i": 2}}, {"$timestamp": {"t": 1, "i": 2}}),
        ({"a": [{"$numberInt": "1"}, {"b": {"$oid": "x"}}], "c": None}, {"a": [1, {"b": "x"}], "c": None}),
        ({"$oid": "x", "other": 1}, {"$oid": "x", "other": 1}),
        ("text", "text"),
        (1.5, 1.5),
    ],
)
def test_values_become_what_python_has(value: Any, expected: Any) -> None:
    assert deserialise(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        {"$numberInt": "one"},
        {"$numberLong": None},
        {"$numberDecimal": "much"},
        {"$date": "yesterday"},
        {"$date": {}},
        {"$date": {"$numberLong": "9" * 30}},
        {"$binary": {"base64": "?", "subType": "00"}},
        {"$binary": "AP8="},
        {"$uuid": "short"},
    ],
)
def test_a_value_that_is_not_of_its_type_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        deserialise(value)
