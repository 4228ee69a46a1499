"""DynamoDB tables and their streams.

A table is made on first use, keyed by ``id`` unless the environment's options name other keys. Putting and
deleting items writes stream records; each subscriber reads them with its own view type. Records are kept for a
day. Source: DynamoDB API: PutItem, DeleteItem, StreamRecord.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from eventflow.errors import ConfigurationError, InvalidMessageError, Problem
from eventflow.events.dynamodb import change_record, item_key
from eventflow.model.invocation import iso_milliseconds
from eventflow.model.mapping import StreamViewType
from eventflow.model.partitions import partition_of
from eventflow.model.records import SourceIdentity
from eventflow_local import shards
from eventflow_local.items import key_of, parse_item
from eventflow_local.log_source import Log, LogSource

if TYPE_CHECKING:
    import sqlite3

    from eventflow.model.destinations import OutboundMessage
    from eventflow.model.json import JsonObject
    from eventflow.model.records import PartitionId, StreamRecord
    from eventflow.model.subscriptions import StreamSubscription
    from eventflow.ports import AdapterSettings
    from eventflow_local.database import Database
    from eventflow_local.logs import LogRow
    from eventflow_local.owners import Owner

RETENTION_SECONDS: Final = 86_400.0
FIRST_SEQUENCE_NUMBER: Final = 4_421_584_500_000_000_017_450_439_091
OPERATION: Final = "operation"
"""The message attribute that says what to do: ``put`` (without it, too) or ``delete``."""
KEY_BYTES: Final = {"partition": 2_048, "sort": 1_024}

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDescription:
    """A table's key schema, and the view type for subscriptions that name none."""

    name: str
    partition_key: str = "id"
    sort_key: str | None = None
    view_type: StreamViewType = StreamViewType.NEW_AND_OLD_IMAGES

    @property
    def resource(self) -> str:
        return f"dynamodb:{self.name}"

    @property
    def keys(self) -> dict[str, int]:
        """Names of the key attributes, and how many bytes their values may have."""
        keys = {self.partition_key: KEY_BYTES["partition"]}
        return keys if self.sort_key is None else keys | {self.sort_key: KEY_BYTES["sort"]}


def table_arn(settings: AdapterSettings, name: str) -> str:
    return f"arn:{partition_of(settings.region)}:dynamodb:{settings.region}:{settings.account_id}:table/{name}"


async def ensure_table(database: Database, table: TableDescription) -> float:
    """Make the table and its stream, or check that its keys are those it was made with; returns when it was made.

    Raises ConfigurationError if DynamoDB would refuse the name, or the keys are others.
    """
    if _NAME.fullmatch(table.name) is None:
        hint = "3 to 255 letters, digits, dots, hyphens and underscores"
        raise ConfigurationError([Problem(where=table.resource, message="is not a table name", hint=hint)])
    keys, created_at = await database.run(partial(_ensure_table, table=table, now=database.clock.time()))
    if keys != (table.partition_key, table.sort_key):
        message = f"the table was made with the keys {keys}, and keys cannot change"
        hint = "give the table another name, or remove the data directory"
        raise ConfigurationError([Problem(where=table.resource, field="partition_key", message=message, hint=hint)])
    return created_at


def _ensure_table(
    connection: sqlite3.Connection, *, table: TableDescription, now: float
) -> tuple[tuple[str, str | None], float]:
    connection.execute(
        "INSERT INTO tables VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (table.name, table.partition_key, table.sort_key, now),
    )
    shards.ensure_shards(connection, table.resource, 1, now=now)
    partition_key, sort_key, created_at = connection.execute(
        "SELECT partition_key, sort_key, created_at FROM tables WHERE name = ?", (table.name,)
    ).fetchone()
    return (partition_key, sort_key), created_at


def _log(table: TableDescription, view_type: StreamViewType) -> Log:
    def record(shard: PartitionId, row: LogRow, sequence_number: int) -> StreamRecord:
        change = json.loads(row.attributes or "{}")
        event_id = hashlib.md5(f"{table.resource} {sequence_number}".encode(), usedforsecurity=False)
        return change_record(
            partition=shard,
            sequence_number=sequence_number,
            timestamp=int(row.timestamp),
            event_id=event_id.hexdigest(),
            keys=change["keys"],
            old_image=change["old"],
            new_image=change["new"],
            view_type=view_type,
        )

    return Log(
        resource=table.resource,
        retention_seconds=RETENTION_SECONDS,
        first_position=FIRST_SEQUENCE_NUMBER,
        to_record=record,
    )


