"""Whatever a function returns is either refused, or can be sent."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventflow.model.callers import EdgeEventType
from eventflow.policy.edge import content_of, edge_problem, is_response, replaces
from eventflow.policy.edge_headers import is_disallowed
from eventflow.runtime.edge.bodies import RequestBody
from eventflow.runtime.edge.messages import origin_request, to_origin, wire_headers
from eventflow.runtime.http.asgi import Message
from eventflow.testing.edge import example_distribution

SITE = example_distribution("site")
NAMES = st.sampled_from(
    ["status", "headers", "body", "bodyEncoding", "uri", "querystring", "method", "origin", "custom", "s3", "path"]
) | st.sampled_from(
    ["domainName", "port", "customHeaders", "data", "encoding", "action", "value", "x-a", "via", "X-Cache"]
)
TEXT = st.text() | st.sampled_from(
    ["200", "204", "/", "/a?b", "text", "base64", "replace", "a.example", "\r\n", "\ud800"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | TEXT, inner, max_size=4),
    max_leaves=8,
)
VIEWERS: dict[str, Any] = {
    "clientIp": "1.2.3.4",
    "method": "POST",
    "uri": "/a",
    "querystring": "b=c",
    "headers": {"host": [{"key": "Host", "value": "site.example"}], "x-a": [{"key": "X-A", "value": "1"}]},
    "body": {"inputTruncated": False, "action": "read-only", "encoding": "base64", "data": "AAAA"},
}
RESPONSE: dict[str, Any] = {"status": "200", "statusDescription": "OK", "headers": {"x-a": [{"value": "1"}]}}


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """A value in which something, somewhere, is something else, gone, or new."""
    value = copy.deepcopy(value)
    place = value
    while isinstance(place, dict | list) and place:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key: Any = draw(st.sampled_from(keys))
        if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
            place = place[key]
            continue
        match draw(st.sampled_from(["other", "gone", "new"])):
            case "gone":
                del place[key]
            case "new" if isinstance(place, dict):
                place[draw(NAMES)] = draw(JSON)
            case _:
                place[key] = draw(JSON)
        break
    return value


async def gone() -> Message:
    return {"type": "http.disconnect"}


def assert_sendable(headers: Any) -> None:
    for name, value in wire_headers(headers):
        assert name == name.lower()
        assert name.isascii()
        assert not is_disallowed(name.decode())
        assert not set(value) & set(b"\r\n\x00")


@pytest.mark.parametrize("event_type", EdgeEventType)
@settings(max_examples=50)
@given(data=st.data())
def test_an_answer_that_is_taken_can_be_sent(event_type: EdgeEventType, data: st.DataObject) -> None:
    request = VIEWERS if event_type.is_viewers else {**origin_request(SITE, VIEWERS), "body": VIEWERS["body"]}
    is_request = event_type.value.endswith("request")
    given_ = {"request": request} if is_request else {"request": request, "response": RESPONSE}
    start = data.draw(st.sampled_from([request, RESPONSE])) if is_request else RESPONSE
    answer: Any = data.draw(changed(start) | changed(start).flatmap(changed) | JSON)
    if edge_problem(event_type, given_, answer) is not None:
        return
    assert_sendable(answer.get("headers"))
    if is_response(answer):
        assert 200 <= int(answer["status"]) <= 599
        content_of(answer.get("body") or "", answer.get("bodyEncoding") or "text")
        return
    if replaces(answer.get("body")):
        content_of(answer["body"].get("data", ""), answer["body"].get("encoding", "base64"))
    if event_type is EdgeEventType.ORIGIN_REQUEST:
        outbound = to_origin(SITE, {**answer, "method": "POST"}, RequestBody(gone, 0), "id")
        assert outbound.target.isascii()
        assert outbound.target.startswith("/")
        assert not set(outbound.target) & set(" #\r\n")
        assert not any(set(name + value) & set("\r\n\x00") for name, value in outbound.headers)
