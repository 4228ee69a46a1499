from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflow.policy.route_selection import Selection


@pytest.mark.parametrize(
    ("expression", "message", "key"),
    [
        ("$request.body.action", {"action": "say"}, "say"),
        ("${request.body.action}", {"action": "say"}, "say"),
        ("$request.body.do.what", {"do": {"what": "say"}}, "say"),
        ("$request.body.items[1].kind", {"items": [{}, {"kind": "b"}]}, "b"),
        ("${request.body.kind}/${request.body.action}", {"kind": "chat", "action": "say"}, "chat/say"),
        ("${request.body.kind}/${request.body.action}", {"action": "say"}, "/say"),
        (r"\$${request.body.action}", {"action": "say"}, "$say"),
        ("$request.body.action", {"action": 7}, "7"),
        ("$request.body.action", {"action": True}, "true"),
        ("$request.body.action", {}, None),
        ("$request.body.action", {"action": None}, None),
        ("$request.body.action", {"action": {"a": 1}}, None),
        ("$request.body.action", ["say"], None),
        ("$request.body.items[3]", {"items": [1]}, None),
        ("$request.body.a.b", {"a": "text"}, None),
    ],
)
def test_a_message_asks_for_a_route(expression: str, message: Any, key: str | None) -> None:
    assert Selection.parse(expression).key(json.dumps(message)) == key


@pytest.mark.parametrize("message", ["", "say", '{"action": "say"', "[" * 100_000, "\ud800"])
def test_what_is_no_json_asks_for_none(message: str) -> None:
    assert Selection.parse("$request.body.action").key(message) is None


@pytest.mark.parametrize("text", ["", "action", "$request.header.a", "$request.body", "$request.body.", "$", None, 3])
def test_an_expression_that_is_none_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match=r"use \$request\.body\.NAME"):
        Selection.parse(text)


@given(st.text())
def test_no_message_breaks_it(message: str) -> None:
    key = Selection.parse("${request.body.a}/${request.body.b[0]}").key(message)
    assert key is None or isinstance(key, str)
