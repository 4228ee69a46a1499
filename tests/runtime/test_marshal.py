from __future__ import annotations

import json
import math
from collections import namedtuple
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, computed_field

from eventflow.events import SqsEvent
from eventflow.model.outcome import FunctionFailed, Succeeded
from eventflow.runtime.marshal import marshal, marshal_compact
from eventflow.runtime.responses import response_of
from eventflow.testing.events import sqs_event


class Point(NamedTuple):
    x: int
    y: int


class Order(BaseModel):
    order_id: str = Field(alias="orderId")
    when: datetime


@dataclass
class Line:
    sku: str
    at: Point


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        ({"a": [1, 2.5, True, None, "ü"]}, '{"a": [1, 2.5, true, null, "ü"]}'),
        ((1, 2), "[1, 2]"),
        (Point(1, 2), '{"x": 1, "y": 2}'),
        ({"route": [Point(1, 2), (3, 4)]}, '{"route": [{"x": 1, "y": 2}, [3, 4]]}'),
        ([[{"deep": Point(1, Point(2, 3))}]], '[[{"deep": {"x": 1, "y": {"x": 2, "y": 3}}}]]'),  # type: ignore[arg-type]
        (Decimal("10"), "10"),
        (Decimal("1.10"), "1.10"),
        ({"total": [Decimal("12345678901234567890.123456789")]}, '{"total": [12345678901234567890.123456789]}'),
        ([Decimal("NaN"), Decimal("-NaN")], "[NaN, NaN]"),
        ([math.nan, math.inf, -math.inf], "[NaN, Infinity, -Infinity]"),
        ([Colour.RED, Level.HIGH], '["red", 3]'),
        (Line("a", Point(1, 2)), '{"sku": "a", "at": {"x": 1, "y": 2}}'),
        (
            [Order(orderId="7", when=datetime(2026, 1, 1, tzinfo=UTC))],
            '[{"orderId": "7", "when": "2026-01-01T00:00:00Z"}]',
        ),
        ({"d": Decimal("0.5"), "p": Point(0, 1)}, '{"d": 0.5, "p": {"x": 0, "y": 1}}'),
    ],
)
def test_results_are_written_as_lambda_writes_them(value: Any, text: str) -> None:
    assert marshal(value).decode() == text


def test_a_decimal_is_not_confused_with_text_that_looks_like_one() -> None:
    assert marshal(["1.0", Decimal("1.0"), "decimal-0"]) == b'["1.0", 1.0, "decimal-0"]'


def test_http_bodies_are_written_without_spaces() -> None:
    assert marshal_compact({"a": [Decimal("1.50"), Point(1, 2)]}) == b'{"a":[1.50,{"x":1,"y":2}]}'


@pytest.mark.parametrize("value", [{1, 2}, datetime(2026, 1, 1, tzinfo=UTC), object(), namedtuple, b"x", {(1, 2): 3}])
def test_what_json_cannot_hold_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError):
        marshal([value])


def test_the_type_is_named_as_lambda_names_it() -> None:
    failed = response_of(Succeeded({"at": datetime(2026, 1, 1, tzinfo=UTC)}), "7").outcome
    assert isinstance(failed, FunctionFailed)
    assert failed.body() == {
        "errorMessage": "Unable to marshal response: Object of type datetime is not JSON serializable",
        "errorType": "Runtime.MarshalError",
        "requestId": "7",
        "stackTrace": [],
    }


def test_a_cycle_is_a_function_error() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    failed = response_of(Succeeded(cycle), "7").outcome
    assert isinstance(failed, FunctionFailed)
    assert failed.error_message == "Unable to marshal response: Circular reference detected"


def test_half_a_surrogate_pair_is_a_function_error() -> None:
    assert not response_of(Succeeded("\ud800"), "7").outcome.ok


def test_a_model_that_raises_while_it_is_written_is_a_function_error() -> None:
    class Broken(BaseModel):
        @computed_field  # type: ignore[prop-decorator]
        @property
        def total(self) -> int:
            raise KeyError("no total")

    failed = response_of(Succeeded(Broken()), "7").outcome
    assert isinstance(failed, FunctionFailed)
    assert failed.error_type == "Runtime.MarshalError"


def test_bytes_are_sent_as_they_are() -> None:
    assert response_of(Succeeded(b"\x00\xff"), "7").body == b"\x00\xff"


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(plain)
def test_plain_json_values_come_back_as_they_were(value: Any) -> None:
    try:
        text = marshal(value)
    except UnicodeEncodeError:  # half a surrogate pair somewhere
        return
    assert json.loads(text) == value


def test_an_event_is_written_as_it_was_read() -> None:
    wire = sqs_event("a").to_wire()
    assert json.loads(marshal(SqsEvent.model_validate(wire))) == wire
    assert json.loads(marshal({"event": SqsEvent.model_validate(wire)})) == {"event": wire}
