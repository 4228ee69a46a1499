"""``eventflow check`` looks at the real resources."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from eventflow.cli.group import cli
from tests.cloud.environments import EXAMPLES
from tests.cloud.serving import CREDENTIALS
from tests.cloud.test_provision import moto, provision, server
from tests.servers.server import Server

__all__ = ["moto", "server"]


def check(*options: str) -> Result:
    return CliRunner().invoke(cli, ["check", "warehouse.py", "--env", "aws", *options])


def rules_found(result: Result) -> set[str]:
    return {line.rpartition("[")[2].rstrip("]") for line in result.stdout.splitlines() if line.startswith("warning")}


def test_what_is_missing_is_found(moto: Server) -> None:
    result = check()
    assert result.exit_code == 1
    assert "missing" in rules_found(result)
    for resource in ("sqs:deliveries", "s3:delivery-notes", "sns:alarms", "kinesis:temperatures", "dynamodb:stock"):
        assert f"warning: {resource}: does not exist" in result.stdout, result.stdout


def test_what_was_provisioned_is_found_in_order(moto: Server) -> None:
    provision()
    offline = rules_found(check("--offline"))
    assert rules_found(check()) == offline


def test_a_queue_that_lambda_would_refuse_is_found(moto: Server) -> None:
    provision()
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="deliveries")["QueueUrl"]
    target = "arn:aws:sqs:us-east-1:123456789012:deliveries-dead-letters"
    policy = json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": 1})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1", "RedrivePolicy": policy})
    assert {"visibility-timeout", "redrive-receive-count"} <= rules_found(check())


def test_a_source_that_sends_nothing_is_found(moto: Server) -> None:
    provision()
    s3: Any = boto3.client("s3")
    s3.put_bucket_notification_configuration(Bucket="delivery-notes", NotificationConfiguration={})
    result = check()
    assert "s3:delivery-notes: sends nothing to sqs:warehouse-s3-delivery-notes" in result.stdout


def test_an_endpoint_that_is_down_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES)
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)
    result = check()
    assert result.exit_code == 1
    assert "unreachable" in rules_found(result)


def test_findings_of_the_adapter_can_be_ignored(moto: Server) -> None:
    assert "missing" not in rules_found(check("--ignore", "missing"))
    assert check("--ignore", "no-such-rule").exit_code == 2
