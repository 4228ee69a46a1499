"""Notifications through SQS queues, on servers that speak AWS's API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import anyio
import pytest

from eventflow.app import App
from eventflow.errors import (
    AdapterError,
    InvalidEventPatternError,
    InvalidScheduleExpressionError,
    ResourceNotFoundError,
    UnavailableError,
)
from eventflow.events import S3Event, ScheduledEvent, SnsEvent
from eventflow.model.destinations import Service
from eventflow.model.subscriptions import (
    BucketNotification,
    BusRule,
    NotificationSubscription,
    ScheduleRule,
    TopicSubscription,
)
from eventflow.plan.environment import Environment, EventQueueBinding
from eventflow.ports import NotificationSource
from eventflow.run.runner import running
from eventflow.runtime.stopping import StopSignal
from eventflow.testing.harness import AN_HOUR, Capability, NotificationHarness, case_name, is_returning
from eventflow.testing.notification_cases import (
    BUCKET_CASES,
    BUS_CASES,
    NOTIFICATION_CASES,
    SCHEDULE_CASES,
    TOPIC_CASES,
    NotificationCase,
)
from eventflow.triggers.s3 import on_s3
from eventflow.triggers.schedule import on_schedule
from eventflow.triggers.sns import on_sns
from eventflow_aws import AwsAdapter
from eventflow_aws.management.connections import Connection, is_connected
from eventflow_aws.names import Names
from eventflow_aws.notifications.schedule_names import schedule_name
from tests.contract.aws_notifications import (
    PATIENCE_SECONDS,
    Scheduler,
    make_bucket,
    make_bus,
    make_connected,
    make_queue,
    make_topic,
    messages_in,
    scheduled_event,
    send_body,
    unique_name,
)
from tests.contract.aws_servers import aws_adapter, clients_of
from tests.contract.embedded import WallClock, skip_if_unable
from tests.servers.running import PrivateServer
from tests.servers.server import Server

SERVERS: Final = ("localstack", "moto")
VISIBILITY_SECONDS: Final = 6
RULES_PER_PAGE: Final = 50
"""Moto's; EventBridge has 100."""
GENERAL: Final = [
    ("localstack", Service.S3),
    ("localstack", Service.SNS),
    ("localstack", Service.EVENTBRIDGE),
    ("moto", Service.SNS),
]
"""What is the same for all services is not tried with all of them twice."""
CAPABILITIES: Final = frozenset({Capability.DURABLE_SUBSCRIPTIONS, Capability.REMOVALS})

FAULTS: Final[dict[tuple[str, str], str]] = {
    ("localstack", "object_keys_are_encoded_as_in_forms"): "writes a space in a key as %20, where S3 writes +",
    ("localstack", "object_that_is_overwritten_is_told_again"): "gives all events the same sequencer",
    ("moto", "object_event_has_the_shape_of_s3"): "writes / in a key as %2F, where S3 leaves it",
    ("moto", "prefix_and_suffix_select_keys"): "writes / in a key as %2F, where S3 leaves it",
    ("moto", "object_that_is_overwritten_is_told_again"): "gives events no sequencer",
    ("moto", "events_select_what_is_told"): "tells the size of a removed object",
    ("moto", "bus_event_has_the_shape_of_eventbridge"): "leaves the account out of events",
}
"""What a server does otherwise than AWS, by server and case."""

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])  # servers live in real time


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Server:
    return named_server(request, request.param)


def named_server(request: pytest.FixtureRequest, name: str) -> Server:
    server: Server = request.getfixturevalue(f"{name}_server")
    return server


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsHarness(NotificationHarness):
    """Schedules are told to whom makes them strike."""

    scheduler: Scheduler

    async def subscribe(
        self, subscription: NotificationSubscription, *, other_process: bool = False
    ) -> NotificationSource:
        adapter = self.other_adapter if other_process else self.adapter
        source = await adapter.notification_source(subscription)
        if isinstance(subscription, ScheduleRule):
            self.scheduler.add(subscription, source.identity.arn)
        return source


