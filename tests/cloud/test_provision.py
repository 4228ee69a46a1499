"""``eventflow provision`` of an example, and what it leaves of others' work."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from eventflow.cli.group import cli
from tests.cloud.environments import EXAMPLES
from tests.cloud.serving import CREDENTIALS
from tests.servers.fixtures import installed
from tests.servers.running import running
from tests.servers.server import Server

ACCOUNT = "123456789012"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of this module's own: its tests begin with nothing in it."""
    with installed(), running("moto") as (started, _):
        yield started


@pytest.fixture
def moto(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """An account with nothing in it."""
    urllib.request.urlopen(urllib.request.Request(f"{server.endpoint_url}/moto-api/reset", method="POST")).close()
    monkeypatch.chdir(EXAMPLES)
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": server.endpoint_url}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return server


def provision(*options: str, example: str = "warehouse.py") -> Result:
    result = CliRunner().invoke(cli, ["provision", example, "--env", "aws", *options])
    assert result.exit_code == 0, result.output
    return result


def actions(result: Result) -> dict[str, int]:
    """How many lines of each kind."""
    words = [line.split()[0] for line in result.stdout.splitlines()[:-1]]
    return {word: words.count(word) for word in set(words)}


def test_a_dry_run_says_what_it_would_do_and_does_nothing(moto: Server) -> None:
    result = provision("--dry-run")
    assert "create  sqs:deliveries  deliveries" in result.stdout
    assert "to make or change" in result.stdout
    assert boto3.client("sqs").list_queues().get("QueueUrls", []) == []
    assert boto3.client("sns").list_topics()["Topics"] == []
    assert boto3.client("kinesis").list_streams()["StreamNames"] == []


def test_everything_the_app_names_is_made_and_connected(moto: Server) -> None:
    first = provision()
    assert actions(first).get("create", 0) > 15
    sqs, topic = boto3.client("sqs"), f"arn:aws:sns:us-east-1:{ACCOUNT}:alarms"
    names = {url.rpartition("/")[2] for url in sqs.list_queues()["QueueUrls"]}
    assert {"deliveries", "deliveries-dead-letters", "filed", "warehouse-events", "warehouse-sns-alarms"} <= names
    redrive = queue_attribute("deliveries", "RedrivePolicy")
    assert redrive == {
        "deadLetterTargetArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:deliveries-dead-letters",
        "maxReceiveCount": 5,
    }
    [subscription] = boto3.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    arn = subscription["SubscriptionArn"]
    attributes = boto3.client("sns").get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert json.loads(attributes["FilterPolicy"]) == {"severity": ["high"]}
    [statement] = queue_attribute("warehouse-sns-alarms", "Policy")["Statement"]
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": topic}}
    notifications = boto3.client("s3").get_bucket_notification_configuration(Bucket="delivery-notes")
    [configuration] = notifications["QueueConfigurations"]
    assert configuration["Events"] == ["s3:ObjectCreated:*"]
    [rule] = boto3.client("events").list_rules(EventBusName="operations")["Rules"]
    assert json.loads(rule["EventPattern"]) == {"source": ["shop"], "detail-type": ["OrderPlaced"]}
    stream = boto3.client("dynamodb").describe_table(TableName="stock")["Table"]["StreamSpecification"]
    assert stream == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


def test_a_second_run_changes_nothing(moto: Server) -> None:
    provision()
    again = provision()
    assert actions(again).keys() == {"exists"}, again.stdout
    assert "0 made or changed" in again.stdout


def test_others_notifications_and_policies_stay(moto: Server) -> None:
    sqs, s3 = boto3.client("sqs"), boto3.client("s3")
    s3.create_bucket(Bucket="delivery-notes")
    foreign = sqs.create_queue(QueueName="foreign")["QueueUrl"]
    foreign_arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:foreign"
    theirs = {"Id": "theirs", "QueueArn": foreign_arn, "Events": ["s3:ObjectRemoved:*"]}
    s3.put_bucket_notification_configuration(
        Bucket="delivery-notes", NotificationConfiguration={"QueueConfigurations": [theirs]}
    )
    own = sqs.create_queue(QueueName="warehouse-s3-delivery-notes")["QueueUrl"]
    statement = {
        "Sid": "theirs",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "sqs:SendMessage",
        "Resource": f"arn:aws:sqs:us-east-1:{ACCOUNT}:warehouse-s3-delivery-notes",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    sqs.set_queue_attributes(QueueUrl=own, Attributes={"Policy": json.dumps(policy)})
    provision()
    configurations = s3.get_bucket_notification_configuration(Bucket="delivery-notes")["QueueConfigurations"]
    assert {item["Id"] for item in configurations} == {"theirs", "eventflow-warehouse"}
    assert {item["Sid"] for item in queue_attribute("warehouse-s3-delivery-notes", "Policy")["Statement"]} > {"theirs"}
    assert foreign in sqs.list_queues()["QueueUrls"]


def test_a_changed_filter_is_an_update(moto: Server) -> None:
    provision()
    topic = f"arn:aws:sns:us-east-1:{ACCOUNT}:alarms"
    sns = boto3.client("sns")
    [subscription] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    sns.set_subscription_attributes(
        SubscriptionArn=subscription["SubscriptionArn"], AttributeName="FilterPolicy", AttributeValue='{"a": ["b"]}'
    )
    assert actions(provision())["update"] == 1


def test_schedules_become_rules_without_a_role_and_schedules_with_one(
    moto: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    provision(example="shop.py")
    [rule] = boto3.client("events").list_rules()["Rules"]
    assert rule["ScheduleExpression"] == "rate(5 minutes)"


def test_a_kind_that_aws_does_not_have_is_refused(moto: Server) -> None:
    result = CliRunner().invoke(cli, ["provision", "streams.py", "--env", "aws"])
    assert result.exit_code == 3
    assert "kafka" in result.stderr


def queue_attribute(name: str, attribute: Any) -> Any:
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    return json.loads(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[attribute])["Attributes"][attribute])
