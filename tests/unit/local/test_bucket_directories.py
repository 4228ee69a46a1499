"""Buckets as real directories under real watching: the only tests here that run on the machine's own time."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from eventflow.errors import InvalidMessageError
from eventflow.model.destinations import OutboundMessage
from eventflow.model.subscriptions import BucketNotification
from eventflow.ports import AdapterSettings
from eventflow_local.buckets import BucketSink, BucketSource, bucket_directory, open_bucket_sink, open_bucket_source
from eventflow_local.database import Database
from eventflow_local.notifications import NotificationQueue
from eventflow_local.owners import Owner
from eventflow_local.schema import BUCKETS, NOTIFICATIONS
from tests.unit.local.notified import Inbox, delivering

SETTLE_SECONDS = 0.05


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class MachineClock:
    def time(self) -> float:
        return time.time()


SETTINGS = AdapterSettings(environment="local", options={}, resources={}, clock=MachineClock())


class Bucket:
    """One process's view of the bucket ``uploads``."""

    def __init__(self, database: Database, owner: Owner, data: Path) -> None:
        self.data = data
        self.directory = bucket_directory(data, "uploads")
        self._database = database
        self._owner = owner
        self._queue = NotificationQueue(database, owner)

    async def source(self, *, subscriber: str = "import_csv", prefix: str = "", suffix: str = "") -> BucketSource:
        wanted = BucketNotification(
            name="uploads", subscriber=subscriber, events=("s3:*",), prefix=prefix, suffix=suffix
        )
        return await open_bucket_source(
            self._database, self._queue, SETTINGS, wanted, data=self.data, settle_seconds=SETTLE_SECONDS
        )

    async def sink(self) -> BucketSink:
        return await open_bucket_sink(self._database, self._owner, SETTINGS, "uploads", data=self.data)

    def drop(self, key: str, content: bytes = b"x") -> Path:
        path = self.directory / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path


@asynccontextmanager
async def bucket(data: Path) -> AsyncIterator[Bucket]:
    owner = Owner.open(data / "processes")
    schema = NOTIFICATIONS + BUCKETS
    database = await Database.open(data / "state.db", clock=MachineClock(), schema=schema)
    try:
        opened = Bucket(database, owner, data)
        opened.directory.mkdir(parents=True, exist_ok=True)
        yield opened
    finally:
        await database.aclose()
        owner.close()


async def only(inbox: Inbox, uploads: Bucket, *expected: tuple[str, str]) -> None:
    """These changes were told and no others: two files that come later are told next."""
    for number in range(2):
        uploads.drop(f"marker-{number}")
        await inbox.until(len(expected) + number + 1)
    markers = [("ObjectCreated:Put", f"marker-{number}") for number in range(2)]
    assert sorted(inbox.changes) == sorted([*expected, *markers])
    for number in range(2):
        (uploads.directory / f"marker-{number}").unlink()
    await inbox.until(len(expected) + 4)
    del inbox.events[:]


async def test_a_dropped_file_is_told_as_s3_tells_it(tmp_path: Path) -> None:
    async with bucket(tmp_path) as uploads, delivering(await uploads.source()) as inbox:
        uploads.drop("in/a b+c.csv", b"content")
        [event] = await inbox.until(1)
        record = event["Records"][0]
        assert record["eventName"] == "ObjectCreated:Put"
        assert record["s3"]["bucket"]["name"] == "uploads"
        assert record["s3"]["object"] | {"sequencer": ""} == {
            "key": "in/a+b%2Bc.csv",
            "size": 7,
            "eTag": hashlib.md5(b"content").hexdigest(),
            "sequencer": "",
        }
        assert int(record["s3"]["object"]["sequencer"], 16) > 0


async def test_overwriting_and_deleting_are_told_in_order(tmp_path: Path) -> None:
    async with bucket(tmp_path) as uploads, delivering(await uploads.source()) as inbox:
        path = uploads.drop("a.csv", b"1")
        await inbox.until(1)
        path.write_bytes(b"22")
        await inbox.until(2)
        path.unlink()
        await inbox.until(3)
        assert [name for name, _ in inbox.changes] == ["ObjectCreated:Put", "ObjectCreated:Put", "ObjectRemoved:Delete"]
        sequencers = [event["Records"][0]["s3"]["object"]["sequencer"] for event in inbox.events]
        assert sequencers == sorted(set(sequencers))


async def test_a_file_renamed_into_place_is_told_once(tmp_path: Path) -> None:
    async with bucket(tmp_path) as uploads, delivering(await uploads.source()) as inbox:
        uploads.drop("report.csv.part").rename(uploads.directory / "report.csv")
        await inbox.until(1)
        await only(inbox, uploads, ("ObjectCreated:Put", "report.csv"))


async def test_what_happened_while_nobody_watched_is_made_up_for(tmp_path: Path) -> None:
    async with bucket(tmp_path) as uploads:
        uploads.drop("before.csv")
        uploads.drop("changed.csv")
        uploads.drop("removed.csv")
        async with delivering(await uploads.source()) as inbox:
            await inbox.until(3)
    async with bucket(tmp_path) as uploads:
        uploads.drop("deep/new.csv")
        uploads.drop("changed.csv", b"other")
        (uploads.directory / "removed.csv").unlink()
        async with delivering(await uploads.source()) as inbox:
            await inbox.until(3)
            await only(
                inbox,
                uploads,
                ("ObjectCreated:Put", "deep/new.csv"),
                ("ObjectCreated:Put", "changed.csv"),
                ("ObjectRemoved:Delete", "removed.csv"),
            )


