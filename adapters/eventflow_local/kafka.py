"""Kafka topics and consumer groups.

A topic is made on first use with one partition, or as many as the environment's option ``partitions`` says; a
topic with fewer gets more. Records are kept for a week. Source: Apache Kafka documentation: configuration;
protocol: murmur2 partitioning.
"""

from __future__ import annotations

import base64
import json
import re
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from eventflow.errors import ConfigurationError, InvalidMessageError, Problem
from eventflow.model.kafka import topics_of
from eventflow.model.partitions import partition_of
from eventflow.model.records import SourceIdentity, StreamRecord
from eventflow_local import logs
from eventflow_local.alongside import alongside
from eventflow_local.log_source import REBALANCE_TIMEOUT_SECONDS, Log, LogSource

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

    from eventflow.model.destinations import OutboundMessage
    from eventflow.model.records import Checkpoint, PartitionId, StreamRead
    from eventflow.model.subscriptions import StreamSubscription
    from eventflow.ports import AdapterSettings, PartitionOwner
    from eventflow_local.database import Database
    from eventflow_local.logs import LogRow
    from eventflow_local.owners import Owner

RETENTION_SECONDS: Final = 7 * 86_400.0
MAXIMUM_MESSAGE_BYTES: Final = 1_048_588
"""``max.message.bytes`` of a topic that was not told otherwise."""
TOMBSTONE: Final = "eventflow.tombstone"
"""A message with this attribute and an empty body has no value, which deletes its key from a compacted topic.
The attribute itself is not sent. Without it an empty body is an empty value."""

_NAME: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")


def murmur2(data: bytes) -> int:
    """The hash by which Kafka's clients choose the partition of a key, as an unsigned number of 32 bits."""
    mask, factor = 0xFFFFFFFF, 0x5BD1E995
    value = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * factor & mask
        word = (word ^ word >> 24) * factor & mask
        value = (value * factor & mask) ^ word
    if rest := data[whole:]:
        value = (value ^ int.from_bytes(rest, "little")) * factor & mask
    value = (value ^ value >> 13) * factor & mask
    return value ^ value >> 15


def choose_partition(key: bytes, count: int) -> int:
    """The partition of a key among ``count``, as Kafka's default partitioner chooses it."""
    return (murmur2(key) & 0x7FFFFFFF) % count


def _log(topic: str) -> Log:
    def record(name: PartitionId, row: LogRow, offset: int) -> StreamRecord:
        attributes = {
            "topic": topic,
            "partition": int(name.rpartition("-")[2]),
            "timestampType": "CREATE_TIME",
            "headers": [(header, base64.b64decode(value)) for header, value in json.loads(row.attributes or "[]")],
        }
        return StreamRecord(name, offset, row.key, row.data, row.timestamp, attributes)

    return Log(resource=f"kafka:{topic}", retention_seconds=RETENTION_SECONDS, first_position=0, to_record=record)


def cluster_arn(settings: AdapterSettings) -> str:
    place = f"{partition_of(settings.region)}:kafka:{settings.region}:{settings.account_id}"
    return f"arn:{place}:cluster/local/00000000-0000-0000-0000-000000000000-1"


async def ensure_topic(database: Database, topic: str, *, partition_count: int) -> None:
    """Make the topic, or add partitions until there are ``partition_count``.

    Raises ConfigurationError if Kafka would refuse the name.
    """
    if _NAME.fullmatch(topic) is None:
        hint = "1 to 249 letters, digits, dots, hyphens and underscores, but not '.' or '..'"
        raise ConfigurationError([Problem(where=f"kafka:{topic}", message="is not a topic name", hint=hint)])

    def work(connection: sqlite3.Connection) -> None:
        for number in range(len(logs.partitions(connection, f"kafka:{topic}")), partition_count):
            logs.add_partition(connection, f"kafka:{topic}", f"{topic}-{number}")

    await database.run(work)


