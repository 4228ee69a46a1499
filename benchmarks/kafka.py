"""Reading a Kafka topic of four partitions: eventflow against aiokafka's own loops, and FastStream.

The broker is Apache Kafka, on a processor of its own, with a topic that was filled before. Every contender has a
process of its own; its CPU time is the figure.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Final

from benchmarks import kafka_consumers as consumers
from benchmarks.consumers import SERVER_CPU, consume
from benchmarks.measure import CPU, Contender, Effort, Figures, Results, compare
from benchmarks.payload import SHORT_BODY
from benchmarks.processes import count, family_cpu_seconds
from benchmarks.report import Report, Table, Target, at_least
from tests.servers.installing import NotInstalledError
from tests.servers.running import running
from tests.servers.server import Server

RECORDS: Final = 100_000
WARM_UP: Final = 20_000
SPARE: Final = 1.5
"""Partitions are not read in step, and a member reads ahead."""
PARTITIONS: Final = 4
KEYS: Final = 100
_MODULE: Final = "benchmarks.kafka_consumers"


def measure(effort: Effort) -> Report:
    """All contenders that are installed."""
    try:
        with filled(effort) as topic:
            names = [
                name for name in consumers.CONSUMERS if not name.startswith("FastStream") or find_spec("faststream")
            ]
            measured = [Contender(name, partial(topic.read, effort, name)) for name in names]
            results = compare(measured, rounds=effort.rounds)
    except NotInstalledError as exc:
        return Report(tables=[], targets=[], remarks=[f"Kafka: {exc}"])
    table = Table(f"Kafka: read {PARTITIONS} partitions and handle", results, CPU, consumers.BASELINE)
    return Report(tables=[table], targets=list(_targets(results)))


def _targets(results: Results) -> Iterator[Target]:
    goals = (
        (consumers.OUR_RECORDS, consumers.SINGLE, 12),
        (consumers.OUR_RECORD_MODELS, consumers.SINGLE_MODELS, 12),
        (consumers.OUR_RECORDS, consumers.EACH, 1.4),
        (consumers.OUR_BATCH_MODELS, consumers.BATCH_MODELS, 3),
        (consumers.OUR_BATCHES, consumers.BASELINE, 0.85),
    )
    for ours, theirs, goal in goals:
        yield at_least(f"{ours}: records per CPU second over {theirs}", results.ratio(theirs, ours, CPU), goal)


@dataclass(frozen=True, slots=True)
class _Topic:
    server: Server
    pid: int
    name: str

    def read(self, effort: Effort, name: str) -> Figures:
        """One round of one contender."""
        variables = {
            consumers.TOPIC_VARIABLE: self.name,
            consumers.SERVERS_VARIABLE: self.server.addresses["PLAINTEXT"],
        }
        spent = partial(family_cpu_seconds, self.pid)
        warm_up, records = effort.items(WARM_UP), effort.items(RECORDS)
        return consume(variables, spent, _MODULE, name, warm_up=warm_up, items=records)


@contextmanager
def filled(effort: Effort) -> Iterator[_Topic]:
    """A broker with a topic that holds enough for one round. Raises NotInstalledError."""
    with running("kafka") as (server, process):
        _pin(process.pid)
        topic = _Topic(server, process.pid, f"orders-{uuid.uuid4().hex}")
        records = round(SPARE * (effort.items(WARM_UP) + effort.items(RECORDS)))
        asyncio.run(_fill(server.addresses["PLAINTEXT"], topic.name, records))
        yield topic


def _pin(pid: int) -> None:
    if count() > 1 and shutil.which("taskset"):
        subprocess.run(["taskset", "-a", "-c", "-p", str(SERVER_CPU), str(pid)], check=True, capture_output=True)


async def _fill(address: str, topic: str, records: int) -> None:
    from aiokafka import AIOKafkaProducer
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    await admin.create_topics([NewTopic(topic, num_partitions=PARTITIONS, replication_factor=1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=address, linger_ms=20) as producer:
        for start in range(0, records, 1_000):
            sending = [
                await producer.send(
                    topic, SHORT_BODY.encode(), key=b"customer-%d" % (number % KEYS), partition=number % PARTITIONS
                )
                for number in range(start, min(records, start + 1_000))
            ]
            await asyncio.gather(*sending)
