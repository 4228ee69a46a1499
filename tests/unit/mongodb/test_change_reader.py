"""Reading change streams: what the driver is told by servers that a test plays."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import anyio
import pytest
from bson import Timestamp
from pymongo import AsyncMongoClient

from eventflow.errors import AccessDeniedError, AdapterError, ResourceNotFoundError, UnavailableError
from eventflow.events.documentdb import DOCUMENTDB
from eventflow.model import limits
from eventflow.model.documentdb import CollectionAddress, FullDocument
from eventflow.model.records import StreamRead, StreamRecord
from eventflow_mongodb.change_reader import MAXIMUM_RECORDS, ChangeReader
from eventflow_mongodb.places import Behind, From, Oldest, Place
from eventflow_mongodb.watching import Watching
from tests.contract.embedded import WallClock
from tests.unit.mongodb import stories
from tests.unit.mongodb.scripted_mongodb import HangUp, ScriptedMongoDb, failed, more, opened, scripted_mongodb
from tests.unit.mongodb.stories import change, insert, invalidate

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

PATIENCE_SECONDS: Final = 120.0
START: Final = Behind("start")


@dataclass(frozen=True, slots=True)
class Reading:
    """A reader on a server that the test plays."""

    server: ScriptedMongoDb
    reader: ChangeReader

    async def read(self) -> StreamRead:
        with anyio.fail_after(PATIENCE_SECONDS):
            return await self.reader.read(max_records=100, wait_seconds=0.1)

    async def take(self, count: int) -> list[StreamRecord]:
        """Read until so many have come; failures are tried again, as the runtime does."""
        records: list[StreamRecord] = []
        with anyio.fail_after(PATIENCE_SECONDS):
            while len(records) < count:
                try:
                    records += (await self.reader.read(max_records=100, wait_seconds=1)).records
                except UnavailableError:
                    await anyio.sleep(0.05)
        return records

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return once what the server was asked makes it true."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while not condition():
                self.server.asks.clear()
                await self.server.asks.wait()


@asynccontextmanager
async def watching(
    server: ScriptedMongoDb, full_document: FullDocument = FullDocument.DEFAULT, *, patience_seconds: float = 60
) -> AsyncIterator[Watching]:
    uri = server.uri_for(patience_seconds)
    async with AsyncMongoClient[dict[str, Any]](uri, retryWrites=False) as client:
        yield Watching(
            client, CollectionAddress("shop", "orders"), full_document, resource="documentdb:orders", clock=WallClock()
        )


@asynccontextmanager
async def reading(
    place: Place = START, *, patience_seconds: float = 60, **answers: list[Any]
) -> AsyncIterator[Reading]:
    """``answers`` are what the server says, by command."""
    async with scripted_mongodb() as server, watching(server, patience_seconds=patience_seconds) as streams:
        for command, given in answers.items():
            server.answer(command, *given)
        reader = ChangeReader(streams, place, clock=WallClock())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader.run)
            yield Reading(server, reader)
            tasks.cancel_scope.cancel()


def operations(records: list[StreamRecord]) -> list[str]:
    return [json.loads(record.data or b"")["operationType"] for record in records]


def numbers(records: list[StreamRecord]) -> list[int]:
    return [json.loads(record.data or b"")["fullDocument"]["number"] for record in records]


# What comes


async def test_changes_come_as_lambda_writes_them() -> None:
    update = {"updatedFields": {"anyField": "new"}, "removedFields": ["old"], "truncatedArrays": []}
    changes = [insert(1), change(2, "update", documentKey=stories.KEY, updateDescription=update)]
    async with reading(aggregate=[opened(*changes)]) as it:
        records = await it.take(2)
    oid = {"$oid": "63eeb6e7d418cd98afb1c1d7"}
    assert [DOCUMENTDB.wire_record(record, None) for record in records] == [  # type: ignore[arg-type]  # not looked at
        {
            "event": {
                "_id": {"_data": "820001"},
                "operationType": "insert",
                "clusterTime": {"$timestamp": {"t": 1_795_900_001, "i": 1}},
                "ns": {"db": "shop", "coll": "orders"},
                "fullDocument": {"_id": oid, "number": 1},
                "documentKey": {"_id": oid},
            }
        },
        {
            "event": {
                "_id": {"_data": "820002"},
                "operationType": "update",
                "clusterTime": {"$timestamp": {"t": 1_795_900_002, "i": 1}},
                "ns": {"db": "shop", "coll": "orders"},
                "documentKey": {"_id": oid},
                "updateDescription": {
                    "updatedFields": {"anyField": "new"},
                    "removedFields": ["old"],
                    "truncatedArrays": [],
                },
            }
        },
    ]
    assert [record.position for record in records] == ["820001", "820002"]
    assert records[0].timestamp == 1_795_900_001


@pytest.mark.parametrize(
    ("wanted", "asked"), [(FullDocument.UPDATE_LOOKUP, "updateLookup"), (FullDocument.DEFAULT, None)]
)
async def test_the_whole_document_is_asked_for(wanted: FullDocument, asked: str | None) -> None:
    async with scripted_mongodb() as server, watching(server, wanted) as streams:
        await (await streams.open(START)).close()
        [options] = server.streams()
        assert options.get("fullDocument") == asked
        assert options["resumeAfter"] == {"_data": "start"}


async def test_a_database_is_watched_as_a_whole() -> None:
    async with scripted_mongodb() as server, AsyncMongoClient[dict[str, Any]](server.uri, retryWrites=False) as client:
        address = CollectionAddress("shop")
        streams = Watching(client, address, FullDocument.DEFAULT, resource="documentdb:shop", clock=WallClock())
        await (await streams.open(START)).close()
        [command] = [command for command in server.asked if "aggregate" in command]
        assert (command["$db"], command["aggregate"]) == ("shop", 1)


async def test_a_large_batch_is_read_as_far_as_there_is_room() -> None:
    batches = [more(*(insert(first + number) for number in range(500))) for first in (1, 501, 1_001, 1_501)]
    async with reading(getMore=batches) as it:
        assert len(await it.take(100)) == 100
        await it.until(lambda: sum("getMore" in command for command in it.server.asked) == 3)
        assert it.reader.backlog >= MAXIMUM_RECORDS
        assert numbers(await it.take(1_900)) == list(range(101, 2_001))


async def test_a_cancelled_read_loses_nothing() -> None:
    async with reading() as it:
        with anyio.move_on_after(0.05):
            await it.reader.read(max_records=10, wait_seconds=30)
        it.server.answer("getMore", more(insert(1)))
        assert numbers(await it.take(1)) == [1]


async def test_how_far_behind_it_is_goes_by_the_clusters_time() -> None:
    old = insert(1)
    async with reading(aggregate=[opened(old, token="820001")]) as it:
        with anyio.fail_after(PATIENCE_SECONDS):
            read = await it.reader.read(max_records=1, wait_seconds=10)
        assert read.behind_seconds is not None
        await it.until(lambda: sum("getMore" in command for command in it.server.asked) >= 2)
        assert (await it.read()).behind_seconds == 0


# Quiet collections


async def test_a_quiet_stream_moves_its_place_on_once_everything_is_committed() -> None:
    async with reading(aggregate=[opened(insert(1))]) as it:
        it.server.token = "quiet-1"
        await it.take(1)
        await it.until(lambda: sum("getMore" in command for command in it.server.asked) >= 3)
        quiet_before = it.reader.quiet_until
        assert quiet_before is None, "the record is not committed"
        it.reader.committed("820001")
        assert it.reader.quiet_until == Behind("quiet-1")
        assert it.reader.backlog == 0


# Interruptions


@pytest.mark.parametrize(
    "interruption",
    [
        stories.NOT_PRIMARY,
        stories.NOT_PRIMARY_NO_SECONDARY,
        stories.SHUTTING_DOWN,
        stories.NO_CURSOR,
        HangUp(),
    ],
    ids=["not primary", "not primary and no secondary", "shutting down", "cursor not found", "hang up"],
)
async def test_an_interruption_repeats_and_loses_nothing(interruption: Any) -> None:
    answers = [more(insert(1), insert(2)), interruption, more(insert(3))]
    async with reading(getMore=answers) as it:
        assert numbers(await it.take(3)) == [1, 2, 3]
        assert it.server.streams()[-1]["resumeAfter"] == {"_data": "820002"}


async def test_a_server_that_is_away_is_told_of_and_goes_on_when_it_is_back() -> None:
    async with reading(aggregate=[opened(insert(1))], patience_seconds=0.3) as it:
        assert numbers(await it.take(1)) == [1]
        await it.server.stop()
        for _ in range(2):
            with pytest.raises(UnavailableError, match="documentdb:orders"), anyio.fail_after(PATIENCE_SECONDS):
                await it.reader.read(max_records=10, wait_seconds=300)
        it.server.answer("aggregate", opened(insert(2)))
        await it.server.start()
        assert numbers(await it.take(1)) == [2]


async def test_a_stream_that_ends_is_opened_again() -> None:
    async with reading(getMore=[more(insert(1), cursor=0), more(insert(2))]) as it:
        assert numbers(await it.take(2)) == [1, 2]
        assert it.server.streams()[1]["resumeAfter"] == {"_data": "820001"}


# Invalidation


@pytest.mark.parametrize("cause", ["drop", "rename", "dropDatabase"])
async def test_reading_goes_on_behind_an_invalidation(cause: str) -> None:
    ending = more(insert(1), change(2, cause), invalidate(3), cursor=0)
    async with reading(getMore=[ending]) as it:
        it.server.answer("aggregate", opened(), opened(insert(4)))
        records = await it.take(4)
        assert operations(records) == ["insert", cause, "invalidate", "insert"]
        assert it.server.streams()[1]["startAfter"] == {"_data": "820003"}
        assert it.reader.place_behind("820003") == Behind("820003", Timestamp(1_795_900_003, 1))
        assert it.reader.place_behind("820002") == Behind("820002")


async def test_documentdb_goes_on_at_the_time_after_an_invalidation() -> None:
    place = Behind("820003", Timestamp(1_795_900_003, 1))
    async with reading(place, aggregate=[stories.NO_START_AFTER, opened(insert(4))]) as it:
        assert numbers(await it.take(1)) == [4]
        assert it.server.streams()[1]["startAtOperationTime"] == Timestamp(1_795_900_003, 2)


async def test_a_position_that_turns_out_to_be_an_invalidation_is_started_after() -> None:
    async with reading(aggregate=[stories.INVALIDATED_TOKEN, opened(insert(1))]) as it:
        assert numbers(await it.take(1)) == [1]
        assert it.server.streams()[1]["startAfter"] == {"_data": "start"}


# History


@pytest.mark.parametrize(
    "lost", [stories.HISTORY_LOST, stories.POSITION_LOST, stories.FOREIGN_TOKEN], ids=["286", "136", "9"]
)
async def test_lost_history_is_a_gap_and_reading_goes_on_with_the_oldest(lost: dict[str, Any]) -> None:
    async with reading(aggregate=[lost, opened(insert(9))]) as it:
        with anyio.fail_after(PATIENCE_SECONDS):
            first = await it.reader.read(max_records=10, wait_seconds=10)
        assert first.gap
        records = list(first.records) or await it.take(1)
        assert numbers(records) == [9]
        assert not (await it.read()).gap
        assert it.server.streams()[1]["startAtOperationTime"] == Timestamp(1, 1)


async def test_the_oldest_change_is_looked_up_in_the_oplog() -> None:
    entry = {"cursor": {"firstBatch": [{"ts": Timestamp(500, 7)}], "id": 0, "ns": "local.oplog.rs"}, "ok": 1.0}
    async with reading(Oldest(), aggregate=[stories.HISTORY_LOST, opened(insert(1))], find=[entry]) as it:
        read = await it.take(1)
        assert numbers(read) == [1]
        assert it.server.streams()[1]["startAtOperationTime"] == Timestamp(500, 7)
        [look] = [command for command in it.server.asked if "find" in command]
        assert (look["$db"], look["find"], look["sort"]) == ("local", "oplog.rs", {"$natural": 1})


@pytest.mark.parametrize("too_old", [stories.HISTORY_LOST, stories.NOT_ENABLED], ids=["MongoDB", "DocumentDB"])
async def test_the_oldest_change_is_found_by_trying_where_the_oplog_is_hidden(too_old: dict[str, Any]) -> None:
    oldest = 1_795_000_000

    class Remembering(ScriptedMongoDb):
        """Has nothing from before ``oldest``."""

        async def _reply(self, command: dict[str, Any]) -> dict[str, Any]:
            reply = await super()._reply(command)
            if "aggregate" in command:
                start = command["pipeline"][0]["$changeStream"].get("startAtOperationTime")
                return too_old if start is not None and start.time < oldest else reply
            return stories.UNAUTHORIZED if "find" in command else reply

    server = Remembering()
    await server.start()
    async with watching(server) as streams:
        await (await streams.open(Oldest())).close()
    await server.stop()
    assert server.streams()[-1]["startAtOperationTime"] == Timestamp(oldest, 1)
    assert len(server.streams()) < 80


async def test_a_time_before_all_history_starts_with_the_oldest() -> None:
    async with reading(From(Timestamp(5, 1)), aggregate=[stories.HISTORY_LOST, opened(insert(1))]) as it:
        with anyio.fail_after(PATIENCE_SECONDS):
            read = await it.reader.read(max_records=10, wait_seconds=10)
        assert numbers(list(read.records)) == [1]
        assert not read.gap, "nothing was promised of what is older"
        assert [options["startAtOperationTime"].time for options in it.server.streams()] == [5, 1]


# Changes that are too large


async def test_a_change_that_the_cluster_cannot_send_comes_without_its_document_and_the_others_whole() -> None:
    slim = change(3, "update", documentKey=stories.KEY)
    async with reading(getMore=[more(insert(1)), stories.TOO_LARGE, stories.TOO_LARGE]) as it:
        it.server.answer("aggregate", opened(), opened(insert(2)), opened(slim), opened(insert(4)))
        records = await it.take(4)
        assert operations(records) == ["insert", "insert", "update", "insert"]
        assert [size > limits.BATCH_BYTES for size in DOCUMENTDB.sizes(records)] == [False, False, True, False]
        opening = [command for command in it.server.asked if "aggregate" in command]
        assert [command["cursor"]["batchSize"] for command in opening] == [500, 1, 1, 500]
        assert [len(command["pipeline"]) for command in opening] == [1, 1, 2, 1]
        left_out = {"fullDocument": 0, "fullDocumentBeforeChange": 0, "updateDescription": 0}
        assert opening[2]["pipeline"][1] == {"$project": left_out}
        tokens = [command["pipeline"][0]["$changeStream"]["resumeAfter"]["_data"] for command in opening]
        assert tokens == ["start", "820001", "820002", "820003"]


async def test_changes_are_read_singly_no_longer_than_needed() -> None:
    async with reading(aggregate=[stories.TOO_LARGE, opened(insert(1)), opened(insert(2))]) as it:
        assert numbers(await it.take(2)) == [1, 2]
        sizes = [command["cursor"]["batchSize"] for command in it.server.asked if "aggregate" in command]
        assert sizes == [500, 1, 500]


async def test_a_change_that_is_too_large_even_without_its_document_is_told_of() -> None:
    async with reading(aggregate=[stories.TOO_LARGE] * 3) as it:
        with pytest.raises(AdapterError, match="too large"):
            await it.read()


# Where to start


async def test_now_is_the_servers_token_or_the_time_after_its_last_operation() -> None:
    async with scripted_mongodb() as server, watching(server) as streams:
        server.answer("aggregate", opened(token="here"))
        assert await streams.now() == Behind("here")
        old_server = opened()
        del old_server["cursor"]["postBatchResumeToken"]
        server.answer("aggregate", old_server)
        assert await streams.now() == From(Timestamp(1_795_900_000, 4))


@pytest.mark.parametrize(
    ("answer", "kind", "message", "mend"),
    [
        (stories.NOT_ENABLED, ResourceNotFoundError, "not enabled", 'collection: "orders", enable: true'),
        (stories.NO_REPLICA_SET, ResourceNotFoundError, "replica set", "--replSet"),
        (stories.UNAUTHORIZED, AccessDeniedError, "denied", "`find` and `changeStream`"),
        (failed(1, "InternalError", "something"), AdapterError, "something", None),
    ],
)
async def test_what_stands_in_the_way_is_named_with_its_mend(
    answer: dict[str, Any], kind: type[AdapterError], message: str, mend: str | None
) -> None:
    async with scripted_mongodb() as server, watching(server) as streams:
        server.answer("aggregate", answer)
        with pytest.raises(kind, match=message) as caught:
            await streams.now()
        assert caught.value.resource == "documentdb:orders"
        assert "s3cret" not in str(caught.value)
        assert mend is None or mend in (caught.value.mend or "")


async def test_a_wrong_password_is_denied_and_not_repeated() -> None:
    async with scripted_mongodb() as server:
        server.answer("saslStart", *[stories.WRONG_PASSWORD] * 5)
        client = AsyncMongoClient[dict[str, Any]](server.uri, username="anna", password="s3cret", retryWrites=False)
        async with client:
            address = CollectionAddress("shop", "orders")
            streams = Watching(client, address, FullDocument.DEFAULT, resource="documentdb:orders", clock=WallClock())
            with pytest.raises(AccessDeniedError) as caught:
                await streams.now()
    assert "s3cret" not in str(caught.value)
    assert "user and password" in (caught.value.mend or "")
