"""DocumentDB collections and their change streams.

A collection is made on first use. Whatever changes a document is written to two logs, under one position: that of the
collection and that of its database. Changes are kept for a week, the longest that DocumentDB keeps them.
Source: DocumentDB guide: change streams; MongoDB documentation: change events.
"""

from __future__ import annotations

import json
import re
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventflow.errors import ConfigurationError, InvalidMessageError, Problem
from eventflow.events.documentdb import CHANGES
from eventflow.model.documentdb import ChangeSubscription, CollectionAddress, FullDocument
from eventflow.model.partitions import partition_of
from eventflow.model.records import SourceIdentity, StreamRecord
from eventflow_local import logs
from eventflow_local.log_source import Log, LogSource

if TYPE_CHECKING:
    import sqlite3

    from eventflow.model.destinations import OutboundMessage
    from eventflow.model.json import JsonObject
    from eventflow.model.records import PartitionId, Position
    from eventflow.model.subscriptions import StreamSubscription
    from eventflow.ports import AdapterSettings
    from eventflow_local.database import Database
    from eventflow_local.logs import LogRow
    from eventflow_local.owners import Owner

RETENTION_SECONDS: Final = 7 * 86_400.0
DOCUMENT_BYTES: Final = 16 * 1024 * 1024
OPERATION: Final = "operation"
"""The message attribute that says what to do: ``insert`` (without it, too), ``replace``, ``update`` or ``delete``."""

_DATABASE: Final = re.compile(r"[^\x00-\x20/\\.\"$]{1,63}")
_COLLECTION: Final = re.compile(r"(?!system\.)[^\x00$]{1,57}")
_OPERATIONS: Final = ("insert", "replace", "update", "delete")
_TOKEN_PREFIX: Final = "01"


def cluster_arn(settings: AdapterSettings) -> str:
    return f"arn:{partition_of(settings.region)}:rds:{settings.region}:{settings.account_id}:cluster:local"


async def open_change_source(
    database: Database,
    process: Owner,
    settings: AdapterSettings,
    subscription: StreamSubscription,
    *,
    lease_seconds: float | None = None,
) -> LogSource:
    """Subscribe to the changes of a collection or database. Where the subscriber starts is fixed now, the first time it
    does. Raises ConfigurationError if DocumentDB would refuse the name."""
    address = _checked(subscription.name)
    await database.run(partial(_ensure_logs, address=address))
    full_document = subscription.full_document if isinstance(subscription, ChangeSubscription) else FullDocument.DEFAULT
    source = LogSource(
        database,
        process,
        _log(address, full_document),
        subscriber=subscription.subscriber,
        identity=SourceIdentity(arn=cluster_arn(settings), region=settings.region, extras={}),
        lease_seconds=lease_seconds,
    )
    await source.subscribe(subscription.mapping)
    return source


async def open_collection_sink(database: Database, settings: AdapterSettings, name: str) -> CollectionSink:
    """Change the documents of a collection. Raises ConfigurationError if DocumentDB would refuse the name."""
    address = _checked(name)
    if address.collection is None:
        hint = f"for example {name}.orders"
        raise ConfigurationError([Problem(where=f"documentdb:{name}", message="names no collection", hint=hint)])
    await database.run(partial(_ensure_logs, address=address))
    return CollectionSink(database, address, arn=cluster_arn(settings))


def _checked(name: str) -> CollectionAddress:
    address = CollectionAddress.parse(name)
    allowed = _DATABASE.fullmatch(address.database) and _COLLECTION.fullmatch(address.collection or "any")
    if not allowed:
        hint = "a database, or database.collection; 1 to 63 and 1 to 57 characters"
        raise ConfigurationError([Problem(where=f"documentdb:{name}", message="is not a name", hint=hint)])
    return address


def _ensure_logs(connection: sqlite3.Connection, *, address: CollectionAddress) -> None:
    for name in (address.database, address.name):
        if not logs.partitions(connection, _resource(name)):
            logs.add_partition(connection, _resource(name), CHANGES)


def _resource(name: str) -> str:
    return f"documentdb:{name}"


def _log(address: CollectionAddress, full_document: FullDocument) -> Log:
    """``data`` of a row is the change; ``attributes`` are the document after an update."""

    def record(partition: PartitionId, row: LogRow, position: int) -> StreamRecord:
        data = row.data or b""
        if row.attributes is not None and full_document is FullDocument.UPDATE_LOOKUP:
            data = _json({**json.loads(data), "fullDocument": json.loads(row.attributes)}).encode()
        return StreamRecord(partition, _token(position), None, data, float(int(row.timestamp)), {})

    return Log(
        resource=_resource(address.name),
        retention_seconds=RETENTION_SECONDS,
        first_position=0,
        to_record=record,
        to_position=_token,
        from_position=_position,
    )


