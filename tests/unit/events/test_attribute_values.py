"""DynamoDB's typed JSON against Python values."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflow.events.attribute_values import deserialise, deserialise_item, item_size, serialise, serialise_item
from tests.unit.events.records import VALUES
from tests.unit.events.samples import load


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_python_values_come_back_as_they_went_in(item: dict[str, Any]) -> None:
    assert deserialise_item(serialise_item(item)) == item


@given(st.decimals(allow_nan=False, allow_infinity=False, places=10, min_value=-(10**20), max_value=10**20))
def test_numbers_keep_their_value(number: Decimal) -> None:
    assert deserialise(serialise(number)) == number


def test_every_type_of_a_stream_record_has_a_python_value() -> None:
    image = load("dynamodb", "insert_every_type")["Records"][0]["dynamodb"]["NewImage"]
    assert deserialise_item(image) == {
        "Id": Decimal(101),
        "text": "New item!",
        "half": Decimal("-0.5"),
        "raw": b"\x00\xff",
        "yes": True,
        "none": None,
        "words": {"a", "b"},
        "numbers": {Decimal(1), Decimal("2.5")},
        "blobs": {b"a", b"\xff"},
        "list": ["x", Decimal(1), []],
        "map": {"inner": {"deep": False}},
    }
    assert serialise_item(deserialise_item(image)) == image


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (9.5, "9.5"),
        (0.1, "0.1"),
        (Decimal("1.50"), "1.5"),
        (Decimal("1E3"), "1000"),
        (10**40, "1" + "0" * 40),
        (Decimal("1E-5"), "0.00001"),
        (12345678901234567890123456789012345678, "12345678901234567890123456789012345678"),
    ],
)
def test_numbers_are_written_without_idle_zeros(value: object, text: str) -> None:
    assert serialise(value) == {"N": text}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (123456789012345678901234567890123456789, "at most 38 digits"),
        (float("nan"), "has no number nan"),
        (float("-inf"), "has no number -inf"),
        (Decimal("1E+126"), "between 1E-130 and"),
        (Decimal("1E-131"), "between 1E-130 and"),
        (set(), "all text, all numbers or all binary"),
        ({"a", 1}, "all text, all numbers or all binary"),
        ({True}, "all text, all numbers or all binary"),
    ],
)
def test_values_that_dynamodb_cannot_hold_are_refused(value: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        serialise(value)


def test_python_types_without_an_attribute_type_are_refused() -> None:
    with pytest.raises(TypeError, match="no attribute type for object"):
        serialise({"x": [object()]})


@pytest.mark.parametrize(
    ("value", "reason"),
    [({"X": "1"}, "unknown attribute type 'X'; known: S, N, B"), ({}, "one type"), ({"S": "a", "N": "1"}, "one type")],
)
def test_what_is_not_an_attribute_value_is_refused(value: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        deserialise(value)


def test_booleans_are_not_numbers() -> None:
    assert serialise(True) == {"BOOL": True}
    assert serialise([True, 1]) == {"L": [{"BOOL": True}, {"N": "1"}]}


def test_equal_sets_are_written_alike() -> None:
    assert serialise({"b", "a", "c"}) == serialise(frozenset({"c", "b", "a"})) == {"SS": ["a", "b", "c"]}


@pytest.mark.parametrize(
    ("images", "size"),
    [
        ([{"Id": {"N": "101"}}, {"Id": {"N": "101"}, "Message": {"S": "New item!"}}], 26),
        (
            [
                {"Id": {"N": "101"}},
                {"Id": {"N": "101"}, "Message": {"S": "This item has changed"}},
                {"Id": {"N": "101"}, "Message": {"S": "New item!"}},
            ],
            59,
        ),
        ([{"Id": {"N": "101"}}, {"Id": {"N": "101"}, "Message": {"S": "This item has changed"}}], 38),
    ],
)
def test_sizes_are_those_of_the_developer_guide_s_examples(images: list[dict[str, Any]], size: int) -> None:
    assert sum(map(item_size, images)) == size


def test_every_type_has_a_size() -> None:
    image = load("dynamodb", "insert_every_type")["Records"][0]["dynamodb"]["NewImage"]
    names = sum(map(len, image))
    contents = 3 + 9 + 3 + 2 + 1 + 1 + 2 + 4 + 2 + (3 + 2 + 3 + 1 + 3) + (3 + 6 + 3 + 5 + 1)
    assert item_size(image) == names + contents
