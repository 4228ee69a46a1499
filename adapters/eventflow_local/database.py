"""One SQLite database for the state of every embedded service: a file that processes share, or memory."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

import anyio

from eventflow.errors import DataDirectoryError
from eventflow_local.group_commit import Call, Commits, Lane
from eventflow_local.listening import Listener, Listeners

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from eventflow.ports import Clock

T = TypeVar("T")
A = TypeVar("A")

_log = logging.getLogger(__name__)

SCHEMA_VERSION: Final = 1
APPLICATION_ID: Final = 0x45464C57
"""Marks the file as ours: ``EFLW`` in its header."""
BUSY_TIMEOUT_SECONDS: Final = 10.0
"""How long a transaction waits for those of other processes."""
WATCH_SECONDS: Final = 0.1
"""How often a waiting process looks for changes made by others."""
CHECKPOINT_PAGES: Final = 4_000
CACHED_STATEMENTS: Final = 256


class Database:
    """One SQLite database: a file that several processes share, or memory.

    In memory, work runs inline on the loop: no thread, and therefore deterministic on virtual time. In a file,
    work runs in one writer thread in group commit, and is durable (fsync) when ``run`` returns.
    """

    def __init__(
        self, connection: sqlite3.Connection, path: Path | None, clock: Clock, executor: ThreadPoolExecutor | None
    ) -> None:
        self.path = path
        self.clock = clock
        self._resource = str(path or "memory")
        self._connection = connection
        self._executor = executor
        self._commits = Commits(connection, self._resource, executor)
        self._listeners = Listeners(self._watch)
        self._watcher: asyncio.TimerHandle | None = None
        self._seen_version = _data_version(connection)

    @classmethod
    async def open(cls, path: Path | None, *, clock: Clock, schema: str = "") -> Database:
        """Open the file, or memory if ``path`` is ``None``, and execute ``schema`` (``CREATE ... IF NOT EXISTS``
        statements) in it.

        Raises DataDirectoryError if the file cannot be made, opened or written, is not ours, or is newer.
        """
        if path is None:
            return cls(_open_memory(schema), None, clock, None)
        executor = ThreadPoolExecutor(1, thread_name_prefix="eventflow-sqlite")
        try:
            connection = await asyncio.get_running_loop().run_in_executor(executor, _open_file, path, schema)
        except BaseException:
            executor.shutdown(wait=False)
            raise
        return cls(connection, path, clock, executor)

    async def run(
        self, work: Callable[[sqlite3.Connection], T], *, undo: Callable[[sqlite3.Connection, T], object] | None = None
    ) -> T:
        """Run ``work`` inside a transaction; what it did is durable when this returns.

        If it raises, only its own changes are rolled back, and the caller gets the error. If the caller is
        cancelled meanwhile, the work is done all the same, and then ``undo`` is given its result. ``work`` must
        not commit, and touches nothing but the connection: it runs in another thread.
        Raises UnavailableError if the database is locked for too long, or the disk is full or failing.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        call = Call(work, future)
        self._commits.submit(call)
        try:
            return await future
        except asyncio.CancelledError:
            if undo is not None:
                self._undo(call, undo)
            raise

    def lane(self, work: Callable[[sqlite3.Connection, list[A]], Sequence[T]]) -> Lane[A, T]:
        """For work that is cheaper by the dozen; see Lane. Make one per kind of work, and keep it."""
        return Lane(work, self._commits)

    def notify(self, channel: str) -> None:
        """Wake those of this process that wait for ``channel``. Call it after ``run``."""
        self._listeners.wake(channel)

    def listen(self, channel: str) -> Listener:
        """A context manager that hears every change of ``channel``; see Listener."""
        return Listener(self._listeners, channel)

    async def wait(self, channel: str, *, timeout_seconds: float) -> None:
        """Return on ``notify``, on a change made by another process, or after the timeout.

        A change just before the call is missed: where that matters, look and wait inside ``listen``.
        """
        with self.listen(channel) as changes:
            await changes.wait(timeout_seconds=timeout_seconds)

    async def aclose(self) -> None:
        """Finish what waits and close the file. Idempotent."""
        if self._commits.closed:
            return
        if self._watcher is not None:
            self._watcher.cancel()
        with anyio.CancelScope(shield=True):  # a transaction lasts no longer than its wait for a lock
            await self._commits.aclose()
        self._connection.close()
        if self._executor is not None:
            self._executor.shutdown()

    def _watch(self) -> None:
        """Look for other processes' changes from now on, until nobody waits any more."""
        if self.path is not None and self._watcher is None and not self._commits.closed:
            self._watcher = asyncio.get_running_loop().call_later(WATCH_SECONDS, self._look_for_changes)

    def _look_for_changes(self) -> None:
        self._watcher = None
        if not self._listeners.waiting:
            return
        if self._commits.busy:  # the thread has the connection: it looks on the way
            look = Call(_data_version, asyncio.get_running_loop().create_future())
            look.future.add_done_callback(self._compare)
            self._commits.submit(look)
        else:
            self._wake_if_changed(_data_version(self._connection))
        self._watch()

    def _compare(self, version: asyncio.Future[int]) -> None:
        if version.exception() is None:  # otherwise those who wait meet the same error themselves
            self._wake_if_changed(version.result())

    def _wake_if_changed(self, version: int) -> None:
        if version != self._seen_version:
            self._seen_version = version
            self._listeners.wake_all()

    def _undo(self, done: Call[T], undo: Callable[[sqlite3.Connection, T], object]) -> None:
        """Calls run in the order they came, so by then the work of ``done`` has run."""

        def work(connection: sqlite3.Connection) -> None:
            if done.error is None:
                undo(connection, done.result)

        call = Call(work, asyncio.get_running_loop().create_future())
        call.future.add_done_callback(self._undone)
        self._commits.submit(call)

    def _undone(self, future: asyncio.Future[None]) -> None:
        if (error := future.exception()) is not None:
            _log.error("%s: the work of a cancelled caller could not be undone", self._resource, exc_info=error)
        self._listeners.wake_all()


