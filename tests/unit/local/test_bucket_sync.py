"""When a file is complete: on virtual time, touched by hand instead of by the operating system."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from eventflow.testing.virtual_time import VirtualClock
from eventflow_local.bucket_index import BucketIndex, Look
from eventflow_local.bucket_sync import AT_ONCE, DirectorySync
from eventflow_local.database import Database
from eventflow_local.schema import BUCKETS, NOTIFICATIONS

SETTLE_SECONDS = 10


class Synced:
    """A directory whose files are touched by the test, and the index that follows."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.directory = directory
        self._database = database
        self._index = BucketIndex(name="uploads", region="us-east-1", account_id="0" * 12)
        self.sync = DirectorySync(database, self._index, directory, settle_seconds=SETTLE_SECONDS)

    def write(self, key: str, content: bytes) -> None:
        (self.directory / key).write_bytes(content)
        self.sync.touch([self.directory / key])

    async def sizes(self) -> dict[str, int]:
        """The objects that are known, and how large they are."""
        looks: dict[str, Look] = await self._database.run(self._index.looks)
        return {key: look.size for key, look in looks.items()}

    async def changes(self) -> int:
        """How many changes there were."""
        return await self._database.run(
            lambda connection: connection.execute("SELECT coalesce(sum(sequencer), 0) FROM buckets").fetchone()[0]
        )


@asynccontextmanager
async def synced(directory: Path) -> AsyncIterator[Synced]:
    schema = NOTIFICATIONS + BUCKETS
    database = await Database.open(None, clock=VirtualClock(), schema=schema)
    try:
        uploads = Synced(database, directory)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(uploads.sync.run)
            yield uploads
            tasks.cancel_scope.cancel()
    finally:
        await database.aclose()


async def test_a_file_is_stored_when_it_has_rested(tmp_path: Path) -> None:
    async with synced(tmp_path) as uploads:
        uploads.write("a.csv", b"1")
        await anyio.sleep(SETTLE_SECONDS - 1)
        assert await uploads.sizes() == {}
        await anyio.sleep(2)
        assert await uploads.sizes() == {"a.csv": 1}


async def test_a_file_that_is_still_being_written_is_stored_once_and_whole(tmp_path: Path) -> None:
    async with synced(tmp_path) as uploads:
        for size in range(1, 20):
            uploads.write("a.csv", b"x" * size)
            await anyio.sleep(SETTLE_SECONDS / 2)
        await anyio.sleep(3 * SETTLE_SECONDS)
        assert await uploads.sizes() == {"a.csv": 19}
        assert await uploads.changes() == 1


async def test_a_file_that_changed_unnoticed_while_it_rested_is_stored_as_it_is_in_the_end(tmp_path: Path) -> None:
    async with synced(tmp_path) as uploads:
        uploads.write("a.csv", b"1")
        await anyio.sleep(SETTLE_SECONDS / 2)
        (tmp_path / "a.csv").write_bytes(b"22")
        await anyio.sleep(3 * SETTLE_SECONDS)
        assert await uploads.sizes() == {"a.csv": 2}
        assert await uploads.changes() == 1


async def test_a_file_that_is_replaced_at_once_was_never_gone(tmp_path: Path) -> None:
    """As editors save: delete, then write anew."""
    async with synced(tmp_path) as uploads:
        uploads.write("a.csv", b"1")
        await anyio.sleep(2 * SETTLE_SECONDS)
        (tmp_path / "a.csv").unlink()
        uploads.sync.touch([tmp_path / "a.csv"])
        await anyio.sleep(SETTLE_SECONDS / 2)
        uploads.write("a.csv", b"22")
        await anyio.sleep(3 * SETTLE_SECONDS)
        assert await uploads.sizes() == {"a.csv": 2}
        assert await uploads.changes() == 2


async def test_one_busy_file_does_not_hold_up_the_others(tmp_path: Path) -> None:
    async with synced(tmp_path) as uploads:
        uploads.write("quiet.csv", b"1")
        for size in range(1, 10):
            uploads.write("busy.csv", b"x" * size)
            await anyio.sleep(SETTLE_SECONDS / 2)
        assert await uploads.sizes() == {"quiet.csv": 1}


async def test_touching_the_directory_finds_everything(tmp_path: Path) -> None:
    async with synced(tmp_path) as uploads:
        (tmp_path / "deep").mkdir()
        keys = ["a", "deep/b", *(f"deep/{number}" for number in range(2 * AT_ONCE))]
        for key in keys:
            (tmp_path / key).write_bytes(b"x")
        uploads.sync.touch([tmp_path])
        await anyio.sleep(2 * SETTLE_SECONDS)
        assert (await uploads.sizes()).keys() == set(keys)


async def test_touching_without_a_change_stores_nothing(tmp_path: Path) -> None:
    async with synced(tmp_path) as uploads:
        uploads.write("a.csv", b"1")
        await anyio.sleep(2 * SETTLE_SECONDS)
        uploads.sync.touch([tmp_path, tmp_path / "a.csv", tmp_path / "missing"])
        await anyio.sleep(2 * SETTLE_SECONDS)
        assert await uploads.changes() == 1
