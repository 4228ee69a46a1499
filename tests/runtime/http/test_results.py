from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from eventflow.model import limits
from eventflow.runtime.http.answers import Answer
from eventflow.runtime.http.results import answer_of

JSON_HEADER = (b"content-type", b"application/json")


class Order(BaseModel):
    id: str
    total: float = Field(alias="totalPrice")


class Reply(BaseModel):
    status: int = Field(alias="statusCode")
    body: str


@dataclass
class Point:
    x: int
    y: int


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ({"a": 1}, b'{"a":1}'),
        (["hello", 3, True], b'["hello",3,true]'),
        (3, b"3"),
        (None, b"null"),
        ("text", b"text"),
        ("caf\u00e9", "caf\u00e9".encode()),
        ({"é": "ü"}, '{"é":"ü"}'.encode()),
        (Decimal("1.5"), b"1.5"),
        (Order(id="o", totalPrice=2), b'{"id":"o","totalPrice":2.0}'),
        ({"order": Order(id="o", totalPrice=2)}, b'{"order":{"id":"o","totalPrice":2.0}}'),
        (Point(1, 2), b'{"x":1,"y":2}'),
        ({}, b"{}"),
        (b'{"a": 1}', b'{"a":1}'),
    ],
)
def test_a_value_without_a_status_is_the_whole_body(value: Any, body: bytes) -> None:
    assert answer_of(value) == Answer(200, (JSON_HEADER,), body)


def test_an_object_with_a_status_is_sent_as_given() -> None:
    answer = answer_of({"statusCode": 201, "headers": {"X-Id": "7"}, "body": "made", "unknown": object()})
    assert answer == Answer(201, [JSON_HEADER, (b"x-id", b"7")], b"made")


@pytest.mark.parametrize("value", [Reply(statusCode=202, body="later"), b'{"statusCode": 202, "body": "later"}'])
def test_models_and_json_bytes_are_structured_too(value: Any) -> None:
    assert answer_of(value) == Answer(202, [JSON_HEADER], b"later")


def test_the_handlers_content_type_is_the_only_one() -> None:
    answer = answer_of({"statusCode": 200, "headers": {"Content-Type": "text/html"}, "body": "<p>"})
    assert answer.headers == [(b"content-type", b"text/html")]


def test_every_cookie_is_a_header_of_its_own() -> None:
    answer = answer_of({"statusCode": 200, "cookies": ["a=1; Secure", "b=2"]})
    assert answer.headers == [JSON_HEADER, (b"set-cookie", b"a=1; Secure"), (b"set-cookie", b"b=2")]


def test_cookies_that_are_no_list_are_ignored() -> None:
    assert answer_of({"statusCode": 200, "cookies": "a=1"}).headers == [JSON_HEADER]


def test_a_base64_body_is_decoded() -> None:
    data = bytes(range(256))
    text = base64.encodebytes(data).decode()  # with line breaks
    assert answer_of({"statusCode": 200, "body": text, "isBase64Encoded": True}).body == data


@pytest.mark.parametrize(
    ("body", "sent"), [(None, b""), ("", b""), ({"a": 1}, b'{"a":1}'), ([1], b"[1]"), (0, b"0"), (False, b"false")]
)
def test_a_body_that_is_no_text_is_sent_as_json(body: Any, sent: bytes) -> None:
    assert answer_of({"statusCode": 200, "body": body}).body == sent


@pytest.mark.parametrize(
    ("value", "sent"),
    [(1, b"1"), (1.5, b"1.5"), (True, b"true"), (Decimal("2.50"), b"2.50"), (" padded ", b"padded"), ("a\tb", b"a\tb")],
)
def test_header_values_become_text(value: Any, sent: bytes) -> None:
    assert answer_of({"statusCode": 200, "headers": {"x": value}}).headers[1] == (b"x", sent)


def test_text_beyond_latin_1_is_sent_as_utf_8() -> None:
    assert answer_of({"statusCode": 200, "headers": {"x": "\u20ac"}}).headers[1] == (b"x", "\u20ac".encode())


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Connection", "date", "apigw-requestid"])
def test_headers_of_the_connection_are_left_out(name: str) -> None:
    assert answer_of({"statusCode": 200, "headers": {name: "1"}}).headers == [JSON_HEADER]