@asynccontextmanager
async def harnessed(server: Server, service: Service, *, visibility_seconds: int) -> AsyncIterator[AwsHarness]:
    """Two processes. Everything comes through one queue, except that every bus has its own."""
    queue = unique_name("notifications")
    options: dict[str, Any] = {"notification_queue": "{name}" if service is Service.EVENTBRIDGE else queue}
    async with (
        aws_adapter(server.endpoint_url, **options) as adapter,
        aws_adapter(server.endpoint_url, **options) as other_adapter,
    ):

        async def create() -> str:
            return await make_connected(adapter, service, queue, visibility_seconds=visibility_seconds)

        async def remove(bucket: str, key: str) -> None:
            await (await clients_of(adapter).s3()).delete_object(Bucket=bucket, Key=key)

        scheduler = Scheduler(adapter, queue)
        scheduled = service is Service.SCHEDULE
        yield AwsHarness(
            adapter=adapter,
            other_adapter=other_adapter,
            clock=scheduler if scheduled else WallClock(),
            elapse=scheduler.elapse if scheduled else anyio.sleep,
            capabilities=CAPABILITIES | ({Capability.LONG_WAITS} if scheduled else frozenset()),
            patience_seconds=PATIENCE_SECONDS,
            grace_seconds=0.4,
            service=service,
            create=create,
            remove=remove,
            scheduler=scheduler,
        )


async def run(case: NotificationCase, service: Service, server: Server) -> None:
    if fault := FAULTS.get((server.name, case_name(case))):
        pytest.skip(f"{server.name}: {fault}")
    visibility = VISIBILITY_SECONDS if is_returning(case) else AN_HOUR
    async with harnessed(server, service, visibility_seconds=visibility) as harness:
        skip_if_unable(case, harness)
        await case(harness)


@pytest.mark.parametrize(("name", "service"), GENERAL)
@pytest.mark.parametrize("case", NOTIFICATION_CASES, ids=case_name)
async def test_notifications(
    case: NotificationCase, name: str, service: Service, request: pytest.FixtureRequest
) -> None:
    await run(case, service, named_server(request, name))


@pytest.mark.parametrize("case", BUCKET_CASES, ids=case_name)
async def test_buckets(case: NotificationCase, server: Server) -> None:
    await run(case, Service.S3, server)


@pytest.mark.parametrize("case", TOPIC_CASES, ids=case_name)
async def test_topics(case: NotificationCase, server: Server) -> None:
    await run(case, Service.SNS, server)


@pytest.mark.parametrize("case", BUS_CASES, ids=case_name)
async def test_buses(case: NotificationCase, server: Server) -> None:
    await run(case, Service.EVENTBRIDGE, server)


@pytest.mark.parametrize("case", SCHEDULE_CASES, ids=case_name)
async def test_schedules(case: NotificationCase, server: Server) -> None:
    await run(case, Service.SCHEDULE, server)


# What the cases of all adapters do not know: queues, wiring and bindings


class Received:
    """Takes the events of one subscription."""

    def __init__(self, source: NotificationSource) -> None:
        self.source = source
        self.events: list[dict[str, Any]] = []

    async def deliver(self, payload: bytes) -> None:
        self.events.append(json.loads(payload))


@asynccontextmanager
async def received(adapter: AwsAdapter, *subscriptions: NotificationSubscription) -> AsyncIterator[list[Received]]:
    """The events of each subscription while the block runs."""
    everybody = [Received(await adapter.notification_source(subscription)) for subscription in subscriptions]
    async with anyio.create_task_group() as tasks:
        for one in everybody:
            tasks.start_soon(one.source.run, one.deliver)
        yield everybody
        tasks.cancel_scope.cancel()
    for one in everybody:
        await one.source.aclose()


async def until_empty(adapter: AwsAdapter, queue: str) -> None:
    with anyio.fail_after(PATIENCE_SECONDS):
        while await messages_in(adapter, queue):  # noqa: ASYNC110 - a server has no event to wait for
            await anyio.sleep(0.05)


async def put(adapter: AwsAdapter, bucket: str, *keys: str) -> None:
    for key in keys:
        await (await clients_of(adapter).s3()).put_object(Bucket=bucket, Key=key, Body=b"x")


async def publish(adapter: AwsAdapter, topic_arn: str, message: str, **attributes: str) -> None:
    values: Any = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    await (await clients_of(adapter).sns()).publish(TopicArn=topic_arn, Message=message, MessageAttributes=values)


def keys_of(events: Sequence[dict[str, Any]]) -> list[str]:
    return sorted(record["s3"]["object"]["key"] for event in events for record in event["Records"])


def messages_of(events: Sequence[dict[str, Any]]) -> list[str]:
    return sorted(event["Records"][0]["Sns"]["Message"] for event in events)


async def eventually(check: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE_SECONDS):
        while not check():  # noqa: ASYNC110 - a server has no event to wait for
            await anyio.sleep(0.05)


