"""Where the content of objects is: in the files of a bucket's directory, or in its index (memory)."""

from __future__ import annotations

import asyncio
import os
import uuid
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from eventflow_local.bucket_index import BucketIndex, Look

if TYPE_CHECKING:
    from pathlib import Path

    from eventflow_local.database import Database
    from eventflow_local.owners import Owner


@dataclass(frozen=True, slots=True)
class MemoryDraft:
    """Content that is kept in the index."""

    body: bytes

    def publish(self, key: str) -> tuple[Look, bytes | None]:
        """What the index shall hold."""
        return Look(len(self.body), 0), self.body

    def discard(self) -> None:
        """There is nothing beside the index."""


@dataclass(frozen=True, slots=True)
class FileDraft:
    """A complete file outside of the bucket."""

    path: Path
    directory: Path

    def publish(self, key: str) -> tuple[Look, bytes | None]:
        """Rename the file into its place, replacing what is there. Raises OSError if it cannot be there."""
        target = self.directory / key
        target.parent.mkdir(parents=True, exist_ok=True)
        status = self.path.stat()
        self.path.replace(target)
        _sync_directory(target.parent)
        return Look(status.st_size, status.st_mtime_ns), None

    def discard(self) -> None:
        """Remove the file if it was not published."""
        self.path.unlink(missing_ok=True)


class MemoryObjects:
    """The objects of a bucket in memory."""

    def __init__(self, database: Database, index: BucketIndex) -> None:
        self._database = database
        self._index = index

    async def draft(self, body: bytes) -> MemoryDraft:
        return MemoryDraft(body)

    def remove(self, key: str) -> None:
        """The index removes it."""

    async def read(self, key: str) -> bytes | None:
        return await self._database.run(partial(self._index.body, key=key))


class FileObjects:
    """The objects of a bucket as files in ``directory``. They are written in ``staging``, on the same file system,
    and renamed into place, so nobody sees half of one."""

    def __init__(self, directory: Path, staging: Path, process: Owner) -> None:
        self._directory = directory
        self._staging = staging
        self._process = process

    async def draft(self, body: bytes) -> FileDraft:
        """Write ``body`` to a file of its own, durably."""
        path = self._staging / f"{self._process.id}.{uuid.uuid4().hex}"
        await asyncio.get_running_loop().run_in_executor(None, _write, path, body)
        return FileDraft(path, self._directory)

    def remove(self, key: str) -> None:
        """Raises OSError if it is a directory."""
        try:
            (self._directory / key).unlink(missing_ok=True)
        except NotADirectoryError:  # then there is no such file either
            return

    async def read(self, key: str) -> bytes | None:
        read = (self._directory / key).read_bytes
        try:
            return await asyncio.get_running_loop().run_in_executor(None, read)
        except (FileNotFoundError, NotADirectoryError):
            return None


def clean(staging: Path, process: Owner) -> None:
    """Remove what processes that are no more have left in ``staging``."""
    staging.mkdir(parents=True, exist_ok=True)
    for path in staging.iterdir():
        if not process.is_alive(path.name.partition(".")[0]):
            path.unlink(missing_ok=True)


def _write(path: Path, body: bytes) -> None:
    with path.open("xb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    """Make a rename durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
