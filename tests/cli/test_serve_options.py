"""What ``serve`` is told, what it tells, and which files restart it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from watchfiles import Change

from eventflow.app import App
from eventflow.cli.group import COMMANDS, CommandGroup, cli
from eventflow.cli.options import SETTINGS
from eventflow.cli.reload import FileFilter
from eventflow.cli.serve import serve
from eventflow.cli.serve_options import InvokeAccess, ServeOptions, WatchOptions
from eventflow.cli.startup import ready_fields, startup_text
from eventflow.model.permissions import AccessKey, AuthType
from eventflow.model.websocket import WebSocketApi
from eventflow.plan.environment import Environment
from eventflow.run.runner import Started
from eventflow.triggers.http import on_http
from eventflow.triggers.s3 import on_s3
from eventflow.triggers.sqs import on_sqs
from eventflow.triggers.websocket import on_websocket

if TYPE_CHECKING:
    from tests.cli.conftest import RunCli

ENVIRONMENT_KEYS = ("ADAPTER", "EVENT_QUEUE", "CONCURRENCY", "REGION", "ACCOUNT_ID", "DATA")


def parsed(arguments: list[str]) -> click.Context:
    return serve.make_context("serve", arguments, **SETTINGS)


def options_of(context: click.Context) -> ServeOptions:
    names = ServeOptions._fields
    return ServeOptions(**{name: value for name, value in context.params.items() if name in names})


def test_the_child_of_a_reloading_serve_is_told_the_same(directory: Path) -> None:
    arguments = ["shop:make_app", "--factory", "--env", "staging", "--host", "0.0.0.0", "--port", "0"]
    arguments += [
        "--log-level",
        "debug",
        "--log-format",
        "json",
        "--no-access-log",
        "--no-invoke-api",
        "--docs",
        "--invoke-auth-type",
        "aws_iam",
    ]
    arguments += ["--timeout-graceful-shutdown", "3.5", "--app-dir", str(directory), "--reload"]
    told = options_of(parsed(arguments))
    child = parsed(told.arguments()[1:])
    assert told.arguments()[0] == "serve"
    assert options_of(child) == told
    assert child.params["reload"] is False


def test_flags_come_from_environment_variables(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTFLOW_PORT", "9000")
    monkeypatch.setenv("EVENTFLOW_LOG_LEVEL", "warning")
    monkeypatch.setenv("EVENTFLOW_ACCESS_LOG", "false")
    told = options_of(parsed(["shop"]))
    assert (told.port, told.log_level, told.access_log) == (9000, "warning", False)


def test_a_flag_wins_over_its_environment_variable(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTFLOW_PORT", "9000")
    assert options_of(parsed(["shop", "--port", "9001"])).port == 9001


def test_no_flag_shares_its_environment_variable_with_a_key_of_the_environment() -> None:
    context = click.Context(cli)
    assert isinstance(cli, CommandGroup)
    commands = [cli.get_command(context, name) for name in COMMANDS]
    flags = {parameter.name for command in commands if command for parameter in command.params}
    assert not {f"EVENTFLOW_{name.upper()}" for name in flags if name} & {
        f"EVENTFLOW_{key}" for key in ENVIRONMENT_KEYS
    }


def test_the_log_level_of_every_command_is_the_one_environment_variable(run_cli: RunCli) -> None:
    for arguments in (["list", "--env", "nowhere"], ["send", "sqs", "orders", "{}", "--env", "nowhere"]):
        quiet, loud = run_cli(*arguments), run_cli(*arguments, env={"EVENTFLOW_LOG_LEVEL": "debug"})
        assert "Traceback" not in quiet.stderr
        assert "Traceback" in loud.stderr


def test_run_is_another_name_of_serve() -> None:
    assert cli.get_command(click.Context(cli), "run") is serve


@on_http("GET /orders/{id}")
@on_s3("uploads")
def show(event): ...  # type: ignore[no-untyped-def]


@on_sqs("orders")
def expedite(order): ...  # type: ignore[no-untyped-def]


def test_the_startup_table_names_functions_triggers_models_address_and_data() -> None:
    plan = App([show, expedite], name="shop").freeze(Environment(options={"data": ".eventflow"}))
    text = click.unstyle(startup_text(plan, Started(address="http://127.0.0.1:8000")))
    lines = [line.split() for line in text.splitlines() if line.strip()]
    assert ["show", '@on_http("GET', '/orders/{id}")', "synchronous"] in lines
    assert ['@on_s3("uploads")', "asynchronous", "local"] in lines
    assert ["expedite", '@on_sqs("orders")', "polling", "local"] in lines
    assert ["address", "http://127.0.0.1:8000"] in lines
    assert ["environment", "local", "(local,", "data", "in", ".eventflow)"] in lines


def test_pages_are_said_where_they_are() -> None:
    plan = App().freeze(Environment())
    started = Started(address="http://127.0.0.1:8000")
    assert "/docs" not in startup_text(plan, started)
    assert "http://127.0.0.1:8000/docs" in startup_text(plan, started._replace(docs=True))


def test_the_startup_table_says_where_connections_are_made() -> None:
    @on_websocket("say")
    def say(event): ...  # type: ignore[no-untyped-def]

    plan = App([say], websocket_api=WebSocketApi(stage="chat")).freeze(Environment())
    text = click.unstyle(startup_text(plan, Started(address="http://127.0.0.1:8000")))
    assert ["WebSocket", "ws://127.0.0.1:8000/chat"] in [line.split() for line in text.splitlines()]


def test_a_closed_invoke_api_is_said_with_what_would_open_it() -> None:
    plan = App([show], name="shop").freeze(Environment())
    assert "access keys" in startup_text(plan, Started("http://0.0.0.0:8000", invoke_api=False))
    assert "Invoke API" not in startup_text(plan, Started("http://127.0.0.1:8000"))


def test_an_open_invoke_api_that_others_reach_is_said_with_who_may_call() -> None:
    plan = App([show], name="shop").freeze(Environment(callers=[AccessKey(id="A", principal="s3.amazonaws.com")]))
    address = "http://0.0.0.0:8000"
    assert "open to whoever" in startup_text(plan, Started(address))
    assert "one of 1 access key" in startup_text(plan, Started(address, invoke_auth_type=AuthType.AWS_IAM))


@pytest.mark.parametrize(
    ("host", "keys", "flags", "expected"),
    [
        ("127.0.0.1", 0, (None, None), (True, AuthType.NONE)),
        ("localhost", 1, (None, None), (True, AuthType.NONE)),
        ("::1", 1, (None, AuthType.AWS_IAM), (True, AuthType.AWS_IAM)),
        ("127.0.0.1", 0, (False, None), (False, AuthType.NONE)),
        ("0.0.0.0", 0, (None, None), (False, AuthType.AWS_IAM)),
        ("0.0.0.0", 1, (None, None), (True, AuthType.AWS_IAM)),
        ("0.0.0.0", 1, (False, None), (False, AuthType.AWS_IAM)),
        ("0.0.0.0", 0, (True, None), (True, AuthType.AWS_IAM)),
        ("0.0.0.0", 1, (None, AuthType.NONE), (False, AuthType.NONE)),
        ("0.0.0.0", 0, (True, AuthType.NONE), (True, AuthType.NONE)),
    ],
)
def test_whom_the_invoke_api_serves_depends_on_the_host_unless_flags_say(
    host: str, keys: int, flags: tuple[bool | None, AuthType | None], expected: tuple[bool, AuthType]
) -> None:
    callers = [AccessKey(id="A", principal="s3.amazonaws.com")] * keys
    access = InvokeAccess.of(host, Environment(callers=callers), invoke_api=flags[0], auth_type=flags[1])
    assert access == expected


def test_the_startup_table_of_an_example_fits_a_terminal_of_80_columns() -> None:
    plan = App([import_module("examples.shop")], name="shop").freeze(Environment())
    text = click.unstyle(startup_text(plan, Started(address="http://127.0.0.1:8000")))
    assert max(map(len, text.splitlines())) <= 80


def test_the_ready_record_says_the_same_to_machines() -> None:
    plan = App([show, expedite], name="shop").freeze(Environment(options={"data": "memory"}))
    assert ready_fields(plan, Started(address=None)) == {
        "app": "shop",
        "environment": "local",
        "address": None,
        "invoke_api": True,
        "docs": False,
        "invoke_auth_type": "NONE",
        "data": "memory",
        "functions": ["show", "expedite"],
    }


@pytest.mark.parametrize(
    ("path", "restarts"),
    [
        ("shop.py", True),
        ("orders/handlers.py", True),
        ("shop.pyc", False),
        ("notes.md", False),
        ("settings.toml", True),
        ("generated/models.py", False),
        ("shop_test.py", False),
        (".eventflow/s3/uploads/script.py", False),
        (".venv/lib/module.py", False),
        ("__pycache__/shop.py", False),
    ],
)
def test_python_files_and_included_ones_restart_unless_excluded(directory: Path, path: str, restarts: bool) -> None:
    options = WatchOptions(directories=(Path(),), include=("*.toml",), exclude=("generated/*", "*_test.py"))
    assert FileFilter(options)(Change.modified, str(directory / path)) is restarts


def test_changed_files_are_shown_by_their_path_under_the_watched_directory(directory: Path) -> None:
    wanted = FileFilter(WatchOptions(directories=(Path("src"), Path())))
    assert wanted.shown(str(directory / "src" / "shop.py")) == "shop.py"
    assert wanted.shown("/elsewhere/shop.py") == "/elsewhere/shop.py"
