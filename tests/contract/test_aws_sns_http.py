"""Topics over HTTP: through the real server, with keys of our own and with LocalStack's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import uuid4

import aiohttp
import anyio
import pytest

from eventflow.app import App
from eventflow.errors import ConfigurationError
from eventflow.events.sns import SnsEvent
from eventflow.model.records import SourceIdentity
from eventflow.model.subscriptions import NotificationSubscription, TopicSubscription
from eventflow.plan.environment import Environment, EventQueueBinding
from eventflow.plan.plan import Plan
from eventflow.ports import AdapterSettings, NotificationSource
from eventflow.run.runner import RunOptions, Started, run_plan, running
from eventflow.runtime.http.app import HttpApp
from eventflow.runtime.http.server import listen, serve_http
from eventflow.runtime.stopping import StopSignal
from eventflow.triggers.sns import on_sns
from eventflow_aws.certificates import check_validity, fetch_certificate
from eventflow_aws.notifications.http_topic import HttpTopic
from eventflow_aws.notifications.sns_events import TopicInterest
from eventflow_aws.notifications.sns_http import HttpTopicSource, confirm_subscription
from eventflow_aws.notifications.sns_signatures import (
    Signatures,
    check_signature,
    check_timestamp,
    parsed,
)
from eventflow_local import LocalAdapter
from tests.contract.aws_servers import aws_adapter
from tests.contract.embedded import WallClock
from tests.servers.server import Server
from tests.unit.aws.sns_signing import TOPIC, Signer, body, confirmation, notification

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

PATH: Final = "/eventflow/sns/orders"
PATIENCE_SECONDS: Final = 60


class Function:
    """A function that keeps the messages it gets."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[SnsEvent] = asyncio.Queue()

        @on_sns("orders")
        async def fulfil(event: SnsEvent) -> None:
            self.events.put_nowait(event)

        self.handler = fulfil

    async def event(self) -> SnsEvent:
        with anyio.fail_after(PATIENCE_SECONDS):
            return await self.events.get()


class TopicsOverHttp(LocalAdapter):
    """The embedded environment, but for its one topic."""

    def __init__(self, topic: HttpTopic, arn: str) -> None:
        memory = {"data": "memory"}
        super().__init__(AdapterSettings(environment="test", options=memory, resources={}, clock=WallClock()))
        self._topic = topic
        self._arn = arn

    async def notification_source(self, subscription: NotificationSubscription) -> NotificationSource:
        assert isinstance(subscription, TopicSubscription)
        identity = SourceIdentity(arn=self._arn, region="us-east-1", extras={})
        return HttpTopicSource(self._topic, TopicInterest(subscription, identity, f"{self._arn}:1", None))


class Account:
    """The side of SNS that takes tokens."""

    def __init__(self) -> None:
        self.tokens: list[str] = []

    async def confirm(self, token: str) -> None:
        self.tokens.append(token)


class OwnPlace(Signatures):
    """Without the rule where certificates are: a test server has its own. All else is as it should be."""

    async def check(self, message: Mapping[str, str]) -> None:
        check_timestamp(message["Timestamp"], time.time())
        certificate = parsed(await fetch_certificate(message["SigningCertURL"]))
        check_validity(certificate, time.time())
        check_signature(message, certificate)


@asynccontextmanager
async def serving(function: Function, topic: HttpTopic, arn: str) -> AsyncIterator[str]:
    """A whole run with a topic over HTTP; yields the server's address."""
    plan = App([function.handler]).freeze(Environment())
    stop = StopSignal()
    wrap = running(plan, stop=stop, serves_http=True, wrap_adapter=lambda _: TopicsOverHttp(topic, arn))
    with await listen("127.0.0.1", 0) as sock:
        async with anyio.create_task_group() as tasks, wrap as supervisor:
            app = HttpApp(
                plan,
                supervisor.functions,
                accept=supervisor.event_path.accept,
                metrics=supervisor.metrics,
                readiness=lambda: supervisor.readiness.problems,
                clock=supervisor.clock,
                endpoints=supervisor.http_endpoints,
            )
            yield await tasks.start(partial(serve_http, app, sock, stop=stop, drain_seconds=5))
            stop.request()


