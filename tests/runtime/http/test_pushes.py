"""Endpoints of sources, mounted before the app's own routes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from eventflow.model import limits
from eventflow.ports import PushRequest, PushResponse
from eventflow.triggers.http import on_http
from tests.runtime.http.harness import running

PATH = "/eventflow/sns/orders"
ACCEPTED = PushResponse(200)


@dataclass
class Endpoint:
    """Keeps its requests, and answers as it is told to."""

    http_path: str = PATH
    response: PushResponse | Exception = ACCEPTED
    requests: list[PushRequest] = field(default_factory=list)

    async def handle(self, request: PushRequest) -> PushResponse:
        self.requests.append(request)
        if isinstance(self.response, Exception):
            raise self.response
        return self.response


@on_http("$default")
async def everything() -> str:
    return "the app's own"


async def test_an_endpoint_gets_what_is_posted_to_its_path() -> None:
    endpoint = Endpoint(response=PushResponse(403, "no"))
    with running(everything, endpoints={PATH: endpoint}) as app:
        reply = await app.client.post(PATH, b"{}", headers={"x-amz-sns-topic-arn": "arn"})
        assert (await app.client.post("/eventflow/sns/others", b"{}")).body == b"the app's own"
    assert (reply.status, reply.body) == (403, b"no\n")
    [request] = endpoint.requests
    assert request.body == b"{}"
    assert request.headers["x-amz-sns-topic-arn"] == "arn"


async def test_success_has_no_body() -> None:
    with running(endpoints={PATH: Endpoint()}) as app:
        reply = await app.client.post(PATH, b"{}")
    assert (reply.status, reply.body) == (200, b"")


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
async def test_events_are_posted(method: str) -> None:
    endpoint = Endpoint()
    with running(everything, endpoints={PATH: endpoint}) as app:
        reply = await app.client.request(method, PATH)
    assert (reply.status, reply.header("allow")) == (405, "POST")
    assert endpoint.requests == []


@pytest.mark.parametrize("body", [b"x" * (limits.PUSHED_BODY_BYTES + 1), [b"x" * limits.PUSHED_BODY_BYTES, b"x"]])
async def test_a_body_that_is_too_large_reaches_no_endpoint(body: bytes | Sequence[bytes]) -> None:
    endpoint = Endpoint()
    with running(endpoints={PATH: endpoint}) as app:
        assert (await app.client.post(PATH, body)).status == 413
    assert endpoint.requests == []


async def test_a_request_that_was_not_sent_to_its_end_reaches_no_endpoint() -> None:
    endpoint = Endpoint()
    with running(endpoints={PATH: endpoint}) as app:
        assert (await app.client.post(PATH, [b"half"], disconnect_early=True)).status == 0
    assert endpoint.requests == []


async def test_an_endpoint_that_fails_makes_the_sender_try_again(caplog: pytest.LogCaptureFixture) -> None:
    with running(endpoints={PATH: Endpoint(response=ValueError("broken"))}) as app, caplog.at_level(logging.ERROR):
        reply = await app.client.post(PATH, b"{}")
    assert reply.status == 500
    assert b"broken" not in reply.body
    assert "broken" in caplog.text
