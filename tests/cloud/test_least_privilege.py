"""The policies that ``eventflow export iam`` prints are enough, on a server that denies what no policy allows.

moto knows who calls and which action it is; of a policy's resources and conditions it knows nothing.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import boto3
import pytest

from tests.cloud.environments import EXAMPLES
from tests.cloud.script import Script
from tests.cloud.serving import CREDENTIALS, Deployment, wait_until
from tests.servers.fixtures import installed
from tests.servers.running import running
from tests.servers.server import Server

NAMED_AFTER_CALLS: Final = {
    "s3:ListBucket": "s3:HeadBucket",
    "sns:Publish": "sns:PublishBatch",
    "sqs:ChangeMessageVisibility": "sqs:ChangeMessageVisibilityBatch",
    "sqs:DeleteMessage": "sqs:DeleteMessageBatch",
    "sqs:SendMessage": "sqs:SendMessageBatch",
}
"""What moto asks for where IAM asks for another action."""
ADMINISTRATOR: Final = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}

Keys = dict[str, str]


@pytest.fixture(scope="module")
def moto() -> Iterator[Server]:
    """A server of this module's own: it denies."""
    with installed(), running("moto") as (started, _):
        yield started


def deployment(server: Server, directory: Path, keys: Keys) -> Deployment:
    (directory / "eventflow.toml").write_bytes((EXAMPLES / "eventflow.toml").read_bytes())
    variables = {"AWS_ENDPOINT_URL": server.endpoint_url, "EVENTFLOW_ACCOUNT_ID": "123456789012", **keys}
    return Deployment(
        directory=directory, target=str(EXAMPLES / "warehouse.py"), environment="aws", variables=variables
    )


@pytest.fixture
def deployments(moto: Server, tmp_path: Path) -> dict[str, Deployment]:
    """The example as each of its two roles and as an administrator, from then on held to their policies."""
    nobody = deployment(moto, tmp_path, {})
    policies: dict[str, Any] = {"administrator": ADMINISTRATOR}
    for role in ("provisioning", "runtime"):
        exported = nobody.command("export", "iam", nobody.target, "--env", "aws", "--role", role)
        assert exported.returncode == 0, exported.stderr
        policies[role] = as_moto_reads(json.loads(exported.stdout))
    found = {role: deployment(moto, tmp_path, user(moto, role, policy)) for role, policy in policies.items()}
    url = f"{moto.endpoint_url}/moto-api/reset-auth"
    text = {"Content-Type": "text/plain"}
    urllib.request.urlopen(urllib.request.Request(url, data=b"0", headers=text, method="POST")).close()
    return found


def as_moto_reads(policy: Any) -> Any:
    actions = {action for statement in policy["Statement"] for action in statement["Action"]}
    actions |= {call for action, call in NAMED_AFTER_CALLS.items() if action in actions}
    return {**policy, "Statement": [{"Effect": "Allow", "Action": sorted(actions), "Resource": "*"}]}


def user(server: Server, name: str, policy: Any) -> Keys:
    iam = boto3.client("iam", **server.client_options)
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="exported", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def test_each_policy_is_enough_for_its_role(
    deployments: dict[str, Deployment], monkeypatch: pytest.MonkeyPatch
) -> None:
    provisioning, runtime = deployments["provisioning"], deployments["runtime"]
    denied = runtime.command("provision", runtime.target, "--env", "aws")
    assert denied.returncode != 0
    assert "status 403" in denied.stderr

    made = provisioning.command("provision", provisioning.target, "--env", "aws")
    assert made.returncode == 0, made.stderr
    again = provisioning.command("provision", provisioning.target, "--env", "aws")
    assert "0 made or changed" in again.stdout, again.stdout

    for name, value in {**CREDENTIALS, **deployments["administrator"].variables}.items():
        monkeypatch.setenv(name, value)
    script = Script()
    with runtime.serve() as serving:
        script.send("deliveries", {"id": "d1", "pallets": 3})
        script.put_object("delivery-notes", "in/today.txt", b"3 pallets")
        script.publish("alarms", {"zone": "north", "degrees": 90}, severity="high")
        script.put_event("operations", "shop", "OrderPlaced", {"order": 7})
        script.put_record("temperatures", "north", {"zone": "north", "degrees": 91})
        script.put_item("stock", id="bolts", count="3")
        said = ("unloaded d1", "evacuating north", "north has 91", "INSERT")
        wait_until(
            lambda: all(word in serving.log.read_text() for word in said) and bool(script.received("filed")),
            what=lambda: serving.log.read_text()[-4000:],
        )
    records = [json.loads(line) for line in serving.log.read_text().splitlines()]
    troubles = [record["message"] for record in records if record["level"] != "INFO"]
    assert not [trouble for trouble in troubles if "status 403" in trouble or "denied" in trouble]
