"""Who may call, as an environment's file and variables say it; and what a plan's decorators imply."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from eventflow import (
    App,
    ConfigurationError,
    Environment,
    load_environment,
    on_alb,
    on_alexa,
    on_cloudformation,
    on_cognito,
    on_eventbridge,
    on_http,
    on_lex,
    on_rest,
    on_s3,
    on_schedule,
    on_sns,
    on_sqs,
)
from eventflow.model.permissions import AccessKey, Permission
from eventflow.plan.permissions import grants

FILE = """
[environments.local.access_keys.FORWARDER]
principal = "arn:aws:iam::111111111111:role/forwarder"
secret_access_key_file = "/run/secrets/forwarder"
expires_at = 2027-01-31T12:00:00Z
functions = ["confirm", "book-*"]

[environments.local.access_keys.COGNITO]
principal = "cognito-idp.amazonaws.com"

[[environments.local.permissions]]
function = "confirm"
principal = "222222222222"

[[environments.local.permissions]]
function = "confirm"
principal = "s3.amazonaws.com"
source_arn = "arn:aws:s3:::uploads-*"
source_account = "111111111111"
"""


def load(directory: Path, text: str, **variables: str) -> Environment:
    (directory / "eventflow.toml").write_text(text)
    return load_environment(directory=directory, variables=variables)


@pytest.mark.parametrize(
    ("said", "manages"),
    [
        ("", True),
        ("functions = ['confirm']", False),
        ("functions = ['confirm']\nconnections = true", True),
        ("connections = false", False),
    ],
)
def test_who_may_invoke_everything_may_send_to_connections_too(tmp_path: Path, said: str, manages: bool) -> None:
    text = f"[environments.local.access_keys.A]\nprincipal = 'arn:aws:iam::111111111111:root'\n{said}"
    [key] = load(tmp_path, text).callers
    assert key.manages_connections is manages


def test_an_environment_says_who_may_call(tmp_path: Path) -> None:
    environment = load(tmp_path, FILE)
    forwarder, cognito = environment.callers
    assert forwarder == AccessKey(
        id="FORWARDER",
        principal="arn:aws:iam::111111111111:role/forwarder",
        secret_access_key_file="/run/secrets/forwarder",
        expires_at=datetime(2027, 1, 31, 12, tzinfo=UTC).timestamp(),
        functions=("confirm", "book-*"),
    )
    assert cognito.is_service
    assert not forwarder.is_service
    assert environment.permissions[1] == Permission(
        function="confirm",
        principal="s3.amazonaws.com",
        source_arn="arn:aws:s3:::uploads-*",
        source_account="111111111111",
    )
    assert environment.options == {}


def test_variables_alone_make_a_key_for_the_account(tmp_path: Path) -> None:
    environment = load(tmp_path, "", EVENTFLOW_ACCESS_KEY_ID="K1", EVENTFLOW_ACCOUNT_ID="111111111111")
    assert environment.callers == (AccessKey(id="K1", principal="arn:aws:iam::111111111111:root", of_variables=True),)
    with pytest.raises(ConfigurationError, match="there is a table for COGNITO already"):
        load(tmp_path, FILE, EVENTFLOW_ACCESS_KEY_ID="COGNITO")
    with pytest.raises(ConfigurationError, match="letters, digits and _"):
        load(tmp_path, FILE, EVENTFLOW_ACCESS_KEY_ID="a/b")


def test_that_key_is_of_the_partition_of_its_region(tmp_path: Path) -> None:
    environment = load(tmp_path, "", EVENTFLOW_ACCESS_KEY_ID="K1", AWS_REGION="cn-north-1")
    assert environment.callers[0].principal == "arn:aws-cn:iam::000000000000:root"


@pytest.mark.parametrize(
    ("text", "field", "hint"),
    [
        ("access_keys = 1", "access_keys", "table"),
        ("access_keys.'a/b'.principal = 's3.amazonaws.com'", "access_keys.a/b", "letters"),
        ("access_keys.A = 1", "access_keys.A", "principal"),
        ("access_keys.A = {}", "access_keys.A.principal", "ARN"),
        ("access_keys.A.principal = 'ada'", "access_keys.A.principal", "ARN"),
        ("access_keys.A.principal = 'arn:aws:s3:::uploads'", "access_keys.A.principal", "ARN"),
        ("access_keys.A = {principal = 's3.amazonaws.com', secret = 'x'}", "access_keys.A.secret", "a variable"),
        ("access_keys.A = {principal = 's3.amazonaws.com', functions = []}", "access_keys.A.functions", "permissions"),
        ("access_keys.A = {principal = 's3.amazonaws.com', session_token_file = 1}", "session_token_file", "file"),
        ("access_keys.A = {principal = 's3.amazonaws.com', expires_at = 2027-01-31}", "expires_at", "offset"),
        ("access_keys.A = {principal = 's3.amazonaws.com', expires_at = 2027-01-31T12:00:00}", "expires_at", "offset"),
        ("access_keys.A = {principal = 'arn:aws:iam::111111111111:root', functions = 'f'}", "functions", "a list"),
        ("access_keys.A = {principal = 's3.amazonaws.com', connections = true}", "connections", "an identity"),
        ("access_keys.A = {principal = 'arn:aws:iam::111111111111:root', connections = 1}", "connections", "true or"),
        ("permissions = 1", "permissions", "table"),
        ("permissions = [{}]", "permissions[0].function", "name"),
        ("permissions = [{function = 'f*', principal = '*'}]", "permissions[0].function", "name"),
        ("permissions = [{function = 'f'}]", "permissions[0].principal", "service"),
        ("permissions = [{function = 'f', principal = '*', source = 'x'}]", "permissions[0].source", "known"),
        ("permissions = [{function = 'f', principal = '*', source_arn = 'x'}]", "permissions[0].source_arn", "ARN"),
        ("permissions = [{function = 'f', principal = '*', source_account = 1}]", "source_account", "12-digit"),
    ],
)
def test_every_mistake_says_what_would_be_right(tmp_path: Path, text: str, field: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, f"[environments.local]\n{text}\n")
    assert any(
        (problem.field or "").endswith(field) and hint in (problem.hint or "") for problem in raised.value.problems
    ), raised.value


def test_a_secret_in_the_file_is_not_repeated(tmp_path: Path) -> None:
    text = "[environments.local.access_keys.A]\nprincipal = 's3.amazonaws.com'\nsecret_access_key = 'hush'\n"
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, text)
    assert "hush" not in str(raised.value)


@on_s3("uploads")
@on_sns("orders")
@on_eventbridge({"source": ["shop"]}, bus="shop")
@on_eventbridge({"source": ["shop"]})
@on_schedule("rate(1 minute)")
@on_cognito("users", "PreSignUp")
@on_lex("travel")
@on_alexa("amzn1.ask.skill.1")
@on_http("GET /orders/{id}/{rest+}")
@on_http("ANY /any")
@on_http("$default")
@on_rest("ANY /rest/{id}")
@on_alb("/balanced/*")
@on_sqs("jobs")
@on_cloudformation("policies")
def everything(event): ...  # type: ignore[no-untyped-def]


def implied(**options: Any) -> set[tuple[str, str | None, str | None, str | None]]:
    environment = Environment(region="eu-west-1", account_id="111111111111", **options)
    return {
        (item.principal, item.source_arn, item.source_account, item.event_source_token)
        for item, _ in grants(App([everything]).freeze(environment))
    }


def test_decorators_imply_who_calls_and_for_what() -> None:
    here = "eu-west-1:111111111111"
    account = "111111111111"
    assert implied() == {
        ("s3.amazonaws.com", "arn:aws:s3:::uploads", account, None),
        ("sns.amazonaws.com", f"arn:aws:sns:{here}:orders", None, None),
        ("events.amazonaws.com", f"arn:aws:events:{here}:rule/shop/*", None, None),
        ("events.amazonaws.com", f"arn:aws:events:{here}:rule/*", None, None),
        ("cognito-idp.amazonaws.com", f"arn:aws:cognito-idp:{here}:userpool/*", account, None),
        ("lexv2.amazonaws.com", f"arn:aws:lex:{here}:bot-alias/*", account, None),
        ("alexa-appkit.amazon.com", None, None, "amzn1.ask.skill.1"),
        ("apigateway.amazonaws.com", f"arn:aws:execute-api:{here}:*/*/GET/orders/*/*", None, None),
        ("apigateway.amazonaws.com", f"arn:aws:execute-api:{here}:*/*/*/any", None, None),
        ("apigateway.amazonaws.com", f"arn:aws:execute-api:{here}:*/*/$default", None, None),
        ("apigateway.amazonaws.com", f"arn:aws:execute-api:{here}:*/*/*/rest/*", None, None),
        ("elasticloadbalancing.amazonaws.com", f"arn:aws:elasticloadbalancing:{here}:targetgroup/*", None, None),
    }


def test_what_is_bound_is_called_what_it_is_bound_to() -> None:
    found = implied(
        resources={
            "s3:uploads": "uploads-prod",
            "sns:orders": "arn:aws:sns:eu-west-1:222222222222:orders-prod",
            "cognito:users": "eu-west-1_a",
            "lex:travel": "BOT/ALIAS",
            "eventbridge:shop": "arn:aws:events:eu-west-1:222222222222:event-bus/shop-prod",
            "http:ANY /any": "api1/prod/*",
        }
    )
    arns = {arn for _, arn, _, _ in found}
    here = "eu-west-1:111111111111"
    assert {
        "arn:aws:s3:::uploads-prod",
        "arn:aws:sns:eu-west-1:222222222222:orders-prod",
        f"arn:aws:cognito-idp:{here}:userpool/eu-west-1_a",
        f"arn:aws:lex:{here}:bot-alias/BOT/ALIAS",
        "arn:aws:events:eu-west-1:222222222222:rule/shop-prod/*",
        f"arn:aws:execute-api:{here}:api1/prod/*",
    } <= arns


def test_the_environment_adds_statements_and_each_is_there_once() -> None:
    added = Permission(function="everything", principal="222222222222")
    again = Permission(
        function="everything",
        principal="s3.amazonaws.com",
        source_arn="arn:aws:s3:::uploads",
        source_account="111111111111",
    )
    environment = Environment(region="eu-west-1", account_id="111111111111", permissions=[added, again])
    found = grants(App([everything]).freeze(environment))
    assert [grant.permission for grant in found if grant.decorator is None] == [added]
    assert len([grant for grant in found if grant.permission == again]) == 1
