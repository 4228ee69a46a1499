"""``eventflow check``: mistakes, findings, and each rule on what it should and should not find."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from eventflow.app import App
from eventflow.cli.findings import RULES, find
from eventflow.model.edge import Distribution, OriginUrl
from eventflow.model.permissions import AccessKey, Permission
from eventflow.plan.environment import Environment
from eventflow.triggers.cloudfront import on_cloudfront
from eventflow.triggers.cognito import on_cognito
from eventflow.triggers.destinations import to_function, to_s3, to_sns, to_sqs
from eventflow.triggers.dynamodb import on_dynamodb_stream
from eventflow.triggers.function import function
from eventflow.triggers.http import on_http
from eventflow.triggers.kinesis import on_kinesis
from eventflow.triggers.lex import on_lex
from eventflow.triggers.mq import on_mq, on_mq_batch
from eventflow.triggers.s3 import on_s3
from eventflow.triggers.sns import on_sns
from eventflow.triggers.sqs import on_sqs, on_sqs_batch

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import RunCli, Write

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def handler(*decorators: Decorator, name: str = "work") -> Callable[..., Any]:
    """A function with these decorators, the last one innermost."""

    def work(event): ...  # type: ignore[no-untyped-def]

    made: Callable[..., Any] = work
    made.__name__ = made.__qualname__ = name
    for decorate in reversed(decorators):
        made = decorate(made)
    return made


def permission(principal: str, *, function: str = "work", source_arn: str | None = None) -> Permission:
    return Permission(function=function, principal=principal, source_arn=source_arn)


def rules_found(*handlers: Callable[..., Any], **options: Any) -> set[str]:
    environment = Environment(adapter=options.pop("adapter", "local"), options=options)
    return {finding.rule for finding in find(App(handlers).freeze(environment))}


def rules_of_environment(**options: Any) -> set[str]:
    """The rules that find something in the environment of ``work``."""
    environment = Environment(account_id="111111111111", **options)
    triggers = on_cognito("users", "PreSignUp"), on_cloudfront("web", "viewer-request")
    return {finding.rule for finding in find(App([handler(*triggers)]).freeze(environment))}


ADA, EVE = "arn:aws:iam::111111111111:user/ada", "arn:aws:iam::222222222222:user/eve"


def web(name: str) -> dict[str, Any]:
    origin = OriginUrl.parse("http://127.0.0.1:9000")
    return {"distributions": {name: Distribution(name=name, distribution_id=name, domain_name=name, origin=origin)}}


ENVIRONMENT_CASES: list[tuple[dict[str, Any], set[str]]] = [
    ({"callers": [AccessKey(id="A", principal=ADA)]}, set()),
    ({"callers": [AccessKey(id="A", principal="cognito-idp.amazonaws.com")]}, set()),
    ({"callers": [AccessKey(id="A", principal="s3.amazonaws.com")]}, {"key-without-permission"}),
    ({"callers": [AccessKey(id="A", principal=EVE)]}, {"key-without-permission"}),
    ({"callers": [AccessKey(id="A", principal=EVE)], "permissions": [permission("222222222222")]}, set()),
    ({"callers": [AccessKey(id="A", principal=ADA, expires_at=1)]}, {"expired-key"}),
    ({"callers": [AccessKey(id="A", principal=ADA, expires_at=4e9)]}, set()),
    ({"permissions": [permission("*")]}, {"permission-for-anybody"}),
    ({"permissions": [permission("*", source_arn="arn:aws:s3:::uploads")]}, set()),
    ({"permissions": [permission("s3.amazonaws.com")]}, {"permission-without-source"}),
    ({"permissions": [permission("s3.amazonaws.com", source_arn="arn:aws:s3:::uploads")]}, set()),
    ({"permissions": [permission(EVE, function="wrok")]}, {"permission-for-no-function"}),
    (web("wbe"), {"distribution-without-function"}),
    (web("web"), set()),
]


@pytest.mark.parametrize(("options", "rules"), ENVIRONMENT_CASES)
def test_the_environment_is_looked_at(options: dict[str, Any], rules: set[str]) -> None:
    assert rules_of_environment(**options) == rules


MISSPELT = "misspelt-resource"
NAME_CASES: tuple[tuple[dict[str, Any], set[str]], ...] = (
    ({"resources": {"sqs:oders": "orders-prod"}}, {MISSPELT}),
    ({"resources": {"sqs:orders": "orders-prod", "sqs:oders": "x"}}, set()),
    ({"resources": {"sqs:refunds": "refunds-prod", "sns:orders": "x"}}, set()),
    ({"resources": {"sqs:failures-prod": "x"}}, set()),
    ({"resources": {"sqs:failure": "x"}}, {MISSPELT}),
    ({"options": {"queues": {"ordres": {"visibility_timeout_seconds": 60}}}}, {MISSPELT}),
    ({"options": {"queues": {"orders": {"dead_letter_queue": "orders-dead"}, "orders-dead": {}}}}, set()),
)
"""What an environment names, for a function that reads ``orders`` and sends to ``failures``."""


@pytest.mark.parametrize(("given", "rules"), NAME_CASES)
def test_a_name_that_is_nearly_one_of_the_apps_is_found(given: dict[str, Any], rules: set[str]) -> None:
    environment = Environment(**given)
    functions = [handler(on_sqs("orders")), handler(function(on_failure=to_sqs("failures")), name="other")]
    found = find(App(functions).freeze(environment))
    assert {finding.rule for finding in found} == rules
    assert all("did you mean sqs:" in finding.mend for finding in found)


OPEN = ("--invoke-api", "--invoke-auth-type", "none")


@pytest.mark.parametrize(
    ("flags", "found"),
    [(("--host", "0.0.0.0", *OPEN), True), (OPEN, False), (("--host", "0.0.0.0"), False), ((), False)],
)
def test_an_invoke_api_that_is_open_to_other_machines_is_found(
    run_cli: RunCli, write: Write, flags: tuple[str, ...], found: bool
) -> None:
    write("shop.py", "from eventflow import on_http\n\n@on_http('GET /')\ndef hello(): ...\n")
    result = run_cli("check", "shop", *flags)
    assert ("[open-invoke-api]" in result.stdout) is found
    assert result.exit_code == int(found)


def test_an_invoke_api_that_nobody_could_call_is_a_mistake(run_cli: RunCli, write: Write) -> None:
    write("shop.py", "from eventflow import on_http\n\n@on_http('GET /')\ndef hello(): ...\n")
    result = run_cli("check", "shop", "--host", "0.0.0.0", env={"EVENTFLOW_ACCESS_KEY_ID": "KEY1"})
    assert result.exit_code == 1
    assert "EVENTFLOW_SECRET_ACCESS_KEY" in result.stderr


LIMITED: dict[str, Any] = {"maximum_retry_attempts": 3, "on_failure": to_sqs("failures")}

CASES: list[tuple[str, Callable[..., Any], Callable[..., Any]]] = [
    (
        "no-failure-destination",
        handler(on_sns("topic")),
        handler(on_sns("topic"), function(on_failure=to_sqs("failures"))),
    ),
    (
        "no-failure-destination",
        handler(on_s3("uploads")),
        handler(on_s3("uploads"), function(dead_letter_queue=to_sns("failures"))),
    ),
    (
        "no-stream-failure-destination",
        handler(on_kinesis("clicks", maximum_retry_attempts=3)),
        handler(on_kinesis("clicks", **LIMITED)),
    ),
    (
        "no-stream-failure-destination",
        handler(on_mq("orders", engine="rabbitmq", maximum_retry_attempts=3)),
        handler(on_mq("orders", engine="rabbitmq", **LIMITED)),
    ),
    (
        "whole-batch-retry",
        handler(on_mq_batch("orders", engine="activemq")),
        handler(on_mq("orders", engine="activemq")),
    ),
    (
        "unlimited-stream-retries",
        handler(on_dynamodb_stream("orders")),
        handler(on_dynamodb_stream("orders", **LIMITED)),
    ),
    (
        "destination-loop",
        handler(on_s3("uploads"), function(on_failure=to_s3("uploads"))),
        handler(on_s3("uploads"), function(on_failure=to_s3("failures"))),
    ),
    (
        "destination-loop",
        handler(on_s3("uploads", prefix="aws/lambda/async"), function(on_failure=to_s3("uploads"))),
        handler(on_s3("uploads", prefix="incoming/"), function(on_failure=to_s3("uploads"))),
    ),
    (
        "event-age-below-retries",
        handler(on_s3("uploads"), function(maximum_event_age_seconds=180)),
        handler(on_s3("uploads"), function(maximum_event_age_seconds=181)),
    ),
    (
        "event-age-below-retries",
        handler(on_s3("uploads"), function(maximum_event_age_seconds=60, maximum_retry_attempts=1)),
        handler(on_s3("uploads"), function(maximum_event_age_seconds=60, maximum_retry_attempts=0)),
    ),
    ("visibility-timeout", handler(on_sqs("orders"), function(timeout_seconds=31)), handler(on_sqs("orders"))),
    (
        "visibility-timeout",
        handler(on_sqs("orders", maximum_batching_window_seconds=27)),
        handler(on_sqs("orders", maximum_batching_window_seconds=26)),
    ),
    (
        "whole-batch-retry",
        handler(on_sqs_batch("orders")),
        handler(on_sqs_batch("orders", report_batch_item_failures=True)),
    ),
    ("whole-batch-retry", handler(on_sqs_batch("orders")), handler(on_sqs_batch("orders", batch_size=1))),
    ("never-runs", handler(function(reserved_concurrency=0)), handler(function(reserved_concurrency=1))),
    (
        "concurrency-above-reserved",
        handler(on_sqs("orders", maximum_concurrency=5), function(reserved_concurrency=4)),
        handler(on_sqs("orders", maximum_concurrency=4), function(reserved_concurrency=4)),
    ),
    (
        "caller-timeout",
        handler(on_http("GET /"), function(timeout_seconds=31)),
        handler(on_http("GET /"), function(timeout_seconds=30)),
    ),
    (
        "caller-timeout",
        handler(on_cognito("users", "PreSignUp"), function(timeout_seconds=6)),
        handler(on_cognito("users", "PreSignUp"), function(timeout_seconds=5)),
    ),
    (
        "caller-timeout",
        handler(on_lex("bot"), function(timeout_seconds=31)),
        handler(on_cognito("users", "CustomSMSSender"), function(timeout_seconds=31)),
    ),
    (
        "fifo-twin",
        handler(on_sqs("orders"), on_sqs("orders.fifo")),
        handler(on_sqs("orders"), on_sqs("others.fifo")),
    ),
]


@pytest.mark.parametrize(("rule", "doubtful", "sound"), CASES, ids=[rule for rule, *_ in CASES])
def test_a_rule_finds_what_it_is_for_and_nothing_else(
    rule: str, doubtful: Callable[..., Any], sound: Callable[..., Any]
) -> None:
    assert rule in rules_found(doubtful)
    assert rule not in rules_found(sound)


def test_every_rule_has_a_case() -> None:
    cases = {rule for rule, *_ in CASES}.union(*(rules for _, rules in [*ENVIRONMENT_CASES, *NAME_CASES]))
    assert {rule.id for rule in RULES} == cases


def test_a_loop_over_several_functions_is_found() -> None:
    first = handler(function(on_success=to_function("second")), name="first")
    second = handler(function(on_success=to_sns("again")), name="second")
    third = handler(on_sns("again"), function(on_success=to_function("first")), name="third")
    assert "destination-loop" in rules_found(first, second, third)
    assert "destination-loop" not in rules_found(first, second)


def test_a_queues_own_visibility_timeout_counts() -> None:
    slow = handler(on_sqs("orders"), function(timeout_seconds=60))
    assert "visibility-timeout" not in rules_found(slow, queues={"orders": {"visibility_timeout_seconds": 360}})


def test_nothing_is_said_about_the_visibility_timeout_of_a_queue_that_is_elsewhere() -> None:
    slow = handler(on_sqs("orders"), function(timeout_seconds=60))
    assert "visibility-timeout" not in rules_found(slow, adapter="aws")


def test_a_sound_app_exits_with_0(run_cli: RunCli, write: Write) -> None:
    write("shop.py", "from eventflow.triggers.http import on_http\n@on_http('GET /')\ndef hello(event): ...\n")
    result = run_cli("check", "shop")
    assert (result.exit_code, result.stdout) == (0, "1 function checked, 0 findings\n")


DOUBTFUL = "from eventflow.triggers.sns import on_sns\n@on_sns('topic')\ndef hello(event): ...\n"


def test_findings_are_warnings_with_their_rule_and_exit_with_1(run_cli: RunCli, write: Write) -> None:
    write("shop.py", DOUBTFUL)
    result = run_cli("check", "shop")
    assert result.exit_code == 1
    assert (
        "warning: shop.hello: an event that fails its last attempt is dropped [no-failure-destination]" in result.stdout
    )


def test_findings_of_an_ignored_rule_do_not_count(run_cli: RunCli, write: Write) -> None:
    write("shop.py", DOUBTFUL)
    assert run_cli("check", "shop", "--ignore", "no-failure-destination").exit_code == 0


def test_an_unknown_rule_cannot_be_ignored(run_cli: RunCli, write: Write) -> None:
    write("shop.py", DOUBTFUL)
    assert run_cli("check", "shop", "--ignore", "no-such-rule").exit_code == 2


def test_every_mistake_is_listed_and_exits_with_1(run_cli: RunCli, write: Write) -> None:
    write("shop.py", DOUBTFUL.replace("'topic'", "'a topic', filter_policy_scope='Nothing'"))
    result = run_cli("check", "shop")
    assert result.exit_code == 1
    assert "error: 2 problems" in result.stderr


def test_a_target_that_does_not_load_exits_with_3(run_cli: RunCli) -> None:
    assert run_cli("check", "shop").exit_code == 3


def test_mistakes_in_the_options_of_an_adapter_are_found_without_opening_it(
    run_cli: RunCli, write: Write, directory: Path
) -> None:
    write("shop.py", DOUBTFUL.replace("'topic'", "'a topic'"))
    write("eventflow.toml", "[environments.local.queues.orders]\nvisibility_timeout = 5\n")
    result = run_cli("check", "shop")
    assert result.exit_code == 1
    assert "error: 2 problems" in result.stderr
    assert "visibility_timeout  is not an option" in result.stderr
    assert not (directory / ".eventflow").exists()


def test_an_adapter_that_is_not_installed_is_found(run_cli: RunCli, write: Write) -> None:
    write("shop.py", DOUBTFUL)
    write("eventflow.toml", '[environments.local.sources.kafka]\nadapter = "pigeons"\n')
    result = run_cli("check", "shop")
    assert (result.exit_code, "adapter 'pigeons': is not installed" in result.stderr) == (1, True)
