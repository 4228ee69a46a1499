"""Sources that send events: buckets, topics, buses and schedules.

Source: AWS SAM specification: EventSource.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from eventflow.model.destinations import Service
from eventflow.model.subscriptions import BucketNotification, BusRule, ScheduleRule, TopicSubscription
from eventflow_aws.management.template.resources import DEFAULT_BUS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eventflow_aws.management.template.part import FunctionPart

    Event = tuple[str, dict[str, Any]]


def bucket(part: FunctionPart) -> Event | None:
    wanted = part.subscription
    assert isinstance(wanted, BucketNotification)
    if not part.resources.is_made(Service.S3, wanted.name):
        part.remark(f"the bucket {wanted.name} is not of this template, and only that could notify: connect it by hand")
        return None
    rules = [
        {"Name": name, "Value": value}
        for name, value in (("prefix", wanted.prefix), ("suffix", wanted.suffix))
        if value
    ]
    properties: dict[str, Any] = {
        "Bucket": part.resources.reference(Service.S3, wanted.name),
        "Events": list(wanted.events),
    }
    if rules:
        properties["Filter"] = {"S3Key": {"Rules": rules}}
    return "S3", properties


def topic(part: FunctionPart) -> Event:
    wanted = part.subscription
    assert isinstance(wanted, TopicSubscription)
    properties: dict[str, Any] = {"Topic": part.resources.arn(Service.SNS, wanted.name)}
    if wanted.filter_policy is not None:
        properties["FilterPolicy"] = json.loads(wanted.filter_policy)
        properties["FilterPolicyScope"] = wanted.filter_policy_scope
    return "SNS", properties


def bus(part: FunctionPart) -> Event:
    wanted = part.subscription
    assert isinstance(wanted, BusRule)
    properties: dict[str, Any] = {"Pattern": json.loads(wanted.pattern)}
    if wanted.name != DEFAULT_BUS:
        properties["EventBusName"] = part.resources.reference(Service.EVENTBRIDGE, wanted.name)
    return "EventBridgeRule", properties


def schedule(part: FunctionPart) -> Event:
    wanted = part.subscription
    assert isinstance(wanted, ScheduleRule)
    properties = {"ScheduleExpression": wanted.expression, "ScheduleExpressionTimezone": wanted.timezone}
    return "ScheduleV2", {**properties, **({} if wanted.input is None else {"Input": wanted.input})}


PUSHERS: Final[Mapping[Service, Callable[[FunctionPart], Event | None]]] = {
    Service.S3: bucket,
    Service.SNS: topic,
    Service.EVENTBRIDGE: bus,
    Service.SCHEDULE: schedule,
}
"""From one pushed source of a function to the type and properties of its event."""
