"""The IAM permissions of an app: least privilege, from what its decorators name.

Source: Lambda guide: the execution roles of each event source; Service Authorization Reference. Batch calls need no
action of their own (``DeleteMessageBatch`` is allowed by ``sqs:DeleteMessage``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from eventflow.model.destinations import Service
from eventflow.model.subscriptions import (
    BucketNotification,
    BusRule,
    QueueSubscription,
    ScheduleRule,
    StreamSubscription,
    TopicSubscription,
)
from eventflow.ports import Permissions, Statement
from eventflow_aws.arns import Arns, KnownArn
from eventflow_aws.notifications.resources import resource_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from eventflow.model.blueprint import Blueprint
    from eventflow.model.subscriptions import Subscription
    from eventflow_aws.options import AwsOptions

RECEIVE: Final = (
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:ReceiveMessage",
)
LAMBDA_RECEIVE: Final = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
"""What Lambda's own pollers need of a function's role. Source: Lambda guide: the execution role of each source."""
LAMBDA_READ_STREAM: Final = (
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
)
READ_STREAM: Final = (
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
)
READ_TABLE: Final = ("dynamodb:DescribeTable",)
READ_TABLE_STREAM: Final = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator")
LEASE: Final = (
    "dynamodb:DeleteItem",
    "dynamodb:DescribeTable",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
)
DELIVER: Final[Mapping[Service, tuple[str, ...]]] = {
    Service.SQS: ("sqs:SendMessage",),
    Service.SNS: ("sns:Publish",),
    Service.EVENTBRIDGE: ("events:PutEvents",),
    Service.S3: ("s3:ListBucket", "s3:PutObject"),
    Service.KINESIS: ("kinesis:PutRecords",),
    Service.DYNAMODB: ("dynamodb:PutItem",),
    Service.FUNCTION: ("lambda:InvokeFunction",),
}
"""What sending to a destination takes: all that Lambda itself needs of a function's role."""
_LOOK: Final[Mapping[Service, tuple[str, ...]]] = {
    Service.SQS: ("sqs:GetQueueAttributes", "sqs:GetQueueUrl"),
    Service.SNS: ("sns:GetTopicAttributes",),
    Service.EVENTBRIDGE: ("events:DescribeEventBus",),
    Service.KINESIS: ("kinesis:DescribeStreamSummary",),
    Service.DYNAMODB: ("dynamodb:DescribeTable",),
}
SEND: Final[Mapping[Service, tuple[str, ...]]] = {
    service: (*_LOOK.get(service, ()), *actions) for service, actions in DELIVER.items()
}
"""What a destination takes. Looking at it when it is opened is part of it."""

