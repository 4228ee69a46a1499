"""``eventflow plan``: what applies, and who performs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eventflow.app import App
from eventflow.cli.description import Setting, TriggerDescription, describe
from eventflow.model.cors import Cors
from eventflow.model.websocket import WebSocketApi
from eventflow.plan.environment import Environment, SourceBinding
from eventflow.triggers.destinations import to_sqs
from eventflow.triggers.documentdb import on_documentdb
from eventflow.triggers.function import function
from eventflow.triggers.function_url import on_function_url
from eventflow.triggers.http import on_http
from eventflow.triggers.kinesis import on_kinesis
from eventflow.triggers.mq import on_mq
from eventflow.triggers.s3 import on_s3
from eventflow.triggers.sqs import on_sqs
from eventflow.triggers.websocket import on_websocket

if TYPE_CHECKING:
    from tests.cli.conftest import RunCli, Write


@on_http("GET /orders")
@on_s3("uploads", suffix=".csv")
@function(on_failure=to_sqs("failures"))
def import_csv(event): ...  # type: ignore[no-untyped-def]


@on_kinesis("clicks", maximum_retry_attempts=3)
def count(record): ...  # type: ignore[no-untyped-def]


def triggers(environment: Environment) -> dict[str, TriggerDescription]:
    plan = App([import_csv, count]).freeze(environment)
    return {trigger.decorator: trigger for described in describe(plan) for trigger in described.triggers}


def test_the_embedded_environment_performs_everything_itself() -> None:
    for trigger in triggers(Environment()).values():
        assert {setting.performed_by for setting in trigger.settings} <= {"eventflow"}


def test_a_service_performs_what_it_has_and_eventflow_the_rest() -> None:
    environment = Environment(adapter="aws")
    s3 = triggers(environment)['@on_s3("uploads")']
    assert Setting("suffix", ".csv", "s3") in s3.settings
    kinesis = {setting.name: setting for setting in triggers(environment)['@on_kinesis("clicks")'].settings}
    assert kinesis["starting_position"].performed_by == "kinesis"
    assert kinesis["maximum_retry_attempts"] == Setting("maximum_retry_attempts", "3", "eventflow")
    assert kinesis["maximum_record_age_seconds"].value == "unlimited"


def test_each_trigger_names_its_model_and_adapter() -> None:
    environment = Environment(sources={"kinesis": SourceBinding(adapter="aws")})
    found = triggers(environment)
    assert (found['@on_kinesis("clicks")'].model, found['@on_kinesis("clicks")'].adapter) == ("polling", "aws")
    assert (found['@on_s3("uploads")'].model, found['@on_s3("uploads")'].adapter) == ("asynchronous", "local")
    assert (found['@on_http("GET /orders")'].model, found['@on_http("GET /orders")'].adapter) == ("synchronous", "")


def test_what_a_change_stream_does_itself_is_its_own() -> None:
    @on_documentdb("shop", collection="orders", full_document="UpdateLookup")
    def read(change): ...  # type: ignore[no-untyped-def]

    [described] = describe(App([read]).freeze(Environment(sources={"documentdb": SourceBinding(adapter="mongodb")})))
    [trigger] = described.triggers
    assert trigger.decorator == '@on_documentdb("shop", collection="orders")'
    assert Setting("full_document", "UpdateLookup", "documentdb") in trigger.settings


def test_settings_that_a_source_does_not_have_are_not_shown() -> None:
    @on_mq("orders", engine="rabbitmq", virtual_host="shop")
    @on_sqs("orders")
    def read(message): ...  # type: ignore[no-untyped-def]

    [described] = describe(App([read]).freeze(Environment()))
    mq, sqs = described.triggers
    assert mq.decorator == '@on_mq("orders", engine="rabbitmq", virtual_host="shop")'
    shown = {setting.name: setting.value for setting in mq.settings}
    assert (shown["maximum_retry_attempts"], shown["maximum_concurrency"]) == ("unlimited", "1")
    assert shown["maximum_batching_window_seconds"] == "0.5"
    assert "maximum_retry_attempts" not in {setting.name for setting in sqs.settings}


def test_a_broker_limits_deliveries_where_the_mapping_does_not() -> None:
    @on_mq("orders", engine="rabbitmq")
    @on_mq("urgent", engine="rabbitmq", maximum_retry_attempts=3)
    def read(message): ...  # type: ignore[no-untyped-def]

    environment = Environment(sources={"rabbitmq": SourceBinding(adapter="rabbitmq")})
    [described] = describe(App([read]).freeze(environment))
    found = {
        trigger.decorator: {setting.name: setting for setting in trigger.settings} for trigger in described.triggers
    }
    left, limited = found['@on_mq("orders", engine="rabbitmq")'], found['@on_mq("urgent", engine="rabbitmq")']
    assert left["maximum_retry_attempts"] == Setting("maximum_retry_attempts", "the queue's own limit", "rabbitmq")
    assert limited["maximum_retry_attempts"] == Setting("maximum_retry_attempts", "3", "eventflow")
    assert left["batch_size"].performed_by == "eventflow"


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({}, "6, then the broker's dead-letter queue"),
        ({"maximum_redeliveries": 2}, "2, then the broker's dead-letter queue"),
        ({"maximum_redeliveries": -1}, "unlimited"),
    ],
)
def test_activemq_leaves_the_limit_to_the_adapter(options: dict[str, int], shown: str) -> None:
    @on_mq("orders", engine="activemq")
    @on_mq("urgent", engine="activemq", maximum_retry_attempts=3)
    def read(message): ...  # type: ignore[no-untyped-def]

    environment = Environment(sources={"activemq": SourceBinding(adapter="activemq", options=options)})
    [described] = describe(App([read]).freeze(environment))
    retries = [
        setting
        for trigger in described.triggers
        for setting in trigger.settings
        if setting.name == "maximum_retry_attempts"
    ]
    assert [setting.value for setting in retries] == [shown, "3"]
    assert {setting.performed_by for setting in retries} == {"eventflow"}


def test_retries_and_destinations_are_shown_where_they_apply() -> None:
    plan = App([import_csv, count]).freeze(Environment())
    settings = {described.name: {setting.name for setting in described.settings} for described in describe(plan)}
    assert settings["import_csv"] == {
        "timeout_seconds",
        "maximum_retry_attempts",
        "maximum_event_age_seconds",
        "on_failure",
    }
    assert settings["count"] == {"timeout_seconds"}


def test_the_command_prints_functions_triggers_and_settings(run_cli: RunCli, write: Write) -> None:
    write("shop.py", "from eventflow.triggers.sqs import on_sqs\n@on_sqs('orders')\ndef expedite(order): ...\n")
    result = run_cli("plan", "shop")
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["shop", "in", "environment", "local"] in lines
    assert ['@on_sqs("orders")', "polling,", "adapter", "local"] in lines
    assert ["batch_size", "10", "by", "eventflow"] in lines


def test_what_is_set_of_http_is_shown() -> None:
    @on_function_url(invoke_mode="RESPONSE_STREAM", cors=Cors(allow_origins=("*",), max_age_seconds=5))
    async def chat(event):  # type: ignore[no-untyped-def]
        yield ""

    [described] = describe(App([chat]).freeze(Environment()))
    assert described.triggers[0].settings == (
        Setting("auth_type", "NONE", "eventflow"),
        Setting("invoke_mode", "RESPONSE_STREAM", "eventflow"),
        Setting("cors", "allow_origins=* max_age_seconds=5", "eventflow"),
    )


def test_who_may_call_is_told_where_there_are_access_keys(run_cli: RunCli, write: Write) -> None:
    write("shop.py", "from eventflow import on_s3\n\n@on_s3('uploads')\ndef count(event): ...\n")
    assert "no access keys, so it is served to this machine only" in run_cli("plan", "shop").stdout
    write(
        "eventflow.toml",
        """
        [environments.local]
        account_id = "111111111111"

        [environments.local.access_keys.ADA]
        principal = "arn:aws:iam::111111111111:user/ada"
        functions = ["count", "c?"]

        [environments.local.access_keys.S3]
        principal = "s3.amazonaws.com"

        [[environments.local.permissions]]
        function = "count"
        principal = "222222222222"
        """,
    )
    lines = [line.split() for line in run_cli("plan", "shop").stdout.splitlines()]
    assert ["ADA", "arn:aws:iam::111111111111:user/ada", "count,", "c?"] in lines
    assert ["S3", "s3.amazonaws.com", "by", "permissions"] in lines
    assert ["s3.amazonaws.com", "count", "arn:aws:s3:::uploads", "111111111111", '@on_s3("uploads")'] in lines
    assert ["222222222222", "count", "anybody", "local"] in lines


def test_a_route_of_connections_shows_what_it_says_and_what_it_shares() -> None:
    @on_websocket("say", route_response=True)
    def say(event): ...  # type: ignore[no-untyped-def]

    api = WebSocketApi(route_selection_expression="$request.body.kind", stage="chat")
    [described] = describe(App([say], websocket_api=api).freeze(Environment()))
    [trigger] = described.triggers
    assert (trigger.decorator, trigger.model, trigger.adapter) == ('@on_websocket("say")', "synchronous", "")
    assert trigger.settings == (
        Setting("route_response", "True", "eventflow"),
        Setting("route_selection_expression", "$request.body.kind", "eventflow"),
        Setting("stage", "chat", "eventflow"),
    )
