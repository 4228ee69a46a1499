from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from eventflow.errors import InvalidRequestContentError, RequestTooLargeError
from eventflow.model import limits
from eventflow.model.context import Caller, Context
from eventflow.model.outcome import FunctionFailed, Succeeded, Throttled
from eventflow.runtime.request_path import decode, invoke
from eventflow.triggers.function import function
from tests.runtime.http.harness import running


@function()
async def echo(event: Any, context: Context) -> list[Any]:
    return [event, context.aws_request_id, context.tenant_id]


@function()
async def fails() -> None:
    raise ValueError("no luck")


async def test_the_response_and_the_handler_have_the_same_request_id() -> None:
    with running(echo) as here:
        request_id, response = await invoke(here.functions["echo"], b'{"a":1}', Caller(tenant_id="blue"))
    assert isinstance(response.outcome, Succeeded)
    assert response.body == json.dumps([{"a": 1}, request_id, "blue"]).encode()


async def test_a_request_id_that_is_given_is_used() -> None:
    with running(echo) as here:
        invoked = await invoke(here.functions["echo"], b"1", request_id="mine")
    assert (invoked.request_id, invoked.response.body) == ("mine", b'[1, "mine", null]')


async def test_a_function_error_is_a_response_and_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with running(fails) as here:
        request_id, response = await invoke(here.functions["fails"], b"")
    assert isinstance(response.outcome, FunctionFailed)
    assert json.loads(response.body or b"")["errorMessage"] == "no luck"
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.__dict__["function_request_id"] == request_id


async def test_a_throttle_has_no_body_and_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    @function(reserved_concurrency=0)
    async def never() -> None: ...

    with running(never) as here:
        _, response = await invoke(here.functions["never"], b"{}")
    assert isinstance(response.outcome, Throttled)
    assert response.body is None
    assert not caplog.records


async def test_what_cannot_be_an_event_runs_nothing() -> None:
    with running(fails) as here:
        with pytest.raises(InvalidRequestContentError):
            await invoke(here.functions["fails"], b"{")
        with pytest.raises(RequestTooLargeError):
            await invoke(here.functions["fails"], b" " * (limits.SYNCHRONOUS_REQUEST_BYTES + 1))
        assert here.metrics.of("fails", "direct").failed == 0


def test_an_empty_payload_is_an_empty_object() -> None:
    assert decode(b"") == {}
