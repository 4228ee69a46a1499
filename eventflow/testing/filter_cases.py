"""Filters and event shapes of buckets, topics, buses and schedules: the part of the notification contract that
differs by service."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias
from urllib.parse import unquote_plus

from eventflow.model.destinations import OutboundMessage
from eventflow.model.subscriptions import BucketNotification, BusRule, ScheduleRule, TopicSubscription
from eventflow.testing._listener import listening
from eventflow.testing.harness import Capability, NotificationHarness, needs

NotificationCase: TypeAlias = Callable[[NotificationHarness], Awaitable[None]]

CREATED: Final = ("s3:ObjectCreated:*",)


# Buckets. Source: S3 guide: notification content structure, filtering by key name.


def _bucket(name: str, *, events: tuple[str, ...] = CREATED, prefix: str = "", suffix: str = "") -> BucketNotification:
    return BucketNotification(name=name, subscriber="contract", events=events, prefix=prefix, suffix=suffix)


async def _put(h: NotificationHarness, name: str, *keys: str, body: bytes = b"12345") -> None:
    for key in keys:
        await h.publish(name, OutboundMessage(body=body, key=key))


async def object_event_has_the_shape_of_s3(h: NotificationHarness) -> None:
    name = await h.create()
    async with listening(h, await h.subscribe(_bucket(name))) as listener:
        await _put(h, name, "reports/jan.csv")
        await listener.until(1)
        [record] = listener.events[0]["Records"]
        assert (record["eventSource"], record["eventName"]) == ("aws:s3", "ObjectCreated:Put")
        assert record["s3"]["bucket"]["name"]
        assert record["s3"]["bucket"]["arn"].startswith("arn:aws:s3:::")
        assert (record["s3"]["object"]["key"], record["s3"]["object"]["size"]) == ("reports/jan.csv", 5)


async def object_keys_are_encoded_as_in_forms(h: NotificationHarness) -> None:
    name = await h.create()
    keys = {"a b@c.txt", "dir/ü&+.txt", "100%.txt"}
    async with listening(h, await h.subscribe(_bucket(name))) as listener:
        await _put(h, name, *keys)
        await listener.until(len(keys))
        assert "a+b%40c.txt" in listener.tokens
        assert {unquote_plus(token) for token in listener.tokens} == keys


async def object_that_is_overwritten_is_told_again(h: NotificationHarness) -> None:
    name = await h.create()
    async with listening(h, await h.subscribe(_bucket(name))) as listener:
        await _put(h, name, "a.txt", body=b"1")
        await listener.until(1)
        await _put(h, name, "a.txt", body=b"22")
        await listener.until(2)
        objects = [event["Records"][0]["s3"]["object"] for event in listener.events]
        assert [entry["size"] for entry in objects] == [1, 2]
        assert objects[0]["sequencer"] < objects[1]["sequencer"]


async def prefix_and_suffix_select_keys(h: NotificationHarness) -> None:
    name = await h.create()
    subscription = _bucket(name, prefix="in/", suffix=".csv")
    async with listening(h, await h.subscribe(subscription)) as listener:
        await _put(h, name, "in/a.txt", "out/in/b.csv", "inbox.csv", "in/CAPITALS.CSV", "in/c.csv", "in/deep/d.csv")
        await listener.expect_only("in/c.csv", "in/deep/d.csv")


@needs(Capability.REMOVALS)
async def events_select_what_is_told(h: NotificationHarness) -> None:
    name = await h.create()
    assert h.remove is not None
    removed = _bucket(name, events=("s3:ObjectRemoved:Delete",))
    async with listening(h, await h.subscribe(removed)) as listener:
        await _put(h, name, "kept.txt", "gone.txt")
        await h.elapse(h.grace_seconds)
        await h.remove(name, "gone.txt")
        await listener.expect_only("gone.txt")
        [record] = listener.events[0]["Records"]
        assert record["eventName"] == "ObjectRemoved:Delete"
        assert "size" not in record["s3"]["object"]


@needs(Capability.REMOVALS)
async def several_event_types_may_be_asked_for(h: NotificationHarness) -> None:
    name = await h.create()
    assert h.remove is not None
    both = _bucket(name, events=("s3:ObjectCreated:Put", "s3:ObjectRemoved:*"))
    async with listening(h, await h.subscribe(both)) as listener:
        await _put(h, name, "a.txt")
        await listener.until(1)
        await h.remove(name, "a.txt")
        await listener.until(2)
        names = [event["Records"][0]["eventName"] for event in listener.events]
        assert names == ["ObjectCreated:Put", "ObjectRemoved:Delete"]


# Topics. Source: SNS guide: subscription filter policies; Lambda guide: with-sns.


def _topic(name: str, policy: Any = None, *, body: bool = False) -> TopicSubscription:
    return TopicSubscription(
        name=name,
        subscriber="contract",
        filter_policy=None if policy is None else json.dumps(policy),
        filter_policy_scope="MessageBody" if body else "MessageAttributes",
    )


async def topic_event_has_the_shape_of_sns(h: NotificationHarness) -> None:
    name = await h.create()
    async with listening(h, await h.subscribe(_topic(name))) as listener:
        attributes: dict[str, str | int | bytes] = {"kind": "Zoë", "count": 7, "raw": b"\x00\xff"}
        await h.publish(name, OutboundMessage(body="grüezi".encode(), subject="hello", attributes=attributes))
        await listener.until(1)
        [record] = listener.events[0]["Records"]
        assert (record["EventSource"], record["EventVersion"]) == ("aws:sns", "1.0")
        message = record["Sns"]
        assert (message["Type"], message["Subject"], message["Message"]) == ("Notification", "hello", "grüezi")
        assert message["MessageAttributes"] == {
            "kind": {"Type": "String", "Value": "Zoë"},
            "count": {"Type": "Number", "Value": "7"},
            "raw": {"Type": "Binary", "Value": "AP8="},
        }


async def filter_policy_selects_by_attributes(h: NotificationHarness) -> None:
    name = await h.create()
    policy = {"kind": ["order", {"prefix": "re"}], "count": [{"numeric": [">", 5]}]}
    async with listening(h, await h.subscribe(_topic(name, policy))) as listener:
        sent: dict[str, dict[str, str | int | bytes]] = {
            "no attributes": {},
            "one of two": {"kind": "order"},
            "too few": {"kind": "order", "count": 5},
            "match": {"kind": "order", "count": 6},
            "other match": {"kind": "refund", "count": 7},
        }
        for text, attributes in sent.items():
            await h.publish(name, OutboundMessage(body=text.encode(), attributes=attributes))
        await listener.expect_only("match", "other match")


async def filter_policy_selects_by_body(h: NotificationHarness) -> None:
    name = await h.create()
    policy = {"order": {"status": ["paid"]}}
    matching = json.dumps({"order": {"status": "paid", "id": 1}})
    async with listening(h, await h.subscribe(_topic(name, policy, body=True))) as listener:
        for text in ('{"order": {"status": "open"}}', "not json", '["paid"]', matching):
            await h.publish(name, OutboundMessage(body=text.encode()))
        await listener.expect_only(matching)


# Buses. Source: EventBridge guide: event patterns.


def _rule(name: str, pattern: Any) -> BusRule:
    return BusRule(name=name, subscriber="contract", pattern=json.dumps(pattern))


async def bus_event_has_the_shape_of_eventbridge(h: NotificationHarness) -> None:
    name = await h.create()
    async with listening(h, await h.subscribe(_rule(name, {"source": ["shop"]}))) as listener:
        detail = {"token": "t", "items": [{"name": "Zoë", "price": 9.5}]}
        message = OutboundMessage(
            body=json.dumps(detail).encode(), source="shop", detail_type="Order Placed", resources=("arn:aws:x",)
        )
        await h.publish(name, message)
        await listener.until(1)
        [event] = listener.events
        assert (event["version"], event["source"], event["detail-type"]) == ("0", "shop", "Order Placed")
        assert (event["resources"], event["detail"]) == (["arn:aws:x"], detail)
        assert all(event[key] for key in ("id", "account", "region"))
        moment = datetime.strptime(event["time"], "%Y-%m-%dT%H:%M:%S%z").timestamp()
        assert abs(moment - h.clock.time()) < h.patience_seconds


async def pattern_selects_events(h: NotificationHarness) -> None:
    name = await h.create()
    pattern = {"source": ["shop"], "detail-type": [{"prefix": "Order"}], "detail": {"total": [{"numeric": [">=", 10]}]}}
    async with listening(h, await h.subscribe(_rule(name, pattern))) as listener:
        for token, source, detail_type, total in (
            ("other source", "bank", "Order Placed", 10),
            ("other type", "shop", "Refund", 10),
            ("too little", "shop", "Order Placed", 9.99),
            ("text", "shop", "Order Placed", "10"),
            ("match", "shop", "Order Placed", 10),
        ):
            body = json.dumps({"token": token, "total": total}).encode()
            await h.publish(name, OutboundMessage(body=body, source=source, detail_type=detail_type))
        await listener.expect_only("match")


# Schedules. Source: EventBridge guide: schedule expressions; Scheduler guide: schedule types.


def _moment(h: NotificationHarness, **later: float) -> datetime:
    return (datetime.fromtimestamp(h.clock.time(), tz=UTC) + timedelta(**later)).replace(microsecond=0)


@needs(Capability.LONG_WAITS)
async def rate_strikes_again_and_again(h: NotificationHarness) -> None:
    rule = ScheduleRule(name=await h.create(), subscriber="contract", expression="rate(1 minute)")
    async with listening(h, await h.subscribe(rule)) as listener:
        await h.elapse(30)
        assert not listener.events, "the first strike is one interval after the start"
        await h.elapse(180)
        assert 2 <= len(listener.events) <= 4
        assert all(event["detail-type"] == "Scheduled Event" for event in listener.events)
        assert len({event["id"] for event in listener.events}) == len(listener.events)


@needs(Capability.LONG_WAITS)
async def cron_strikes_at_its_minutes(h: NotificationHarness) -> None:
    due = _moment(h, minutes=2)
    expression = f"cron({due.minute} {due.hour} * * ? *)"
    rule = ScheduleRule(name=await h.create(), subscriber="contract", expression=expression)
    async with listening(h, await h.subscribe(rule)) as listener:
        await h.elapse(30)
        assert not listener.events
        await h.elapse(160)
        assert len(listener.events) == 1
        assert listener.events[0]["time"].startswith(f"{due:%Y-%m-%dT%H:%M}")


@needs(Capability.LONG_WAITS)
async def single_moment_strikes_once_with_its_input(h: NotificationHarness) -> None:
    expression = f"at({_moment(h, minutes=2):%Y-%m-%dT%H:%M:%S})"
    rule = ScheduleRule(name=await h.create(), subscriber="contract", expression=expression, input='{"job": "x"}')
    async with listening(h, await h.subscribe(rule)) as listener:
        await h.elapse(60)
        assert not listener.events
        await h.elapse(300)
        assert listener.events == [{"job": "x"}]


@needs(Capability.LONG_WAITS)
async def processes_of_one_subscriber_share_the_strikes(h: NotificationHarness) -> None:
    expression = f"at({_moment(h, minutes=2):%Y-%m-%dT%H:%M:%S})"
    rule = ScheduleRule(name=await h.create(), subscriber="contract", expression=expression, input='{"job": "x"}')
    one, two = await h.subscribe(rule), await h.subscribe(rule, other_process=True)
    async with listening(h, one) as first, listening(h, two) as second:
        await h.elapse(300)
        assert len(first.events) + len(second.events) == 1


BUCKET_CASES: Final[tuple[NotificationCase, ...]] = (
    object_event_has_the_shape_of_s3,
    object_keys_are_encoded_as_in_forms,
    object_that_is_overwritten_is_told_again,
    prefix_and_suffix_select_keys,
    events_select_what_is_told,
    several_event_types_may_be_asked_for,
)
TOPIC_CASES: Final[tuple[NotificationCase, ...]] = (
    topic_event_has_the_shape_of_sns,
    filter_policy_selects_by_attributes,
    filter_policy_selects_by_body,
)
BUS_CASES: Final[tuple[NotificationCase, ...]] = (
    bus_event_has_the_shape_of_eventbridge,
    pattern_selects_events,
)
SCHEDULE_CASES: Final[tuple[NotificationCase, ...]] = (
    rate_strikes_again_and_again,
    cron_strikes_at_its_minutes,
    single_moment_strikes_once_with_its_input,
    processes_of_one_subscriber_share_the_strikes,
)
