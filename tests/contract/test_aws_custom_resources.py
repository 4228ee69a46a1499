"""A custom resource whose ServiceToken is a topic: from the topic through a queue to the answer of its stack."""

from __future__ import annotations

import json

import anyio
import pytest

from eventflow import App, CloudFormationEvent, CustomResource, Environment, on_cloudformation
from eventflow.plan.environment import EventQueueBinding
from eventflow.run.runner import running
from eventflow.runtime.stopping import StopSignal
from eventflow.testing.events import cloudformation_event
from tests.contract.aws_notifications import make_queue, make_topic, unique_name
from tests.contract.aws_servers import aws_adapter, clients_of
from tests.runtime.http.answering import answering
from tests.servers.server import Server

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


@pytest.mark.parametrize(("name", "status"), [("works", "SUCCESS"), ("crashes", "FAILED")])
async def test_a_stack_is_answered_through_a_topic(moto_server: Server, name: str, status: str) -> None:
    queue, topic = unique_name("app"), unique_name("tokens")

    @on_cloudformation(topic)
    async def resource(event: CloudFormationEvent) -> CustomResource:
        if event.resource_properties["Name"] == "crashes":
            raise SystemExit(1)
        return CustomResource(physical_resource_id="made")

    with answering() as stack:
        async with aws_adapter(moto_server.endpoint_url) as maker:
            topic_arn = await make_topic(maker, topic, await make_queue(maker, queue))
            environment = Environment(
                adapter="aws",
                options={"endpoint_url": moto_server.endpoint_url, "notification_queue": queue},
                event_queue=EventQueueBinding(adapter="local", options={"data": "memory"}),
                custom_resource_response_hosts=[stack.address],
            )
            request = cloudformation_event(properties={"Name": name}).to_wire()
            request["ResponseURL"] = f"http://{stack.address}/answer?s=1"
            async with running(App([resource]).freeze(environment), stop=StopSignal()):
                await (await clients_of(maker).sns()).publish(TopicArn=topic_arn, Message=json.dumps(request))
                with anyio.fail_after(60):
                    while not stack.requests:  # noqa: ASYNC110 - a server has no event to wait for
                        await anyio.sleep(0.05)
    [(method, path, _, body)] = stack.requests
    assert (method, path, json.loads(body)["Status"]) == ("PUT", "/answer?s=1", status)