async def open_kafka_source(
    database: Database,
    process: Owner,
    settings: AdapterSettings,
    subscription: StreamSubscription,
    *,
    partition_count: Callable[[str], int] = lambda topic: 1,
    lease_seconds: float | None = None,
    rebalance_timeout_seconds: float = REBALANCE_TIMEOUT_SECONDS,
) -> TopicsSource:
    """Join the topics' consumer group: the mapping's, or one named like the subscriber. Where a new group starts
    is fixed now; one that is known goes on where it was. ``partition_count`` tells how many a topic is made with."""
    extras = {"bootstrapServers": "localhost:9092"}
    identity = SourceIdentity(arn=cluster_arn(settings), region=settings.region, extras=extras)
    sources: dict[str, LogSource] = {}
    for topic in topics_of(subscription.name):
        await ensure_topic(database, topic, partition_count=partition_count(topic))
        source = sources[topic] = LogSource(
            database,
            process,
            _log(topic),
            subscriber=subscription.mapping.consumer_group or subscription.subscriber,
            identity=identity,
            lease_seconds=lease_seconds,
            rebalance_timeout_seconds=rebalance_timeout_seconds,
        )
        await source.subscribe(subscription.mapping)
    return TopicsSource(sources, identity)


class TopicsSource:
    """A StreamSource over topics, each of them shared out among processes on its own."""

    def __init__(self, sources: Mapping[str, LogSource], identity: SourceIdentity) -> None:
        self.identity = identity
        self._sources = sources

    async def run(self, owner: PartitionOwner) -> None:
        async with alongside(*(partial(source.run, owner) for source in self._sources.values())):
            await anyio.sleep_forever()

    async def read(self, partition: PartitionId, *, max_records: int, wait_seconds: float) -> StreamRead:
        return await self._of(partition).read(partition, max_records=max_records, wait_seconds=wait_seconds)

    async def commit(self, partition: PartitionId, checkpoint: Checkpoint) -> None:
        await self._of(partition).commit(partition, checkpoint)

    async def complete(self, partition: PartitionId) -> None:
        await self._of(partition).complete(partition)

    async def backlog(self) -> int:
        return sum([await source.backlog() for source in self._sources.values()])

    async def aclose(self) -> None:
        for source in self._sources.values():
            await source.aclose()

    def _of(self, partition: PartitionId) -> LogSource:
        return self._sources[partition.rpartition("-")[0]]


async def open_kafka_sink(
    database: Database,
    settings: AdapterSettings,
    topic: str,
    *,
    partition_count: int = 1,
    maximum_message_bytes: int = MAXIMUM_MESSAGE_BYTES,
) -> KafkaSink:
    await ensure_topic(database, topic, partition_count=partition_count)
    arn = cluster_arn(settings).replace(":cluster/", ":topic/") + f"/{topic}"
    return KafkaSink(database, topic, arn=arn, maximum_message_bytes=maximum_message_bytes)


class KafkaSink:
    """Produces to a topic: ``attributes`` of a message are its headers. Records without a key go to the
    partitions in turn. For records without a value see TOMBSTONE."""

    def __init__(self, database: Database, topic: str, *, arn: str, maximum_message_bytes: int) -> None:
        self.arn = arn
        self._database = database
        self._log = _log(topic)
        self._maximum_message_bytes = maximum_message_bytes

    async def send(self, message: OutboundMessage) -> None:
        key = message.key.encode() if isinstance(message.key, str) else message.key
        headers = {name: _header(value) for name, value in message.attributes.items() if name != TOMBSTONE}
        value = self._value(message)
        size = len(key or b"") + len(value or b"") + sum(len(name) + len(each) for name, each in headers.items())
        if size > self._maximum_message_bytes:
            raise InvalidMessageError(
                self._log.resource,
                f"a record with key and headers is {size} bytes; at most {self._maximum_message_bytes} are allowed",
            )
        encoded = [(name, base64.b64encode(each).decode()) for name, each in headers.items()]
        attributes = json.dumps(encoded) if encoded else None
        await self._database.run(partial(self._produce, key=key, value=value, headers=attributes))
        self._database.notify(self._log.channel)

    async def aclose(self) -> None:
        """Nothing is held."""

    def _value(self, message: OutboundMessage) -> bytes | None:
        if TOMBSTONE not in message.attributes:
            return message.body
        if message.body:
            raise InvalidMessageError(self._log.resource, f"a message with {TOMBSTONE} must have an empty body")
        return None

    def _produce(
        self, connection: sqlite3.Connection, *, key: bytes | None, value: bytes | None, headers: str | None
    ) -> None:
        parts = logs.partitions(connection, self._log.resource)
        turn = sum(part.next_position for part in parts) % len(parts)
        part = parts[turn if key is None else choose_partition(key, len(parts))]
        now = self._database.clock.time()
        row = logs.LogRow(part.next_position, now, key, value, headers)
        logs.append(connection, part.id, row, oldest=now - self._log.retention_seconds)


def _header(value: str | int | bytes) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
