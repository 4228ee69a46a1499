"""Apps on queues of ActiveMQ: processes that die, a broker that dies under load, bad input, and the example."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from eventflow.errors import UnavailableError
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.subscriptions import QueueSubscription
from eventflow_activemq.options import SIGN_IN
from tests.cloud.environments import EXAMPLES
from tests.cloud.ledger import Ledger
from tests.cloud.load import in_background, nothing_is_missing, one_of_two_is_killed
from tests.cloud.serving import PATIENCE_SECONDS, Deployment, wait_until
from tests.contract.activemq import activemq_adapter
from tests.servers.activemq import PASSWORD, USER
from tests.servers.running import PrivateServer
from tests.servers.server import Server

OVER_SIX_MEGABYTES = b"x" * (6 * 1024 * 1024 + 1)


def deployment(directory: Path, target: str, server: Server, *, password: str = PASSWORD, **queues: str) -> Deployment:
    """An app whose queues are this test's own."""
    bindings = "\n".join(f'"activemq:{name}" = "{queue}"' for name, queue in queues.items())
    (directory / "eventflow.toml").write_text(f"""
        [environments.cloud]
        data = "memory"
        [environments.cloud.resources]
        {bindings}
        [environments.cloud.sources.activemq]
        adapter = "activemq"
        brokers = ["amqp://{server.addresses["amqp"]}"]
        username = "{USER}"
    """)
    variables = {"LEDGER": str(directory / "ledger.jsonl"), SIGN_IN.password_variable: password}
    return Deployment(directory=directory, target=target, environment="cloud", variables=variables)


def work(directory: Path, app: str, server: Server) -> tuple[Deployment, str]:
    queue = f"work-{uuid4().hex}"
    queues = {"work": queue, "failed": f"{queue}-failed"}
    return deployment(directory, f"tests.cloud.activemq_app:{app}", server, **queues), queue


def send(server: Server, queue: str, *bodies: bytes) -> None:
    async def sending() -> None:
        async with activemq_adapter(server) as adapter:
            sink = await adapter.sink(Destination(Service.ACTIVEMQ, queue))
            for body in bodies:
                await sink.send(OutboundMessage(body=body))

    asyncio.run(sending())


def received(server: Server, queue: str) -> bytes:
    """The next message of a queue, which is taken."""

    async def receiving() -> bytes:
        async with activemq_adapter(server) as adapter:
            subscription = QueueSubscription(service=Service.ACTIVEMQ, name=queue, subscriber="test")
            source = await adapter.queue_source(subscription)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not (records := await source.receive(max_records=1, wait_seconds=5)):
                    pass
            await source.delete([records[0].receipt_handle])
            body = records[0].body
            return body.encode() if isinstance(body, str) else body

    return asyncio.run(receiving())


@contextmanager
def load(server: Server, queue: str) -> Iterator[list[str]]:
    """Send as long as the block runs; the list has what the broker took."""
    accepted: list[str] = []

    async def sending(stop: threading.Event) -> None:
        async with activemq_adapter(server) as adapter:
            sink = await adapter.sink(Destination(Service.ACTIVEMQ, queue))
            number = 0
            while not stop.is_set():
                try:
                    await sink.send(OutboundMessage(body=b"%d" % number))
                except UnavailableError:
                    await asyncio.sleep(0.1)
                    continue
                accepted.append(str(number))
                number += 1

    with in_background(lambda stop: asyncio.run(sending(stop))):
        yield accepted


def test_two_processes_share_and_one_is_killed(activemq_server: Server, tmp_path: Path) -> None:
    app, queue = work(tmp_path, "each_app", activemq_server)
    one_of_two_is_killed(app, Ledger(tmp_path / "ledger.jsonl"), load(activemq_server, queue))