def test_a_header_of_null_is_left_out() -> None:
    assert answer_of({"statusCode": 200, "headers": {"x": None}}).headers == [JSON_HEADER]


def test_an_answer_without_a_body_has_no_content_type() -> None:
    assert answer_of({"statusCode": 204}).headers == []


@pytest.mark.parametrize("status", [200, "200", 599])
def test_a_status_may_be_a_number_or_its_digits(status: Any) -> None:
    assert answer_of({"statusCode": status}).status == int(status)


@pytest.mark.parametrize(
    "status", [None, True, 0, 99, 101, 600, 200.0, "", "2xx", "0200", "\u0662\u0660\u0660", [], -200]
)
def test_any_other_status_is_refused(status: Any) -> None:
    with pytest.raises(ValueError, match="is not a number from 200 to 599"):
        answer_of({"statusCode": status})


@pytest.mark.parametrize(
    "response",
    [
        {"headers": {"x": "a\r\nset-cookie: b"}},
        {"headers": {"x": "a\nb"}},
        {"headers": {"x\r\ny": "a"}},
        {"headers": {"x y": "a"}},
        {"headers": {"x:": "a"}},
        {"headers": {"": "a"}},
        {"headers": {"\u00e9": "a"}},
        {"headers": {"x": "\x00"}},
        {"headers": {"x": ["a"]}},
        {"headers": {"x": {}}},
        {"headers": ["x"]},
        {"cookies": ["a=1\r\nx: y"]},
        {"cookies": [None]},
        {"body": "***", "isBase64Encoded": True},
        {"body": "\u00e9", "isBase64Encoded": True},
        {"body": {}, "isBase64Encoded": True},
        {"body": {1, 2}},
        {"body": b"bytes"},
        {"body": "\ud800"},
    ],
)
def test_what_http_does_not_allow_is_refused(response: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        answer_of({"statusCode": 200, **response})


@pytest.mark.parametrize("value", [{1, 2}, object(), {"a": {1}}, b"no json", b"\xff", "\ud800", {"a": b"b"}])
def test_what_json_does_not_allow_is_refused(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        answer_of(value)


@pytest.mark.parametrize("value", [b"\x89PNG", b"no json"])
def test_bytes_that_are_no_json_say_how_binary_data_is_sent(value: bytes) -> None:
    with pytest.raises(ValueError, match="these are none; binary data is"):
        answer_of(value)


@pytest.mark.parametrize("character", ["x", "\u20ac"])
def test_more_than_lambda_sends_is_refused(character: str) -> None:
    limited = [character * (limits.SYNCHRONOUS_RESPONSE_BYTES // len(character.encode()) + 1)]
    for value in (limited, limited[0], {"statusCode": 200, "body": limited}, {"statusCode": 200, "body": limited[0]}):
        with pytest.raises(ValueError, match="Response payload size exceeded"):
            answer_of(value)


text = st.text(st.characters(codec="utf-8") | st.sampled_from("\r\n\x00:; ="), max_size=6)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | text | st.binary(max_size=8) | st.just(object())
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text | st.integers(), inner, max_size=3),
    max_leaves=4,
)
responses = st.fixed_dictionaries(
    {"statusCode": st.integers(100, 700) | scalars},
    optional={
        "headers": st.dictionaries(text, scalars, max_size=4) | values,
        "cookies": st.lists(scalars, max_size=3) | values,
        "body": values,
        "isBase64Encoded": st.booleans() | scalars,
    },
)


@given(responses | values)
def test_any_value_is_a_clean_answer_or_refused(value: Any) -> None:
    try:
        answer = answer_of(value)
    except (ValueError, TypeError):
        return
    assert 200 <= answer.status <= 599
    for name, content in answer.headers:
        assert name == name.strip().lower()
        assert name
        assert not set(name + content) & {0, 10, 13}
        assert b":" not in name
        assert name not in (b"content-length", b"transfer-encoding")


@given(st.dictionaries(text, st.none() | st.booleans() | st.integers() | text))
def test_a_plain_object_arrives_as_it_was(value: dict[str, Any]) -> None:
    assert json.loads(answer_of(value).body) == value
