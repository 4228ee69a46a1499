"""The lifespan around an execution environment, and what a handler is made from."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from eventflow import Context, function
from eventflow.aws_lambda.configuration import configured_handler
from eventflow.errors import ConfigurationError
from tests.aws_lambda.lambda_context import LambdaContext, handler_of

CONTEXT = LambdaContext()

APP = """
import sys
from contextlib import asynccontextmanager
from eventflow import App, Context, function

@asynccontextmanager
async def lifespan():
    print("entered", flush=True)
    yield "state"
    print("left", flush=True)

@function
async def show(event: dict, context: Context) -> str:
    return context.state

@function
async def other(event: dict) -> None: ...

app = App([show, other], lifespan=lifespan)

def make_app():
    return app
"""


@function
async def show(event: dict[str, Any], context: Context) -> Any:
    return context.state


def test_a_lifespan_is_entered_once_and_left_in_the_task_that_entered_it() -> None:
    said: list[str] = []

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[str]:
        async with anyio.create_task_group() as tasks:  # cannot be left in another task
            said.append("entered")
            yield "state"
            tasks.cancel_scope.cancel()
        said.append("left")

    with handler_of(show, lifespan=lifespan) as handler:
        assert [handler({}, CONTEXT), handler({}, CONTEXT)] == ["state", "state"]
        assert said == ["entered"]
    assert said == ["entered", "left"]


def test_a_lifespan_that_fails_is_tried_again_with_the_next_event() -> None:
    attempts: list[int] = []

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[int]:
        attempts.append(1)
        if len(attempts) == 1:
            raise ConnectionError("no database")
        yield len(attempts)

    with handler_of(show, lifespan=lifespan) as handler:
        with pytest.raises(ConnectionError):
            handler({}, CONTEXT)
        assert handler({}, CONTEXT) == 2


def test_a_lifespan_that_ends_by_itself_is_an_error_and_the_next_event_starts_anew() -> None:
    attempts: list[int] = []

    async def crash() -> None:
        raise ConnectionError("gone")

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[int]:
        attempts.append(1)
        async with anyio.create_task_group() as tasks:
            if len(attempts) == 1:
                tasks.start_soon(crash)
            yield len(attempts)

    @function
    async def look(event: dict[str, Any], context: Context) -> Any:
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        return context.state

    with handler_of(look, lifespan=lifespan) as handler:
        assert handler({}, CONTEXT) == 1
        with pytest.raises(ExceptionGroup):
            handler({}, CONTEXT)
        assert handler({}, CONTEXT) == 2


# From environment variables


@pytest.fixture
def app_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "lambda_shop.py").write_text(APP)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "variables",
    [
        {"EVENTFLOW_APP": "lambda_shop"},
        {"EVENTFLOW_APP": "lambda_shop:app"},
        {"EVENTFLOW_APP": "lambda_shop:make_app", "EVENTFLOW_FACTORY": "1"},
    ],
)
def test_the_app_is_named_as_for_serve(
    app_directory: Path, variables: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    given = {**variables, "LAMBDA_TASK_ROOT": str(app_directory), "EVENTFLOW_FUNCTION": "show"}
    before = signal.getsignal(signal.SIGTERM)
    handler = configured_handler(given)
    try:
        assert capsys.readouterr().out == "entered\n", "in the init phase"
        assert handler({}, CONTEXT) == "state"
    finally:
        handler.stop()
        signal.signal(signal.SIGTERM, before)
    assert capsys.readouterr().out == "left\n"


def test_a_snapshot_is_taken_before_the_lifespan_is_entered(
    app_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"EVENTFLOW_APP": "lambda_shop", "LAMBDA_TASK_ROOT": str(app_directory), "EVENTFLOW_FUNCTION": "show"}
    before = signal.getsignal(signal.SIGTERM)
    handler = configured_handler({**given, "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"})
    try:
        assert capsys.readouterr().out == ""
        handler({}, CONTEXT)
        assert capsys.readouterr().out == "entered\n"
    finally:
        handler.stop()
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, r"EVENTFLOW_APP: is not set \(name the app"),
        ({"EVENTFLOW_APP": "lambda_shop", "EVENTFLOW_FUNCTION": "shwo"}, r"there is no function 'shwo' \(known: show"),
        ({"EVENTFLOW_APP": "lambda_shop", "EVENTFLOW_ENV": "nowhere"}, r"there is no environment 'nowhere'"),
        ({"EVENTFLOW_APP": "lambda_shpo"}, r"there is no module 'lambda_shpo'"),
    ],
)
def test_mistakes_are_told_in_the_init_phase(app_directory: Path, variables: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        configured_handler({**variables, "LAMBDA_TASK_ROOT": str(app_directory)})


def test_importing_the_package_makes_no_handler_and_asking_for_it_does(app_directory: Path) -> None:
    code = (
        "import eventflow.aws_lambda as entry, sys\n"
        "assert 'lambda_shop' not in sys.modules and 'eventflow.runtime' not in sys.modules\n"
        "assert entry.handler is entry.handler\n"
        "assert 'lambda_shop' in sys.modules"
    )
    done = run(code, app_directory)
    assert (done.returncode, done.stdout) == (0, "entered\n"), done.stderr


def test_the_lifespan_is_left_when_the_process_is_told_to_end(app_directory: Path) -> None:
    code = (
        "import os, signal, eventflow.aws_lambda as entry\n"
        "entry.handler\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "raise AssertionError('still here')"
    )
    done = run(code, app_directory)
    assert (done.returncode, done.stdout) == (0, "entered\nleft\n"), done.stderr


def test_starting_loads_nothing_that_only_serve_needs(app_directory: Path) -> None:
    code = "import sys, eventflow.aws_lambda as entry; entry.handler; print(*sorted(sys.modules))"
    modules = run(code, app_directory).stdout.split()
    unwanted = (
        "uvicorn",
        "click",
        "httptools",
        "watchfiles",
        "prometheus_client",
        "eventflow.cli",
        "eventflow.testing",
    )
    assert not [name for name in modules if name.startswith((*unwanted, "eventflow_", "boto", "aio", "sqlite3"))]


def run(code: str, directory: Path) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "EVENTFLOW_APP": "lambda_shop", "EVENTFLOW_APP_DIR": str(directory)}
    return subprocess.run(
        [sys.executable, "-c", code], env=variables, cwd=directory, capture_output=True, text=True, check=False
    )
