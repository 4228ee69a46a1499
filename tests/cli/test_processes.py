"""The command line as real processes: what only shows there."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Write

SHOP = """
    import asyncio
    import pathlib

    from eventflow.triggers.function import function
    from eventflow.triggers.http import on_http
    from eventflow.triggers.sqs import on_sqs

    @on_http("GET /hello/{name}")
    async def hello(name: str):
        return {"hello": name}

    @on_http("GET /slow")
    @function(timeout_seconds=900)
    async def slow(event):
        print("slow began")
        await asyncio.sleep(900)

    @on_sqs("orders")
    def expedite(order: str):
        print("received " + order)

    @function(isolation="process")
    def isolated(event):
        print("printed")
        return "isolated"

    @function
    def greet(event):
        print("printed")
        if "name" not in event:
            raise KeyError("name")
        pathlib.Path("greeted").write_text(event["name"])
        return {"greeting": "Hello " + event["name"]}
"""


def eventflow(*arguments: str, input: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(_command(arguments), input=input, capture_output=True, text=True, timeout=180)


def _command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "eventflow", *arguments]


class Running:
    """A command that goes on."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self._lines = process.stdout

    def line_with(self, text: str) -> str:
        """The next line of its output that contains ``text``."""
        for line in self._lines:
            if text in line:
                return line
        raise AssertionError(f"it ended with {self.process.wait()} before it wrote {text!r}")

    def ready(self) -> dict[str, Any]:
        """The fields of its ready record."""
        found: dict[str, Any] = json.loads(self.line_with('"message": "ready"'))
        return found

    def stop(self, *signals: signal.Signals) -> int:
        """Send signals and wait for the exit code."""
        for number in signals:
            self.process.send_signal(number)
        return self.process.wait()


