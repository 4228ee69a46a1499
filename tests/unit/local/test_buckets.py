"""Buckets in memory: what becomes an event, for whom, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from eventflow.errors import InvalidMessageError
from eventflow.model.destinations import OutboundMessage
from eventflow.model.subscriptions import BucketNotification
from eventflow.testing.virtual_time import VirtualClock
from eventflow_local.bucket_index import check_bucket_name
from eventflow_local.buckets import BucketSink, BucketSource, open_bucket_sink, open_bucket_source
from eventflow_local.database import Database
from eventflow_local.notifications import NotificationQueue
from eventflow_local.owners import Owner
from eventflow_local.schema import BUCKETS, NOTIFICATIONS
from tests.unit.local.log_workers import local_settings, refused
from tests.unit.local.notified import delivering


class Bucket:
    """The bucket ``uploads``."""

    def __init__(self, database: Database, owner: Owner, sink: BucketSink) -> None:
        self.sink = sink
        self._database = database
        self._queue = NotificationQueue(database, owner)

    async def source(
        self,
        *,
        subscriber: str = "import_csv",
        events: Sequence[str] = ("s3:ObjectCreated:*",),
        prefix: str = "",
        suffix: str = "",
    ) -> BucketSource:
        wanted = BucketNotification(
            name="uploads", subscriber=subscriber, events=tuple(events), prefix=prefix, suffix=suffix
        )
        return await open_bucket_source(self._database, self._queue, local_settings(), wanted, data=None)

    async def put(self, *keys: str) -> None:
        for key in keys:
            await self.sink.send(OutboundMessage(body=key.encode(), key=key))


@asynccontextmanager
async def bucket() -> AsyncIterator[Bucket]:
    owner = Owner.open(None)
    schema = NOTIFICATIONS + BUCKETS
    database = await Database.open(None, clock=VirtualClock(), schema=schema)
    try:
        sink = await open_bucket_sink(database, owner, local_settings(), "uploads", data=None)
        yield Bucket(database, owner, sink)
    finally:
        await database.aclose()


async def test_every_put_is_told_even_of_the_same_content() -> None:
    async with bucket() as uploads, delivering(await uploads.source()) as inbox:
        await uploads.put("a", "a", "b")
        await inbox.until(3)
        assert inbox.changes == [("ObjectCreated:Put", "a"), ("ObjectCreated:Put", "a"), ("ObjectCreated:Put", "b")]


async def test_what_was_put_before_anybody_ran_is_delivered() -> None:
    async with bucket() as uploads:
        source = await uploads.source()
        await uploads.put("a")
        assert await source.backlog() == 1
        async with delivering(source) as inbox:
            await inbox.until(1)
        assert await source.backlog() == 0


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (["s3:ObjectCreated:*"], ["ObjectCreated:Put"]),
        (["s3:ObjectCreated:Put"], ["ObjectCreated:Put"]),
        (["s3:ObjectRemoved:*"], ["ObjectRemoved:Delete"]),
        (["s3:ObjectCreated:Copy", "s3:ObjectRemoved:Delete"], ["ObjectRemoved:Delete"]),
        (["s3:ObjectCreated:*", "s3:ObjectRemoved:*"], ["ObjectCreated:Put", "ObjectRemoved:Delete"]),
        (["s3:ObjectCreated:Copy"], []),
    ],
)
async def test_events_choose_what_is_told(events: list[str], expected: list[str]) -> None:
    async with bucket() as uploads:
        source = await uploads.source(events=events)
        await uploads.put("a")
        await uploads.sink.remove("a")
        assert await source.backlog() == len(expected)
        async with delivering(source) as inbox:
            await inbox.until(len(expected))
        assert [name for name, _ in inbox.changes] == expected


async def test_prefix_and_suffix_look_at_the_plain_key() -> None:
    async with bucket() as uploads, delivering(await uploads.source(prefix="in +/", suffix=".csv")) as inbox:
        await uploads.put("in +/a.txt", "in/b.csv", "in +/c.csv")
        await inbox.until(1)
        assert inbox.changes == [("ObjectCreated:Put", "in+%2B/c.csv")]


async def test_subscriptions_may_overlap_and_each_gets_its_own_event() -> None:
    async with bucket() as uploads:
        one = await uploads.source(subscriber="one", prefix="in/")
        two = await uploads.source(subscriber="two", suffix=".csv")
        await uploads.put("in/a.csv")
        async with delivering(one) as first, delivering(two) as second:
            await first.until(1)
            await second.until(1)
        assert first.changes == second.changes


async def test_an_object_can_be_read_and_removed() -> None:
    async with bucket() as uploads:
        await uploads.put("a")
        assert await uploads.sink.read("a") == b"a"
        await uploads.sink.remove("a")
        assert await uploads.sink.read("a") is None


async def test_removing_what_is_not_there_is_told_to_nobody() -> None:
    async with bucket() as uploads:
        source = await uploads.source(events=["s3:ObjectRemoved:*"])
        await uploads.sink.remove("a")
        assert await source.backlog() == 0


@pytest.mark.parametrize(
    "key",
    [None, "", "../a", "a/../b", "/a", "a//b", "a/", ".", "a/.hidden", "a~", "a.part", "a\0b", "x" * 1025, "\ud800"],
)
async def test_keys_that_leave_the_bucket_or_cannot_be_files_are_refused(key: str | None) -> None:
    async with bucket() as uploads:
        with pytest.raises(InvalidMessageError, match="key"):
            await uploads.sink.send(OutboundMessage(body=b"x", key=key))


@pytest.mark.parametrize("key", ["a", "a b/ü+c.csv", "x" * 1024, "a..b", "part", "a/~b"])
async def test_other_keys_are_taken(key: str) -> None:
    async with bucket() as uploads:
        await uploads.put(key)
        assert await uploads.sink.read(key) == key.encode()


@pytest.mark.parametrize("name", ["ab", "Uploads", "up_loads", "-uploads", "uploads.", "a..b", "x" * 64, "../etc"])
def test_names_that_s3_refuses_are_refused(name: str) -> None:
    with refused("is not a bucket name"):
        check_bucket_name(name)
