"""DynamoDB tables and their streams, in memory and in a file."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventflow.errors import InvalidMessageError
from eventflow.model.destinations import OutboundMessage, Service
from eventflow.model.mapping import StreamViewType
from eventflow.model.records import StreamRecord
from eventflow.model.subscriptions import StreamSubscription
from eventflow.testing.virtual_time import START
from eventflow_local.database import Database
from eventflow_local.log_source import LogSource
from eventflow_local.owners import Owner
from eventflow_local.tables import (
    OPERATION,
    TableDescription,
    TableSink,
    ensure_table,
    open_table_sink,
    open_table_source,
    split_table_shard,
)
from tests.unit.local.log_workers import local_settings, mapping, process, refused, working

SHARD = "shardId-000000000000"
ORDERS = TableDescription(name="orders")


class Table:
    """One process's view of a table."""

    def __init__(self, database: Database, owner: Owner, table: TableDescription, sink: TableSink) -> None:
        self.database = database
        self.owner = owner
        self.table = table
        self.sink = sink

    async def put(self, item: dict[str, Any]) -> None:
        await self.sink.send(OutboundMessage(body=json.dumps(item).encode()))

    async def delete(self, key: dict[str, Any]) -> None:
        await self.sink.send(OutboundMessage(body=json.dumps(key).encode(), attributes={OPERATION: "delete"}))

    async def source(self, view_type: StreamViewType | None = None) -> LogSource:
        subscription = StreamSubscription(
            service=Service.DYNAMODB,
            name=self.table.name,
            subscriber=f"audit-{view_type}",
            mapping=mapping(),
            view_type=view_type,
        )
        return await open_table_source(self.database, self.owner, local_settings(), subscription, self.table)

    async def records(self, view_type: StreamViewType | None = None) -> list[StreamRecord]:
        """Every stream record so far."""
        async with working(await self.source(view_type)) as worker:
            await worker.owns(SHARD)
            return await worker.read(SHARD)


@asynccontextmanager
async def opened(directory: Path | None, table: TableDescription = ORDERS) -> AsyncIterator[Table]:
    async with process(directory) as (database, owner):
        yield Table(database, owner, table, await open_table_sink(database, local_settings(), table))


