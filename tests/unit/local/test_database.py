"""The database: transactions, group commit, and waiting for changes."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest

from eventflow.errors import DataDirectoryError, UnavailableError
from eventflow.testing.virtual_time import VirtualClock
from eventflow_local.database import Database

SCHEMA = "CREATE TABLE IF NOT EXISTS numbers (number INTEGER PRIMARY KEY);"


@asynccontextmanager
async def opened(directory: Path | None) -> AsyncIterator[Database]:
    database = await Database.open(directory and directory / "state.db", clock=VirtualClock(), schema=SCHEMA)
    try:
        yield database
    finally:
        await database.aclose()


def insert(number: int, connection: sqlite3.Connection) -> int:
    connection.execute("INSERT INTO numbers VALUES (?)", (number,))
    return number


def insert_and_fail(number: int, connection: sqlite3.Connection) -> None:
    insert(number, connection)
    raise LookupError(number)


def numbers(connection: sqlite3.Connection) -> list[int]:
    return [number for (number,) in connection.execute("SELECT number FROM numbers ORDER BY number")]


async def test_work_returns_its_result_and_is_kept(directory: Path | None) -> None:
    async with opened(directory) as database:
        assert await database.run(partial(insert, 1)) == 1
        assert await database.run(numbers) == [1]


async def test_work_that_raises_is_rolled_back_and_its_caller_gets_the_error(directory: Path | None) -> None:
    async with opened(directory) as database:
        with pytest.raises(LookupError):
            await database.run(partial(insert_and_fail, 1))
        assert await database.run(numbers) == []


async def test_only_the_work_that_raised_is_rolled_back_from_a_shared_transaction(directory: Path | None) -> None:
    async with opened(directory) as database:
        outcomes = await asyncio.gather(
            database.run(partial(insert, 1)),
            database.run(partial(insert_and_fail, 2)),
            database.run(partial(insert, 3)),
            database.run(partial(insert, 1)),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [int, LookupError, int, sqlite3.IntegrityError]
        assert await database.run(numbers) == [1, 3]


async def test_what_a_file_holds_survives_the_database(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        await database.run(partial(insert, 1))
    async with opened(tmp_path) as database:
        assert await database.run(numbers) == [1]


async def test_many_callers_of_a_lane_share_one_call(tmp_path: Path) -> None:
    batches: list[list[int]] = []

    def insert_all(connection: sqlite3.Connection, arguments: list[int]) -> list[int]:
        batches.append(arguments)
        return [insert(number, connection) for number in arguments]

    async with opened(tmp_path) as database:
        lane = database.lane(insert_all)
        assert await asyncio.gather(*map(lane.run, range(50))) == list(range(50))
        assert batches == [list(range(50))]
        assert await database.run(numbers) == list(range(50))


async def test_a_lane_takes_more_than_fits_into_one_transaction(tmp_path: Path) -> None:
    def insert_all(connection: sqlite3.Connection, arguments: list[int]) -> list[int]:
        return [insert(number, connection) for number in arguments]

    async with opened(tmp_path) as database:
        lane = database.lane(insert_all)
        assert await asyncio.gather(*map(lane.run, range(2_500))) == list(range(2_500))


async def test_everybody_in_a_lane_gets_its_error_and_nobody_else(directory: Path | None) -> None:
    def fail(connection: sqlite3.Connection, arguments: list[int]) -> list[int]:
        insert(arguments[0], connection)
        raise LookupError

    async with opened(directory) as database:
        lane = database.lane(fail)
        outcomes = await asyncio.gather(
            lane.run(1), lane.run(2), database.run(partial(insert, 3)), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [LookupError, LookupError, int]
        assert await database.run(numbers) == [3]


async def test_an_operational_error_says_that_trying_again_is_right(directory: Path | None) -> None:
    async with opened(directory) as database:
        with pytest.raises(UnavailableError, match="no such table"):
            await database.run(lambda connection: connection.execute("SELECT * FROM letters"))


async def test_work_of_a_cancelled_caller_is_undone(tmp_path: Path) -> None:
    def remove(connection: sqlite3.Connection, number: int) -> None:
        connection.execute("DELETE FROM numbers WHERE number = ?", (number,))

    async with opened(tmp_path) as database:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(database.run, partial(insert, 1), undo=remove))
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        assert await database.run(numbers) == []


async def test_work_of_a_cancelled_caller_that_failed_is_not_undone(tmp_path: Path) -> None:
    undone: list[object] = []
    async with opened(tmp_path) as database:
        async with anyio.create_task_group() as tasks:
            work = partial(insert_and_fail, 1)
            tasks.start_soon(partial(database.run, work, undo=lambda _, result: undone.append(result)))
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        assert await database.run(numbers) == []
        assert undone == []


async def test_a_closed_database_takes_no_work(directory: Path | None) -> None:
    async with opened(directory) as database:
        await database.aclose()
        with pytest.raises(UnavailableError, match="closed"):
            await database.run(numbers)


async def test_closing_finishes_what_waits(tmp_path: Path) -> None:
    async with opened(tmp_path) as database, anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(database.run, partial(insert, number))
        await anyio.lowlevel.checkpoint()
        await database.aclose()
    async with opened(tmp_path) as database:
        assert await database.run(numbers) == [0, 1, 2]


# Waiting


async def test_a_wait_ends_with_a_notification(directory: Path | None) -> None:
    async with opened(directory) as database:
        started = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(database.wait, "a", timeout_seconds=math.inf))
            await anyio.sleep(5)
            database.notify("b")
            await anyio.sleep(5)
            database.notify("a")
        assert anyio.current_time() - started == pytest.approx(10)


async def test_a_wait_ends_after_its_timeout(directory: Path | None) -> None:
    async with opened(directory) as database:
        started = anyio.current_time()
        await database.wait("a", timeout_seconds=20)
        assert anyio.current_time() - started == pytest.approx(20)


async def test_a_listener_hears_a_change_between_looking_and_waiting(directory: Path | None) -> None:
    async with opened(directory) as database:
        started = anyio.current_time()
        with database.listen("a") as changes:
            database.notify("a")
            await changes.wait(timeout_seconds=60)
            assert anyio.current_time() == started
            await changes.wait(timeout_seconds=60)
            assert anyio.current_time() - started == pytest.approx(60)


async def test_a_change_made_elsewhere_ends_a_wait(tmp_path: Path) -> None:
    async with opened(tmp_path) as database, opened(tmp_path) as other:
        await database.run(numbers)
        started = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(database.wait, "a", timeout_seconds=3_600))
            await anyio.sleep(10)
            await other.run(partial(insert, 1))
        assert anyio.current_time() - started == pytest.approx(10, abs=0.5)


async def test_own_changes_do_not_end_a_wait_for_another_channel(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        started = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(database.wait, "a", timeout_seconds=30))
            await anyio.sleep(10)
            await database.run(partial(insert, 1))
        assert anyio.current_time() - started == pytest.approx(30)


# Files


async def refused(path: Path) -> str:
    with pytest.raises(DataDirectoryError) as caught:
        await Database.open(path, clock=VirtualClock(), schema=SCHEMA)
    return str(caught.value)


async def test_a_directory_that_cannot_be_made_is_named_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = await refused(tmp_path / "file" / "data" / "state.db")
    assert str(tmp_path / "file" / "data") in message
    assert "writable" in message


async def test_a_file_in_the_place_of_the_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    assert f"{tmp_path / 'data'} is a file, and has to be a directory" in await refused(tmp_path / "data" / "state.db")


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"a diary" * 1_000)
    message = await refused(tmp_path / "state.db")
    assert "not a database" in message
    assert "move it away" in message


async def test_a_database_that_another_process_keeps_locked_is_not_called_unwritable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path):
        pass
    connection = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr("eventflow_local.database.BUSY_TIMEOUT_SECONDS", 0.01)
    message = await refused(tmp_path / "state.db")
    connection.close()
    assert "another process has kept it locked" in message
    assert "writable" not in message


async def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "state.db")
    connection.execute("CREATE TABLE bookmarks (url)")
    connection.close()
    assert "another program" in await refused(tmp_path / "state.db")


async def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    connection = sqlite3.connect(tmp_path / "state.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert "newer eventflow (format 99" in await refused(tmp_path / "state.db")
