"""Buckets, topics, buses and schedules on AWS servers, wired to queues as `eventflow provision` does it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import anyio

from eventflow.model.destinations import Service
from eventflow.policy.schedules import Schedule, parse_schedule
from eventflow.testing.harness import AN_HOUR
from tests.contract.aws_servers import REGION, clients_of, create_bus
from tests.contract.embedded import WallClock

if TYPE_CHECKING:
    from eventflow.model.subscriptions import ScheduleRule
    from eventflow_aws import AwsAdapter

PATIENCE_SECONDS: Final = 60
EVERYTHING: Final = json.dumps({"source": [{"prefix": ""}]})


def unique_name(kind: str) -> str:
    """Servers are shared."""
    return f"{kind}-{uuid4().hex[:12]}"


async def make_queue(adapter: AwsAdapter, name: str, *, visibility_seconds: int = AN_HOUR) -> str:
    """A queue, or the one there is; returns its ARN."""
    sqs = await clients_of(adapter).sqs()
    wanted: Any = {"VisibilityTimeout": str(visibility_seconds)}
    url = (await sqs.create_queue(QueueName=name, Attributes=wanted))["QueueUrl"]
    answer = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return answer["Attributes"]["QueueArn"]


async def send_body(adapter: AwsAdapter, queue: str, body: str) -> None:
    """Put a message into a queue as a service would."""
    sqs = await clients_of(adapter).sqs()
    url = (await sqs.get_queue_url(QueueName=queue))["QueueUrl"]
    await sqs.send_message(QueueUrl=url, MessageBody=body)


async def messages_in(adapter: AwsAdapter, queue: str) -> int:
    """How many messages a queue has, in flight or not."""
    sqs = await clients_of(adapter).sqs()
    url = (await sqs.get_queue_url(QueueName=queue))["QueueUrl"]
    names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return sum(int(answer["Attributes"][name]) for name in names)


async def make_bucket(adapter: AwsAdapter, name: str, queue_arn: str) -> None:
    """A bucket that tells a queue of everything."""
    s3 = await clients_of(adapter).s3()
    await s3.create_bucket(Bucket=name)
    configuration: Any = {"QueueArn": queue_arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
    await s3.put_bucket_notification_configuration(
        Bucket=name, NotificationConfiguration={"QueueConfigurations": [configuration]}
    )


async def make_topic(adapter: AwsAdapter, name: str, queue_arn: str, *, raw: bool = False) -> str:
    """A topic that sends everything to a queue; returns its ARN."""
    sns = await clients_of(adapter).sns()
    arn = (await sns.create_topic(Name=name))["TopicArn"]
    attributes = {"RawMessageDelivery": "true"} if raw else {}
    await sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn, Attributes=attributes)
    return arn


async def make_bus(adapter: AwsAdapter, name: str, queue_arn: str) -> None:
    """A bus with a rule that sends everything to a queue."""
    await create_bus(clients_of(adapter), name, queue_arn, pattern=EVERYTHING)


async def make_connected(adapter: AwsAdapter, service: Service, queue: str, *, visibility_seconds: int) -> str:
    """A bucket, topic or bus whose events go to the queue; every bus has one of its own, called like it.
    A schedule only gets a name. Returns the name."""
    name = unique_name(service)
    queue = name if service is Service.EVENTBRIDGE else queue
    queue_arn = await make_queue(adapter, queue, visibility_seconds=visibility_seconds)
    match service:
        case Service.S3:
            await make_bucket(adapter, name, queue_arn)
        case Service.SNS:
            await make_topic(adapter, name, queue_arn)
        case Service.EVENTBRIDGE:
            await make_bus(adapter, name, queue_arn)
        case _:
            pass
    return name


def iso_seconds(time: float) -> str:
    return f"{datetime.fromtimestamp(time, tz=UTC):%Y-%m-%dT%H:%M:%SZ}"


def scheduled_event(schedule_arn: str, *, time: str = "2026-01-01T00:00:00Z") -> str:
    """What EventBridge Scheduler sends to a queue."""
    event = {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": "000000000000",
        "time": time,
        "region": REGION,
        "resources": [schedule_arn],
        "detail": {},
    }
    return json.dumps(event)


class Scheduler(WallClock):
    """Stands for EventBridge Scheduler, which no test server runs. Its time can be moved on: then every schedule puts
    into the queue what it would have sent meanwhile, and the time is over when all of it was taken out."""

    def __init__(self, adapter: AwsAdapter, queue: str) -> None:
        self._adapter = adapter
        self._queue = queue
        self._ahead_seconds = 0.0
        self._schedules: dict[str, tuple[Schedule, float]] = {}

    def time(self) -> float:
        return super().time() + self._ahead_seconds

    def add(self, rule: ScheduleRule, arn: str) -> None:
        """A schedule begins, unless it has begun."""
        schedule = parse_schedule(rule.expression, timezone=rule.timezone)
        self._schedules.setdefault(arn, (schedule, self.time()))

    async def elapse(self, seconds: float) -> None:
        before = self.time()
        self._ahead_seconds += seconds
        for arn, (schedule, anchor) in self._schedules.items():
            due = schedule.next_after(before, anchor=anchor)
            while due is not None and due <= before + seconds:
                await send_body(self._adapter, self._queue, scheduled_event(arn, time=iso_seconds(due)))
                due = schedule.next_after(due, anchor=anchor)
        with anyio.fail_after(PATIENCE_SECONDS):
            while await messages_in(self._adapter, self._queue):  # noqa: ASYNC110 - a server has no event to wait for
                await anyio.sleep(0.02)