async def test_one_queue_serves_functions_of_several_services(server: Server) -> None:
    queue, bucket, topic, bus = [unique_name(kind) for kind in ("all", "bucket", "topic", "bus")]
    async with aws_adapter(server.endpoint_url, notification_queue=queue) as adapter:
        queue_arn = await make_queue(adapter, queue)
        await make_bucket(adapter, bucket, queue_arn)
        topic_arn = await make_topic(adapter, topic, queue_arn)
        await make_bus(adapter, bus, queue_arn)
        csv = BucketNotification(name=bucket, subscriber="csv", events=("s3:ObjectCreated:*",), suffix=".csv")
        everything = BucketNotification(name=bucket, subscriber="everything", events=("s3:ObjectCreated:*",))
        policy = json.dumps({"kind": ["order"]})
        orders = TopicSubscription(name=topic, subscriber="orders", filter_policy=policy)
        rule = BusRule(name=bus, subscriber="audit", pattern='{"source": ["shop"]}')
        nightly = ScheduleRule(name="nightly", subscriber="nightly", expression="rate(1 day)", input='{"job": 1}')
        async with received(adapter, csv, everything, orders, rule, nightly) as (one, two, three, four, five):
            await put(adapter, bucket, "a.csv", "b.txt")
            await publish(adapter, topic_arn, "an order", kind="order")
            await publish(adapter, topic_arn, "a refund", kind="refund")
            for source in ("shop", "bank"):
                entry: Any = {"Source": source, "DetailType": "t", "Detail": "{}", "EventBusName": bus}
                await (await clients_of(adapter).events()).put_events(Entries=[entry])
            await send_body(adapter, queue, scheduled_event("arn:aws:events:us-east-1:000000000000:rule/nightly"))
            await eventually(lambda: len(two.events) >= 2 and all((one.events, three.events, four.events, five.events)))
            await until_empty(adapter, queue)
        assert (keys_of(one.events), keys_of(two.events)) == (["a.csv"], ["a.csv", "b.txt"])
        assert messages_of(three.events) == ["an order"]
        assert [event["source"] for event in four.events] == ["shop"]
        assert five.events == [{"job": 1}]


async def test_raw_messages_keep_their_attributes(server: Server) -> None:
    queue, topic = unique_name("raw"), unique_name("topic")
    async with aws_adapter(server.endpoint_url, notification_queue=queue) as adapter:
        topic_arn = await make_topic(adapter, topic, await make_queue(adapter, queue), raw=True)
        policy = json.dumps({"kind": ["order"]})
        async with received(adapter, TopicSubscription(name=topic, subscriber="f", filter_policy=policy)) as (one,):
            await publish(adapter, topic_arn, '{"id": 1}', kind="order")
            await eventually(lambda: bool(one.events))
        [record] = one.events[0]["Records"]
        assert (record["Sns"]["TopicArn"], record["Sns"]["Message"]) == (topic_arn, '{"id": 1}')
        assert record["Sns"]["MessageAttributes"] == {"kind": {"Type": "String", "Value": "order"}}


async def test_a_bucket_may_notify_through_a_topic(server: Server) -> None:
    queue, bucket, topic = unique_name("fan-out"), unique_name("bucket"), unique_name("topic")
    async with aws_adapter(server.endpoint_url, notification_queue=queue) as adapter:
        topic_arn = await make_topic(adapter, topic, await make_queue(adapter, queue))
        s3 = await clients_of(adapter).s3()
        await s3.create_bucket(Bucket=bucket)
        configuration: Any = {"TopicConfigurations": [{"TopicArn": topic_arn, "Events": ["s3:ObjectCreated:*"]}]}
        await s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
        wanted = BucketNotification(name=bucket, subscriber="f", events=("s3:ObjectCreated:*",), suffix=".csv")
        async with received(adapter, wanted) as (one,):
            await put(adapter, bucket, "a.txt", "b.csv")
            await eventually(lambda: bool(one.events))
            await until_empty(adapter, queue)
        assert keys_of(one.events) == ["b.csv"]