async def test_an_object_put_by_the_sink_is_told_once_though_the_watcher_sees_it(tmp_path: Path) -> None:
    async with bucket(tmp_path) as uploads, delivering(await uploads.source()) as inbox:
        sink = await uploads.sink()
        await sink.send(OutboundMessage(body=b"content", key="in/report.csv"))
        await inbox.until(1)
        assert (uploads.directory / "in/report.csv").read_bytes() == b"content"
        await only(inbox, uploads, ("ObjectCreated:Put", "in/report.csv"))
        await sink.remove("in/report.csv")
        await inbox.until(1)
        await only(inbox, uploads, ("ObjectRemoved:Delete", "in/report.csv"))


async def test_an_object_put_from_another_process_is_told_once(tmp_path: Path) -> None:
    async with bucket(tmp_path) as uploads, bucket(tmp_path) as other, delivering(await uploads.source()) as inbox:
        await (await other.sink()).send(OutboundMessage(body=b"content", key="report.csv"))
        await inbox.until(1)
        await only(inbox, uploads, ("ObjectCreated:Put", "report.csv"))


async def test_two_processes_that_watch_one_directory_tell_once(tmp_path: Path) -> None:
    async with (
        bucket(tmp_path) as one,
        bucket(tmp_path) as two,
        delivering(await one.source()) as first,
        delivering(await two.source()) as second,
    ):
        keys = [f"{number}.csv" for number in range(10)]
        for key in keys:
            one.drop(key)
        with anyio.fail_after(120):
            while not (first.events or second.events):  # noqa: ASYNC110 (one of them delivers)
                await anyio.sleep(0.01)
        inbox = first if first.events else second
        await inbox.until(10)
        await only(inbox, one, *[("ObjectCreated:Put", key) for key in keys])


async def test_directories_that_come_move_and_go_are_told_by_their_files(tmp_path: Path) -> None:
    async with bucket(tmp_path) as uploads, delivering(await uploads.source()) as inbox:
        outside = tmp_path / "outside"
        (outside / "deep").mkdir(parents=True)
        (outside / "a.csv").write_bytes(b"a")
        (outside / "deep/b.csv").write_bytes(b"b")
        outside.rename(uploads.directory / "moved")
        await inbox.until(2)
        await only(inbox, uploads, ("ObjectCreated:Put", "moved/a.csv"), ("ObjectCreated:Put", "moved/deep/b.csv"))
        (uploads.directory / "moved").rename(tmp_path / "away")
        await inbox.until(2)
        await only(
            inbox, uploads, ("ObjectRemoved:Delete", "moved/a.csv"), ("ObjectRemoved:Delete", "moved/deep/b.csv")
        )


async def test_unfinished_and_hidden_files_are_no_objects(tmp_path: Path) -> None:
    async with bucket(tmp_path) as uploads, delivering(await uploads.source()) as inbox:
        for key in (".hidden", ".git/config", "notes.txt~", "download.part"):
            uploads.drop(key)
        await only(inbox, uploads)


async def test_symbolic_links_publish_nothing_from_outside(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key.pem").write_bytes(b"secret")
    async with bucket(tmp_path) as uploads:
        (uploads.directory / "link").symlink_to(secret, target_is_directory=True)
        (uploads.directory / "key.pem").symlink_to(secret / "key.pem")
        async with delivering(await uploads.source()) as inbox:
            await only(inbox, uploads)
            (secret / "other.pem").write_bytes(b"secret")
            (uploads.directory / "other.pem").symlink_to(secret / "other.pem")
            await only(inbox, uploads)


async def test_a_bucket_directory_that_is_removed_is_made_and_watched_again(tmp_path: Path) -> None:
    async with bucket(tmp_path) as uploads, delivering(await uploads.source()) as inbox:
        uploads.drop("a.csv")
        await inbox.until(1)
        shutil.rmtree(uploads.directory)
        await inbox.until(2)
        uploads.drop("b.csv")
        await inbox.until(3)
        assert inbox.changes[1:] == [("ObjectRemoved:Delete", "a.csv"), ("ObjectCreated:Put", "b.csv")]


async def test_what_a_dead_process_left_half_written_is_cleared_away(tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    (staging / "1234-dead.0123").write_bytes(b"half")
    async with bucket(tmp_path) as uploads:
        await uploads.sink()
        assert list(staging.iterdir()) == []


async def test_a_refused_put_leaves_nothing_behind(tmp_path: Path) -> None:
    async with bucket(tmp_path) as uploads:
        sink = await uploads.sink()
        await sink.send(OutboundMessage(body=b"1", key="a"))
        uploads.drop("directory/file")
        for key in ("a/b", "directory"):
            with pytest.raises(InvalidMessageError, match="at once"):
                await sink.send(OutboundMessage(body=b"2", key=key))
        assert list((tmp_path / "staging").iterdir()) == []
        assert await sink.read("a") == b"1"


async def test_a_file_that_may_not_be_read_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    async with bucket(tmp_path) as uploads, delivering(await uploads.source()) as inbox:
        uploads.drop("closed.csv").chmod(0)
        await only(inbox, uploads)
        assert "may not be read" in caplog.text
