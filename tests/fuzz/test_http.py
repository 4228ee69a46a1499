"""A few cases of what ``python -m tests.fuzz http --minutes 10`` does at length."""

from __future__ import annotations

from typing import Any

import h11
import pytest

from eventflow.model.destinations import Service
from eventflow.runtime.http.answers import Answer
from tests.fuzz.http import FLAVOURS, Count, _is_one_message, fuzz, request_holds


def test_every_flavour_holds() -> None:
    count = Count()
    fuzz(60, start=20260101, count=count)
    assert {name.partition(":")[0] for name in count.cases} == {*FLAVOURS, "stream"}


def test_the_fuzzer_sees_a_broken_header_and_a_lost_body() -> None:
    with pytest.raises((AssertionError, h11.RemoteProtocolError)):
        _is_one_message(Answer(200, [(b"a", b"b\r\nc: d")], b""), ())
    with pytest.raises((AssertionError, h11.RemoteProtocolError)):
        _is_one_message(Answer(200, [(b"content-length", b"0")], b"GET / HTTP/1.1\r\n\r\n"), ())
    facts: dict[str, Any] = {"method": "GET", "path": "/", "query_string": "", "body": b"", "source_ip": ""}
    facts["headers"] = [(b"a", b"\xff")]
    request_holds(Service.ALB, facts, count := Count())
    assert count.cases["alb: refused"] == 1
