"""``eventflow generate-event``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from eventflow.events import S3Event
from eventflow.testing.events import EVENT_FACTORIES

if TYPE_CHECKING:
    from tests.cli.conftest import RunCli


@pytest.mark.parametrize(("source", "event"), EVENT_FACTORIES, ids=lambda value: value)
def test_every_event_can_be_generated(run_cli: RunCli, source: str, event: str) -> None:
    assert isinstance(json.loads(run_cli("generate-event", source, event).stdout), dict)


def test_fields_are_set_by_flags(run_cli: RunCli) -> None:
    result = run_cli("generate-event", "s3", "put", "--bucket", "uploads", "--key=report.csv", "--size", "3")
    [record] = S3Event.model_validate(json.loads(result.stdout)).records
    assert (record.s3.bucket.name, record.s3.object.key, record.s3.object.size) == ("uploads", "report.csv", 3)


def test_without_arguments_it_lists_what_there_is(run_cli: RunCli) -> None:
    lines = [line.split() for line in run_cli("generate-event").stdout.splitlines()[1:]]
    assert [(source, event) for source, event, *_ in lines] == list(EVENT_FACTORIES)


def test_with_a_source_it_lists_its_events(run_cli: RunCli) -> None:
    lines = [line.split() for line in run_cli("generate-event", "s3").stdout.splitlines()[1:]]
    assert [(source, event) for source, event, *_ in lines] == [("s3", "delete"), ("s3", "put")]


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_may_be_asked_for_after_the_names_too(run_cli: RunCli, flag: str) -> None:
    assert run_cli("generate-event", "s3", flag).stdout == run_cli("generate-event", "s3").stdout

    result = run_cli("generate-event", "s3", "put", "--bucket", "uploads", flag)
    assert result.exit_code == 0
    title, *fields = result.stdout.splitlines()
    assert title == "An object was written. Fields and their defaults:"
    assert [line.split() for line in fields if line] == [
        ["--bucket", "example-bucket"],
        ["--key", "example.csv"],
        ["--size", "1024"],
        ["--region", "us-east-1"],
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-source"], "there is no source no-such-source"),
        (["no-such-source", "put"], "there is no source no-such-source"),
        (["s3", "no-such-event"], "there is no event s3 no-such-event"),
        (["s3", "put", "--colour", "red"], "'--colour' is not a field of this event: --bucket --key"),
        (["s3", "put", "bucket"], "'bucket' is not a field"),
        (["s3", "put", "--bucket"], "--bucket needs a value"),
        (["s3", "put", "--size", "big"], "--size is a whole number, not 'big'"),
    ],
)
def test_a_wrong_command_line_says_what_would_be_right(run_cli: RunCli, arguments: list[str], message: str) -> None:
    result = run_cli("generate-event", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
