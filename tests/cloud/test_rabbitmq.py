"""Apps on RabbitMQ's queues: a broker that restarts or dies, a process that is killed, mistakes, and the example."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import pytest

from eventflow.events import RabbitMQEvent
from tests.cloud.environments import EXAMPLES
from tests.cloud.ledger import Ledger
from tests.cloud.load import in_background, nothing_is_missing, one_of_two_is_killed
from tests.cloud.serving import Deployment, wait_until
from tests.servers.rabbitmq import PASSWORD, USER
from tests.servers.running import PrivateServer
from tests.servers.server import Server

NAMES = ("work", "batches", "poison", "given-up")


def on_broker(server: Server, work: Callable[[aio_pika.abc.AbstractChannel], Any]) -> Any:
    """What anybody would write with aio-pika."""

    async def run() -> Any:
        connection = await aio_pika.connect(server.endpoint_url)
        async with connection, connection.channel() as channel:
            return await work(channel)

    return asyncio.run(run())


def create(server: Server, names: Sequence[str], kind: str = "quorum") -> None:
    async def work(channel: aio_pika.abc.AbstractChannel) -> None:
        for name in names:
            await channel.declare_queue(name, durable=True, arguments={"x-queue-type": kind})

    on_broker(server, work)


def send(server: Server, queue: str, *bodies: bytes) -> None:
    async def work(channel: aio_pika.abc.AbstractChannel) -> None:
        for body in bodies:
            message = aio_pika.Message(body, delivery_mode=2, content_type="text/plain")
            await channel.default_exchange.publish(message, routing_key=queue)

    on_broker(server, work)


def get(server: Server, queue: str) -> bytes | None:
    async def work(channel: aio_pika.abc.AbstractChannel) -> bytes | None:
        message = await (await channel.get_queue(queue)).get(no_ack=True, fail=False)
        return message.body if message is not None else None

    body: bytes | None = on_broker(server, work)
    return body


def deployment(
    directory: Path, target: str, server: Server, *, kind: str = "quorum", password: str = PASSWORD
) -> tuple[Deployment, dict[str, str]]:
    """An app on queues of its own, and what they are called."""
    queues = {name: f"{name}-{uuid4().hex}" for name in NAMES}
    create(server, list(queues.values()), kind)
    bound = "\n".join(f'"rabbitmq:{name}" = "{queue}"' for name, queue in queues.items())
    (directory / "eventflow.toml").write_text(f"""
        [environments.cloud]
        data = "memory"
        [environments.cloud.resources]
        {bound}
        [environments.cloud.sources.rabbitmq]
        adapter = "rabbitmq"
        url = "amqp://127.0.0.1:{server.port}"
        management_url = "http://127.0.0.1:{server.addresses["http"].rpartition(":")[2]}"
        username = "{USER}"
    """)
    variables = {"LEDGER": str(directory / "ledger.jsonl"), "EVENTFLOW_RABBITMQ_PASSWORD": password}
    return Deployment(directory=directory, target=target, environment="cloud", variables=variables), queues


@contextmanager
def load(server: Server, *queues: str) -> Iterator[list[str]]:
    """Send to the queues in turn while the block runs; the list has what the broker has confirmed."""
    accepted: list[str] = []

    async def publish(stop: threading.Event) -> None:
        number = 0
        while not stop.is_set():
            try:
                connection = await aio_pika.connect(server.endpoint_url, timeout=5)
                async with connection, connection.channel() as channel:
                    while not stop.is_set():
                        body = f"m-{number}"
                        message = aio_pika.Message(body.encode(), delivery_mode=2)
                        queue = queues[number % len(queues)]
                        number += 1
                        await channel.default_exchange.publish(message, routing_key=queue, timeout=5)
                        accepted.append(body)
            except Exception:  # noqa: BLE001 - the broker is away: what it has not confirmed does not count
                await asyncio.sleep(0.1)

    with in_background(lambda stop: asyncio.run(publish(stop))):
        yield accepted


def test_two_processes_share_and_one_is_killed(rabbitmq_server: Server, tmp_path: Path) -> None:
    app, queues = deployment(tmp_path, "tests.cloud.rabbitmq_app:each_app", rabbitmq_server)
    one_of_two_is_killed(app, Ledger(tmp_path / "ledger.jsonl"), load(rabbitmq_server, queues["work"]))


@pytest.mark.parametrize(("kind", "end"), [("classic", "stop"), ("quorum", "kill")])
def test_a_broker_that_restarts_or_dies_under_load_loses_nothing(
    kind: str, end: str, start_server: Callable[[str], PrivateServer], tmp_path: Path
) -> None:
    private = start_server("rabbitmq")
    app, queues = deployment(tmp_path, "tests.cloud.rabbitmq_app:both_app", private.server, kind=kind)
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with app.serve() as serving:
        with load(private.server, queues["work"], queues["batches"]) as sent:
            wait_until(lambda: len(ledger.entries()) > 100, what="the load is handled")
            getattr(private, end)()
            serving.until_unready("rabbitmq:work")
            private.restart()
            serving.until_ready()
            known = len(ledger.entries())
            wait_until(lambda: len(ledger.entries()) > known + 100, what="the load goes on")
        nothing_is_missing(ledger, sent)
        assert "Traceback" not in serving.log.read_text()


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_poison_and_oversized_messages_hold_nobody_up(kind: str, rabbitmq_server: Server, tmp_path: Path) -> None:
    app, queues = deployment(tmp_path, "tests.cloud.rabbitmq_app:picky_app", rabbitmq_server, kind=kind)
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with app.serve() as serving:
        send(rabbitmq_server, queues["poison"], b"bad-1", b"\xff\xfe", b"x" * 6_500_000, b"good-1")
        send(rabbitmq_server, queues["work"], b"w-1")
        nothing_is_missing(ledger, ["good-1", "w-1"])
        given_up: list[bytes] = []

        def take() -> bool:
            if (body := get(rabbitmq_server, queues["given-up"])) is not None:
                [message] = RabbitMQEvent.model_validate(json.loads(body)["payload"]).messages
                given_up.append(message.data_bytes)
            return len(given_up) == 2

        wait_until(take, what=lambda: f"given up: {given_up}")
        assert set(given_up) == {b"bad-1", b"\xff\xfe"}
        wait_until(
            lambda: b'reason="oversized"' in serving.request("GET", "/metrics")[1], what="the oversized one is dropped"
        )
        serving.until_ready()


def failed_start(app: Deployment) -> str:
    answer = app.command("serve", app.target, "--app-dir", str(EXAMPLES.parent), "--env", "cloud", "--port", "0")
    assert answer.returncode != 0
    assert "Traceback" not in answer.stderr
    assert PASSWORD not in answer.stderr.replace("secret:", "")
    return answer.stderr


def test_wrong_credentials_are_one_clear_message(rabbitmq_server: Server, tmp_path: Path) -> None:
    app, _ = deployment(tmp_path, "tests.cloud.rabbitmq_app:each_app", rabbitmq_server, password="wr0ng-one")
    told = failed_start(app)
    assert "rabbitmq:work" in told
    assert "check username and password" in told
    assert "wr0ng-one" not in told


def test_queues_that_are_missing_are_told_together(rabbitmq_server: Server, tmp_path: Path) -> None:
    app, queues = deployment(tmp_path, "tests.cloud.rabbitmq_app:picky_app", rabbitmq_server)

    async def delete(channel: aio_pika.abc.AbstractChannel) -> None:
        for name in ("work", "given-up"):
            await channel.queue_delete(queues[name])

    on_broker(rabbitmq_server, delete)
    told = failed_start(app)
    for expected in ('@on_mq("work", engine="rabbitmq")', queues["work"], "rabbitmq:given-up", "eventflow provision"):
        assert expected in told
    assert "rabbitmq:poison" not in told


def test_a_queue_that_is_deleted_later_stops_its_mapping_only(rabbitmq_server: Server, tmp_path: Path) -> None:
    app, queues = deployment(tmp_path, "tests.cloud.rabbitmq_app:both_app", rabbitmq_server)
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with app.serve() as serving:
        on_broker(rabbitmq_server, lambda channel: channel.queue_delete(queues["batches"]))
        serving.until_unready("rabbitmq:batches")
        send(rabbitmq_server, queues["work"], b"w-1")
        nothing_is_missing(ledger, ["w-1"])
        create(rabbitmq_server, [queues["batches"]])
        send(rabbitmq_server, queues["batches"], b"b-1")
        nothing_is_missing(ledger, ["b-1"])
        serving.until_ready()


def test_check_looks_at_what_queues_are(rabbitmq_server: Server, tmp_path: Path) -> None:
    app, queues = deployment(tmp_path, "tests.cloud.rabbitmq_app:picky_app", rabbitmq_server)
    on_broker(rabbitmq_server, lambda channel: channel.queue_delete(queues["given-up"]))
    found = app.command("check", app.target, "--app-dir", str(EXAMPLES.parent), "--env", "cloud").stdout
    assert "rabbitmq:work: has no delivery limit" in found, found
    assert "rabbitmq:given-up: does not exist" in found
    assert "[missing]" in found
    planned = app.command("plan", app.target, "--app-dir", str(EXAMPLES.parent), "--env", "cloud").stdout
    assert "adapter rabbitmq" in planned
    assert PASSWORD not in planned


def test_the_example_runs_unchanged(rabbitmq_server: Server, tmp_path: Path) -> None:
    """Its other brokers stay embedded here."""
    (tmp_path / "eventflow.toml").write_text(f"""
        [environments.cloud]
        data = "memory"
        [environments.cloud.resources]
        "rabbitmq:orders" = "orders-{tmp_path.name}"
        "rabbitmq:failed-orders" = "failed-orders-{tmp_path.name}"
        [environments.cloud.sources.rabbitmq]
        adapter = "rabbitmq"
        url = "amqp://127.0.0.1:{rabbitmq_server.port}"
        username = "{USER}"
    """)
    app = Deployment(
        directory=tmp_path,
        target=str(EXAMPLES / "brokers.py"),
        environment="cloud",
        variables={"EVENTFLOW_RABBITMQ_PASSWORD": PASSWORD},
    )
    made = app.command("provision", app.target, "--env", "cloud")
    assert made.returncode == 0, made.stderr
    assert "quorum" in made.stdout
    again = app.command("provision", app.target, "--env", "cloud")
    assert "create" not in again.stdout
    with app.serve() as serving:
        send(
            rabbitmq_server,
            f"orders-{tmp_path.name}",
            b'{"id": "1", "total": 9.5}',
            b'{"id": "bad", "total": -1}',
            b'{"id": "2", "total": 3}',
        )
        wait_until(
            lambda: all(f"order {number} for" in serving.log.read_text() for number in (1, 2)),
            what=lambda: serving.log.read_text()[-2000:],
        )
        failed: list[bytes] = []

        def take() -> bool:
            if (body := get(rabbitmq_server, f"failed-orders-{tmp_path.name}")) is not None:
                failed.append(body)
            return bool(failed)

        wait_until(take, what="the bad order is put aside")
    record = json.loads(failed[0])
    assert record["requestContext"]["approximateInvokeCount"] == 4
    [message] = RabbitMQEvent.model_validate(record["payload"]).messages
    assert json.loads(message.data_bytes) == {"id": "bad", "total": -1}
