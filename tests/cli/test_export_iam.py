"""``eventflow export iam``: what the example needs, nothing else, and nothing that IAM does not know."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import botocore.session
import pytest
from click.testing import CliRunner

from eventflow.cli.group import cli
from tests.cloud.environments import EXAMPLES

OTHERWISE_NAMED: Final = {
    "iam:PassRole": "an action of its own: no call is named so (event-sources K.5)",
    "lambda:InvokeFunction": "Invoke",
    "s3:GetBucketNotification": "GetBucketNotificationConfiguration",
    "s3:ListBucket": "HeadBucket and ListObjectsV2",
    "s3:PutBucketNotification": "PutBucketNotificationConfiguration",
}
"""Actions that IAM and the service's API call differently."""


def export(example: str, *options: str) -> Any:
    result = CliRunner().invoke(cli, ["export", "iam", str(EXAMPLES / example), "--env", "aws", *options])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), result.stderr


@pytest.fixture(autouse=True)
def _examples_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES)
    monkeypatch.setenv("EVENTFLOW_ACCOUNT_ID", "123456789012")
    monkeypatch.setenv("EVENTFLOW_REGION", "eu-west-1")


def statements(policy: Any) -> Iterator[tuple[str, str]]:
    for statement in policy["Statement"]:
        for action in statement["Action"]:
            for resource in statement["Resource"]:
                yield action, resource


def test_the_runtime_policy_is_what_the_app_names() -> None:
    policy, reported = export("warehouse.py")
    allowed = set(statements(policy))
    account = "arn:aws:{}:eu-west-1:123456789012:{}".format
    assert ("sqs:ReceiveMessage", account("sqs", "deliveries")) in allowed
    assert ("sqs:ReceiveMessage", account("sqs", "warehouse-s3-delivery-notes")) in allowed
    assert ("sqs:SendMessage", account("sqs", "filed")) in allowed
    assert ("sns:Publish", account("sns", "picked")) in allowed
    assert ("events:PutEvents", account("events", "event-bus/operations")) in allowed
    assert ("kinesis:GetRecords", account("kinesis", "stream/temperatures")) in allowed
    assert ("dynamodb:GetRecords", account("dynamodb", "table/stock/stream/*")) in allowed
    assert ("dynamodb:UpdateItem", account("dynamodb", "table/warehouse-leases")) in allowed
    assert ("sqs:SendMessage", account("sqs", "deliveries")) not in allowed
    assert not any("Create" in action for action, _ in allowed)
    assert reported.count("wildcard:") == sum("*" in resource for _, resource in {(0, r) for _, r in allowed})


def test_the_provisioning_policy_makes_and_connects_and_reads_nothing() -> None:
    policy, _ = export("warehouse.py", "--role", "provisioning")
    actions = {action for action, _ in statements(policy)}
    assert {"sqs:CreateQueue", "sns:Subscribe", "events:PutRule", "s3:PutBucketNotification"} <= actions
    assert not actions & {"sqs:ReceiveMessage", "sqs:SendMessage", "kinesis:GetRecords", "dynamodb:GetItem"}


@pytest.mark.parametrize(
    "queue", ["deliveries", "warehouse-s3-delivery-notes", "warehouse-sns-alarms", "warehouse-eventbridge-operations"]
)
def test_dead_letter_queues_may_be_made_beside_the_queues_that_are_read(queue: str) -> None:
    policy, _ = export("warehouse.py", "--role", "provisioning")
    allowed = set(statements(policy))
    for name in (queue, f"{queue}-dead-letters"):
        assert ("sqs:CreateQueue", f"arn:aws:sqs:eu-west-1:123456789012:{name}") in allowed
    assert ("sqs:CreateQueue", "arn:aws:sqs:eu-west-1:123456789012:filed-dead-letters") not in allowed


def test_dead_letter_queues_are_called_after_the_queue_that_is_bound(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two environments of one account share none."""
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/deliveries-prod"
    table = (EXAMPLES / "eventflow.toml").read_text().replace("[environments.local", "[environments.unused")
    (tmp_path / "eventflow.toml").write_text(f'{table}\n[environments.aws.resources]\n"sqs:deliveries" = "{url}"\n')
    monkeypatch.chdir(tmp_path)
    policy, _ = export("warehouse.py", "--role", "provisioning")
    made = {resource.rpartition(":")[2] for action, resource in statements(policy) if action == "sqs:CreateQueue"}
    assert {"deliveries-prod", "deliveries-prod-dead-letters"} <= made
    assert "deliveries-dead-letters" not in made


def test_an_unknown_account_is_a_wildcard_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVENTFLOW_ACCOUNT_ID")
    policy, reported = export("warehouse.py")
    assert ("sqs:SendMessage", "arn:aws:sqs:eu-west-1:*:filed") in set(statements(policy))
    assert "set account_id" in reported


@pytest.mark.parametrize("role", ["runtime", "provisioning"])
def test_every_action_is_one_that_the_service_has(role: str) -> None:
    policy, _ = export("warehouse.py", "--role", role)
    session = botocore.session.get_session()
    for action in {action for action, _ in statements(policy)} - OTHERWISE_NAMED.keys():
        prefix, _, name = action.partition(":")
        services = ("dynamodb", "dynamodbstreams") if prefix == "dynamodb" else (prefix,)
        known = {operation for service in services for operation in session.get_service_model(service).operation_names}
        assert name in known, action


@pytest.mark.parametrize("role", ["runtime", "provisioning"])
def test_a_policy_validator_has_nothing_to_say(role: str) -> None:
    policy, _ = export("warehouse.py", "--role", role)
    validate = "import sys, parliament; print(*parliament.analyze_policy_string(sys.stdin.read()).findings)"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", validate],
        input=json.dumps(policy),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_sids_are_unique_and_of_letters_and_digits() -> None:
    for role in ("runtime", "provisioning"):
        policy, _ = export("warehouse.py", "--role", role)
        sids = [statement["Sid"] for statement in policy["Statement"]]
        assert len(sids) == len(set(sids))
        assert all(re.fullmatch(r"[A-Za-z0-9]+", sid) for sid in sids)


def test_an_embedded_environment_needs_no_permissions() -> None:
    result = CliRunner().invoke(cli, ["export", "iam", str(EXAMPLES / "shop.py"), "--env", "local"])
    assert result.exit_code == 3
    assert "--env" in result.stderr