@contextmanager
def started(*arguments: str) -> Iterator[Running]:
    """Start a command; whatever is left of it is killed in the end. Its standard error is part of its output."""
    process = subprocess.Popen(
        _command(arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )
    try:
        yield Running(process)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def shop(write: Write) -> Path:
    return write("shop.py", SHOP)


def get(address: str, path: str) -> Any:
    with urllib.request.urlopen(address + path, timeout=60) as response:
        return json.load(response)


def test_the_version_names_python_and_the_platform_and_needs_no_framework(directory: Path) -> None:
    check = """
import sys
from eventflow.cli import main
sys.argv = ["eventflow", "--version"]
try:
    main()
except SystemExit:
    print(sorted({"anyio", "asyncio", "pydantic", "uvicorn", "watchfiles"} & set(sys.modules)))
"""
    lines = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert lines[0].startswith("eventflow ")
    assert sys.version.split()[0] in lines[0]
    assert lines[1] == "[]"


@pytest.mark.usefixtures("shop")
def test_invoke_prints_the_response() -> None:
    done = eventflow("invoke", "shop", "greet", "-e", "-", input='{"name": "Ada"}')
    assert (done.returncode, json.loads(done.stdout)) == (0, {"greeting": "Hello Ada"})


@pytest.mark.usefixtures("shop")
def test_what_a_function_prints_is_kept_apart_from_its_response() -> None:
    done = eventflow("invoke", "shop", "isolated")
    assert (done.stdout, done.stderr) == ('"isolated"\n', "printed\n")


@pytest.mark.usefixtures("shop")
def test_invoke_prints_a_function_error_on_stderr_and_exits_with_1() -> None:
    done = eventflow("invoke", "shop", "greet", "--log-level", "critical")
    assert (done.returncode, done.stdout) == (1, "")
    assert json.loads(done.stderr.removeprefix("printed\n"))["errorType"] == "KeyError"


@pytest.mark.usefixtures("shop")
def test_invoke_with_event_runs_it_once_and_prints_the_request_id(directory: Path) -> None:
    done = eventflow("invoke", "shop", "greet", "--invocation-type", "Event", "-e", "-", input='{"name": "Ada"}')
    assert done.returncode == 0
    assert len(done.stdout.strip()) == 36
    assert (directory / "greeted").read_text() == "Ada"


@pytest.mark.usefixtures("shop")
def test_invoke_with_dry_run_runs_nothing(directory: Path) -> None:
    done = eventflow("invoke", "shop", "greet", "--invocation-type", "DryRun", "-e", "-", input='{"name": "Ada"}')
    assert (done.returncode, done.stdout) == (0, "")
    assert not (directory / "greeted").exists()


@pytest.mark.usefixtures("shop")
def test_invoking_a_function_that_is_not_there_names_those_that_are() -> None:
    done = eventflow("invoke", "shop", "gret")
    assert done.returncode == 3
    assert "functions: hello, slow, expedite, isolated, greet" in done.stderr


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_tells_its_address_answers_and_stops_gracefully(number: signal.Signals) -> None:
    with started("serve", "shop", "--port", "0") as serving:
        address = serving.ready()["address"]
        assert get(address, "/hello/Ada") == {"hello": "Ada"}
        assert "GET /hello/Ada" in json.loads(serving.line_with("uvicorn.access"))["message"]
        assert serving.stop(number) == 0


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(("arguments", "open_"), [(["--host", "0.0.0.0"], False), ([], True)])
def test_the_invoke_api_is_closed_where_other_machines_reach_it(arguments: list[str], open_: bool) -> None:
    with started("serve", "shop", "--port", "0", *arguments) as serving:
        ready = serving.ready()
        address = ready["address"].replace("0.0.0.0", "127.0.0.1")
        request = urllib.request.Request(address + "/2015-03-31/functions/greet/invocations", b'{"name": "Ada"}')
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                status = response.status
        except urllib.error.HTTPError as exc:
            status = exc.code
        assert (status, ready["invoke_api"]) == ((200, True) if open_ else (404, False))
        assert serving.stop(signal.SIGTERM) == 0


@pytest.mark.usefixtures("shop")
def test_an_invoke_api_that_others_reach_needs_access_keys_or_to_be_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    reached = ("serve", "shop", "--port", "0", "--host", "0.0.0.0")
    refused = eventflow(*reached, "--invoke-api")
    assert refused.returncode == 3
    assert "has no access keys" in refused.stderr
    assert "--invoke-auth-type NONE" in refused.stderr
    monkeypatch.setenv("EVENTFLOW_ACCESS_KEY_ID", "KEY1")
    assert "set EVENTFLOW_SECRET_ACCESS_KEY" in eventflow(*reached).stderr
    monkeypatch.setenv("EVENTFLOW_SECRET_ACCESS_KEY", "hush")
    with started(*reached) as serving:
        ready = serving.ready()
        assert (ready["invoke_api"], ready["invoke_auth_type"]) == (True, "AWS_IAM")
        client = boto3.client(
            "lambda",
            endpoint_url=ready["address"].replace("0.0.0.0", "127.0.0.1"),
            region_name="us-east-1",
            aws_access_key_id="KEY1",
            aws_secret_access_key="hush",
        )
        assert client.invoke(FunctionName="greet", Payload=b'{"name": "Ada"}')["StatusCode"] == 200
        client.close()
        assert serving.stop(signal.SIGTERM) == 0


@pytest.mark.usefixtures("shop")
def test_serve_looks_for_garbage_less_often_than_python_and_no_less_often_than_the_app_wants(write: Write) -> None:
    code = """
        import gc
        from eventflow import on_http

        gc.set_threshold({threshold})

        @on_http("GET /")
        async def threshold():
            return [gc.isenabled(), gc.get_threshold()[0]]
    """
    for threshold, expected in ((700, 10_000), (50_000, 50_000), (0, 0)):
        write("collecting.py", code.format(threshold=threshold))
        with started("serve", "collecting.py", "--port", "0", "--log-format", "json") as serving:
            assert get(serving.ready()["address"], "/") == [True, expected]


@pytest.mark.usefixtures("shop")
def test_serve_receives_what_another_terminal_sends() -> None:
    with started("serve", "shop", "--port", "0", "--no-access-log") as serving:
        serving.ready()
        eventflow("send", "sqs", "orders", "order-1")
        assert serving.line_with("received") == "received order-1\n"
        assert serving.stop(signal.SIGTERM) == 0


@pytest.mark.usefixtures("shop")
def test_a_second_ctrl_c_does_not_wait_for_work_in_flight() -> None:
    with started("serve", "shop", "--port", "0", "--timeout-graceful-shutdown", "900") as serving:
        host, port = serving.ready()["address"].removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n")
            serving.line_with("slow began")
            serving.process.send_signal(signal.SIGINT)
            serving.line_with("stopping")
            assert serving.stop(signal.SIGINT) == 130


def test_a_start_that_hangs_can_be_interrupted(write: Write) -> None:
    lifespan = """
    import asyncio
    from contextlib import asynccontextmanager
    from eventflow.app import App

    @asynccontextmanager
    async def forever():
        print("starting", flush=True)
        await asyncio.Event().wait()
        yield

    app = App([greet], lifespan=forever)
"""
    write("shop.py", SHOP + lifespan)
    with started("serve", "shop", "--port", "0") as serving:
        serving.line_with("starting")
        assert serving.stop(signal.SIGINT) == 0


def test_a_run_that_breaks_down_says_so_in_its_log_and_exits_with_1(write: Write) -> None:
    lifespan = """
    from contextlib import asynccontextmanager
    from eventflow.app import App

    @asynccontextmanager
    async def broken():
        raise OSError("no database")
        yield

    app = App([greet], lifespan=broken)
"""
    write("shop.py", SHOP + lifespan)
    done = eventflow("serve", "shop", "--port", "0")
    assert done.returncode == 1
    [record] = [json.loads(line) for line in done.stdout.splitlines()]
    assert (record["level"], done.stderr) == ("CRITICAL", "")
    assert record["message"] == "the run broke down: OSError: no database"
    assert record["exception"].startswith("Traceback")
    assert record["exception"].endswith("OSError: no database\n")


@pytest.mark.usefixtures("shop")
def test_a_port_in_use_exits_with_4_and_no_traceback_before_anything_runs(directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = eventflow("serve", "shop", "--port", str(port))
    assert done.returncode == 4
    assert f"error: 127.0.0.1:{port} is in use" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (directory / ".eventflow").exists()


@pytest.mark.usefixtures("shop")
def test_text_shows_the_table_instead_of_a_record() -> None:
    with started("serve", "shop", "--port", "0", "--log-format", "text") as serving:
        assert serving.line_with("expedite").split() == [
            "expedite",
            '@on_sqs("orders")',
            "polling",
            "local",
        ]
        assert serving.line_with("address").split()[1].startswith("http://127.0.0.1:")
        assert serving.stop(signal.SIGTERM) == 0


def test_dev_restarts_when_a_file_changes_and_waits_while_it_is_broken(write: Write) -> None:
    write("shop.py", SHOP)
    with started("dev", "shop", "--port", "0") as serving:
        address = serving.ready()["address"]
        assert get(address, "/hello/Ada") == {"hello": "Ada"}
        write("shop.py", SHOP + "\n    this is not python\n")
        serving.line_with("changed: shop.py; restarting")
        serving.line_with("error: shop.py, line")
        serving.line_with("waiting for a change")
        write("shop.py", SHOP.replace('{"hello": name}', '{"goodbye": name}'))
        serving.line_with("changed: shop.py; restarting")
        assert get(serving.ready()["address"], "/hello/Ada") == {"goodbye": "Ada"}
        assert serving.stop(signal.SIGTERM) == 0