def _token(position: int) -> str:
    return f"{_TOKEN_PREFIX}{position:038x}"


def _position(token: Position) -> int:
    return int(str(token).removeprefix(_TOKEN_PREFIX), 16)


class Change(NamedTuple):
    """What to do with one document, and its ``_id``. ``fields`` are the document, or what an update sets."""

    operation: str
    id: Any
    fields: JsonObject

    @property
    def key(self) -> str:
        return _json(self.id)


class CollectionSink:
    """Changes documents. The body of a message is a document in extended JSON, with an ``_id`` unless it is inserted;
    an update sets the fields that it has. The attribute OPERATION says what to do."""

    def __init__(self, database: Database, address: CollectionAddress, *, arn: str) -> None:
        self.arn = arn
        self._database = database
        self._address = address
        self._resource = _resource(address.name)
        self._channels = [
            _log(CollectionAddress.parse(name), FullDocument.DEFAULT).channel
            for name in (address.database, address.name)
        ]

    async def send(self, message: OutboundMessage) -> None:
        change = self._read(message)
        await self._database.run(partial(self._apply, change=change))
        for channel in self._channels:
            self._database.notify(channel)

    async def aclose(self) -> None:
        """Nothing is held."""

    def _read(self, message: OutboundMessage) -> Change:
        operation = message.attributes.get(OPERATION, "insert")
        if operation not in _OPERATIONS:
            raise self._refused(f"{OPERATION} must be one of {', '.join(_OPERATIONS)}, not {operation!r}")
        if len(message.body) > DOCUMENT_BYTES:
            raise self._refused(f"a document of {len(message.body):,} bytes; {DOCUMENT_BYTES:,} are allowed")
        try:
            document = json.loads(message.body)
        except ValueError as error:
            raise self._refused(f"the document is not JSON: {error}") from error
        if not isinstance(document, dict):
            raise self._refused("a document must be a JSON object")
        if "_id" not in document:
            if operation != "insert":
                raise self._refused(f"to {operation} a document takes its _id")
            document = {"_id": {"$oid": self._object_id()}, **document}
        return Change(str(operation), document["_id"], document)

    def _object_id(self) -> str:
        """Time and chance, as drivers make them."""
        return f"{int(self._database.clock.time()):08x}{secrets.token_hex(8)}"

    def _apply(self, connection: sqlite3.Connection, *, change: Change) -> None:
        row = connection.execute(
            "SELECT document FROM documents WHERE collection = ? AND key = ?", (self._address.name, change.key)
        ).fetchone()
        if change.operation == "insert" and row is not None:
            raise self._refused(f"there is a document with the _id {change.key} already")
        if change.operation != "insert" and row is None:
            return  # nothing matches, so nothing changes
        old = json.loads(row[0]) if row else {}
        match change.operation:
            case "delete":
                self._remove(connection, change)
                self._emit(connection, change, {})
            case "update":
                self._update(connection, change, old)
            case _:
                self._store(connection, change, change.fields)
                self._emit(connection, change, {"fullDocument": change.fields})

    def _update(self, connection: sqlite3.Connection, change: Change, old: JsonObject) -> None:
        updated = {name: value for name, value in change.fields.items() if name not in old or old[name] != value}
        if updated:
            document = old | updated
            self._store(connection, change, document)
            described = {"updateDescription": {"updatedFields": updated, "removedFields": []}}
            self._emit(connection, change, described, looked_up=_json(document))

    def _remove(self, connection: sqlite3.Connection, change: Change) -> None:
        connection.execute("DELETE FROM documents WHERE collection = ? AND key = ?", (self._address.name, change.key))

    def _store(self, connection: sqlite3.Connection, change: Change, document: JsonObject) -> None:
        connection.execute(
            "INSERT INTO documents VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET document = excluded.document",
            (self._address.name, change.key, _json(document)),
        )

    def _emit(
        self, connection: sqlite3.Connection, change: Change, details: JsonObject, *, looked_up: str | None = None
    ) -> None:
        now = self._database.clock.time()
        [whole] = logs.partitions(connection, _resource(self._address.database))
        position = whole.next_position
        wire = {
            "_id": {"_data": _token(position)},
            "operationType": change.operation,
            "clusterTime": {"$timestamp": {"t": int(now), "i": position + 1}},
            "ns": {"db": self._address.database, "coll": self._address.collection},
            "documentKey": {"_id": change.id},
            **details,
        }
        row = logs.LogRow(position, now, None, _json(wire).encode(), looked_up)
        for name in (self._address.database, self._address.name):
            [partition] = logs.partitions(connection, _resource(name))
            logs.append(connection, partition.id, row, oldest=now - RETENTION_SECONDS)

    def _refused(self, problem: str) -> InvalidMessageError:
        return InvalidMessageError(self._resource, problem)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
