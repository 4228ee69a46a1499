"""Group commit: everything that waits is run in one transaction and made durable by one fsync."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from eventflow.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

GROUP_LIMIT: Final = 1_000
"""Calls of one lane, and calls outside lanes, in one transaction at most: nobody waits behind an endless one."""

A = TypeVar("A")
T = TypeVar("T")


class Step(Protocol):
    """A part of a transaction that fails or succeeds as a whole."""

    def run(self, connection: sqlite3.Connection) -> None: ...

    def fail(self, error: Exception) -> None:
        """Give the error to the callers, unless they have one already."""

    def resolve(self) -> None:
        """Hand the callers what came of it, on the loop."""


class Call(Generic[T]):
    """One piece of work, and the future of its caller."""

    __slots__ = ("error", "future", "result", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], T], future: asyncio.Future[T]) -> None:
        self.work = work
        self.future = future
        self.result: T
        self.error: Exception | None = None

    def run(self, connection: sqlite3.Connection) -> None:
        self.result = self.work(connection)

    def fail(self, error: Exception) -> None:
        self.error = self.error or error

    def resolve(self) -> None:
        if self.future.done():  # cancelled
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class Lane(Generic[A, T]):
    """Work that is cheaper by the dozen: it is called once per transaction, with the arguments of everybody who
    waits, and returns their results in order. If it raises, everybody gets the error. It may be called again after
    a rollback, so it changes nothing but the database."""

    def __init__(self, work: Callable[[sqlite3.Connection, list[A]], Sequence[T]], commits: Commits) -> None:
        self._work = work
        self._commits = commits
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[A, asyncio.Future[T]]] = deque()
        self._announced = False

    def run(self, argument: A) -> asyncio.Future[T]:
        """The result, once what was done is durable."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._waiting.append((argument, future))
        if not self._announced:
            self._announced = True
            self._commits.submit(self)
        return future

    def take(self) -> Batch[A, T]:
        """What waits, up to the limit. Called in the writer thread."""
        self._announced = False  # first, so that whatever is added from now on announces itself
        waiting = self._waiting
        batch = Batch(self._work, [waiting.popleft() for _ in range(min(len(waiting), GROUP_LIMIT))])
        if waiting:
            self._commits.postpone(self)
        return batch


class Batch(Generic[A, T]):
    """The calls of a lane that share a transaction."""

    __slots__ = ("_calls", "_error", "_results", "_work")

    def __init__(
        self,
        work: Callable[[sqlite3.Connection, list[A]], Sequence[T]],
        calls: list[tuple[A, asyncio.Future[T]]],
    ) -> None:
        self._work = work
        self._calls = calls
        self._results: Sequence[T] = ()
        self._error: Exception | None = None

    def __bool__(self) -> bool:
        return bool(self._calls)

    def run(self, connection: sqlite3.Connection) -> None:
        self._results = self._work(connection, [argument for argument, _ in self._calls])

    def fail(self, error: Exception) -> None:
        self._error = self._error or error

    def resolve(self) -> None:
        if self._error is None:
            for (_, future), result in zip(self._calls, self._results, strict=True):
                if not future.done():
                    future.set_result(result)
            return
        for _, future in self._calls:
            if not future.done():
                future.set_exception(self._error)


class Commits:
    """Runs calls and lanes in transactions. Used from one event loop.

    Without an executor everything runs at once, on the loop. With one, a job is handed to its thread when there
    is work, takes whatever waits until nothing does, and ends: an idle database keeps nothing running. Futures
    are resolved after the commit, never before.
    """

    def __init__(self, connection: sqlite3.Connection, resource: str, executor: Executor | None) -> None:
        self._connection = connection
        self._resource = resource
        self._executor = executor
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Call[Any] | Lane[Any, Any]] = deque()
        self._drained = asyncio.Event()
        self._drained.set()
        self.busy = False
        """Whether the writer thread has the connection, or is about to."""
        self.closed = False

    def submit(self, work: Call[Any] | Lane[Any, Any]) -> None:
        """Add to the next transaction. What else becomes ready in this turn of the loop shares it. Calls run in
        the order they came.

        Raises UnavailableError after the close.
        """
        if self.closed:
            raise UnavailableError(self._resource, "the database is closed")
        self._waiting.append(work)
        if self._executor is None:
            self._run_now()
        elif not self.busy:
            self.busy = True
            self._drained.clear()
            self._loop.call_soon(self._start)

    def postpone(self, lane: Lane[Any, Any]) -> None:
        """The lane has more than fits into one transaction. Called in the writer thread."""
        self._waiting.append(lane)

    async def aclose(self) -> None:
        """Finish what waits, and take nothing more."""
        await self._drained.wait()
        self.closed = True

    def _run_now(self) -> None:
        for step in self._run_group():
            step.resolve()

    def _start(self) -> None:
        self._loop.run_in_executor(self._executor, self._drain).add_done_callback(self._ended)

    def _ended(self, job: asyncio.Future[None]) -> None:
        job.result()
        if self._waiting:
            self._start()
        else:
            self.busy = False
            self._drained.set()

    def _drain(self) -> None:
        while steps := self._run_group():
            self._loop.call_soon_threadsafe(_resolve, steps)

    def _run_group(self) -> list[Step]:
        """Run what waits in one transaction. A step that raises is rolled back alone, a commit that fails fails
        all."""
        waiting = self._waiting
        taken = [waiting.popleft() for _ in range(min(len(waiting), GROUP_LIMIT))]
        batches = [batch for work in taken if isinstance(work, Lane) and (batch := work.take())]
        calls = [work for work in taken if isinstance(work, Call)]
        steps: list[Step] = [*batches, *calls]
        if steps:
            try:
                self._transaction(batches, calls)
            except Exception as error:  # noqa: BLE001 - every caller gets it
                for step in steps:
                    step.fail(_translated(error, self._resource))
        return steps

    def _transaction(self, batches: list[Batch[Any, Any]], calls: list[Call[Any]]) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._run_batches(batches)
            if not batches and len(calls) == 1:
                calls[0].run(connection)
            else:
                self._run_guarded(calls)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _run_batches(self, batches: list[Batch[Any, Any]]) -> None:
        """Savepoints are dear where many rows change, and batches hardly ever fail: run them without, and if one
        does fail, start again with them."""
        try:
            for batch in batches:
                batch.run(self._connection)
        except Exception:  # noqa: BLE001 - raised again when it is run again
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._connection.execute("BEGIN IMMEDIATE")
            self._run_guarded(batches)

    def _run_guarded(self, steps: Sequence[Step]) -> None:
        """Run steps; if one raises, undo it and nothing else."""
        connection = self._connection
        for step in steps:
            connection.execute("SAVEPOINT step")
            try:
                step.run(connection)
            except Exception as error:
                if not connection.in_transaction:  # some errors, like a full disk, end the whole transaction
                    raise
                step.fail(_translated(error, self._resource))
                connection.execute("ROLLBACK TO step")
            connection.execute("RELEASE step")


def _resolve(steps: list[Step]) -> None:
    for step in steps:
        step.resolve()


def _translated(error: Exception, resource: str) -> Exception:
    """SQLite's operational errors (locked, disk full, I/O) say that trying again is right."""
    if isinstance(error, sqlite3.OperationalError):
        unavailable = UnavailableError(resource, str(error))
        unavailable.__cause__ = error
        return unavailable
    return error
