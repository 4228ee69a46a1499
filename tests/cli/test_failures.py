"""How errors look on a terminal, and what they exit with."""

from __future__ import annotations

import json

import click
import pytest

from eventflow.cli.failures import ExitCode, exit_code_of, expected_errors
from eventflow.errors import (
    ConfigurationError,
    DataDirectoryError,
    EventflowError,
    InvalidMessageError,
    PortInUseError,
    ResourceNotFoundError,
    TargetError,
    UnavailableError,
)
from tests.cli.conftest import RunCli, Write

SHOP = """
    from eventflow.triggers.function import function
    from eventflow.triggers.sqs import on_sqs_batch

    @on_sqs_batch("orders", batch_size=0, maximum_batching_window_seconds=999)
    @function(timeout_seconds=-1)
    def fulfil(event): ...
"""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["srve", "shop"], "there is no command 'srve'; did you mean serve?"),
        (["start", "shop"], "there is no command 'start'; known: serve, dev, invoke,"),
        (["export", "opanapi", "shop"], "there is no command 'opanapi'; did you mean openapi?"),
        (["send", "sqz", "orders"], "there is no command 'sqz'; did you mean sqs?"),
        (["invoke", "shop", "fulfil", "-e", '{"id": 1}'], "echo '{\"id\": 1}' | eventflow invoke"),
    ],
)
def test_what_was_meant_is_said(run_cli: RunCli, words: list[str], message: str) -> None:
    result = run_cli(*words)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError([]), ExitCode.MISCONFIGURED),
        (TargetError([]), ExitCode.MISCONFIGURED),
        (ResourceNotFoundError("sqs:orders", "is not there"), ExitCode.MISCONFIGURED),
        (UnavailableError("sqs:orders", "cannot be reached"), ExitCode.UNREACHABLE),
        (PortInUseError("127.0.0.1", 8000), ExitCode.UNREACHABLE),
        (DataDirectoryError(".eventflow", "cannot be written"), ExitCode.UNREACHABLE),
        (InvalidMessageError("sqs:orders", "is too large"), ExitCode.FAILED),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_kind_of_error_has_its_exit_code(error: EventflowError, code: ExitCode) -> None:
    assert exit_code_of(error) == code


def test_errors_of_several_tasks_are_found_in_their_groups() -> None:
    first, second = UnavailableError("sqs:a", "is gone"), ConfigurationError([])
    assert expected_errors(ExceptionGroup("", [first, ExceptionGroup("", [second])])) == [first, second]


def test_a_group_with_any_other_error_is_not_ours_to_explain() -> None:
    assert expected_errors(ExceptionGroup("", [UnavailableError("sqs:a", "is gone"), KeyError("x")])) == []


def test_all_problems_are_listed_under_their_place_in_one_column(run_cli: RunCli, write: Write) -> None:
    write("shop.py", SHOP)
    result = run_cli("plan", "shop")
    assert result.exit_code == ExitCode.MISCONFIGURED
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[0] == "error: 3 problems"
    assert '  shop.fulfil @on_sqs_batch("orders")' in lines
    columns = {line.index("is not allowed") - len(line.split()[1]) for line in lines if "is not allowed" in line}
    assert len(columns) == 1


def test_one_problem_is_one_line_and_its_mend(run_cli: RunCli, directory: object) -> None:
    result = run_cli("plan", "shop")
    assert result.exit_code == ExitCode.MISCONFIGURED
    assert result.stderr.startswith("error: shop: there is no module 'shop'\n       modules are looked for in ")
    assert "Traceback" not in result.stderr


def test_a_module_that_fails_is_shown_with_its_own_traceback(run_cli: RunCli, write: Write) -> None:
    write("shop.py", "import nothing_of_that_name\n")
    result = run_cli("plan", "shop")
    assert result.exit_code == ExitCode.MISCONFIGURED
    assert "import nothing_of_that_name" in result.stderr
    assert "importlib" not in result.stderr
    assert "error: shop.py, line 1: fails while it is imported" in result.stderr


def test_log_level_debug_shows_the_whole_traceback(run_cli: RunCli, directory: object) -> None:
    result = run_cli("plan", "shop", "--log-level", "debug")
    assert result.exit_code == ExitCode.MISCONFIGURED
    assert "in load_app" in result.stderr


def test_an_unknown_environment_is_refused_with_the_known_ones(run_cli: RunCli, write: Write) -> None:
    write("eventflow.toml", '[environments.staging]\nadapter = "local"\n')
    result = run_cli("list", "--env", "production")
    assert result.exit_code == ExitCode.MISCONFIGURED
    assert "there is no environment 'production'" in result.stderr
    assert "known: local, staging" in result.stderr


def test_broken_toml_is_refused_with_line_and_column(run_cli: RunCli, write: Write) -> None:
    write("eventflow.toml", "[environments.local]\nadapter = \n")
    result = run_cli("list")
    assert result.exit_code == ExitCode.MISCONFIGURED
    assert "eventflow.toml is not valid TOML" in result.stderr.replace(": is", " is")
    assert "at line 2, column 11" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve"],
        ["serve", "shop", "--port", "65536"],
        ["serve", "shop", "--port", "http"],
        ["serve", "shop", "--log-level", "loud"],
        ["serve", "shop", "--timeout-graceful-shutdown", "-1"],
        ["serve", "shop", "--app-dir", "no-such-directory"],
        ["no-such-command"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_exits_with_2(run_cli: RunCli, arguments: list[str]) -> None:
    assert run_cli(*arguments).exit_code == 2


def test_colours_are_left_out_with_no_color(run_cli: RunCli, write: Write) -> None:
    write("shop.py", SHOP)
    assert click.unstyle(run_cli("plan", "shop", color=True).stderr) != run_cli("plan", "shop", color=True).stderr
    plain = run_cli("plan", "shop", color=True, env={"NO_COLOR": "1"}).stderr
    assert click.unstyle(plain) == plain


def test_a_lifespan_that_fails_is_no_traceback_of_ours(run_cli: RunCli, write: Write) -> None:
    lifespan = """
    from contextlib import asynccontextmanager
    from eventflow.app import App

    @asynccontextmanager
    async def broken():
        raise OSError("no database")
        yield

    app = App([fulfil], lifespan=broken)
"""
    write(
        "shop.py", SHOP.replace("batch_size=0, maximum_batching_window_seconds=999", "").replace("-1", "1") + lifespan
    )
    result = run_cli("invoke", "shop", "fulfil", "--log-format", "json")
    assert (result.exit_code, result.stdout) == (ExitCode.FAILED, "")
    [record] = [json.loads(line) for line in result.stderr.splitlines()]
    assert record["message"] == "the run broke down: OSError: no database"