@pytest.fixture(params=["memory", "file"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path if request.param == "file" else None


def changes(records: list[StreamRecord]) -> list[dict[str, Any]]:
    """The ``dynamodb`` part without what differs between runs."""
    kept = ("Keys", "NewImage", "OldImage")
    return [{name: record.attributes["dynamodb"].get(name) for name in kept} for record in records]


ID = {"id": {"N": "101"}}
OLD = {**ID, "Message": {"S": "New item!"}}
NEW = {**ID, "Message": {"S": "This item has changed"}}


async def insert_modify_remove(table: Table) -> None:
    await table.put({"id": 101, "Message": "New item!"})
    await table.put({"id": 101, "Message": "This item has changed"})
    await table.delete({"id": 101})


async def test_changes_become_stream_records_with_both_images(directory: Path | None) -> None:
    async with opened(directory) as table:
        await insert_modify_remove(table)
        records = await table.records()
    assert [record.attributes["eventName"] for record in records] == ["INSERT", "MODIFY", "REMOVE"]
    assert changes(records) == [
        {"Keys": ID, "NewImage": OLD, "OldImage": None},
        {"Keys": ID, "NewImage": NEW, "OldImage": OLD},
        {"Keys": ID, "NewImage": None, "OldImage": NEW},
    ]
    assert [record.data for record in records] == [None] * 3
    assert {record.key for record in records} == {'{"id":{"N":"101"}}'}
    assert len({record.attributes["eventID"] for record in records}) == 3


async def test_sizes_are_those_of_the_documentation(directory: Path | None) -> None:
    """The sample event of the Lambda guide."""
    async with opened(directory, TableDescription(name="sample", partition_key="Id")) as table:
        await table.put({"Id": 101, "Message": "New item!"})
        await table.put({"Id": 101, "Message": "This item has changed"})
        await table.delete({"Id": 101})
        records = await table.records()
    assert [record.attributes["dynamodb"]["SizeBytes"] for record in records] == [26, 59, 38]


@pytest.mark.parametrize(
    ("view_type", "images"),
    [
        (StreamViewType.KEYS_ONLY, [set(), set(), set()]),
        (StreamViewType.NEW_IMAGE, [{"NewImage"}, {"NewImage"}, set()]),
        (StreamViewType.OLD_IMAGE, [set(), {"OldImage"}, {"OldImage"}]),
        (StreamViewType.NEW_AND_OLD_IMAGES, [{"NewImage"}, {"NewImage", "OldImage"}, {"OldImage"}]),
    ],
)
async def test_every_subscriber_has_its_view_type(
    directory: Path | None, view_type: StreamViewType, images: list[set[str]]
) -> None:
    async with opened(directory) as table:
        await insert_modify_remove(table)
        records = await table.records(view_type)
        identity = (await table.source(view_type)).identity
    assert [record.attributes["dynamodb"].keys() & {"NewImage", "OldImage"} for record in records] == images
    assert {record.attributes["dynamodb"]["StreamViewType"] for record in records} == {str(view_type)}
    assert identity.extras == {"streamViewType": str(view_type)}


async def test_the_tables_view_type_is_for_subscribers_that_name_none() -> None:
    table = TableDescription(name="orders", view_type=StreamViewType.KEYS_ONLY)
    async with opened(None, table) as keys_only:
        await keys_only.put({"id": "1", "total": 9.5})
        [record] = await keys_only.records()
        [full] = await keys_only.records(StreamViewType.NEW_IMAGE)
    assert "NewImage" not in record.attributes["dynamodb"]
    assert full.attributes["dynamodb"]["NewImage"] == {"id": {"S": "1"}, "total": {"N": "9.5"}}


async def test_what_changes_nothing_writes_no_record(directory: Path | None) -> None:
    async with opened(directory) as table:
        await table.put({"id": "1", "tags": ["a", {"b": None}], "n": 1})
        await table.put({"n": 1.0, "tags": ["a", {"b": None}], "id": "1"})
        await table.delete({"id": "2"})
        assert len(await table.records()) == 1


async def test_numbers_that_are_equal_are_the_same_key(directory: Path | None) -> None:
    async with opened(directory) as table:
        await table.put({"id": 1})
        await table.delete({"id": 1.0})
        assert [record.attributes["eventName"] for record in await table.records()] == ["INSERT", "REMOVE"]


async def test_time_is_in_whole_seconds_and_numbers_grow(directory: Path | None) -> None:
    async with opened(directory) as table:
        await anyio.sleep(1.75)
        await insert_modify_remove(table)
        records = await table.records()
    assert {record.attributes["dynamodb"]["ApproximateCreationDateTime"] for record in records} == {START + 1}
    numbers = [int(record.position) for record in records]
    assert numbers == sorted(set(numbers))
    assert [record.attributes["dynamodb"]["SequenceNumber"] for record in records] == [str(it) for it in numbers]


async def test_an_item_with_a_sort_key_is_found_by_both(directory: Path | None) -> None:
    table = TableDescription(name="lines", partition_key="order", sort_key="line")
    async with opened(directory, table) as lines:
        await lines.put({"order": "1", "line": 1})
        await lines.put({"order": "1", "line": 2})
        await lines.delete({"order": "1", "line": 1})
        records = await lines.records()
    assert [record.attributes["eventName"] for record in records] == ["INSERT", "INSERT", "REMOVE"]
    assert records[2].attributes["dynamodb"]["Keys"] == {"order": {"S": "1"}, "line": {"N": "1"}}


async def test_a_stream_of_several_shards_keeps_the_order_of_each_item(directory: Path | None) -> None:
    async with opened(directory) as table:
        seen: dict[str | bytes | None, list[str]] = {}
        for turn in range(2):
            for number in range(8):
                await table.put({"id": str(number), "turn": turn})
            if turn == 0:
                await split_table_shard(table.database, "orders", SHARD)
        async with working(await table.source()) as worker:
            for shards in ([SHARD], [f"shardId-{number:012d}" for number in (1, 2)]):
                await worker.owns(*shards)
                for shard in shards:
                    for record in await worker.read(shard):
                        seen.setdefault(record.key, []).append(record.attributes["eventName"])
                    await worker.source.complete(shard)
                    del worker.owned[shard]
    assert list(seen.values()) == [["INSERT", "MODIFY"]] * 8


async def test_items_survive_a_restart(tmp_path: Path) -> None:
    for _ in range(2):
        async with opened(tmp_path) as table:
            await table.put({"id": "1"})
            assert len(await table.records()) == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[1]", "JSON object"),
        (b"{", "Expecting"),
        (b'{"total": 1}', "'id' is missing"),
        (b'{"id": ""}', "1 to 2048 bytes"),
        (b'{"id": true}', "text or a number"),
        (b'{"id": "1", "n": NaN}', "NaN"),
        (b'{"id": "1", "n": 1e200}', "between"),
        (b'{"id": "1", "n": 1.00000000000000000000000000000000000000001}', "38 digits"),
        (json.dumps({"id": "1", "text": "x" * 400 * 1024}).encode(), "at most 409600"),
        (b'{"id": "1", "n": ' + b"[" * 33 + b"]" * 33 + b"}", "32 levels"),
        (b'{"id": "1", "n": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "32 levels"),
        (b" " * 4_000_000, "over DynamoDB's"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
async def test_what_dynamodb_refuses_is_refused(body: bytes, reason: str) -> None:
    async with opened(None) as table:
        with pytest.raises(InvalidMessageError, match=reason):
            await table.sink.send(OutboundMessage(body=body))
        assert await table.records() == []


async def test_deleting_takes_the_key_alone() -> None:
    async with opened(None) as table:
        with pytest.raises(InvalidMessageError, match="attributes"):
            await table.delete({"id": "1", "total": 2})


async def test_an_unknown_operation_is_refused() -> None:
    async with opened(None) as table:
        with pytest.raises(InvalidMessageError, match="'put' or 'delete'"):
            await table.sink.send(OutboundMessage(body=b'{"id": "1"}', attributes={OPERATION: "update"}))


async def test_keys_of_a_table_cannot_change() -> None:
    async with opened(None) as table:
        with refused("keys cannot change"):
            await ensure_table(table.database, TableDescription(name="orders", partition_key="number"))


async def test_a_name_that_dynamodb_refuses_is_refused() -> None:
    async with process(None) as (database, _):
        with refused("is not a table name"):
            await ensure_table(database, TableDescription(name="a"))
