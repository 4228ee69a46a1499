"""``isolation="process"`` in a whole app: every kind of subject, and what is left when it ends."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventflow.app import App
from eventflow.model.outcome import FunctionFailed, Succeeded
from eventflow.model.records import QueueRecord, SourceIdentity, StreamRecord
from eventflow.plan.endpoints import trigger_endpoint
from eventflow.plan.environment import Environment
from eventflow.runtime.admission import Admission
from eventflow.runtime.functions import Functions, RunningFunction, subject_of
from eventflow.runtime.metrics import Metrics
from eventflow.runtime.threads import HandlerThreads
from eventflow.testing.virtual_time import VirtualClock
from tests.runtime import isolated_app

REAL_TIME: tuple[str, dict[str, Any]] = ("asyncio", {})
QUEUE = SourceIdentity(arn="arn:aws:sqs:eu-west-1:111111111111:orders", region="eu-west-1", extras={})
PATIENCE_SECONDS = 120
MESSAGE = QueueRecord("m1", "r1", "hello", 3, None, {"ApproximateReceiveCount": "3"}, {})


@asynccontextmanager
async def isolated(handler: Callable[..., Any]) -> AsyncIterator[RunningFunction]:
    plan = App([handler]).freeze(Environment())
    loop = asyncio.get_running_loop()
    functions = Functions(
        plan,
        clock=VirtualClock(),
        monotonic=loop.time,
        admission=Admission([item.definition for item in plan.functions.values()], concurrency=10),
        metrics=Metrics(),
        threads=HandlerThreads(10),
    )
    try:
        yield functions[handler.__name__]
    finally:
        functions.close()


async def test_each_trigger_of_a_service_gets_its_own_kind_of_event() -> None:
    async with isolated(isolated_app.either) as function:
        kinds = {}
        for trigger in function.plan.definition.triggers:
            endpoint, _ = trigger_endpoint(function.plan.definition, trigger)
            assert endpoint is not None
            entry = function.opened(endpoint, QUEUE)
            subject: Any = MESSAGE if trigger.per_record else {"Records": []}
            kinds[trigger.name] = await entry.invoke(subject)
    assert kinds == {"single": Succeeded("SqsRecord"), "many": Succeeded("SqsEvent")}


async def test_a_record_that_cannot_be_sent_to_a_worker_costs_no_worker() -> None:
    async with isolated(isolated_app.per_record) as function:
        entry = function.opened(next(iter(function.plan.endpoints.values())), QUEUE)
        for _ in range(50):
            assert isinstance(await entry.invoke(MESSAGE._replace(body=b"\xff")), FunctionFailed)
        assert await entry.invoke(MESSAGE) == Succeeded(["hello", QUEUE.arn, 3])


async def test_a_record_arrives_as_its_open_source_writes_it() -> None:
    async with isolated(isolated_app.per_record) as function:
        entry = function.opened(next(iter(function.plan.endpoints.values())), QUEUE)
        assert await entry.invoke(MESSAGE) == Succeeded(["hello", QUEUE.arn, 3])


async def test_what_a_source_adds_to_its_events_arrives_too() -> None:
    identity = SourceIdentity(arn="", region="us-east-1", extras={"bootstrapServers": "b-1:9092"})
    attributes = {"topic": "orders", "partition": 0, "timestampType": "CREATE_TIME", "headers": []}
    record = StreamRecord("orders-0", 15, b"k", b"v", 1_545_084_650.0, attributes)
    async with isolated(isolated_app.kafka) as function:
        entry = function.opened(next(iter(function.plan.endpoints.values())), identity)
        assert await entry.invoke(record) == Succeeded("b-1:9092")


async def test_an_http_request_arrives_with_its_path_parameters() -> None:
    wire = {
        "version": "2.0",
        "routeKey": "GET /orders/{id}",
        "rawPath": "/orders/7",
        "rawQueryString": "full=1",
        "headers": {},
        "queryStringParameters": {"full": "1"},
        "pathParameters": {"id": "7"},
        "requestContext": {
            "accountId": "000000000000", "apiId": "local", "domainName": "localhost", "domainPrefix": "localhost",
            "http": {"method": "GET", "path": "/orders/7", "protocol": "HTTP/1.1", "sourceIp": "::1", "userAgent": ""},
            "requestId": "1", "routeKey": "GET /orders/{id}", "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 0,
        },
        "isBase64Encoded": False,
    }  # fmt: skip
    async with isolated(isolated_app.order) as function:
        entry = function.entry_for(wire)
        expected = {"id": 7, "path": "/orders/7", "query": {"full": "1"}}
        assert await entry.invoke(subject_of(entry, wire)) == Succeeded(expected)


@pytest.mark.parametrize("handler", [isolated_app.fail, isolated_app.fail_plainly])
async def test_an_exception_is_reported_as_if_it_had_happened_here(handler: Callable[..., Any]) -> None:
    async with isolated(handler) as function:
        outcome = await function.entry_for(None).invoke(None, "7")
    assert isinstance(outcome, FunctionFailed)
    body = outcome.body()
    [frame] = body.pop("stackTrace")
    assert list(body.items()) == [("errorMessage", "x"), ("errorType", "ValueError"), ("requestId", "7")]
    assert f'in {handler.__name__}\n    raise ValueError("x")\n' in frame


@pytest.mark.parametrize("anyio_backend", [REAL_TIME])
async def test_ending_with_busy_and_idle_workers_leaves_nothing_behind(anyio_backend: Any, tmp_path: Path) -> None:
    before = left_behind()
    async with isolated(isolated_app.hang) as function:
        entry = function.entry_for("")
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(entry.invoke, str(tmp_path / str(number)))
            await until(lambda: all((tmp_path / str(number)).exists() for number in range(3)))
            tasks.cancel_scope.cancel()
    await until(lambda: nothing_more(before))


async def until(condition: Callable[[], bool]) -> None:
    """Other processes tell nobody when they are that far."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110
            await anyio.sleep(0.01)


def left_behind() -> tuple[set[str], set[str]]:
    """Open files and child processes: servers of other tests may be among them."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return set(os.listdir("/proc/self/fd")), set(children)


def nothing_more(before: tuple[set[str], set[str]]) -> bool:
    """What was there before may have ended: it was another test's."""
    return all(now <= then for now, then in zip(left_behind(), before, strict=True))


def test_a_loop_that_ends_at_once_leaves_nothing_behind(tmp_path: Path) -> None:
    before = left_behind()

    async def main() -> None:
        async with isolated(isolated_app.hang) as function, anyio.create_task_group() as tasks:
            tasks.start_soon(function.entry_for("").invoke, str(tmp_path / "0"))
            await until((tmp_path / "0").exists)
            tasks.cancel_scope.cancel()

    asyncio.run(main())
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not nothing_more(before) and time.monotonic() < give_up_at:
        time.sleep(0.01)
    assert nothing_more(before)