async def test_a_bucket_may_notify_through_eventbridge(localstack_server: Server) -> None:
    # not on moto, which gives reasons that S3 does not have
    queue, bucket = unique_name("bridge"), unique_name("bucket")
    async with aws_adapter(localstack_server.endpoint_url, notification_queue=queue) as adapter:
        queue_arn = await make_queue(adapter, queue)
        s3, events = await clients_of(adapter).s3(), await clients_of(adapter).events()
        await s3.create_bucket(Bucket=bucket)
        configuration: Any = {"EventBridgeConfiguration": {}}
        await s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
        pattern = json.dumps({"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}})
        await events.put_rule(Name=bucket, EventPattern=pattern)
        await events.put_targets(Rule=bucket, Targets=[{"Id": "queue", "Arn": queue_arn}])
        wanted = BucketNotification(name=bucket, subscriber="f", events=("s3:ObjectCreated:Put",), prefix="in/")
        async with received(adapter, wanted) as (one,):
            await put(adapter, bucket, "other", "in/a.csv")
            await eventually(lambda: bool(one.events))
        assert keys_of(one.events) == ["in/a.csv"]
        await events.remove_targets(Rule=bucket, Ids=["queue"])
        await events.delete_rule(Name=bucket)


async def test_names_may_be_bound_to_arns(server: Server) -> None:
    queue, bucket, topic = unique_name("bound"), unique_name("bucket"), unique_name("topic")
    async with aws_adapter(server.endpoint_url) as maker:
        queue_arn = await make_queue(maker, queue)
        topic_arn = await make_topic(maker, topic, queue_arn)
        await make_bucket(maker, bucket, queue_arn)
    bound = {"s3:uploads": f"arn:aws:s3:::{bucket}", "sns:orders": topic_arn, "sqs:events": queue_arn}
    async with aws_adapter(server.endpoint_url, resources=bound, notification_queue="events") as adapter:
        uploads = BucketNotification(name="uploads", subscriber="f", events=("s3:ObjectCreated:*",))
        async with received(adapter, uploads, TopicSubscription(name="orders", subscriber="f")) as (one, two):
            assert (one.source.identity.arn, two.source.identity.arn) == (f"arn:aws:s3:::{bucket}", topic_arn)
            await put(adapter, bucket, "k")
            await publish(adapter, topic_arn, "hello")
            await eventually(lambda: bool(one.events and two.events))
        assert (keys_of(one.events), messages_of(two.events)) == (["k"], ["hello"])


async def test_sources_have_the_arns_of_aws(moto_server: Server) -> None:
    queue = unique_name("arns")
    async with aws_adapter(moto_server.endpoint_url, notification_queue=queue) as adapter:
        await make_queue(adapter, queue)
        account = await clients_of(adapter).account_id()
        schedule = ScheduleRule(name="nightly", subscriber="nightly", expression="rate(1 day)")
        for subscription, arn in (
            (BucketNotification(name="b", subscriber="f", events=("s3:*",)), "arn:aws:s3:::b"),
            (TopicSubscription(name="t", subscriber="f"), f"arn:aws:sns:us-east-1:{account}:t"),
            (
                BusRule(name="default", subscriber="f", pattern='{"source": ["x"]}'),
                f"arn:aws:events:us-east-1:{account}:event-bus/default",
            ),
            (schedule, f"arn:aws:events:us-east-1:{account}:rule/{schedule_name(Names({}), schedule)}"),
        ):
            assert (await adapter.notification_source(subscription)).identity.arn == arn


async def test_a_schedule_is_found_behind_a_page_of_other_rules(moto_server: Server) -> None:
    queue = unique_name("rules")
    schedule = ScheduleRule(name=queue, subscriber=queue, expression="rate(1 day)")
    async with aws_adapter(moto_server.endpoint_url, notification_queue=queue) as adapter:
        arn = await make_queue(adapter, queue)
        events = await clients_of(adapter).events()
        others = [f"{queue}-{number}" for number in range(RULES_PER_PAGE)]
        for name in [*others, schedule_name(Names({}), schedule)]:
            await events.put_rule(Name=name, ScheduleExpression="rate(1 day)")
            await events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
        connection = Connection(f"schedule:{queue}", f"sqs:{queue}", None, (schedule,))
        assert await is_connected(adapter._opened, connection)


async def test_what_cannot_be_opened_says_how_it_could(moto_server: Server) -> None:
    queue = unique_name("shared")
    topic, rule = TopicSubscription(name="t", subscriber="f"), '{"source": ["x"]}'
    async with aws_adapter(moto_server.endpoint_url) as adapter:
        with pytest.raises(AdapterError, match="sns:t: no queue brings its events here; set notification_queue"):
            await adapter.notification_source(topic)
    async with aws_adapter(moto_server.endpoint_url, notification_queue=queue) as adapter:
        with pytest.raises(ResourceNotFoundError, match=f"sqs:{queue}"):
            await adapter.notification_source(topic)
        await make_queue(adapter, queue)
        await adapter.notification_source(BusRule(name="shop", subscriber="f", pattern=rule))
        with pytest.raises(AdapterError, match=r"eventbridge:bank.*with eventbridge:shop.*\{name\}"):
            await adapter.notification_source(BusRule(name="bank", subscriber="f", pattern=rule))
        with pytest.raises(InvalidEventPatternError):
            await adapter.notification_source(BusRule(name="shop", subscriber="f", pattern="{}"))
        with pytest.raises(InvalidScheduleExpressionError):
            await adapter.notification_source(ScheduleRule(name="s", subscriber="s", expression="rate(1 hours)"))


async def test_a_message_of_nobody_waits_for_somebody(server: Server) -> None:
    queue, topic, stranger = unique_name("left"), unique_name("topic"), unique_name("stranger")
    async with aws_adapter(server.endpoint_url, notification_queue=queue) as adapter:
        queue_arn = await make_queue(adapter, queue)
        topic_arn = await make_topic(adapter, topic, queue_arn)
        stranger_arn = await make_topic(adapter, stranger, queue_arn)
        async with received(adapter, TopicSubscription(name=topic, subscriber="f")) as (one,):
            await publish(adapter, stranger_arn, "not yours")
            await publish(adapter, topic_arn, "yours")
            await eventually(lambda: bool(one.events))
        assert messages_of(one.events) == ["yours"]
        with anyio.fail_after(PATIENCE_SECONDS):
            while await messages_in(adapter, queue) != 1:  # noqa: ASYNC110 - what servers count settles in a while
                await anyio.sleep(0.05)


async def test_an_unreachable_queue_ends_every_run_until_it_is_back(
    start_server: Callable[[str], PrivateServer],
) -> None:
    moto = start_server("moto")
    queue = unique_name("broken")
    async with aws_adapter(moto.server.endpoint_url, notification_queue=queue) as adapter:
        await make_queue(adapter, queue)
        names = ("one", "two")
        schedules = [ScheduleRule(name=name, subscriber=name, expression="rate(1 day)") for name in names]
        everybody = [Received(await adapter.notification_source(schedule)) for schedule in schedules]
        failed = 0

        async def run(one: Received) -> None:
            nonlocal failed
            with pytest.raises(UnavailableError):
                await one.source.run(one.deliver)
            failed += 1

        async with anyio.create_task_group() as tasks:
            for one in everybody:
                tasks.start_soon(run, one)
            await anyio.sleep(0.1)
            await asyncio.to_thread(moto.stop)
        assert failed == 2
        await asyncio.to_thread(moto.restart)
        await make_queue(adapter, queue)
        for name in names:
            await send_body(adapter, queue, scheduled_event(f"arn:aws:events:us-east-1:000000000000:rule/{name}"))
        async with anyio.create_task_group() as tasks:
            for one in everybody:
                tasks.start_soon(one.source.run, one.deliver)
            await eventually(lambda: all(one.events for one in everybody))
            tasks.cancel_scope.cancel()


async def test_an_app_is_invoked_by_all_that_its_queue_brings(moto_server: Server) -> None:
    queue, bucket, topic = unique_name("app"), unique_name("bucket"), unique_name("topic")
    seen: list[str] = []

    @on_s3(bucket, events="s3:ObjectCreated:*", suffix=".csv")
    async def import_csv(event: S3Event) -> None:
        seen.append(event.records[0].object_key)

    @on_sns(topic)
    async def notify(event: SnsEvent) -> None:
        seen.append(event.message)

    @on_schedule("rate(1 day)")
    async def nightly(event: ScheduledEvent) -> None:
        seen.append(event.source)

    async with aws_adapter(moto_server.endpoint_url) as maker:  # which also sets the credentials
        queue_arn = await make_queue(maker, queue)
        await make_bucket(maker, bucket, queue_arn)
        topic_arn = await make_topic(maker, topic, queue_arn)
        environment = Environment(
            adapter="aws",
            options={"endpoint_url": moto_server.endpoint_url, "notification_queue": queue},
            event_queue=EventQueueBinding(adapter="local", options={"data": "memory"}),
        )
        plan = App([import_csv, notify, nightly]).freeze(environment)
        async with running(plan, stop=StopSignal()):
            await put(maker, bucket, "a b.csv")
            await publish(maker, topic_arn, "hello")
            [schedule] = [each.subscription for each in plan.notifications if each.subscription.name == "nightly"]
            assert isinstance(schedule, ScheduleRule)
            arn = f"arn:aws:scheduler:us-east-1:123456789012:schedule/default/{schedule_name(Names({}), schedule)}"
            await send_body(maker, queue, scheduled_event(arn))
            await eventually(lambda: len(seen) >= 3)
            await until_empty(maker, queue)
        assert sorted(seen) == ["a b.csv", "aws.scheduler", "hello"]
