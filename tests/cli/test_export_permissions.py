"""``eventflow export permissions`` and ``export iam --role caller``: who may invoke the functions of an app."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

if TYPE_CHECKING:
    from tests.cli.conftest import RunCli, Write

SHOP = """
    from eventflow import function, on_alexa, on_cognito, on_s3, on_sqs

    @on_s3("uploads")
    @on_cognito("users", "PreSignUp")
    def sign_up(event): ...

    @on_alexa("amzn1.ask.skill.1")
    def speak(event): ...

    @on_sqs("jobs")
    def work(event): ...
"""
ACCOUNT = {"EVENTFLOW_ACCOUNT_ID": "111111111111", "EVENTFLOW_REGION": "eu-west-1"}


@pytest.fixture(autouse=True)
def _shop(write: Write) -> None:
    write("shop.py", SHOP)


def export(run_cli: RunCli, *arguments: str) -> Any:
    result = run_cli("export", *arguments, env=ACCOUNT)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_requests_are_what_lambda_takes(run_cli: RunCli) -> None:
    requests = export(run_cli, "permissions", "shop")
    shape = botocore.session.get_session().get_service_model("lambda").operation_model("AddPermission").input_shape
    assert shape is not None
    for request in requests:
        assert not ParamValidator().validate(request, shape).has_errors()
    assert len({request["StatementId"] for request in requests}) == len(requests)
    assert [{**request, "StatementId": ""} for request in requests] == [
        {
            "FunctionName": "sign_up",
            "Action": "lambda:InvokeFunction",
            "Principal": "s3.amazonaws.com",
            "SourceArn": "arn:aws:s3:::uploads",
            "SourceAccount": "111111111111",
            "StatementId": "",
        },
        {
            "FunctionName": "sign_up",
            "Action": "lambda:InvokeFunction",
            "Principal": "cognito-idp.amazonaws.com",
            "SourceArn": "arn:aws:cognito-idp:eu-west-1:111111111111:userpool/*",
            "SourceAccount": "111111111111",
            "StatementId": "",
        },
        {
            "FunctionName": "speak",
            "Action": "lambda:InvokeFunction",
            "Principal": "alexa-appkit.amazon.com",
            "EventSourceToken": "amzn1.ask.skill.1",
            "StatementId": "",
        },
    ]


def test_the_same_statement_has_the_same_id(run_cli: RunCli) -> None:
    assert export(run_cli, "permissions", "shop") == export(run_cli, "permissions", "shop")


def test_a_template_has_the_same_statements(run_cli: RunCli) -> None:
    requests = export(run_cli, "permissions", "shop")
    resources = export(run_cli, "permissions", "shop", "--format", "cloudformation")["Resources"]
    for request in requests:
        del request["StatementId"]
    assert [resource["Properties"] for resource in resources.values()] == requests
    assert {resource["Type"] for resource in resources.values()} == {"AWS::Lambda::Permission"}
    assert all(name.isalnum() for name in resources)
    assert [name.partition("Permission")[0] for name in resources] == ["SignUp", "SignUp", "Speak"]


def test_without_an_account_no_statement_is_made_up(run_cli: RunCli) -> None:
    result = run_cli("export", "permissions", "shop")
    assert result.exit_code == 3
    assert "account_id" in result.stderr


def test_a_caller_is_allowed_to_invoke_every_function_and_nothing_else(run_cli: RunCli) -> None:
    [statement] = export(run_cli, "iam", "shop", "--role", "caller")["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", ["lambda:InvokeFunction"])
    arn = "arn:aws:lambda:eu-west-1:111111111111:function:"
    assert statement["Resource"] == [arn + name for name in ("sign_up", "speak", "work")]


def test_the_functions_of_an_unknown_account_are_a_wildcard_with_its_reason(run_cli: RunCli) -> None:
    result = run_cli("export", "iam", "shop", "--role", "caller")
    assert "arn:aws:lambda:us-east-1:*:function:work" in result.stdout
    assert "set account_id" in result.stderr
