"""Keeping the index of a bucket like its directory: what happened to files becomes changes and their events."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import stat
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

import anyio

from eventflow_local.bucket_index import BucketIndex, Look, is_ignored
from eventflow_local.notifications import channel

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from eventflow_local.database import Database

_log = logging.getLogger(__name__)

AT_ONCE: Final = 50
"""Files that are hashed and stored at the same time."""
CHUNK_BYTES: Final = 1024 * 1024

T = TypeVar("T")


class DirectorySync:
    """Looks at whatever is touched, and stores it when it rests.

    A file is complete when its size and time of change stay the same for ``settle_seconds``. Symbolic links are
    not followed, so nothing outside is published.
    """

    def __init__(self, database: Database, index: BucketIndex, directory: Path, *, settle_seconds: float) -> None:
        self._database = database
        self._index = index
        self.directory = directory.resolve()
        self._settle_seconds = settle_seconds
        self._touched: set[str] = set()
        self._any_touched = asyncio.Event()

    def touch(self, paths: Iterable[str | Path]) -> None:
        """Something may have happened to these files or directories."""
        self._touch(map(self._key, paths))

    async def run(self) -> None:
        """Store what was touched and then rested, for ever. Raises OSError if it cannot be read."""
        while True:
            await self._any_touched.wait()
            self._any_touched.clear()
            touched, self._touched = self._touched, set()
            looks = await self._off_loop(self._look_at_all, await self._objects(touched))
            await anyio.sleep(self._settle_seconds)
            await self._store(looks)

    def _touch(self, keys: Iterable[str]) -> None:
        """``""`` is the whole bucket."""
        self._touched.update(keys)
        self._any_touched.set()

    async def _objects(self, touched: set[str]) -> set[str]:
        """The keys of objects among ``touched``, and of those in directories among it, that differ from what is
        known."""
        known = await self._database.run(partial(self._known, touched=touched))
        present = await self._off_loop(self._present, touched)
        return {key for key in known.keys() | present.keys() if known.get(key) != present.get(key)}

    def _known(self, connection: sqlite3.Connection, *, touched: set[str]) -> dict[str, Look]:
        if "" in touched:
            return self._index.looks(connection)
        known: dict[str, Look] = {}
        for name in touched:
            for key in (name, *self._index.keys_below(connection, name)):
                if (look := self._index.look(connection, key)) is not None:
                    known[key] = look
        return known

    def _present(self, touched: set[str]) -> dict[str, Look]:
        present: dict[str, Look] = {}
        for name in [""] if "" in touched else touched:
            path = self.directory / name
            is_directory = path.is_dir() and not path.is_symlink()
            for key in map(self._key, _files_below(path)) if is_directory else [name]:
                if (look := self._look(key)) is not None:
                    present[key] = look
        return present

    def _look_at_all(self, keys: Iterable[str]) -> dict[str, Look | None]:
        return {key: self._look(key) for key in keys}

    def _look(self, key: str) -> Look | None:
        """The file as it is; ``None`` if there is none, or it is not one of the bucket's objects."""
        path = os.path.join(self.directory, key)
        if not key or is_ignored(key) or os.path.realpath(path) != path:
            return None
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Look(status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None

    async def _store(self, looks: dict[str, Look | None]) -> None:
        remaining = iter(looks.items())
        while some := list(islice(remaining, AT_ONCE)):
            async with anyio.create_task_group() as tasks:
                for key, look in some:
                    tasks.start_soon(self._store_one, key, look)

    async def _store_one(self, key: str, look: Look | None) -> None:
        """Store one object if it is still as it was at the first look; otherwise wait for it to rest."""
        if await self._off_loop(self._look, key) != look:
            self._touch([key])
            return
        try:
            etag = None if look is None else await self._off_loop(_etag, self.directory / key)
        except PermissionError:
            _log.warning("s3:%s: %r may not be read and gives no event", self._index.name, key)
            return
        now = self._database.clock.time()
        notified = await self._database.run(partial(self._record, key=key, look=look, etag=etag, now=now))
        if notified is None:
            self._touch([key])
            return
        for subscription in notified:
            self._database.notify(channel(subscription))

    def _record(
        self, connection: sqlite3.Connection, *, key: str, look: Look | None, etag: str | None, now: float
    ) -> list[str] | None:
        """``None`` if the file has changed meanwhile. A file that is known already was put by a sink."""
        if self._look(key) != look:
            return None
        if self._index.look(connection, key) == look:
            return []
        if look is None or etag is None:
            return self._index.remove(connection, key, now=now)
        return self._index.put(connection, key, look, etag=etag, body=None, now=now)

    def _key(self, path: str | Path) -> str:
        key = os.path.relpath(path, self.directory).replace(os.sep, "/")
        return "" if key == "." else key

    async def _off_loop(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(None, work, *arguments)


def _files_below(directory: Path) -> Iterator[str]:
    for parent, directories, files in os.walk(directory):
        directories[:] = [name for name in directories if not name.startswith(".")]
        yield from (os.path.join(parent, name) for name in files)


def _etag(path: Path) -> str | None:
    """The MD5 of a file's content; ``None`` if the file is gone."""
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except FileNotFoundError:
        return None
    return digest.hexdigest()
