"""What a run loses while it runs: the mapping that it concerns waits, says so once, and goes on when it is mended."""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest

from tests.cloud.gate import Gate, Refusal, gate_before
from tests.cloud.ledger import Ledger
from tests.cloud.network import Network, network_to
from tests.cloud.serving import Deployment, Serving, wait_until
from tests.servers.server import Server


@dataclass(frozen=True, kw_only=True)
class Run:
    """A process that serves :mod:`tests.cloud.mappings_app`, and everything that it depends on."""

    name: str
    sqs: Any
    kinesis: Any
    serving: Serving
    ledger: Ledger
    gate: Gate
    network: Network
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def works(self, *kinds: str) -> None:
        """Something sent now to each of these arrives."""
        sent = {kind: self._send(kind) for kind in kinds}
        wait_until(lambda: not self.ledger.missing(sent.values()), what=lambda: self.state(sent))

    def state(self, sent: dict[str, str]) -> str:
        return f"of {sent}, {self.ledger.missing(sent.values())} are not handled; {self.serving.readiness()}"

    def tells(self, *texts: str) -> None:
        """``/readyz`` says so, and nothing else is wrong."""
        self.serving.until_unready(*texts)

    def recovers(self) -> None:
        self.serving.until_ready()

    def warnings(self) -> list[str]:
        """What was logged above INFO, in order."""
        lines = self.serving.log.read_text().splitlines()
        return [line for line in lines if re.search(r'"level": "(WARNING|ERROR|CRITICAL)"', line)]

    def _send(self, kind: str) -> str:
        text = f"{kind}-{next(self.numbers)}"
        if kind == "flow":
            self.kinesis.put_record(StreamName=f"{self.name}-flow", Data=text.encode(), PartitionKey=text)
        else:
            url = self.sqs.get_queue_url(QueueName=f"{self.name}-{kind}")["QueueUrl"]
            self.sqs.send_message(QueueUrl=url, MessageBody=text)
        return text


@pytest.fixture(scope="module")
def run(
    elasticmq_server: Server,
    kinesis_server: Server,
    moto_server: Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Run]:
    name, directory = f"lost-{uuid.uuid4().hex[:8]}", tmp_path_factory.mktemp("lost")
    sqs: Any = boto3.client("sqs", **elasticmq_server.client_options)
    for queue in ("first", "second", "events"):
        sqs.create_queue(QueueName=f"{name}-{queue}", Attributes={"VisibilityTimeout": "5"})
    kinesis: Any = boto3.client("kinesis", **kinesis_server.client_options)
    kinesis.create_stream(StreamName=f"{name}-flow", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=f"{name}-flow", WaiterConfig={"Delay": 1, "MaxAttempts": 100})
    bindings = "".join(
        f'"{kind}" = "{name}-{kind.partition(":")[2]}"\n' for kind in ("sqs:first", "sqs:second", "kinesis:flow")
    )
    (directory / "eventflow.toml").write_text(
        f'[environments.cloud]\nadapter = "aws"\nevent_queue = "sqs:{name}-events"\nlease_table = "{name}-leases"\n'
        f"[environments.cloud.resources]\n{bindings}"
    )
    with gate_before(elasticmq_server.port) as gate, network_to(kinesis_server.port) as network:
        variables = {
            "LEDGER": str(directory / "ledger.jsonl"),
            "AWS_ENDPOINT_URL": moto_server.endpoint_url,
            "AWS_ENDPOINT_URL_SQS": gate.url,
            "AWS_ENDPOINT_URL_KINESIS": network.url,
        }
        target = "tests.cloud.mappings_app"
        app = Deployment(directory=directory, target=target, environment="cloud", variables=variables)
        with app.serve() as serving:
            ledger = Ledger(directory / "ledger.jsonl")
            started = Run(
                name=name, sqs=sqs, kinesis=kinesis, serving=serving, ledger=ledger, gate=gate, network=network
            )
            started.works("first", "second", "flow")
            yield started


def delete_a_queue(run: Run) -> None:
    run.sqs.delete_queue(QueueUrl=run.sqs.get_queue_url(QueueName=f"{run.name}-first")["QueueUrl"])


def make_it_again(run: Run) -> None:
    run.sqs.create_queue(QueueName=f"{run.name}-first", Attributes={"VisibilityTimeout": "5"})


def deny_a_queue(run: Run) -> None:
    message = "User: arn:aws:iam::123456789012:user/shop is not authorized to perform: sqs:receivemessage"
    run.gate.refusals[("ReceiveMessage", f"{run.name}-first")] = Refusal("AccessDeniedException", message)


def allow_it_again(run: Run) -> None:
    run.gate.refusals.clear()


def cut_kinesis(run: Run) -> None:
    run.network.cut()


def restore_kinesis(run: Run) -> None:
    run.network.restore()


@pytest.mark.parametrize(
    ("spoil", "mend", "lost", "says"),
    [
        (delete_a_queue, make_it_again, "first", ("first <- sqs:", "sqs:first: does not exist (sqs:ReceiveMessage: ")),
        (
            deny_a_queue,
            allow_it_again,
            "first",
            ("sqs:first: sqs:ReceiveMessage is denied", "allow it to these credentials: `eventflow export iam`"),
        ),
        (cut_kinesis, restore_kinesis, "flow", ("flow <- kinesis:flow", "kinesis:flow: ", "cannot connect to http://")),
    ],
)
def test_what_is_lost_disturbs_nothing_else(
    run: Run, spoil: Callable[[Run], None], mend: Callable[[Run], None], lost: str, says: tuple[str, ...]
) -> None:
    others = [kind for kind in ("first", "second", "flow") if kind != lost]
    before = len(run.warnings())
    spoil(run)
    run.tells(*says)
    for _ in range(5):
        run.works(*others)
    run.tells(*says)
    told = run.warnings()[before:]
    mend(run)
    run.recovers()
    run.works("first", "second", "flow")
    assert len([line for line in told if says[-1] in line]) <= 2, told  # of reading, and of progress
    assert "Traceback" not in run.serving.log.read_text()
