"""Custom resources inside Lambda: CloudFormation is told there, too, whatever becomes of the handler."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from eventflow import App, CustomResource, function, on_cloudformation
from eventflow.aws_lambda import LambdaHandler
from eventflow.errors import UnavailableError
from eventflow.plan.environment import Environment
from eventflow.ports import OutboundRequest, OutboundResponse
from tests.aws_lambda.lambda_context import LambdaContext, sample

REQUEST = sample("cloudformation/create")


@dataclass
class Responses:
    """Answers requests with these statuses, the last one for ever."""

    statuses: list[int] = field(default_factory=lambda: [200])
    requests: list[OutboundRequest] = field(default_factory=list)

    async def send(
        self, request: OutboundRequest, *, seconds: float, maximum_bytes: int, private: bool = False
    ) -> OutboundResponse:
        self.requests.append(request)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return OutboundResponse(status, (), b"")


def told(action: Callable[[], Any], context: LambdaContext | None = None, **settings: Any) -> dict[str, Any]:
    """What CloudFormation is told of a handler that does this."""
    responses = Responses()
    call(action, responses, context, **settings)
    [request] = responses.requests
    assert (request.method, request.url) == ("PUT", REQUEST["ResponseURL"])
    response: dict[str, Any] = json.loads(request.body)
    assert response["RequestId"] == REQUEST["RequestId"]
    return response


def call(action: Callable[[], Any], responses: Responses, context: LambdaContext | None = None, **settings: Any) -> Any:
    @on_cloudformation()
    @function(**settings)
    async def policy(event: dict[str, Any]) -> Any:
        result = action()
        return await result if asyncio.iscoroutine(result) else result

    handler = LambdaHandler(App([policy]).freeze(Environment()), http=responses)
    try:
        return handler(REQUEST, context or LambdaContext())
    finally:
        handler.stop()


def fail() -> None:
    raise LookupError("no such policy")


def test_success_is_told() -> None:
    response = told(lambda: CustomResource(physical_resource_id="policy-5", data={"n": 5}))
    assert (response["Status"], response["PhysicalResourceId"]) == ("SUCCESS", "policy-5")
    assert response["Data"] == {"n": 5}


@pytest.mark.parametrize(
    ("action", "reason"),
    [(fail, "LookupError: no such policy"), (lambda: sys.exit(3), "Runtime exited with error: exit status 3")],
)
def test_a_crash_is_told_and_lambda_need_not_try_again(action: Callable[[], Any], reason: str) -> None:
    response = told(action)
    assert response["Status"] == "FAILED"
    assert response["Reason"].endswith(reason)


def test_a_timeout_is_told_before_the_functions_own_is_over() -> None:
    response = told(lambda: asyncio.Event().wait(), timeout_seconds=1)
    assert (response["Status"], response["Reason"]) == (
        "FAILED",
        "the handler did not end within its timeout of 1 s",
    )


def test_a_timeout_is_told_before_lambda_ends_the_environment() -> None:
    response = told(lambda: asyncio.Event().wait(), LambdaContext(remaining_milliseconds=1_000), timeout_seconds=900)
    assert response["Status"] == "FAILED"
    assert re.fullmatch(r"the handler did not end within its timeout of (1|0\.\d+) s", response["Reason"])


def test_what_cannot_be_told_is_an_error_so_that_lambda_tries_again() -> None:
    responses = Responses([403])
    with pytest.raises(UnavailableError, match="answers 403 to the response of a custom resource"):
        call(lambda: None, responses)
    assert len(responses.requests) == 1


def test_a_response_url_of_somebody_else_is_refused_before_anything_runs() -> None:
    ran: list[bool] = []
    responses = Responses()

    @on_cloudformation()
    async def policy(event: dict[str, Any]) -> None:
        ran.append(True)

    handler = LambdaHandler(App([policy]).freeze(Environment()), http=responses)
    try:
        with pytest.raises(Exception, match="ResponseURL"):
            handler({**REQUEST, "ResponseURL": "https://169.254.169.254/latest"}, LambdaContext())
    finally:
        handler.stop()
    assert (ran, responses.requests) == ([], [])
