"""The adapter as a whole: opening, listing, and several real processes on one directory."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventflow.errors import AdapterError, ConfigurationError, DataDirectoryError, ResourceNotFoundError
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.invocation import QueuedEvent
from eventflow.model.mapping import BatchSettings, StartingPosition, StreamMapping
from eventflow.model.subscriptions import BusRule, QueueSubscription, StreamSubscription, TopicSubscription
from eventflow.ports import AdapterSettings
from eventflow.testing.virtual_time import START
from eventflow_local import LocalAdapter
from tests.unit.local.environments import environment, settings

ORDERS = QueueSubscription(service=Service.SQS, name="orders", subscriber="fulfil")
REAL_TIME = pytest.mark.parametrize("anyio_backend", ["asyncio"])
SENDER = Path(__file__).with_name("sender.py")


async def test_everything_made_is_listed_with_its_figures(directory: Path | None) -> None:
    async with environment(directory) as adapter:
        await adapter.queue_source(ORDERS)
        await (await adapter.sink(Destination(Service.SQS, "orders"))).send(OutboundMessage(body=b"a"))
        await (await adapter.sink(Destination(Service.KINESIS, "clicks"))).send(OutboundMessage(body=b"a", key="k"))
        await adapter.notification_source(TopicSubscription(name="news", subscriber="read"))
        await (await adapter.sink(Destination(Service.SNS, "news"))).send(OutboundMessage(body=b"a"))
        await adapter.notification_source(BusRule(name="audit", subscriber="read", pattern='{"source": ["shop"]}'))
        event = QueuedEvent(
            request_id="1", function_name="f", source="direct", payload=b"{}", accepted_at=START, due_at=START + 60
        )
        await (await adapter.event_queue("default")).put(event, claim=False)
        listed = {status.resource: dict(status.figures) for status in await adapter.resources()}
    assert listed == {
        "event queue:default": {"waiting": 0, "scheduled": 1, "claimed": 0},
        "eventbridge:audit": {"subscriptions": 1, "waiting": 0},
        "kinesis:clicks": {"partitions": 1, "records": 1},
        "sns:news": {"subscriptions": 1, "waiting": 1},
        "sqs:orders": {"visible": 1, "in flight": 0, "delayed": 0},
    }


async def test_memory_is_gone_with_its_environment_and_a_directory_is_not(directory: Path | None) -> None:
    async with environment(directory) as adapter:
        await (await adapter.sink(Destination(Service.SQS, "orders"))).send(OutboundMessage(body=b"a"))
    async with environment(directory) as adapter:
        source = await adapter.queue_source(ORDERS)
        assert await source.backlog() == (0 if directory is None else 1)


async def test_making_an_adapter_touches_nothing(tmp_path: Path) -> None:
    LocalAdapter(settings(tmp_path / "data"))
    assert not (tmp_path / "data").exists()


async def test_a_wrong_option_is_found_before_anything_is_opened() -> None:
    with pytest.raises(ConfigurationError, match="color"):
        LocalAdapter(settings(color="red"))


async def test_an_adapter_that_is_not_open_says_so() -> None:
    adapter = LocalAdapter(settings())
    with pytest.raises(AdapterError, match="not open"):
        await adapter.resources()
    async with adapter:
        assert await adapter.resources() == []
    with pytest.raises(AdapterError, match="not open"):
        await adapter.resources()


async def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataDirectoryError, match=r"file/state\.db"):
        async with environment(tmp_path / "file"):
            pass


async def test_what_is_not_served_here_is_not_found() -> None:
    mapping = StreamMapping(batch=BatchSettings(batch_size=1), starting_position=StartingPosition.LATEST)
    stream = StreamSubscription(service=Service.SQS, name="orders", subscriber="f", mapping=mapping)
    async with environment() as adapter:
        for opening in (
            adapter.sink(Destination(Service.FUNCTION, "import_csv")),
            adapter.queue_source(QueueSubscription(service=Service.KINESIS, name="clicks", subscriber="f")),
            adapter.stream_source(stream),
        ):
            with pytest.raises(ResourceNotFoundError, match="does not serve"):
                await opening


async def test_an_unclean_end_keeps_everything_put(tmp_path: Path) -> None:
    adapter = LocalAdapter(settings(tmp_path))
    await adapter.__aenter__()
    await (await adapter.sink(Destination(Service.SQS, "orders"))).send(OutboundMessage(body=b"a"))
    for name in ("state.db", "state.db-wal"):  # the disk as a crash would leave it: nothing closed, no checkpoint
        (tmp_path / "crashed").mkdir(exist_ok=True)
        (tmp_path / "crashed" / name).write_bytes((tmp_path / name).read_bytes())
    await adapter.__aexit__(None, None, None)
    async with environment(tmp_path / "crashed") as reopened:
        source = await reopened.queue_source(ORDERS)
        assert [record.body for record in await source.receive(max_records=1, wait_seconds=0)] == ["a"]


# Several real processes


class _Clock:
    def time(self) -> float:
        return time.time()


def shared(directory: Path) -> LocalAdapter:
    options: dict[str, Any] = {"data": str(directory)}
    return LocalAdapter(AdapterSettings(environment="local", options=options, resources={}, clock=_Clock()))


@REAL_TIME
async def test_one_process_receives_what_another_sends(tmp_path: Path) -> None:
    async with shared(tmp_path) as adapter:
        source = await adapter.queue_source(ORDERS)
        received: set[str | bytes] = set()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.run_process, [sys.executable, str(SENDER), str(tmp_path), "send"])
            with anyio.fail_after(120):
                while len(received) < 100:
                    records = await source.receive(max_records=10, wait_seconds=20)
                    received.update(record.body for record in records)
                    await source.delete([record.receipt_handle for record in records])
        assert received == {str(number) for number in range(100)}
        assert await source.backlog() == 0


@REAL_TIME
async def test_events_of_a_process_that_was_killed_are_there_at_once(tmp_path: Path) -> None:
    killed = await anyio.run_process([sys.executable, str(SENDER), str(tmp_path), "claim"], check=False)
    assert killed.returncode == -signal.SIGKILL
    async with shared(tmp_path) as adapter:
        store = await adapter.event_queue("default")
        events = await store.receive(max_events=200, wait_seconds=0)
        assert {event.request_id for event in events} == {str(number) for number in range(100)}