MAKE_QUEUE: Final = ("sqs:CreateQueue", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SetQueueAttributes")
MAKE_TOPIC: Final = ("sns:CreateTopic", "sns:GetTopicAttributes")
SUBSCRIBE_TOPIC: Final = ("sns:ListSubscriptionsByTopic", "sns:Subscribe")
CHANGE_SUBSCRIPTION: Final = ("sns:GetSubscriptionAttributes", "sns:SetSubscriptionAttributes")
MAKE_BUS: Final = ("events:CreateEventBus", "events:DescribeEventBus")
MAKE_RULE: Final = ("events:DescribeRule", "events:ListTargetsByRule", "events:PutRule", "events:PutTargets")
CHECK_RULES: Final = ("events:ListRuleNamesByTarget",)
MAKE_BUCKET: Final = ("s3:CreateBucket", "s3:ListBucket")
NOTIFY_BUCKET: Final = ("s3:GetBucketNotification", "s3:PutBucketNotification")
MAKE_STREAM: Final = ("kinesis:CreateStream", "kinesis:DescribeStream", "kinesis:DescribeStreamSummary")
MAKE_TABLE: Final = ("dynamodb:CreateTable", "dynamodb:DescribeTable", "dynamodb:UpdateTable")
MAKE_SCHEDULE: Final = ("scheduler:CreateSchedule", "scheduler:GetSchedule", "scheduler:UpdateSchedule")

MAKE: Final[Mapping[Service, tuple[str, ...]]] = {
    Service.SQS: MAKE_QUEUE,
    Service.SNS: MAKE_TOPIC,
    Service.EVENTBRIDGE: MAKE_BUS,
    Service.S3: MAKE_BUCKET,
    Service.KINESIS: MAKE_STREAM,
    Service.DYNAMODB: MAKE_TABLE,
}
"""What provisioning a resource takes. Functions are deployed, not provisioned."""


def permissions(blueprint: Blueprint, options: AwsOptions, arns: Arns) -> Permissions:
    """The least that the app of ``blueprint`` needs. Raises AdapterError if a name is bound to another service."""
    runtime, provisioning = _Statements(), _Statements()
    for subscription in blueprint.subscriptions:
        _reading(subscription, options, arns, runtime)
        _making(subscription, options, arns, provisioning)
    if blueprint.event_queue is not None:
        queue = arns.of(f"sqs:{blueprint.event_queue}")
        runtime.allow("EventQueue", (*RECEIVE, "sqs:SendMessage"), queue)
        provisioning.allow("EventQueue", MAKE_QUEUE, queue)
    for destination in blueprint.destinations:
        arn = arns.of(destination.resource)
        name = f"SendTo{destination.service.capitalize()}"
        runtime.allow(name, SEND[destination.service], arn, *_objects(destination.service, arn))
        if destination.service in MAKE:
            provisioning.allow(f"Make{destination.service.capitalize()}", MAKE[destination.service], arn)
    return Permissions(runtime=runtime.finished(), provisioning=provisioning.finished())


def _reading(subscription: Subscription, options: AwsOptions, arns: Arns, runtime: _Statements) -> None:
    match subscription:
        case QueueSubscription():
            runtime.allow("ReadQueues", RECEIVE, arns.of(f"sqs:{subscription.name}"))
        case StreamSubscription(service=Service.KINESIS):
            runtime.allow("ReadStreams", READ_STREAM, arns.of(f"kinesis:{subscription.name}"))
            consumer = options.enhanced_fan_out.get(subscription.name)
            if consumer is not None:
                runtime.allow("ReadFannedOutStreams", ("kinesis:SubscribeToShard",), KnownArn(consumer))
        case StreamSubscription():
            table = arns.of(f"dynamodb:{subscription.name}")
            label = "a table's stream has a new name whenever it is switched on"
            runtime.allow("ReadTables", READ_TABLE, table)
            runtime.allow("ReadTableStreams", READ_TABLE_STREAM, KnownArn(f"{table.arn}/stream/*", label))
        case TopicSubscription() if options.topic_url(f"sns:{subscription.name}") is not None:
            runtime.allow("ConfirmSns", ("sns:ConfirmSubscription",), arns.of(f"sns:{subscription.name}"))
        case _:
            queue = options.notification_queue_of(resource_of(subscription))
            if queue is not None:
                runtime.allow("ReadNotifications", RECEIVE, arns.of(f"sqs:{queue}"))
    if isinstance(subscription, StreamSubscription):
        runtime.allow("KeepLeases", LEASE, arns.of(f"dynamodb:{options.lease_table}"))


def _making(subscription: Subscription, options: AwsOptions, arns: Arns, provisioning: _Statements) -> None:
    match subscription:
        case QueueSubscription():
            provisioning.allow("MakeSqs", MAKE_QUEUE, *_read_queue(f"sqs:{subscription.name}", arns))
        case StreamSubscription():
            service = subscription.service
            provisioning.allow(f"Make{service.capitalize()}", MAKE[service], arns.of(f"{service}:{subscription.name}"))
            provisioning.allow("MakeLeaseTable", MAKE_TABLE, arns.of(f"dynamodb:{options.lease_table}"))
        case _:
            queue = options.notification_queue_of(resource_of(subscription))
            if queue is not None:
                provisioning.allow("MakeSqs", MAKE_QUEUE, *_read_queue(f"sqs:{queue}", arns))
            _connecting(subscription, options, arns, provisioning)


def _read_queue(resource: str, arns: Arns) -> tuple[KnownArn, KnownArn]:
    """A queue that is read is made with its dead-letter queue."""
    return arns.of(resource), arns.of(arns.names.dead_letters(resource))


def _connecting(subscription: Subscription, options: AwsOptions, arns: Arns, provisioning: _Statements) -> None:
    """What it takes to have a pushed source's events put into a queue."""
    match subscription:
        case TopicSubscription():
            topic = arns.of(f"sns:{subscription.name}")
            label = "these actions have no resource to be limited to"
            provisioning.allow("MakeSns", (*MAKE_TOPIC, *SUBSCRIBE_TOPIC), topic)
            provisioning.allow("SubscribeSns", CHANGE_SUBSCRIPTION, KnownArn("*", label))
        case BucketNotification():
            bucket = arns.of(f"s3:{subscription.name}")
            provisioning.allow("MakeS3", MAKE_BUCKET, bucket)
            provisioning.allow("NotifyS3", NOTIFY_BUCKET, bucket)
        case BusRule():
            bus = arns.of(f"eventbridge:{subscription.name}")
            name = bus.arn.partition("event-bus/")[2]
            rules = "rule/eventflow-*" if name == "default" else f"rule/{name}/eventflow-*"
            label = "the names of its rules end in a digest of their patterns"
            provisioning.allow("MakeEventbridge", MAKE_BUS, bus)
            rule = KnownArn(bus.arn.replace(f"event-bus/{name}", rules), label)
            provisioning.allow("ConnectEventbridge", MAKE_RULE, rule)
            label = "this action has no resource to be limited to; only `eventflow check` takes it"
            provisioning.allow("CheckEventbridge", CHECK_RULES, KnownArn("*", label))
        case ScheduleRule() if options.scheduler_role is not None:
            schedule = arns.made("scheduler", "schedule/default/*")
            label = "its schedules are called after its functions"
            provisioning.allow("MakeSchedules", MAKE_SCHEDULE, KnownArn(schedule.arn, label))
            condition = {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}
            provisioning.allow("PassSchedulerRole", ("iam:PassRole",), KnownArn(options.scheduler_role), when=condition)
        case _:
            rule = arns.made("events", "rule/eventflow-*")
            label = "its schedules are called after its functions"
            provisioning.allow("MakeScheduleRules", MAKE_RULE, KnownArn(rule.arn, label))


def _objects(service: Service, bucket: KnownArn) -> tuple[KnownArn, ...]:
    """Records are written below Lambda's own prefix."""
    if service is not Service.S3:
        return ()
    return (KnownArn(f"{bucket.arn}/aws/lambda/*", "an object's name is made of its time and request id"),)


@dataclass(slots=True)
class _Statements:
    """Statements by their sid: the same actions on several resources are one statement."""

    _found: dict[str, Statement] = field(default_factory=dict)

    def allow(
        self, sid: str, actions: Iterable[str], *arns: KnownArn, when: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        before = self._found.get(sid)
        resources = dict.fromkeys([*(before.resources if before else ()), *(known.arn for known in arns)])
        reasons = dict.fromkeys([before.wildcard] if before and before.wildcard else [])
        reasons.update(dict.fromkeys(known.wildcard for known in arns if known.wildcard))
        granted = {*actions, *(before.actions if before else ())}
        self._found[sid] = Statement(
            sid=re.sub(r"[^A-Za-z0-9]", "", sid),
            actions=tuple(sorted(granted)),
            resources=tuple(resources),
            conditions=when,
            wildcard="; ".join(reason for reason in reasons if reason) or None,
        )

    def finished(self) -> tuple[Statement, ...]:
        return tuple(self._found.values())
