"""Apps on Kafka topics: a handler that fails, a stop while all lanes are busy, and a broker that dies under load."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from eventflow.errors import UnavailableError
from eventflow.model.destinations import Destination, OutboundMessage, Service
from tests.cloud.ledger import Ledger
from tests.cloud.load import in_background, nothing_is_missing
from tests.cloud.serving import PATIENCE_SECONDS, Deployment, wait_until
from tests.contract.kafka_topics import administration, create_topic, kafka_adapter
from tests.servers.running import PrivateServer
from tests.servers.server import Server

KEYS = 40
"""Enough for every partition to get some."""


def deployment(
    directory: Path, app: str, server: Server, *, partitions: int, session_seconds: int = 120
) -> tuple[Deployment, str]:
    """An app on a topic of its own. Who says nothing for ``session_seconds`` is replaced, and repeated."""

    async def create() -> str:
        async with administration(server) as admin:
            return await create_topic(admin, partitions)

    topic = asyncio.run(create())
    (directory / "eventflow.toml").write_text(f"""
        [environments.cloud]
        data = "memory"
        [environments.cloud.resources]
        "kafka:work" = "{topic}"
        [environments.cloud.sources.kafka]
        adapter = "kafka"
        bootstrap_servers = "{server.addresses["PLAINTEXT"]}"
        session_timeout_seconds = {session_seconds}
    """)
    return (
        Deployment(
            directory=directory,
            target=f"tests.cloud.kafka_app:{app}",
            environment="cloud",
            variables={"LEDGER": str(directory / "ledger.jsonl")},
        ),
        topic,
    )


@contextmanager
def load(server: Server, topic: str, *, count: int | None = None) -> Iterator[list[str]]:
    """Send ``count`` records, or as many as go while the block runs; the list has what the broker took."""
    accepted: list[str] = []

    async def send(stop: threading.Event) -> None:
        async with kafka_adapter(server) as adapter:
            sink = await adapter.sink(Destination(Service.KAFKA, topic))
            number = 0
            while number != count and not stop.is_set():
                body = f"k{number % KEYS}-{number}"
                try:
                    await sink.send(OutboundMessage(body=body.encode(), key=body.partition("-")[0]))
                except UnavailableError:
                    continue
                accepted.append(body)
                number += 1

    with in_background(lambda stop: asyncio.run(send(stop))) as thread:
        if count is not None:
            thread.join()
        yield accepted


def test_batches_of_two_partitions_that_fail_once_are_handled_in_order(kafka_server: Server, tmp_path: Path) -> None:
    app, topic = deployment(tmp_path, "failing_app", kafka_server, partitions=2)
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with load(kafka_server, topic, count=200) as sent, app.serve():
        nothing_is_missing(ledger, sent)
    assert {entry["partition"] for entry in ledger.entries()} == {0, 1}
    assert not ledger.disorder()
    assert not ledger.repeated()


def test_a_stop_with_all_lanes_busy_loses_and_repeats_nothing(kafka_server: Server, tmp_path: Path) -> None:
    app, topic = deployment(tmp_path, "slow_app", kafka_server, partitions=1)
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with load(kafka_server, topic, count=1_000) as sent:  # a minute's work
        with app.serve() as serving:
            wait_until(lambda: len(ledger.entries()) > 20, what="the lanes work")
            serving.process.send_signal(signal.SIGTERM)
            assert serving.process.wait(timeout=PATIENCE_SECONDS) == 0
        assert ledger.missing(sent), "everything was handled before the stop"
        with dataclasses.replace(app, variables={**app.variables, "HANDLER_SECONDS": "0"}).serve():
            nothing_is_missing(ledger, sent)
    assert not ledger.disorder()
    assert not ledger.repeated()


def test_a_rolling_deployment_loses_and_repeats_nothing(kafka_server: Server, tmp_path: Path) -> None:
    app, topic = deployment(tmp_path, "each_app", kafka_server, partitions=4)
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with app.serve() as old:
        with load(kafka_server, topic) as sent:
            wait_until(lambda: len(ledger.entries()) > 50, what="the old process works")
            with app.serve():
                wait_until(lambda: len(ledger.processes()) == 2, what="the new one has its share")
                old.process.send_signal(signal.SIGTERM)
                assert old.process.wait(timeout=PATIENCE_SECONDS) == 0
                known = len(sent)
                wait_until(lambda: len(sent) > known + 200, what="the load goes on")
                nothing_is_missing(ledger, list(sent))
        with app.serve():
            nothing_is_missing(ledger, sent)
    assert not ledger.disorder()
    assert not ledger.repeated()


def test_two_processes_share_and_one_is_killed(kafka_server: Server, tmp_path: Path) -> None:
    app, topic = deployment(tmp_path, "each_app", kafka_server, partitions=4, session_seconds=6)
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with app.serve() as one, app.serve(), load(kafka_server, topic) as sent:
        wait_until(lambda: len(ledger.processes()) == 2, what="both processes handle something")
        one.kill()
        known = len(sent)
        wait_until(lambda: not ledger.missing(sent[: known + 200]), what="the other takes over")
    assert not ledger.missing(sent[:known])


def test_a_broker_that_is_killed_under_load_loses_nothing(
    start_server: Callable[[str], PrivateServer], tmp_path: Path
) -> None:
    private = start_server("kafka")
    app, topic = deployment(tmp_path, "each_app", private.server, partitions=2, session_seconds=6)
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with app.serve() as serving:
        with load(private.server, topic) as sent:
            wait_until(lambda: len(ledger.entries()) > 100, what="the load is handled")
            private.kill()
            serving.until_unready(topic)
            private.restart()
            serving.until_ready()
            known = len(ledger.entries())
            wait_until(lambda: len(ledger.entries()) > known + 100, what="the load goes on")
        nothing_is_missing(ledger, sent)
        assert "Traceback" not in serving.log.read_text()
    assert not ledger.disorder()
