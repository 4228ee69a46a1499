"""Receiving from SQS, handling and deleting: eventflow against the loops that one writes by hand.

The queue is a stub that costs next to nothing (:mod:`benchmarks.sqs_stub`), and ElasticMQ where it is installed. Every
contender has a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import boto3

from benchmarks.consumers import REGION, SERVER_CPU, aws_variables, consume
from benchmarks.measure import CPU, Contender, Effort, Figures, Results, compare
from benchmarks.payload import SHORT_BODY
from benchmarks.processes import Process, family_cpu_seconds, module
from benchmarks.report import Report, Table, at_least
from benchmarks.sqs_consumers import CONSUMERS, POLLERS
from benchmarks.sqs_stub import BATCH, QUEUE
from tests.servers.installing import NotInstalledError
from tests.servers.running import running

MESSAGES: Final = 10_000
WARM_UP: Final = 1_000
MESSAGES_OF_ELASTICMQ: Final = 1_500
WARM_UP_OF_ELASTICMQ: Final = 500
BASELINE: Final = "aiobotocore, hand-written"
_MODULE: Final = "benchmarks.sqs_consumers"


def measure(effort: Effort) -> Report:
    """All contenders on the stub, then on ElasticMQ."""
    results = _compare(partial(on_stub, effort), effort)
    tables = [Table(f"SQS: receive, handle, delete; {POLLERS} pollers on a stub", results, CPU, BASELINE)]
    remarks = []
    try:
        with _elasticmq() as server:
            real = _compare(partial(server.load, effort), effort)
        tables.append(Table("the same on ElasticMQ", real, CPU, BASELINE))
    except NotInstalledError as exc:
        remarks.append(f"ElasticMQ: {exc}")
    return Report(
        tables=tables,
        targets=[
            at_least(f"{name}: messages per CPU second over {BASELINE}", results.ratio(BASELINE, name, CPU), 0.9)
            for name in CONSUMERS
            if name.startswith("eventflow")
        ],
        remarks=remarks,
    )


def _compare(measured: Callable[[str], Figures], effort: Effort) -> Results:
    return compare([Contender(name, partial(measured, name)) for name in CONSUMERS], rounds=effort.rounds)


def on_stub(effort: Effort, name: str) -> Figures:
    """One round of one contender."""
    with Process(module("benchmarks.sqs_stub"), cpu=SERVER_CPU) as stub:
        url = stub.line()
        warm_up, messages = effort.items(WARM_UP), effort.items(MESSAGES)
        return consume(aws_variables(url), stub.cpu_seconds, _MODULE, name, warm_up=warm_up, items=messages)


class _ElasticMq:
    """A running server with one queue."""

    def __init__(self, url: str, pid: int) -> None:
        self._url = url
        self._pid = pid
        self._client = boto3.client(
            "sqs", endpoint_url=url, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
        )
        self._queue = self._client.create_queue(QueueName=QUEUE)["QueueUrl"]

    def load(self, effort: Effort, name: str) -> Figures:
        """One round with messages of its own, and a few to spare: the last ones come slowly."""
        warm_up, messages = effort.items(WARM_UP_OF_ELASTICMQ), effort.items(MESSAGES_OF_ELASTICMQ)
        for _ in range((warm_up + messages) // BATCH + 2 * POLLERS):
            entries = [{"Id": str(number), "MessageBody": SHORT_BODY} for number in range(BATCH)]
            self._client.send_message_batch(QueueUrl=self._queue, Entries=entries)
        spent = partial(family_cpu_seconds, self._pid)
        return consume(aws_variables(self._url), spent, _MODULE, name, warm_up=warm_up, items=messages)


@contextmanager
def _elasticmq() -> Iterator[_ElasticMq]:
    """Raises NotInstalledError."""
    with running("elasticmq") as (server, process):
        yield _ElasticMq(server.endpoint_url, process.pid)