async def open_table_source(
    database: Database,
    process: Owner,
    settings: AdapterSettings,
    subscription: StreamSubscription,
    table: TableDescription,
    *,
    lease_seconds: float | None = None,
) -> LogSource:
    """Subscribe to the stream of ``table``. Where the subscriber starts is fixed now, the first time it does."""
    created_at = await ensure_table(database, table)
    view_type = subscription.view_type or table.view_type
    label = iso_milliseconds(created_at).removesuffix("Z")
    arn = f"{table_arn(settings, table.name)}/stream/{label}"
    source = LogSource(
        database,
        process,
        _log(table, view_type),
        subscriber=subscription.subscriber,
        identity=SourceIdentity(arn=arn, region=settings.region, extras={"streamViewType": str(view_type)}),
        lease_seconds=lease_seconds,
    )
    await source.subscribe(subscription.mapping)
    return source


async def open_table_sink(database: Database, settings: AdapterSettings, table: TableDescription) -> TableSink:
    await ensure_table(database, table)
    return TableSink(database, table, arn=table_arn(settings, table.name))


async def split_table_shard(database: Database, name: str, shard: PartitionId) -> tuple[PartitionId, PartitionId]:
    """Close a shard of the stream of table ``name`` and open two children, as DynamoDB does of its own accord."""
    resource = f"dynamodb:{name}"
    work = partial(shards.split, log=resource, name=shard, now=database.clock.time())
    children = await database.run(work)
    database.notify(f"log:{resource}")
    return children


@dataclass(frozen=True, slots=True)
class Operation:
    """What to do with one item: put ``item`` there, or nothing."""

    key: JsonObject
    item: JsonObject | None

    @property
    def key_text(self) -> str:
        return item_key(self.key)


class TableSink:
    """Puts and deletes items. The body of a message is the item as plain JSON; to delete, set the attribute
    OPERATION to ``delete`` and let the body be the key. Whatever changes an item writes a stream record."""

    def __init__(self, database: Database, table: TableDescription, *, arn: str) -> None:
        self.arn = arn
        self._database = database
        self._table = table
        self._log = _log(table, table.view_type)

    async def send(self, message: OutboundMessage) -> None:
        try:
            operation = self._operation(message)
        except ValueError as error:  # the reasons of parse_item and key_of
            raise InvalidMessageError(self._table.resource, str(error)) from error
        await self._database.run(partial(self._apply, operation=operation))
        self._database.notify(self._log.channel)

    async def aclose(self) -> None:
        """Nothing is held."""

    def _operation(self, message: OutboundMessage) -> Operation:
        item = parse_item(message.body)
        key = key_of(item, self._table.keys)
        match message.attributes.get(OPERATION, "put"):
            case "put":
                return Operation(key, item)
            case "delete" if item == key:
                return Operation(key, None)
            case "delete":
                raise ValueError(f"the key to delete has the attributes {sorted(item)} instead of {sorted(key)}")
            case other:
                raise ValueError(f"{OPERATION} must be 'put' or 'delete', not {other!r}")

    def _apply(self, connection: sqlite3.Connection, *, operation: Operation) -> None:
        row = connection.execute(
            "SELECT item FROM table_items WHERE table_name = ? AND key = ?", (self._table.name, operation.key_text)
        ).fetchone()
        old = json.loads(row[0]) if row else None
        if old == operation.item:
            return
        if operation.item is None:
            connection.execute(
                "DELETE FROM table_items WHERE table_name = ? AND key = ?", (self._table.name, operation.key_text)
            )
        else:
            connection.execute(
                "INSERT INTO table_items VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET item = excluded.item",
                (self._table.name, operation.key_text, json.dumps(operation.item)),
            )
        self._emit(connection, operation, old)

    def _emit(self, connection: sqlite3.Connection, operation: Operation, old: JsonObject | None) -> None:
        now = self._database.clock.time()
        shards.append(
            connection,
            self._table.resource,
            shards.hash_key(operation.key_text),
            now=now,
            oldest=now - RETENTION_SECONDS,
            key=operation.key_text,
            attributes=json.dumps({"keys": operation.key, "old": old, "new": operation.item}),
        )
