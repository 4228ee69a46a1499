"""The network to the services is away for half a minute under load: nothing is lost, and nobody is told otherwise."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

import boto3

from tests.cloud.ledger import Ledger
from tests.cloud.load import nothing_is_missing
from tests.cloud.network import network_to
from tests.cloud.serving import wait_until
from tests.cloud.test_failover import deployment, load
from tests.servers.server import Server

OUTAGE_SECONDS = 30.0


def test_a_queue_and_the_event_queue_recover_by_themselves(elasticmq_server: Server, tmp_path: Path) -> None:
    name = f"cut-{uuid.uuid4().hex[:8]}"
    sqs: Any = boto3.client("sqs", **elasticmq_server.client_options)
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "5"})["QueueUrl"]
    sqs.create_queue(QueueName=f"{name}-events", Attributes={"VisibilityTimeout": "5"})
    table = f'event_queue = "sqs:{name}-events"\n[environments.cloud.resources]\n"sqs:work" = "{name}"\n'
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with network_to(elasticmq_server.port) as network:
        app = deployment(tmp_path, "both_app", table, {"AWS_ENDPOINT_URL": network.url})
        with app.serve() as serving:
            events: list[str] = []

            def send(number: int) -> None:
                """To the queue past the cut, to the process through whatever it has."""
                sqs.send_message(QueueUrl=url, MessageBody=f"m{number}")
                if serving.invoke_later("later", {"id": f"e{number}"}):
                    events.append(f"e{number}")

            with load(send) as accepted:
                wait_until(lambda: len(ledger.entries()) > 50, what="the load is handled")
                serving.until_ready()
                network.cut()
                cut_at = time.monotonic()
                serving.until_unready("work")
                time.sleep(max(0.0, cut_at + OUTAGE_SECONDS - time.monotonic()))
                assert serving.readiness()[0] == 503
                network.restore()
                serving.until_ready()
                known = len(ledger.entries())
                wait_until(lambda: len(ledger.entries()) > known + 50, what="the load goes on")
            nothing_is_missing(ledger, [*events, *(f"m{number}" for number in accepted)])
            assert "Traceback" not in serving.log.read_text()
