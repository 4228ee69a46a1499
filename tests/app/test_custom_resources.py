"""Custom resources: whatever becomes of the handler, CloudFormation is told."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic import BaseModel

from eventflow import App, CloudFormationEvent, CustomResource, Environment, function, on_cloudformation
from eventflow.errors import UnavailableError
from eventflow.model.outcome import FunctionFailed, Succeeded, Throttled
from eventflow.plan.environment import SourceBinding
from eventflow.policy.custom_resources import NEVER_CREATED, response_url_problem
from eventflow.ports import OutboundRequest, OutboundResponse
from eventflow.run.managing import blueprints
from eventflow.testing import TestApp
from eventflow.testing.callers import ResponseBucket
from eventflow.testing.events import cloudformation_event


class Policy(BaseModel):
    name: str
    size: int = 0


@on_cloudformation("policies")
async def policy(policy: Policy, event: CloudFormationEvent) -> Any:
    match policy.name:
        case "raises":
            raise ValueError("no such policy")
        case "sleeps":
            await asyncio.sleep(100)
        case "exits":
            raise SystemExit(3)
        case "large":
            return {"text": "x" * policy.size}
        case "unsendable":
            return {"value": object()}
        case "wrong":
            return "text"
        case "silent":
            return None
    return CustomResource(physical_resource_id=f"policy-{policy.name}", data={"size": policy.size}, no_echo=True)


async def test_a_resource_is_created_updated_and_deleted_through_a_topic() -> None:
    async with TestApp(policy) as app:
        stack = app.cloudformation("policies")
        created = await stack.create(name="a", size=3)
        assert created == {
            "StackId": stack.requests[0]["StackId"],
            "RequestId": stack.requests[0]["RequestId"],
            "LogicalResourceId": "Example",
            "Status": "SUCCESS",
            "PhysicalResourceId": "policy-a",
            "Data": {"size": 3},
            "NoEcho": True,
        }
        await stack.update(name="a", size=4)
        await stack.delete()
        assert [request["RequestType"] for request in stack.requests] == ["Create", "Update", "Delete"]
        assert stack.requests[1]["OldResourceProperties"] == {"name": "a", "size": "3"}
        await app.settle()
        assert all(done.outcome.ok for done in app.invocations("policy"))


async def test_another_physical_id_replaces_the_resource() -> None:
    async with TestApp(policy) as app:
        stack = app.cloudformation("policies")
        await stack.create(name="a")
        await stack.update(name="b")
        assert stack.physical_resource_id == "policy-b"
        assert (stack.requests[-1]["RequestType"], stack.requests[-1]["PhysicalResourceId"]) == ("Delete", "policy-a")


async def test_a_handler_that_names_nothing_gets_a_lasting_id() -> None:
    async with TestApp(policy) as app:
        stack = app.cloudformation("policies")
        created = await stack.create(name="silent")
        updated = await stack.update(name="silent", size=1)
        again = await app.cloudformation("policies").create(name="silent")
    assert created["PhysicalResourceId"].startswith("Example-")
    assert {updated["PhysicalResourceId"], again["PhysicalResourceId"]} == {created["PhysicalResourceId"]}
    assert "Data" not in created
    assert len(stack.requests) == 2


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("raises", "ValueError: no such policy"),
        ("sleeps", "the handler did not end within its timeout of 3 s"),
        ("exits", "Runtime exited with error: exit status 3"),
        ("unsendable", "Object of type object is not JSON serializable"),
        ("wrong", "returned str, not a CustomResource, a dict or nothing"),
        ("large", "the response has 5,"),
    ],
)
async def test_a_failure_fails_the_stack_at_once_and_is_not_tried_again(name: str, reason: str) -> None:
    async with TestApp(policy) as app:
        stack, started = app.cloudformation("policies"), app.time()
        response = await stack.create(name=name, size=5_000)
        assert (response["Status"], response["PhysicalResourceId"]) == ("FAILED", NEVER_CREATED)
        assert reason in response["Reason"]
        assert app.time() - started < 3
        await app.settle()
        # What was never created is deleted without the handler.
        assert [request["RequestType"] for request in stack.requests] == ["Create", "Delete"]
        assert len(app.invocations("policy")) == 2
        assert [done.outcome.ok for done in app.invocations("policy")] == [True, True]


async def test_a_failed_update_keeps_the_resource() -> None:
    async with TestApp(policy) as app:
        stack = app.cloudformation("policies")
        await stack.create(name="a")
        response = await stack.update(name="raises")
        assert (response["Status"], response["PhysicalResourceId"]) == ("FAILED", "policy-a")
        assert stack.physical_resource_id == "policy-a"


async def test_properties_that_do_not_validate_fail_the_stack() -> None:
    async with TestApp(policy) as app:
        response = await app.cloudformation("policies").create(name="a", size="many")
    assert response["Status"] == "FAILED"
    assert "size: Input should be a valid integer" in response["Reason"]


async def test_a_middleware_that_fails_fails_the_stack() -> None:
    def breaking(next_handler: Any) -> Any:
        async def handle(invocation: Any) -> Any:
            raise RuntimeError("the middleware broke")

        return handle

    async with TestApp(App([policy], middleware=[breaking])) as app:
        response = await app.cloudformation("policies").create(name="a")
    assert response["Reason"] == "RuntimeError: the middleware broke"


async def test_a_resource_may_be_a_function_without_a_topic() -> None:
    @on_cloudformation()
    def resource(event):  # type: ignore[no-untyped-def]
        return {"kind": event["RequestType"]}

    async with TestApp(resource) as app:
        response = await app.cloudformation("resource").create()
        assert response["Data"] == {"kind": "Create"}


async def test_a_handler_in_a_process_of_its_own_answers_as_well() -> None:
    """The result crosses a pipe as JSON, and stays what it means."""
    from tests.app import isolated_resource

    async with TestApp(isolated_resource) as app:
        response = await app.cloudformation("resource").create()
        assert (response["Status"], response["PhysicalResourceId"]) == ("SUCCESS", "isolated")


class Flaky(ResponseBucket):
    """Answers with these statuses first; 0 is a connection that fails."""

    def __init__(self, *statuses: int) -> None:
        super().__init__()
        self.statuses = list(statuses)
        self.sent = 0

    async def send(self, request: OutboundRequest, **limits: Any) -> OutboundResponse:
        self.sent += 1
        status = self.statuses.pop(0) if self.statuses else 200
        if not status:
            raise UnavailableError("s3", "no answer")
        return await super().send(request, **limits) if status == 200 else OutboundResponse(status, (), b"")


@pytest.mark.parametrize(
    ("statuses", "sent", "invocations"),
    [
        ([0, 503], 3, 1),
        ([0, 0, 0, 0], 5, 2),  # given up: the asynchronous retry runs the function again
        ([403], 2, 2),
        ([302], 2, 2),  # redirections are not followed
    ],
)
async def test_an_answer_that_does_not_arrive_is_sent_again(statuses: list[int], sent: int, invocations: int) -> None:
    @on_cloudformation("policies")
    @function(timeout_seconds=60)
    async def resource(event: CloudFormationEvent) -> None: ...

    bucket = Flaky(*statuses)
    async with TestApp(resource, http=bucket) as app:
        response = await app.cloudformation("policies").create()
        await app.settle()
        assert response["Status"] == "SUCCESS"
        assert (bucket.sent, len(app.invocations("resource"))) == (sent, invocations)


async def test_an_event_that_wants_its_answer_elsewhere_runs_nothing() -> None:
    ran = []

    @on_cloudformation()
    def resource(event):  # type: ignore[no-untyped-def]
        ran.append(event)

    wire = {**cloudformation_event().to_wire(), "ResponseURL": "https://169.254.169.254/latest"}
    async with TestApp(resource) as app:
        outcome = await app.invoke("resource", wire)
    assert isinstance(outcome, FunctionFailed)
    assert "the ResponseURL is not valid: its host is not cloudformation-custom-resource" in outcome.error_message
    assert ran == []


async def test_a_throttled_request_is_not_answered_yet() -> None:
    def throttling(next_handler: Any) -> Any:
        from eventflow.model.outcome import ThrottleReason

        async def handle(invocation: Any) -> Any:
            return Throttled(ThrottleReason.FUNCTION)

        return handle

    async with TestApp(App([policy], middleware=[throttling])) as app:
        outcome = await app.invoke("policy", cloudformation_event(properties={"name": "a"}))
        assert isinstance(outcome, Throttled)


async def test_a_host_may_be_trusted_for_tests() -> None:
    bucket = ResponseBucket()
    bucket.expect("http://localhost:9000/r")
    environment = Environment(custom_resource_response_hosts=["localhost:9000"])
    wire = {**cloudformation_event(properties={"name": "a"}).to_wire(), "ResponseURL": "http://localhost:9000/r"}
    async with TestApp(policy, environment=environment, http=bucket) as app:
        outcome = await app.invoke("policy", wire)
        assert isinstance(outcome, Succeeded)
        assert json.dumps(await bucket.response("http://localhost:9000/r")) == json.dumps(outcome.value)


STACK = "arn:aws:cloudformation:eu-west-1:123456789012:stack/s/1"
HOST = "cloudformation-custom-resource-response-euwest1.s3.amazonaws.com"


@pytest.mark.parametrize(
    ("url", "stack"),
    [
        (f"https://{HOST}/x?y=z", STACK),
        (f"https://{HOST}:443/x", STACK),
        ("https://cloudformation-custom-resource-response-euwest1.s3-eu-west-1.amazonaws.com/x", STACK),
        ("https://cloudformation-custom-resource-response-euwest1.s3.eu-west-1.amazonaws.com/x", STACK),
        (
            "https://cloudformation-custom-resource-response-cnnorth1.s3.cn-north-1.amazonaws.com.cn/x",
            "arn:aws-cn:cloudformation:cn-north-1:123456789012:stack/s/1",
        ),
    ],
)
def test_cloudformations_own_buckets_take_responses(url: str, stack: str) -> None:
    assert response_url_problem(url, stack, ()) is None


@pytest.mark.parametrize(
    "url",
    [
        f"http://{HOST}/x",
        f"https://{HOST}:8443/x",
        f"https://{HOST}.example.com/x",
        f"https://user@{HOST}/x",
        f"https://{HOST}@example.com/x",
        f"https://example.com/{HOST}",
        "https://cloudformation-custom-resource-response-useast1.s3.amazonaws.com/x",
        "https://cloudformation-custom-resource-response-euwest1.s3.us-east-1.amazonaws.com/x",
        "https://cloudformation-custom-resource-response-euwest1.s3.amazonaws.com.cn/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://[/x",
        "file:///etc/passwd",
        "",
        None,
        7,
    ],
)
def test_no_other_place_takes_responses(url: Any) -> None:
    assert response_url_problem(url, STACK, ()) is not None


@pytest.mark.parametrize(
    "stack", ["", None, "arn:aws:s3:::b", "arn:aws-none:cloudformation:eu-west-1:123456789012:stack/s"]
)
def test_without_a_stack_there_is_no_bucket(stack: Any) -> None:
    assert response_url_problem(f"https://{HOST}/x", stack, ()) is not None


def test_trusted_hosts_are_trusted_by_port_if_they_say_one() -> None:
    assert response_url_problem("http://localhost:1/x", STACK, ["localhost"]) is None
    assert response_url_problem("http://localhost:1/x", STACK, ["localhost:1"]) is None
    assert response_url_problem("http://localhost:2/x", STACK, ["localhost:1"]) is not None
    assert response_url_problem("ftp://localhost:1/x", STACK, ["localhost:1"]) is not None


def test_the_adapter_of_topics_opens_a_custom_resources_topic() -> None:
    environment = Environment(sources={"sns": SourceBinding(adapter="aws", options={})})
    plan = App([policy]).freeze(environment)
    assert [(item.adapter, item.opened_by) for item in plan.notifications] == [("aws", "sns")]
    assert {item.service: len(item.blueprint.subscriptions) for item in blueprints(plan)} == {"": 0, "sns": 1}
