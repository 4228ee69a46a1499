"""The loop over the embedded adapter's own streams: shards, a resharding, a table and a topic."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import anyio
import pytest

from eventflow.app import App
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.plan.environment import Environment
from eventflow.ports import AdapterSettings
from eventflow.runtime.admission import Admission
from eventflow.runtime.functions import Functions
from eventflow.runtime.metrics import Metrics
from eventflow.runtime.readiness import Readiness
from eventflow.runtime.streams.poller import StreamPoller
from eventflow.testing.virtual_time import VirtualClock
from eventflow.triggers.kafka import on_kafka
from eventflow.triggers.kinesis import on_kinesis, on_kinesis_batch
from eventflow_local import LocalAdapter
from tests.runtime.streams.scripted import Failures, keyed_order

Mark: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

OPTIONS = {
    "data": "memory",
    "streams": {"orders": {"shards": 3}},
    "kafka": {"orders": {"partitions": 3}},
}


@asynccontextmanager
async def embedded() -> AsyncIterator[LocalAdapter]:
    settings = AdapterSettings(environment="local", options=OPTIONS, resources={}, clock=VirtualClock())
    async with LocalAdapter(settings) as adapter:
        yield adapter


@asynccontextmanager
async def process(adapter: LocalAdapter, handler: Callable[..., Any]) -> AsyncIterator[StreamPoller]:
    """One process that polls for ``handler``; at the end it drains."""
    plan = App([handler]).freeze(Environment())
    [stream] = plan.streams
    metrics, threads = Metrics(), ThreadPoolExecutor(1)
    functions = Functions(
        plan,
        clock=VirtualClock(),
        monotonic=anyio.current_time,
        admission=Admission([], concurrency=1_000),
        metrics=metrics,
        threads=threads,
    )
    source = await adapter.stream_source(stream.subscription)
    poller = StreamPoller(
        stream,
        source,
        functions[stream.endpoint.function.name],
        clock=VirtualClock(),
        metrics=metrics,
        failures=Failures(),
        random=lambda: 0.5,
        report=Readiness().report,
        drain_seconds=20,
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(poller.run)
        yield poller
        await poller.drain(20)
    await source.aclose()
    functions.close()
    threads.shutdown()


async def write(adapter: LocalAdapter, service: Service, numbers: range) -> None:
    sink = await adapter.sink(Destination(service, "orders"))
    for number in numbers:
        await sink.send(OutboundMessage(body=b"%d" % number, key=f"key-{number % 7}"))


async def until(condition: Callable[[], object]) -> None:
    with anyio.fail_after(10_000):
        while not condition():  # noqa: ASYNC110 (on virtual time this costs nothing)
            await anyio.sleep(0.1)


@pytest.mark.parametrize(
    ("mark", "service"),
    [
        (on_kinesis("orders", parallelization_factor=2), Service.KINESIS),
        (on_kafka("orders", parallelization_factor=2), Service.KAFKA),
    ],
)
async def test_two_processes_share_a_stream_in_order_and_hand_it_over(mark: Mark, service: Service) -> None:
    seen: list[tuple[int, int]] = []

    @mark
    async def handle(number: int) -> None:
        await anyio.sleep(0.05)
        seen.append((number % 7, number))

    async with embedded() as adapter, process(adapter, handle):
        await write(adapter, service, range(60))
        await anyio.sleep(1)
        async with process(adapter, handle) as second:
            await until(lambda: second.statistics().partitions)
            await write(adapter, service, range(60, 90))
            await anyio.sleep(0.5)
        await until(lambda: len({number for _, number in seen}) == 90)
    for order in keyed_order(seen).values():
        assert order == sorted(order)
    assert len(seen) == 90, "an orderly hand-over repeats nothing"


async def test_a_restart_goes_on_behind_the_last_commit() -> None:
    seen: list[int] = []

    @on_kinesis_batch("orders", batch_size=5)
    async def handle(event: dict[str, Any]) -> None:
        await anyio.sleep(0.5)
        seen.extend(int(item["kinesis"]["sequenceNumber"]) for item in event["Records"])

    async with embedded() as adapter:
        await write(adapter, Service.KINESIS, range(50))
        async with process(adapter, handle):
            await anyio.sleep(1.2)
        assert 0 < len(seen) < 50
        async with process(adapter, handle):
            await until(lambda: len(seen) >= 50)
            await anyio.sleep(60)
    assert len(seen) == len(set(seen)) == 50
