"""What cannot be handled on Kafka: told clearly, kept, and in nobody's way."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.cloud.ledger import Ledger
from tests.cloud.serving import PATIENCE_SECONDS, ROOT, Deployment, wait_until
from tests.contract.kafka_topics import administration, create_topic
from tests.servers.kafka import USER
from tests.servers.registry import Registry, framed, schema_registry
from tests.servers.server import Server

PARTITIONS = 2
LARGE_BYTES = 5 * 1024 * 1024
"""More than 6 MB in an event."""
TARGET = "tests.cloud.kafka_failing_app"


class Opened(NamedTuple):
    """The running app, and its topics."""

    server: Server
    registry: Registry
    topics: Mapping[str, str]
    ledger: Ledger

    def send(self, name: str, *records: tuple[int, bytes]) -> None:
        """Partition and value of each."""

        async def send() -> None:
            address = self.server.addresses["PLAINTEXT"]
            async with AIOKafkaProducer(bootstrap_servers=address, max_request_size=2 * LARGE_BYTES) as producer:
                for partition, value in records:
                    await producer.send_and_wait(self.topics[name], value, b"key", partition=partition)

        asyncio.run(send())

    def wait_for(self, *ids: str) -> None:
        wait_until(lambda: not self.ledger.missing(ids), what=f"{ids} are handled")

    def given_up(self, topic: str, condition: str) -> dict[str, Any]:
        """What the failure topic has of one topic and condition, once it has something: no more than one record."""

        def matches(record: dict[str, Any]) -> bool:
            context = record["requestContext"]
            return bool(context["functionArn"].endswith(topic) and context["condition"] == condition)

        async def read() -> dict[str, Any]:
            async with AIOKafkaConsumer(bootstrap_servers=self.server.addresses["PLAINTEXT"]) as consumer:
                partition = TopicPartition(self.topics["failed"], 0)
                consumer.assign([partition])
                await consumer.seek_to_beginning(partition)
                found: list[dict[str, Any]] = []
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while not found:
                        for records in (await consumer.getmany(timeout_ms=500)).values():
                            assert all(record.key == b"key" for record in records)
                            found += [one for record in records if matches(one := json.loads(record.value))]
                [record] = found
                return record

        return asyncio.run(read())


def configuration(address: str, topics: Mapping[str, str], *more: str) -> str:
    bound = "\n".join(f'"kafka:{name}" = "{topic}"' for name, topic in topics.items())
    lines = [
        "[environments.cloud]",
        'data = "memory"',
        "[environments.cloud.resources]",
        bound,
        "[environments.cloud.sources.kafka]",
        'adapter = "kafka"',
        f'bootstrap_servers = "{address}"',
        *more,
    ]
    return "\n".join(lines)


def deployment(directory: Path, **variables: str) -> Deployment:
    ledger = str(directory / "ledger.jsonl")
    return Deployment(
        directory=directory, target=TARGET, environment="cloud", variables={"LEDGER": ledger, **variables}
    )


@pytest.fixture(scope="module")
def opened(kafka_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    directory = tmp_path_factory.mktemp("failing")

    async def create() -> dict[str, str]:
        async with administration(kafka_server) as admin:
            large = {"max.message.bytes": str(2 * LARGE_BYTES), "segment.bytes": str(4 * LARGE_BYTES)}
            plain, written = [await create_topic(admin, PARTITIONS, **large) for _ in range(2)]
            return {"plain": plain, "written": written, "failed": await create_topic(admin, 1)}

    topics = asyncio.run(create())
    with schema_registry() as registry:
        more = f'schema_registry_uri = "{registry.uri}"'
        (directory / "eventflow.toml").write_text(configuration(kafka_server.addresses["PLAINTEXT"], topics, more))
        with deployment(directory).serve():
            yield Opened(kafka_server, registry, topics, Ledger(directory / "ledger.jsonl"))


def test_poison_goes_to_the_failure_topic_and_the_rest_is_handled(opened: Opened) -> None:
    opened.send("plain", (0, b"p1"), (0, b"poison"), (0, b"p2"), (1, b"p3"))
    opened.wait_for("p1", "p2", "p3")
    record = opened.given_up("plain", "RetryAttemptsExhausted")
    assert record["requestContext"]["approximateInvokeCount"] == 2
    [[wire]] = record["payload"]["records"].values()
    assert base64.b64decode(wire["value"]) == b"poison"


def test_record_over_six_megabytes_is_named_in_the_failure_topic_and_the_rest_is_handled(opened: Opened) -> None:
    opened.send("plain", (0, b"l1"), (1, b"x" * LARGE_BYTES), (1, b"l2"), (0, b"l3"))
    opened.wait_for("l1", "l2", "l3")
    record = opened.given_up("plain", "MaximumPayloadSizeExceeded")
    assert record["payload"] is None
    assert record["KafkaBatchInfo"]["recordInfo"]["offset"].isdecimal()


def test_record_that_breaks_its_schema_is_named_in_the_failure_topic_and_the_rest_is_handled(opened: Opened) -> None:
    number = opened.registry.add({"type": "object", "properties": {"id": {"type": "string"}}}, "JSON")
    number_of_strings = opened.registry.add({"type": "string"}, "JSON")
    good = [framed(number_of_strings, json.dumps(id).encode()) for id in ("s1", "s2", "s3")]
    opened.send("written", (0, good[0]), (0, framed(number, b'{"id": 1}')), (0, good[1]), (1, good[2]))
    opened.wait_for('"s1"', '"s2"', '"s3"')
    record = opened.given_up("written", "RetryAttemptsExhausted")
    assert record["KafkaBatchInfo"]["recordInfo"]["offset"] == "1"


def test_topic_that_does_not_exist_is_told_at_start(kafka_server: Server, tmp_path: Path) -> None:
    topics = {name: f"missing-{name}" for name in ("plain", "written", "failed")}
    more = 'schema_registry_uri = "http://127.0.0.1:1"'
    (tmp_path / "eventflow.toml").write_text(configuration(kafka_server.addresses["PLAINTEXT"], topics, more))
    said = deployment(tmp_path).command("serve", TARGET, "--app-dir", str(ROOT), "--env", "cloud", "--port", "0")
    assert said.returncode == 3, said.stderr
    assert said.stderr.startswith("error: 3 problems")
    for topic in topics.values():
        assert f"topic {topic} does not exist" in said.stderr
    assert "Traceback" not in said.stderr


def test_wrong_password_is_told_at_start(kafka_server: Server, tmp_path: Path) -> None:
    assert kafka_server.certificates is not None
    more = (
        'authentication = "sasl-plain"',
        f'ca_file = "{kafka_server.certificates / "ca.pem"}"',
        'schema_registry_uri = "http://127.0.0.1:1"',
    )
    (tmp_path / "eventflow.toml").write_text(configuration(kafka_server.addresses["SASL_SSL"], {}, *more))
    signed_in = {"EVENTFLOW_KAFKA_USERNAME": USER, "EVENTFLOW_KAFKA_PASSWORD": "wr0ng-one"}
    said = deployment(tmp_path, **signed_in).command(
        "serve", TARGET, "--app-dir", str(ROOT), "--env", "cloud", "--port", "0"
    )
    assert said.returncode == 3, said.stderr
    assert "is denied" in said.stderr
    assert "check `authentication` and the credentials" in said.stderr
    for text in ("Traceback", "wr0ng-one"):
        assert text not in said.stderr