async def post(url: str, message: dict[str, Any]) -> tuple[int, str]:
    headers = {"content-type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": message["Type"]}
    async with aiohttp.ClientSession() as session, session.post(url, data=body(message), headers=headers) as response:
        return response.status, await response.text()


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.mark.parametrize("version", ["1", "2"])
async def test_a_signed_message_runs_the_function_through_the_real_server(version: str) -> None:
    signer, account, function = Signer(first="2000-01-01", last="2100-01-01"), Account(), Function()
    topic = HttpTopic(TOPIC, "sns:orders", Signatures(signer.fetch, WallClock()), account.confirm)
    async with serving(function, topic, TOPIC) as address:
        url = address + PATH
        assert await post(url, signer.signed(confirmation(Timestamp=now()), version=version)) == (200, "")
        assert await post(url, signer.signed(notification(Timestamp=now()), version=version)) == (200, "")
        event = await function.event()
        status, reason = await post(url, signer.signed(notification(Timestamp=now())) | {"Message": "forged"})
    assert event.message == notification()["Message"]
    assert account.tokens == ["token-1"]
    assert (status, reason) == (403, "its signature is wrong\n")
    assert function.events.empty()


@pytest.mark.parametrize("version", ["1", "2"])
async def test_a_server_that_signs_by_itself_shakes_hands_and_delivers(version: str, localstack_server: Server) -> None:
    function = Function()
    async with aws_adapter(localstack_server.endpoint_url) as adapter:
        env = adapter._opened
        sns = await env.clients.sns()
        attributes = {"SignatureVersion": version}
        arn = (await sns.create_topic(Name=f"http-{uuid4().hex}", Attributes=attributes))["TopicArn"]
        confirmed = anyio.Event()

        async def confirm(token: str) -> None:
            await confirm_subscription(env, "sns:orders", arn, token)
            confirmed.set()

        topic = HttpTopic(arn, "sns:orders", OwnPlace(fetch_certificate, WallClock()), confirm)
        async with serving(function, topic, arn) as address:
            await sns.subscribe(TopicArn=arn, Protocol="http", Endpoint=address + PATH)
            with anyio.fail_after(PATIENCE_SECONDS):
                await confirmed.wait()
            sent = "A message\nwith Zoë 🎉"
            kind: Any = {"kind": {"DataType": "String", "StringValue": "new"}}
            await sns.publish(TopicArn=arn, Message=sent, Subject="An order", MessageAttributes=kind)
            event = await function.event()
    message = event.records[0].sns
    assert (message.message, message.subject, message.signature_version) == (sent, "An order", version)
    assert message.message_attributes["kind"].value == "new"
    assert event.records[0].event_subscription_arn.startswith(arn)


def over_http(*, name: str = "orders", **options: Any) -> Plan:
    """A plan whose topic sends to this app's server, on the AWS adapter as it is."""
    environment = Environment(
        adapter="aws",
        options={"sns_endpoint": "https://events.example.com", **options},
        resources={"sns:orders": TOPIC.replace("orders", name)},
        event_queue=EventQueueBinding(adapter="local", options={"data": "memory"}),
        region_is_default=False,
    )
    return App([Function().handler]).freeze(environment)


async def test_an_app_on_aws_mounts_its_topics_and_refuses_forgeries() -> None:
    started: asyncio.Queue[Started] = asyncio.Queue()
    stop = StopSignal()
    async with anyio.create_task_group() as tasks:
        run = partial(run_plan, over_http(), RunOptions(port=0), stop=stop, on_started=started.put_nowait)
        tasks.start_soon(run)
        url = f"{(await started.get()).address}{PATH}"
        forged = notification(Timestamp=now(), SigningCertURL="https://example.com/a.pem")
        status, reason = await post(url, Signer().signed(forged))
        stop.request()
    assert status == 403
    assert "SigningCertURL" in reason


async def test_events_over_http_need_a_server() -> None:
    with pytest.raises(ConfigurationError, match="/eventflow/sns/orders: events arrive over HTTP"):
        await run_plan(over_http(), RunOptions(host=None), stop=StopSignal(), on_started=print)


async def test_fifo_topics_are_told_to_use_a_queue() -> None:
    with pytest.raises(ConfigurationError, match="a FIFO topic sends to queues only"):
        await run_plan(over_http(name="orders.fifo"), RunOptions(host=None), stop=StopSignal(), on_started=print)