@pytest.mark.parametrize(("app_name", "kill"), [("each_app", True), ("batch_app", False)], ids=["killed", "stopped"])
def test_a_broker_that_goes_under_load_loses_nothing(
    start_server: Callable[[str], PrivateServer], tmp_path: Path, app_name: str, kill: bool
) -> None:
    private = start_server("activemq")
    app, queue = work(tmp_path, app_name, private.server)
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with app.serve() as serving:
        with load(private.server, queue) as sent:
            wait_until(lambda: len(ledger.entries()) > 100, what="the load is handled")
            (private.kill if kill else private.stop)()
            serving.until_unready("activemq:work")
            private.restart()
            serving.until_ready()
            known = len(ledger.entries())
            wait_until(lambda: len(ledger.entries()) > known + 100, what="the load goes on")
        nothing_is_missing(ledger, sent)
        assert "Traceback" not in serving.log.read_text()


def test_a_handler_whose_message_is_lost_is_stopped(
    start_server: Callable[[str], PrivateServer], tmp_path: Path
) -> None:
    private = start_server("activemq")
    app, queue = work(tmp_path, "stuck_app", private.server)
    ledger = Ledger(tmp_path / "ledger.jsonl")
    send(private.server, queue, b"a")
    with app.serve() as serving:
        wait_until(lambda: bool(ledger.entries()), what="the handler runs")
        private.kill()
        wait_until(
            lambda: [entry["id"] for entry in ledger.entries()] == ["a", "cancelled"],
            what=lambda: f"{ledger.entries()} {serving.log.read_text()[-2000:]}",
        )
        private.restart()
        wait_until(
            lambda: [entry["id"] for entry in ledger.entries()][2:3] == ["a"],
            what=lambda: f"{ledger.entries()} {serving.log.read_text()[-2000:]}",
        )
        serving.kill()  # the handler would not end


def test_poison_and_giants_stop_nobody(activemq_server: Server, tmp_path: Path) -> None:
    app, queue = work(tmp_path, "picky_app", activemq_server)
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with app.serve() as serving:
        send(activemq_server, queue, b"\xff poison", OVER_SIX_MEGABYTES, b'{"n": 1}')
        nothing_is_missing(ledger, ['{"n": 1}'])
        [message] = json.loads(received(activemq_server, f"{queue}-failed"))["payload"]["messages"]
        assert message["messageType"] == "jms/bytes-message"
        wait_until(
            lambda: "is larger than a batch may be, and was dropped" in serving.log.read_text(),
            what=lambda: serving.log.read_text()[-2000:],
        )
        status, metrics = serving.request("GET", "/metrics")
        assert status == 200
        [dropped] = [line for line in metrics.decode().splitlines() if 'reason="oversized"' in line]
        assert dropped.endswith(" 1.0")


def test_wrong_credentials_are_said_at_start_and_by_check(activemq_server: Server, tmp_path: Path) -> None:
    secret = "a-secret-that-nobody-may-read"
    target = "tests.cloud.activemq_app:each_app"
    app = deployment(tmp_path, target, activemq_server, password=secret, work="work")
    for command in ("serve", "check"):
        options = ("--port", "0") if command == "serve" else ()
        ended = app.command(command, target, "--env", "cloud", *options)
        assert ended.returncode != 0
        said = ended.stdout + ended.stderr
        assert "activemq:work" in said, said
        assert "denied" in said, said
        assert secret not in said
        assert "Traceback" not in said


def test_the_brokers_example_runs_unchanged(activemq_server: Server, tmp_path: Path) -> None:
    queue = f"invoices-{uuid4().hex}"
    app = deployment(tmp_path, str(EXAMPLES / "brokers.py"), activemq_server, invoices=queue)
    with app.serve() as serving:
        send(activemq_server, queue, *(b"invoice %d" % number for number in range(12)))
        wait_until(lambda: printed(serving.log) == 12, what=lambda: serving.log.read_text()[-2000:])


def printed(log: Path) -> int:
    """How many invoices the example printed; five pollers share them."""
    return sum(int(count) for count in re.findall(r"printing (\d+) invoices", log.read_text()))
