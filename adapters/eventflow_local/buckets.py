"""S3 buckets.

A bucket is a directory ``<data>/s3/<bucket>/``, and a file in it is an object: put one there, by whatever means,
and ``s3:ObjectCreated:Put`` follows when it is complete; remove it, and ``s3:ObjectRemoved:Delete`` does. Hidden
files, names that end in ``~`` or ``.part``, and symbolic links are none of the bucket's objects. In memory there
is no directory, and objects come through the sink alone. Several functions may subscribe to the same keys.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from eventflow.errors import InvalidMessageError
from eventflow.model.partitions import partition_of
from eventflow.model.records import SourceIdentity
from eventflow_local.alongside import alongside
from eventflow_local.bucket_index import BucketIndex, check_bucket_name, check_key
from eventflow_local.bucket_objects import FileDraft, FileObjects, MemoryDraft, MemoryObjects, clean
from eventflow_local.bucket_sync import DirectorySync
from eventflow_local.notifications import channel

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from eventflow.model.destinations import OutboundMessage
    from eventflow.model.subscriptions import BucketNotification
    from eventflow.ports import AdapterSettings, Deliver
    from eventflow_local.database import Database
    from eventflow_local.notifications import NotificationQueue
    from eventflow_local.owners import Owner

SETTLE_SECONDS: Final = 1.0
"""Copies over a network pause; half a file is worse than a late one. Renaming a file into place is never half."""


def bucket_directory(data: Path, bucket: str) -> Path:
    """Where the files of a bucket are."""
    return data / "s3" / bucket


async def open_bucket_source(
    database: Database,
    queue: NotificationQueue,
    settings: AdapterSettings,
    subscription: BucketNotification,
    *,
    data: Path | None,
    settle_seconds: float = SETTLE_SECONDS,
) -> BucketSource:
    """Subscribe to a bucket; from now on its changes are kept for the subscriber.

    A file that somebody writes is complete when it has not changed for ``settle_seconds``.
    Raises ConfigurationError if S3 would refuse the bucket's name.
    """
    check_bucket_name(subscription.name)
    identifier = await queue.register(subscription)
    watcher = None
    if data is not None:
        watcher = _watcher(database, _index(settings, subscription.name), data, settle_seconds)
    return BucketSource(queue, identifier, _identity(settings, subscription.name), watcher)


def _watcher(
    database: Database, index: BucketIndex, data: Path, settle_seconds: float
) -> Callable[[], Coroutine[Any, Any, None]]:
    from eventflow_local.bucket_watch import watch  # only whoever reads a directory pays for watchfiles

    sync = DirectorySync(database, index, bucket_directory(data, index.name), settle_seconds=settle_seconds)
    return partial(watch, f"s3:{index.name}", sync)


async def open_bucket_sink(
    database: Database, process: Owner, settings: AdapterSettings, name: str, *, data: Path | None
) -> BucketSink:
    """Raises ConfigurationError if S3 would refuse the bucket's name."""
    check_bucket_name(name)
    index = _index(settings, name)
    if data is None:
        return BucketSink(database, index, MemoryObjects(database, index))
    staging = data / "staging"
    await asyncio.get_running_loop().run_in_executor(None, clean, staging, process)
    return BucketSink(database, index, FileObjects(bucket_directory(data, name), staging, process))


def _index(settings: AdapterSettings, bucket: str) -> BucketIndex:
    return BucketIndex(name=bucket, region=settings.region, account_id=settings.account_id)


def _identity(settings: AdapterSettings, bucket: str) -> SourceIdentity:
    return SourceIdentity(arn=f"arn:{partition_of(settings.region)}:s3:::{bucket}", region=settings.region, extras={})


class BucketSource:
    """Delivers the events of one subscription, and watches the bucket's directory meanwhile."""

    def __init__(
        self,
        queue: NotificationQueue,
        subscription: str,
        identity: SourceIdentity,
        watcher: Callable[[], Coroutine[Any, Any, None]] | None,
    ) -> None:
        self.identity = identity
        self._queue = queue
        self._subscription = subscription
        self._watcher = watcher

    async def run(self, deliver: Deliver) -> None:
        if self._watcher is None:
            await self._queue.run_source(self._subscription, deliver)
            return
        async with alongside(self._watcher):
            await self._queue.run_source(self._subscription, deliver)

    async def backlog(self) -> int:
        return await self._queue.backlog(self._subscription)

    async def aclose(self) -> None:
        await self._queue.release(self._subscription)


class BucketSink:
    """Puts objects into a bucket; ``key`` of a message is the object's. An object and its event are stored in one
    step, so the watcher that sees the file as well adds no second event."""

    def __init__(self, database: Database, index: BucketIndex, objects: MemoryObjects | FileObjects) -> None:
        self.arn = f"arn:{partition_of(index.region)}:s3:::{index.name}"
        self._resource = f"s3:{index.name}"
        self._database = database
        self._index = index
        self._objects = objects

    async def send(self, message: OutboundMessage) -> None:
        key = check_key(self._resource, message.key)
        etag = hashlib.md5(message.body, usedforsecurity=False).hexdigest()
        now = self._database.clock.time()
        with self._refusals(key):
            draft = await self._objects.draft(message.body)
            try:
                await self._change(partial(self._put, key=key, etag=etag, now=now, draft=draft))
            finally:
                draft.discard()

    async def remove(self, key: str) -> None:
        """Delete an object. Like S3, this says nothing if there is none."""
        key = check_key(self._resource, key)
        with self._refusals(key):
            await self._change(partial(self._remove, key=key, now=self._database.clock.time()))

    async def read(self, key: str) -> bytes | None:
        """The content of an object; ``None`` if there is none."""
        key = check_key(self._resource, key)
        return await self._objects.read(key)

    async def aclose(self) -> None:
        """Nothing is held."""

    async def _change(self, work: Callable[[sqlite3.Connection], list[str]]) -> None:
        for subscription in await self._database.run(work):
            self._database.notify(channel(subscription))

    def _put(
        self, connection: sqlite3.Connection, *, key: str, etag: str, now: float, draft: MemoryDraft | FileDraft
    ) -> list[str]:
        look, body = draft.publish(key)
        return self._index.put(connection, key, look, etag=etag, body=body, now=now)

    def _remove(self, connection: sqlite3.Connection, *, key: str, now: float) -> list[str]:
        self._objects.remove(key)
        return self._index.remove(connection, key, now=now)

    @contextmanager
    def _refusals(self, key: str) -> Iterator[None]:
        try:
            yield
        except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
            reason = f"the key {key!r} would be a file and a directory at once; that cannot be here"
            raise InvalidMessageError(self._resource, reason) from error