def _data_version(connection: sqlite3.Connection) -> int:
    """Changes whenever another connection commits; ours do not count. Source: SQLite: PRAGMA data_version."""
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    return int(version)


def _open_memory(schema: str) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, cached_statements=CACHED_STATEMENTS)
    connection.executescript(schema)
    return connection


def _open_file(path: Path, schema: str) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise DataDirectoryError(str(path), f"{path.parent} is a file, and has to be a directory") from error
    except OSError as error:
        raise DataDirectoryError(
            str(path), f"its directory cannot be made ({error.strerror}); make {path.parent} writable"
        ) from error
    try:
        connection = sqlite3.connect(
            path,
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=CACHED_STATEMENTS,
        )
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    try:
        _prepare(connection, path, schema)
    except sqlite3.Error as error:
        connection.close()
        raise _unusable(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, schema: str) -> None:
    _check_ours(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.executescript(
        f"BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};"
        f"{schema}; COMMIT;"
    )


def _check_ours(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION_ID:
        raise DataDirectoryError(str(path), "is a SQLite database of another program")
    if version > SCHEMA_VERSION:
        raise DataDirectoryError(
            str(path),
            f"was written by a newer eventflow (format {version}, this one knows {SCHEMA_VERSION}); upgrade eventflow",
        )


def _unusable(path: Path, error: sqlite3.Error) -> DataDirectoryError:
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_BUSY:
            mend = f"another process has kept it locked for {BUSY_TIMEOUT_SECONDS:g} s: find out which, or stop it"
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            mend = "it is damaged, or no database at all: move it away to begin with a new one"
        case _:
            mend = f"make {path.parent} writable"
    return DataDirectoryError(str(path), f"{error}; {mend}")
