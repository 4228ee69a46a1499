"""Two processes share the work; one is killed under load: the other goes on, and nothing is lost."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from tests.cloud.ledger import Ledger
from tests.cloud.load import in_background, nothing_is_missing
from tests.cloud.serving import Deployment, Serving, wait_until
from tests.servers.server import Server

LOAD_SECONDS = 6.0


def deployment(directory: Path, app: str, table: str, variables: dict[str, str]) -> Deployment:
    (directory / "eventflow.toml").write_text(f'[environments.cloud]\nadapter = "aws"\n{table}')
    ledger = {"LEDGER": str(directory / "ledger.jsonl")}
    target = f"tests.cloud.ledger_app:{app}"
    return Deployment(directory=directory, target=target, environment="cloud", variables={**variables, **ledger})


@contextmanager
def load(send: Callable[[int], None]) -> Iterator[list[int]]:
    """Call ``send`` with 0, 1, 2 ... in a thread while the block runs; the list has what was accepted."""
    accepted: list[int] = []

    def run(stop: threading.Event) -> None:
        number = 0
        while not stop.is_set():
            send(number)
            accepted.append(number)
            number += 1

    with in_background(run):
        yield accepted


def kill_one_under_load(ledger: Ledger, processes: list[Serving]) -> None:
    """Once both have handled something, the first is killed; the load goes on for a while."""
    wait_until(lambda: len(ledger.processes()) == 2, what="both processes handle something")
    processes[0].kill()
    time.sleep(LOAD_SECONDS)


def test_a_queue_loses_nothing(elasticmq_server: Server, tmp_path: Path) -> None:
    name = f"work-{uuid.uuid4().hex[:8]}"
    sqs: Any = boto3.client("sqs", **elasticmq_server.client_options)
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "5"})["QueueUrl"]
    sqs.create_queue(QueueName=f"{name}-events", Attributes={"VisibilityTimeout": "5"})
    table = f'event_queue = "sqs:{name}-events"\n[environments.cloud.resources]\n"sqs:work" = "{name}"\n'
    endpoints = {"AWS_ENDPOINT_URL": elasticmq_server.endpoint_url}
    app = deployment(tmp_path, "queue_app", table, endpoints)
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with app.serve() as first, app.serve() as second:
        with load(lambda number: sqs.send_message(QueueUrl=url, MessageBody=str(number))) as accepted:
            kill_one_under_load(ledger, [first, second])
        nothing_is_missing(ledger, [str(number) for number in accepted])


def test_an_event_queue_on_sqs_loses_nothing(elasticmq_server: Server, tmp_path: Path) -> None:
    name = f"events-{uuid.uuid4().hex[:8]}"
    sqs: Any = boto3.client("sqs", **elasticmq_server.client_options)
    sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "5"})
    endpoints = {"AWS_ENDPOINT_URL": elasticmq_server.endpoint_url}
    app = deployment(tmp_path, "event_app", f'event_queue = "sqs:{name}"\n', endpoints)
    accepted_events_survive(app, Ledger(tmp_path / "ledger.jsonl"))


def test_an_event_queue_on_postgresql_loses_nothing(postgresql_server: Server, tmp_path: Path) -> None:
    schema = f"events_{uuid.uuid4().hex[:8]}"
    table = (
        '[environments.cloud.event_queue]\nadapter = "postgresql"\nname = "later"\nlease_seconds = 5\n'
        f'postgresql_url = "{postgresql_server.dsn}"\npostgresql_schema = "{schema}"\n'
    )
    app = deployment(tmp_path, "event_app", table, {})
    accepted_events_survive(app, Ledger(tmp_path / "ledger.jsonl"))


def accepted_events_survive(app: Deployment, ledger: Ledger) -> None:
    """Whatever either process accepted is handled, though the first dies."""
    sent: list[str] = []

    with app.serve() as first, app.serve() as second:

        def send(number: int) -> None:
            for serving, kind in ((first, "a"), (second, "b")):
                if serving.invoke_later("later", {"id": f"{kind}{number}"}):
                    sent.append(f"{kind}{number}")

        with load(send):
            kill_one_under_load(ledger, [first, second])
        assert any(item.startswith("a") for item in sent)
        nothing_is_missing(ledger, sent)


def test_a_stream_loses_nothing_and_keeps_order(
    kinesis_server: Server, dynamodb_server: Server, elasticmq_server: Server, tmp_path: Path
) -> None:
    """Four shards, two processes; committed positions never go back, whoever writes them."""
    name = f"flow-{uuid.uuid4().hex[:8]}"
    kinesis: Any = boto3.client("kinesis", **kinesis_server.client_options)
    kinesis.create_stream(StreamName=name, ShardCount=4)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 100})
    sqs: Any = boto3.client("sqs", **elasticmq_server.client_options)
    sqs.create_queue(QueueName=f"{name}-events")
    table = (
        f'event_queue = "sqs:{name}-events"\nlease_table = "{name}-leases"\nlease_seconds = 5\n'
        f'[environments.cloud.resources]\n"kinesis:flow" = "{name}"\n'
    )
    endpoints = {
        "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_server.endpoint_url,
        "AWS_ENDPOINT_URL_KINESIS": kinesis_server.endpoint_url,
        "AWS_ENDPOINT_URL_SQS": elasticmq_server.endpoint_url,
    }
    app = deployment(tmp_path, "stream_app", table, endpoints)
    ledger = Ledger(tmp_path / "ledger.jsonl")

    def put(number: int) -> None:
        records = [{"Data": f"k{key}-{number}".encode(), "PartitionKey": f"k{key}"} for key in range(16)]
        answer = kinesis.put_records(StreamName=name, Records=records)
        assert not answer["FailedRecordCount"]

    with app.serve() as first, app.serve() as second:
        positions = Positions(boto3.client("dynamodb", **dynamodb_server.client_options), f"{name}-leases")
        with positions.watched(), load(put) as accepted:
            kill_one_under_load(ledger, [first, second])
            wait_until(lambda: positions.seen == 4, what="every shard has progress")
        nothing_is_missing(ledger, [f"k{key}-{number}" for number in accepted for key in range(16)])
    assert ledger.disorder() == []
    assert positions.gone_back == []


class Positions:
    """Reads the lease table over and over, and remembers every committed position that goes back."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._highest: dict[str, int] = {}
        self.gone_back: list[str] = []

    @property
    def seen(self) -> int:
        return len(self._highest)

    @contextmanager
    def watched(self) -> Iterator[None]:
        def run(stop: threading.Event) -> None:
            while not stop.is_set():
                self.look()
                stop.wait(0.1)

        with in_background(run):
            yield

    def look(self) -> None:
        for item in self._dynamodb.scan(TableName=self._table, ConsistentRead=True)["Items"]:
            if "position" not in item:
                continue
            shard, position = item["shard"]["S"], int(next(iter(item["position"].values())))
            if position < self._highest.get(shard, 0):
                self.gone_back.append(f"{shard}: {self._highest[shard]} -> {position}")
            self._highest[shard] = max(position, self._highest.get(shard, 0))
