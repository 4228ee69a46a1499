"""``isolation="process"``: what a handler in a worker process sees, and what its caller sees of it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventflow.model.context import Caller, Client, ClientContext, Context
from eventflow.model.outcome import FunctionFailed, Outcome, Succeeded, TimedOut
from eventflow.plan.endpoints import direct_endpoint
from eventflow.runtime.deadlines import Deadlines
from eventflow.runtime.frames import READY, read_frame, write_frame
from eventflow.runtime.invoker import current_context
from eventflow.runtime.processes import IDLE_SECONDS, ProcessPool
from eventflow.runtime.threads import HandlerThreads
from tests.runtime import isolated
from tests.runtime.core import REQUEST_ID, Called, definition_of, environment_of

REAL_TIME: tuple[str, dict[str, Any]] = ("asyncio", {})
BUSY_MOMENTS = 5
"""How often a machine may be too busy for a handler to begin within its timeout."""


@asynccontextmanager
async def isolation(handler: Callable[..., Any], **settings: Any) -> AsyncIterator[Called]:
    called = Called(handler, threads=HandlerThreads(16), isolation="process", **settings)
    try:
        yield called
    finally:
        called.invoker.close()


async def outcome_of(handler: Callable[..., Any], event: Any = None) -> Outcome:
    async with isolation(handler) as called:
        outcome: Outcome = await called(event)
        return outcome


def kill(process_id: int) -> None:
    """Returns when it is dead, and leaves it to be reaped."""
    os.kill(process_id, signal.SIGKILL)
    os.waitid(os.P_PID, process_id, os.WEXITED | os.WNOWAIT)


def request_bytes(event: Any) -> bytes:
    environment = {
        "aws_request_id": REQUEST_ID,
        "function_name": "spin",
        "function_arn": "arn",
        "memory_limit_in_mb": "128",
        "log_group_name": "group",
        "log_stream_name": "stream",
    }
    request = {
        "event": event,
        "trigger": None,
        "per_record": False,
        "identity": {"arn": "", "region": "", "extras": {}},
        "remaining_seconds": 3.0,
        "watched": False,
        "client_context": None,
        "tenant_id": None,
        "context": environment,
    }
    return json.dumps(request).encode()


def error_of(outcome: Outcome) -> str:
    assert isinstance(outcome, FunctionFailed | TimedOut)
    return f"{outcome.body()['errorType']}: {outcome.body()['errorMessage']}"


async def test_a_worker_is_used_again_while_nobody_else_needs_one() -> None:
    async with isolation(isolated.process_id) as called:
        first, second = await called(), await called()
    assert first == second != Succeeded(os.getpid())


async def test_a_worker_that_was_idle_for_long_is_ended() -> None:
    async with isolation(isolated.process_id) as called:
        first = await called()
        await anyio.sleep(IDLE_SECONDS)
        assert await called() != first


async def test_a_worker_that_died_while_it_was_idle_is_replaced() -> None:
    async with isolation(isolated.process_id) as called:
        first = await called()
        kill(first.value)
        assert isinstance(await called(), Succeeded)


async def test_more_events_than_workers_take_turns() -> None:
    definition = definition_of(isolated.pause)
    endpoint, _ = direct_endpoint(definition)
    assert endpoint is not None
    loop = asyncio.get_running_loop()
    pool = ProcessPool(definition, HandlerThreads(8), Deadlines(loop), maximum=2)
    context = Context(environment_of("pause"), deadline=3.0)
    workers = await asyncio.gather(*(pool.call(endpoint, None, 0.02, context) for _ in range(6)))
    pool.close()
    assert len(set(workers)) == 2


@pytest.mark.parametrize("anyio_backend", [REAL_TIME])
async def test_starting_a_worker_is_not_the_handlers_time(anyio_backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLATED_IMPORT_SECONDS", "1.2")
    for _ in range(BUSY_MOMENTS):
        async with isolation(isolated.process_id, timeout_seconds=1) as called:
            outcome = await called()
        if isinstance(outcome, Succeeded):
            return
    pytest.fail(error_of(outcome))


@pytest.mark.parametrize("anyio_backend", [REAL_TIME])
async def test_a_handler_that_never_yields_is_killed_at_its_timeout_and_what_it_printed_is_seen(
    anyio_backend: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    for _ in range(BUSY_MOMENTS):
        async with isolation(isolated.spin, timeout_seconds=3) as called:
            outcome = await called(str(tmp_path / "begun"))
        if (tmp_path / "begun").exists():
            break
    assert error_of(outcome) == f"Sandbox.Timedout: RequestId: {REQUEST_ID} Error: Task timed out after 3.00 seconds"
    assert (tmp_path / "begun").exists()
    assert set(capfd.readouterr().out.splitlines()) == {"spinning"}


@pytest.mark.parametrize(("code", "reason"), [(0, "without providing a reason"), (3, "with error: exit status 3")])
async def test_a_worker_that_exits_fails_its_event(code: int, reason: str) -> None:
    message = f"Runtime.ExitError: RequestId: {REQUEST_ID} Error: Runtime exited {reason}"
    assert error_of(await outcome_of(isolated.leave, code)) == message


async def test_a_worker_that_loses_its_pipes_is_ended() -> None:
    assert error_of(await outcome_of(isolated.close_everything)).startswith("Runtime.ExitError")


async def test_a_result_that_cannot_be_written_is_a_function_error() -> None:
    message = "Runtime.MarshalError: Unable to marshal response: while it was written"
    assert error_of(await outcome_of(isolated.unwritable)) == message


async def test_signals_to_stop_are_the_parents_affair() -> None:
    assert await outcome_of(isolated.be_told_to_stop) == Succeeded("stayed")


def test_a_worker_whose_parent_is_gone_ends_though_its_handler_does_not(tmp_path: Path) -> None:
    requests, to_worker = os.pipe()
    from_worker, responses = os.pipe()
    setup = {
        "module": isolated.__name__,
        "qualname": "spin",
        "path": sys.path,
        "request": requests,
        "response": responses,
        "log_level": logging.INFO,
    }
    arguments = [sys.executable, "-m", "eventflow.runtime.worker", json.dumps(setup)]
    with subprocess.Popen(arguments, pass_fds=(requests, responses)) as process:
        os.close(requests)
        os.close(responses)
        assert read_frame(from_worker) == READY
        write_frame(to_worker, request_bytes(str(tmp_path / "begun")))
        os.close(to_worker)
        assert read_frame(from_worker) is None
        assert process.wait(120) == 0
    os.close(from_worker)


async def test_what_a_handler_logs_is_logged_here_as_its_invocations(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str | None] = []

    class Watcher(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            context = current_context.get()
            seen.append(None if context is None else context.aws_request_id)

    watcher = Watcher()
    with caplog.at_level(logging.INFO):
        logging.getLogger().addHandler(watcher)
        await outcome_of(isolated.write_log)
        logging.getLogger().removeHandler(watcher)
    order, failed = caplog.records
    assert (order.name, order.levelname, order.getMessage()) == ("tests.runtime.isolated", "INFO", "order 7")
    assert (vars(order)["order_id"], order.funcName) == ("7", "write_log")
    assert (failed.getMessage(), vars(failed)["exception_name"]) == ("it failed", "ValueError")
    assert failed.exc_text is not None
    assert failed.exc_text.endswith("ValueError: no stock\n")
    assert seen == [REQUEST_ID, REQUEST_ID]


async def test_the_context_is_the_callers() -> None:
    client_context = ClientContext(custom={"a": 1}, env={}, client=Client(app_title="shop"))
    caller = Caller(client_context=client_context, invoked_function_arn="arn:qualified", tenant_id="t-1")
    async with isolation(isolated.told) as called:
        outcome = await called.entry.invoke(None, REQUEST_ID, caller)
    assert outcome == Succeeded([REQUEST_ID, "arn:qualified", "t-1", {"a": 1}, "shop"])
