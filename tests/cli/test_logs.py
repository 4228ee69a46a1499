"""Log records as JSON and as text."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from eventflow.cli.logs import JsonFormatter, TextFormatter, configure_logging, is_text
from eventflow.model.context import Context, FunctionEnvironment
from eventflow.runtime.invoker import current_context


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def record(message: str = "done", *arguments: object, exc_info: Any = None, **extra: object) -> logging.LogRecord:
    made = logging.getLogger("shop").makeRecord(
        "shop", logging.INFO, "shop.py", 12, message, arguments, exc_info, "fulfil", extra
    )
    made.created = 1_767_225_600.123
    return made


def document(entry: logging.LogRecord) -> dict[str, Any]:
    text = JsonFormatter().format(entry)
    assert "\n" not in text
    parsed: dict[str, Any] = json.loads(text)
    return parsed


@pytest.fixture
def invocation() -> Iterator[Context]:
    environment = FunctionEnvironment(
        function_name="fulfil",
        function_arn="arn:aws:lambda:us-east-1:000000000000:function:fulfil",
        memory_limit_in_mb="128",
        log_group_name="/aws/lambda/fulfil",
        log_stream_name="stream",
        clock=lambda: 0.0,
        next_request_id=lambda: "request-1",
    )
    token = current_context.set(Context(environment, 3.0))
    yield current_context.get()  # type: ignore[misc]
    current_context.reset(token)


def test_a_json_line_has_the_keys_of_lambdas_logs() -> None:
    assert document(record("sent %d", 3)) == {
        "timestamp": "2026-01-01T00:00:00.123Z",
        "level": "INFO",
        "location": "fulfil:12",
        "message": "sent 3",
        "logger": "shop",
    }


def test_a_record_of_an_invocation_names_it(invocation: Context) -> None:
    entry = document(record())
    assert entry["function_name"] == "fulfil"
    assert entry["function_request_id"] == invocation.aws_request_id
    assert entry["function_arn"] == "arn:aws:lambda:us-east-1:000000000000:function:fulfil"


def test_extra_fields_are_keys_of_their_own() -> None:
    entry = document(record(event_source="aws:sqs", message_id="m-1", attempt=2, batch_size=10))
    assert (entry["event_source"], entry["message_id"], entry["attempt"], entry["batch_size"]) == (
        "aws:sqs",
        "m-1",
        2,
        10,
    )


def test_extra_fields_that_json_does_not_know_are_written_as_text() -> None:
    assert document(record(where={1}))["where"] == "{1}"


def test_an_exception_is_written_with_name_text_and_frames() -> None:
    try:
        raise ValueError("no stock")
    except ValueError:
        entry = document(record(exc_info=sys.exc_info()))
    assert entry["exception_name"] == "ValueError"
    assert entry["exception"].endswith("ValueError: no stock\n")
    assert entry["stack_trace"][0]["statement"] == 'raise ValueError("no stock")'


def test_text_is_one_line_with_function_message_and_fields(invocation: Context) -> None:
    text = TextFormatter(colours=False).format(record("sent", attempt=2))
    assert text.split(" ", 1)[1] == "INFO     fulfil sent function_request_id=request-1 attempt=2"


def test_text_does_not_name_a_function_twice() -> None:
    text = TextFormatter(colours=False).format(record("fulfil failed", function_name="fulfil"))
    assert text.split(" ", 1)[1] == "INFO     fulfil failed"


def test_text_has_colours_only_when_asked_for() -> None:
    assert "\x1b" in TextFormatter(colours=True).format(record())
    assert "\x1b" not in TextFormatter(colours=False).format(record())


def test_control_characters_in_a_message_cannot_reach_the_terminal() -> None:
    text = TextFormatter(colours=False).format(record("a\x1b[2Jb\rc"))
    assert text.endswith("a\\x1b[2Jb\\x0dc")


def test_auto_is_text_on_a_terminal_and_json_elsewhere() -> None:
    assert is_text("auto", Terminal())
    assert not is_text("auto", io.StringIO())
    assert is_text("text", io.StringIO())
    assert not is_text("json", Terminal())


def test_every_logger_writes_to_the_one_stream_the_web_servers_too() -> None:
    stream = io.StringIO()
    configure_logging(level="info", log_format="auto", stream=stream)
    logging.getLogger("shop").info("from the app")
    logging.getLogger("shop").debug("too quiet")
    logging.getLogger("uvicorn.access").info("GET /")
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("watchfiles.main").info("1 change detected")
    logging.getLogger("uvicorn.error").warning("from the server")
    messages = [json.loads(line)["message"] for line in stream.getvalue().splitlines()]
    assert messages == ["from the app", "GET /", "from the server"]


def test_without_an_access_log_requests_are_not_logged() -> None:
    stream = io.StringIO()
    configure_logging(level="info", log_format="json", stream=stream, access_log=False)
    logging.getLogger("uvicorn.access").info("GET /")
    assert stream.getvalue() == ""
    assert not logging.getLogger("uvicorn.access").hasHandlers()


def test_no_color_turns_colours_off_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    configure_logging(level="info", log_format="auto", stream=stream)
    logging.getLogger("shop").info("plain")
    assert "plain" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_an_exception_of_a_worker_process_is_written_though_only_its_text_came() -> None:
    entry = record(exception_name="ValueError")
    entry.exc_text = "Traceback ...\nValueError: no stock"
    assert document(entry)["exception"] == entry.exc_text
    assert document(entry)["exception_name"] == "ValueError"
    assert TextFormatter(colours=False).format(entry).endswith("\nValueError: no stock")
