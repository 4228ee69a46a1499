"""``eventflow send``: from a command line to messages, before any adapter is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from eventflow.app import App
from eventflow.cli import send as module
from eventflow.cli.list_resources import resource_table
from eventflow.plan.environment import Environment
from eventflow.ports import ResourceStatus
from eventflow.run.runner import running
from eventflow.runtime.stopping import StopSignal
from eventflow.triggers.sns import on_sns

if TYPE_CHECKING:
    from tests.cli.conftest import RunCli, Write


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sqs", "orders"], "Missing argument 'DATA...'"),
        (["sqs", "orders", "{}", "--attribute", "colour"], "'colour' is not name=value"),
        (["sqs", "orders", "{}", "--delay", "901"], "901"),
        (["eventbridge", "default", "{}"], "Missing option '--source'"),
        (["kinesis", "clicks", "{}"], "Missing option '--key'"),
        (["s3", "uploads", "-"], "standard input has no name"),
        (["s3", "uploads", "a.csv", "b.csv", "--key", "c.csv"], "--key names one object"),
        (["s3", "uploads", "no-such-file.csv"], "cannot read no-such-file.csv: No such file or directory"),
        (["mqtt", "orders", "{}"], "there is no command 'mqtt'; did you mean mq?"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(run_cli: RunCli, arguments: list[str], message: str) -> None:
    result = run_cli("send", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_every_argument_is_one_message() -> None:
    assert module.bodies(("a", "b\nc"), lines=False) == [b"a", b"b\nc"]


def test_with_lines_every_line_is_one_message_and_empty_lines_are_none() -> None:
    assert module.bodies(("a\n\nb\n", "c"), lines=True) == [b"a", b"b", b"c"]


def test_an_environment_in_memory_takes_nothing_from_other_processes(run_cli: RunCli, write: Write) -> None:
    write("eventflow.toml", '[environments.test]\ndata = "memory"\n')
    for arguments in (["--env", "test", "sqs", "orders", "{}"], ["sqs", "orders", "{}", "--env", "test"]):
        result = run_cli("send", *arguments)
        assert result.exit_code == 3
        assert "keeps everything in the memory of a run" in result.stderr


def test_resources_are_listed_with_a_column_for_every_figure() -> None:
    figures: list[dict[str, Any]] = [{"waiting": 3, "in_flight": 1}, {"records": 12}]
    resources = [
        ResourceStatus(resource=name, figures=f) for name, f in zip(["sqs:a", "kafka:b"], figures, strict=True)
    ]
    rows = [line.split() for line in resource_table(resources, Environment()).splitlines()]
    assert rows[1:] == [["sqs:a", "3", "1"], ["kafka:b", "12"]]
    assert "in flight" in resource_table(resources, Environment())


def test_an_environment_without_resources_says_so() -> None:
    assert "no resources yet" in resource_table([], Environment())


@pytest.mark.parametrize(
    "arguments",
    [
        ["sqs", "orders.fifo", "{}", "--group-id", "a", "--deduplication-id", "b"],
        ["sqs", "orders", "{}", "--delay", "5", "--attribute", "colour=red"],
        ["sns", "news", "hello", "--subject", "greeting", "--attribute", "colour=red"],
        ["eventbridge", "default", "{}", "--source", "shop", "--detail-type", "OrderPlaced"],
        ["kinesis", "clicks", "hello", "--key", "a"],
        ["dynamodb", "items", '{"id": "1"}'],
        ["dynamodb", "items", '{"id": "1"}', "--delete"],
        ["kafka", "clicks", "hello", "--key", "a", "--header", "colour=red"],
        ["documentdb", "shop.orders", '{"total": 1}'],
        ["documentdb", "shop.orders", '{"_id": "1"}', "--operation", "delete"],
        ["s3", "uploads", "-", "--key", "a.csv"],
    ],
    ids=" ".join,
)
def test_every_service_takes_what_is_sent(run_cli: RunCli, arguments: list[str]) -> None:
    result = run_cli("send", *arguments, input="text")
    assert (result.exit_code, result.stdout) == (0, f"sent 1 message to {arguments[0]}:{arguments[1]}\n")


@pytest.mark.parametrize("engine", ["rabbitmq", "activemq"])
def test_a_message_queue_is_named_with_its_engine(run_cli: RunCli, engine: str) -> None:
    arguments = ["--engine", engine, "--attribute", "colour=red", "--correlation-id", "c", "--delay", "5"]
    result = run_cli("send", "mq", "orders::shop", "hello", *arguments)
    assert (result.exit_code, result.stdout) == (0, f"sent 1 message to {engine}:orders::shop\n")
    assert run_cli("list").stdout.splitlines()[1].split() == [f"{engine}:orders::shop", "0", "0", "1"]


def test_a_file_is_an_object_of_its_name(run_cli: RunCli, write: Write, directory: Path) -> None:
    write("reports/report.csv", "a,b\n")
    assert run_cli("send", "s3", "uploads", "reports/report.csv").exit_code == 0
    assert (directory / ".eventflow/s3/uploads/report.csv").read_text() == "a,b\n"


def test_what_was_sent_is_listed(run_cli: RunCli) -> None:
    assert (
        run_cli("send", "sqs", "orders", "-", "--lines", input="one\ntwo\n").stdout == "sent 2 messages to sqs:orders\n"
    )
    assert run_cli("list").stdout.splitlines()[1].split()[:2] == ["sqs:orders", "2"]


def test_a_name_that_is_new_among_others_is_pointed_out_because_it_may_be_mistyped(run_cli: RunCli) -> None:
    for name in ("orders", "imports", "orders"):
        result = run_cli("send", "sqs", name, "{}")
    assert result.stderr == ""
    result = run_cli("send", "sqs", "ordrs", "{}")
    assert (result.exit_code, result.stdout) == (0, "sent 1 message to sqs:ordrs\n")
    assert result.stderr == "note: made the queue ordrs; there were: imports, orders\n"
    assert run_cli("send", "sqs", "ordrs", "{}").stderr == ""
    assert run_cli("send", "kinesis", "clicks", "{}", "--key", "a").stderr == ""
    result = run_cli("send", "kinesis", "klicks", "{}", "--key", "a")
    assert result.stderr == "note: made the stream klicks; there were: clicks\n"


def test_a_name_that_the_configuration_knows_is_not_mistyped(run_cli: RunCli, write: Write) -> None:
    write("eventflow.toml", "[environments.local.queues.imports]\nvisibility_timeout_seconds = 60\n")
    run_cli("send", "sqs", "orders", "{}")
    assert run_cli("send", "sqs", "imports", "{}").stderr == ""


def test_what_nothing_subscribes_to_is_pointed_out_because_it_is_lost(run_cli: RunCli) -> None:
    @on_sns("news")
    def read(event: object) -> None: ...

    async def run_once() -> None:
        async with running(App([read]).freeze(Environment()), stop=StopSignal()):
            pass

    assert run_cli("send", "sns", "nwes", "hello").stderr == ""  # no app has run yet
    anyio.run(run_once)
    assert run_cli("send", "sns", "news", "hello").stderr == ""
    result = run_cli("send", "sns", "nwes", "hello")
    assert (result.exit_code, result.stdout) == (0, "sent 1 message to sns:nwes\n")
    assert result.stderr == "note: nothing subscribes to the topic nwes; there are: news\n"


def test_many_names_are_not_all_listed(run_cli: RunCli) -> None:
    for number in range(12):
        run_cli("send", "sqs", f"queue-{number:02}", "{}")
    stderr = run_cli("send", "sqs", "other", "{}").stderr
    assert stderr.endswith("there were: " + ", ".join(f"queue-{number:02}" for number in range(10)) + " and 2 more\n")


def test_what_the_service_refuses_is_an_error_without_traceback(run_cli: RunCli) -> None:
    result = run_cli("send", "dynamodb", "items", "not json")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: dynamodb:items: ")
    assert "Traceback" not in result.stderr


def test_functions_are_listed_when_a_target_is_given(run_cli: RunCli, write: Write) -> None:
    write("shop.py", "from eventflow.triggers.sqs import on_sqs\n@on_sqs('orders')\ndef expedite(order): ...\n")
    rows = [line.split() for line in run_cli("list", "shop").stdout.splitlines()]
    assert rows[1] == ["expedite", '@on_sqs("orders")', "polling", "local"]
