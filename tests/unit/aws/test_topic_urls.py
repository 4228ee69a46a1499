from __future__ import annotations

from typing import Any

import pytest

from eventflow.errors import ConfigurationError
from eventflow.ports import AdapterSettings
from eventflow.run.runner import SystemClock
from eventflow_aws.options import AwsOptions, topic_path

ENDPOINT = "https://events.example.com"


def options(**table: Any) -> AwsOptions:
    return AwsOptions.parse(AdapterSettings(environment="test", options=table, resources={}, clock=SystemClock()))


def test_topics_come_through_a_queue_unless_an_endpoint_is_given() -> None:
    parsed = options(notification_queue="events")
    assert parsed.topic_url("sns:orders") is None
    assert parsed.notification_queue_of("sns:orders") == "events"


@pytest.mark.parametrize("endpoint", [ENDPOINT, f"{ENDPOINT}/"])
def test_with_an_endpoint_topics_send_there_and_nothing_else_does(endpoint: str) -> None:
    parsed = options(notification_queue="events", sns_endpoint=endpoint)
    assert parsed.topic_url("sns:orders") == "https://events.example.com/eventflow/sns/orders"
    assert parsed.notification_queue_of("sns:orders") is None
    assert parsed.notification_queue_of("s3:orders") == "events"


def test_a_topic_may_keep_its_own_queue() -> None:
    parsed = options(notification_queues={"sns:orders": "orders-events"}, sns_endpoint=ENDPOINT)
    assert parsed.topic_url("sns:orders") is None
    assert parsed.notification_queue_of("sns:orders") == "orders-events"
    assert parsed.topic_url("sns:alarms") is not None


def test_a_name_is_one_part_of_the_path() -> None:
    assert topic_path("sns:a/b c") == "/eventflow/sns/a%2Fb%20c"


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "events.example.com",
        "ftp://example.com",
        "https://",
        "https://u:p@example.com",
        f"{ENDPOINT}?a=1",
        "https://[",
        8,
    ],
)
def test_what_sns_could_not_reach_is_no_endpoint(endpoint: object) -> None:
    with pytest.raises(ConfigurationError, match="sns_endpoint"):
        options(sns_endpoint=endpoint)
