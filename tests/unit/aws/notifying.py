"""What services put into queues, and who wants it."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import quote_plus

from eventflow.model.records import QueueRecord, SourceIdentity
from eventflow.model.subscriptions import BucketNotification, BusRule, ScheduleRule, TopicSubscription
from eventflow.policy.patterns import EventPattern
from eventflow.policy.topics import TopicFilter
from eventflow_aws.names import Names
from eventflow_aws.notifications.eventbridge_events import BusInterest, ScheduleInterest
from eventflow_aws.notifications.s3_events import BucketInterest
from eventflow_aws.notifications.schedule_names import schedule_name
from eventflow_aws.notifications.sns_events import TopicInterest

ACCOUNT: Final = "123456789012"
REGION: Final = "us-east-1"
TOPIC: Final = f"arn:aws:sns:{REGION}:{ACCOUNT}:orders"
CREATED: Final = ("s3:ObjectCreated:*",)


def queue_record(body: str, *, message_attributes: dict[str, Any] | None = None) -> QueueRecord:
    return QueueRecord(
        message_id="059f36b4-87a3-44ab-83d2-661975830a7d",
        receipt_handle="receipt",
        body=body,
        receive_count=1,
        group_id=None,
        attributes={"SentTimestamp": "1545082649183"},
        message_attributes=message_attributes or {},
    )


def identity(arn: str) -> SourceIdentity:
    return SourceIdentity(arn=arn, region=REGION, extras={})


def bucket(
    name: str,
    *,
    events: tuple[str, ...] = CREATED,
    prefix: str = "",
    suffix: str = "",
    subscriber: str = "f",
    physical: str | None = None,
) -> BucketInterest:
    subscription = BucketNotification(name=name, subscriber=subscriber, events=events, prefix=prefix, suffix=suffix)
    return BucketInterest(subscription, identity(f"arn:aws:s3:::{physical or name}"), physical or name)


def topic(arn: str = TOPIC, *, policy: Any = None, body: bool = False, subscriber: str = "f") -> TopicInterest:
    subscription = TopicSubscription(
        name=arn.rpartition(":")[2],
        subscriber=subscriber,
        filter_policy=None if policy is None else json.dumps(policy),
        filter_policy_scope="MessageBody" if body else "MessageAttributes",
    )
    chosen = subscription.filter_policy
    compiled = None if chosen is None else TopicFilter(chosen, subscription.filter_policy_scope)
    return TopicInterest(subscription, identity(arn), f"{arn}:made-up", compiled)


def bus(name: str, pattern: Any, *, subscriber: str = "f") -> BusInterest:
    rule = BusRule(name=name, subscriber=subscriber, pattern=json.dumps(pattern))
    arn = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{name}"
    return BusInterest(rule, identity(arn), EventPattern(rule.pattern))


def schedule(
    name: str, *, bound: str | None = None, expression: str = "rate(1 hour)", input: Any = None
) -> ScheduleInterest:
    text = None if input is None else json.dumps(input)
    rule = ScheduleRule(name=name, subscriber=name, expression=expression, input=text)
    provisioned = schedule_name(Names({}), rule)
    return ScheduleInterest(rule, identity(schedule_arn(provisioned)), bound or name, provisioned)


def schedule_arn(name: str, *, group: str = "default") -> str:
    return f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/{group}/{name}"


def s3_record(bucket_name: str, key: str, event_name: str = "ObjectCreated:Put") -> dict[str, Any]:
    """A record as S3 writes it, as far as anybody looks."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": event_name,
        "s3": {"bucket": {"name": bucket_name}, "object": {"key": quote_plus(key, safe="/"), "size": 1}},
    }


def s3_body(*records: dict[str, Any]) -> str:
    return json.dumps({"Records": records})


def s3_bus_event(bucket_name: str, key: str, detail_type: str = "Object Created", **detail: Any) -> dict[str, Any]:
    """What a bucket tells EventBridge."""
    return {
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": detail_type,
        "source": "aws.s3",
        "account": ACCOUNT,
        "time": "2017-12-22T18:43:48Z",
        "region": REGION,
        "resources": [f"arn:aws:s3:::{bucket_name}"],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket_name},
            "object": {"key": key, "size": 5, "etag": "b57f", "sequencer": "00617F08299329D189"},
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": ACCOUNT,
            "source-ip-address": "1.2.3.4",
            "reason": "PutObject",
            **detail,
        },
    }


def bus_event(source: str = "shop", **detail: Any) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "1",
        "detail-type": "Order Placed",
        "source": source,
        "account": ACCOUNT,
        "time": "2017-12-22T18:43:48Z",
        "region": REGION,
        "resources": [],
        "detail": detail,
    }


def scheduled(arn: str, source: str = "aws.scheduler") -> dict[str, Any]:
    return {**bus_event(source), "detail-type": "Scheduled Event", "resources": [arn]}


def envelope(message: str, *, arn: str = TOPIC, **fields: Any) -> str:
    """A notification as SNS writes it into a queue."""
    subscription = f"{arn}:21be56ed-a058-49f5-8c98-aedd2564c486"
    notification = {
        "Type": "Notification",
        "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
        "TopicArn": arn,
        "Message": message,
        "Timestamp": "2019-01-02T12:45:07.000Z",
        "SignatureVersion": "1",
        "Signature": "tcc6faL2yUC6dgZdmrwh1Y4cGa",
        "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-ac565b8b.pem",
        "UnsubscribeURL": f"https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={subscription}",
        **fields,
    }
    return json.dumps(notification)
