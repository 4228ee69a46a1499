"""Kinesis data streams.

A stream is made on first use with one shard, or as many as the environment's option ``shards`` says; a stream
with fewer than that is split. Records are kept for a day. Source: Kinesis API: PutRecord; Kinesis guide: quotas.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final

from eventflow.errors import ConfigurationError, InvalidMessageError, Problem
from eventflow.model import limits
from eventflow.model.partitions import partition_of
from eventflow.model.records import SourceIdentity, StreamRecord
from eventflow_local import shards
from eventflow_local.log_source import Log, LogSource

if TYPE_CHECKING:
    import sqlite3

    from eventflow.model.destinations import OutboundMessage
    from eventflow.model.records import PartitionId
    from eventflow.model.subscriptions import StreamSubscription
    from eventflow.ports import AdapterSettings
    from eventflow_local.database import Database
    from eventflow_local.logs import LogRow
    from eventflow_local.owners import Owner

RETENTION_SECONDS: Final = 86_400.0
PARTITION_KEY_CHARACTERS: Final = 256
EXPLICIT_HASH_KEY: Final = "ExplicitHashKey"
"""The message attribute that chooses the shard instead of the partition key: a number of 128 bits in decimal."""
FIRST_SEQUENCE_NUMBER: Final = 49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_898
"""Sequence numbers have 56 digits, as in Kinesis, and grow over all shards of a stream."""

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")


def _record(shard: PartitionId, row: LogRow, sequence_number: int) -> StreamRecord:
    return StreamRecord(shard, sequence_number, row.key, row.data, row.timestamp, {})


def _log(name: str) -> Log:
    return Log(
        resource=f"kinesis:{name}",
        retention_seconds=RETENTION_SECONDS,
        first_position=FIRST_SEQUENCE_NUMBER,
        to_record=_record,
    )


def stream_arn(settings: AdapterSettings, name: str) -> str:
    return f"arn:{partition_of(settings.region)}:kinesis:{settings.region}:{settings.account_id}:stream/{name}"


async def ensure_stream(database: Database, name: str, *, shard_count: int) -> None:
    """Make the stream, or split its shards until there are ``shard_count``.

    Raises ConfigurationError if Kinesis would refuse the name.
    """
    if _NAME.fullmatch(name) is None:
        hint = "1 to 128 letters, digits, dots, hyphens and underscores"
        raise ConfigurationError([Problem(where=f"kinesis:{name}", message="is not a stream name", hint=hint)])
    log = _log(name)
    await database.run(partial(shards.ensure_shards, log=log.resource, count=shard_count, now=database.clock.time()))
    database.notify(log.channel)


async def open_stream_source(
    database: Database,
    process: Owner,
    settings: AdapterSettings,
    subscription: StreamSubscription,
    *,
    shard_count: int = 1,
    lease_seconds: float | None = None,
) -> LogSource:
    """Subscribe to a stream. Where the subscriber starts is fixed now, the first time it does."""
    await ensure_stream(database, subscription.name, shard_count=shard_count)
    identity = SourceIdentity(arn=stream_arn(settings, subscription.name), region=settings.region, extras={})
    source = LogSource(
        database,
        process,
        _log(subscription.name),
        subscriber=subscription.subscriber,
        identity=identity,
        lease_seconds=lease_seconds,
    )
    await source.subscribe(subscription.mapping)
    return source


async def open_stream_sink(
    database: Database, settings: AdapterSettings, name: str, *, shard_count: int = 1
) -> StreamSink:
    await ensure_stream(database, name, shard_count=shard_count)
    return StreamSink(database, name, arn=stream_arn(settings, name))


async def split_shard(
    database: Database, name: str, shard: PartitionId, *, at: int | None = None
) -> tuple[PartitionId, PartitionId]:
    """Close a shard of stream ``name`` and open two children; see shards.split."""
    log = _log(name)
    now = database.clock.time()
    children = await database.run(partial(shards.split, log=log.resource, name=shard, now=now, at=at))
    database.notify(log.channel)
    return children


async def merge_shards(database: Database, name: str, shard: PartitionId, adjacent: PartitionId) -> PartitionId:
    """Close two neighbours of stream ``name`` and open their child; see shards.merge."""
    log = _log(name)
    now = database.clock.time()
    child = await database.run(partial(shards.merge, log=log.resource, name=shard, adjacent=adjacent, now=now))
    database.notify(log.channel)
    return child


class StreamSink:
    """Puts records into a stream. ``key`` of a message is the partition key, which Kinesis demands."""

    def __init__(self, database: Database, name: str, *, arn: str) -> None:
        self.arn = arn
        self._database = database
        self._log = _log(name)

    async def send(self, message: OutboundMessage) -> None:
        key = self._partition_key(message)
        hashed = self._hash_key(message, key)
        await self._database.run(partial(self._put, key=key, hashed=hashed, data=message.body))
        self._database.notify(self._log.channel)

    async def aclose(self) -> None:
        """Nothing is held."""

    def _put(self, connection: sqlite3.Connection, *, key: str, hashed: int, data: bytes) -> None:
        now = self._database.clock.time()
        oldest = now - self._log.retention_seconds
        shards.append(connection, self._log.resource, hashed, now=now, oldest=oldest, key=key, data=data)

    def _partition_key(self, message: OutboundMessage) -> str:
        key = message.key
        if not isinstance(key, str) or not 1 <= len(key) <= PARTITION_KEY_CHARACTERS:
            raise InvalidMessageError(
                self._log.resource,
                f"a record needs a partition key of 1 to {PARTITION_KEY_CHARACTERS} characters, not {len(key or '')}",
            )
        size = len(message.body) + len(key.encode())
        if size > limits.KINESIS_RECORD_BYTES:
            raise InvalidMessageError(
                self._log.resource,
                f"a record with its partition key is {size} bytes; at most {limits.KINESIS_RECORD_BYTES} are allowed",
            )
        return key

    def _hash_key(self, message: OutboundMessage, key: str) -> int:
        explicit = message.attributes.get(EXPLICIT_HASH_KEY)
        if explicit is None:
            return shards.hash_key(key)
        text = str(explicit)
        if not (text.isascii() and text.isdecimal() and int(text) <= shards.LAST_HASH):
            raise InvalidMessageError(
                self._log.resource, f"{EXPLICIT_HASH_KEY} must be a number from 0 to 2**128 - 1, not {text!r}"
            )
        return int(text)
