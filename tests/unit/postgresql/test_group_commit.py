from __future__ import annotations

import asyncio
from collections.abc import Sequence

import anyio
import pytest

from eventflow.errors import InvalidMessageError, UnavailableError
from eventflow_postgresql.group_commit import GROUP_BYTES, WAITING_CALLS, Lane


class Database:
    """Takes a second for each statement; remembers them."""

    def __init__(self) -> None:
        self.statements: list[list[int]] = []
        self.away = False

    async def square(self, numbers: Sequence[int]) -> Sequence[int]:
        self.statements.append(list(numbers))
        await anyio.sleep(1)
        if self.away:
            raise UnavailableError("test", "away")
        if any(number < 0 for number in numbers):
            raise InvalidMessageError("test", "negative")
        return [number**2 for number in numbers]


async def all_of(lane: Lane[int, int], numbers: Sequence[int]) -> list[int | Exception]:
    results: dict[int, int | Exception] = {}

    async def one(place: int, number: int) -> None:
        try:
            results[place] = await lane.run(number)
        except (UnavailableError, InvalidMessageError) as error:
            results[place] = error

    async with anyio.create_task_group() as tasks:
        for place, number in enumerate(numbers):
            tasks.start_soon(one, place, number)
    return [results[place] for place in range(len(numbers))]


async def test_what_comes_while_a_statement_is_on_its_way_goes_together_with_the_next() -> None:
    database = Database()
    lane = Lane("test", database.square)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lane.run, 1)
        await anyio.sleep(0.5)
        assert await all_of(lane, [2, 3, 4]) == [4, 9, 16]
    assert database.statements == [[1], [2, 3, 4]]


async def test_a_group_is_bounded_by_number_and_by_bytes() -> None:
    database = Database()
    by_number = Lane("test", database.square, group_calls=2)
    await all_of(by_number, [1, 2, 3])
    by_bytes = Lane("test", database.square, size=lambda number: number)
    await all_of(by_bytes, [GROUP_BYTES - 1, 1, 1, 2 * GROUP_BYTES])
    assert database.statements == [[1, 2], [3], [GROUP_BYTES - 1, 1], [1], [2 * GROUP_BYTES]]


async def test_callers_over_the_bound_are_refused() -> None:
    lane = Lane("test", Database().square)
    waiting = [lane.submit(1) for _ in range(WAITING_CALLS)]
    with pytest.raises(UnavailableError, match="10000 calls wait"):
        await lane.run(1)
    await lane.aclose()
    assert {future.result() for future in waiting} == {1}


async def test_a_server_that_is_away_is_everybodys_error_and_the_next_call_goes_on() -> None:
    database = Database()
    database.away = True
    lane = Lane("test", database.square)
    assert all(isinstance(result, UnavailableError) for result in await all_of(lane, [1, 2, 3]))
    assert database.statements == [[1, 2, 3]]
    database.away = False
    assert await lane.run(2) == 4


async def test_one_call_that_is_refused_does_not_fail_the_others() -> None:
    lane = Lane("test", Database().square)
    first, refused, last = await all_of(lane, [1, -2, 3])
    assert (first, last) == (1, 9)
    assert isinstance(refused, InvalidMessageError)


async def test_a_caller_that_is_cancelled_before_the_statement_leaves_it() -> None:
    database = Database()
    lane = Lane("test", database.square)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lane.run, 1)
        await anyio.sleep(0.5)
        with anyio.move_on_after(0.1):
            await lane.run(2)
        assert await lane.run(3) == 9
    assert database.statements == [[1], [3]]


async def test_a_caller_that_is_cancelled_during_the_statement_disturbs_nobody() -> None:
    unwanted: list[int] = []
    lane = Lane("test", Database().square, unwanted=unwanted.append)
    results: list[int] = []

    async def impatient() -> None:
        with anyio.move_on_after(0.5):
            results.append(await lane.run(2))

    async def patient() -> None:
        results.append(await lane.run(3))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(impatient)
        tasks.start_soon(patient)
    assert (results, unwanted) == ([9], [4])


async def test_a_result_that_comes_together_with_the_cancellation_is_unwanted_too() -> None:
    unwanted: list[int] = []
    lane = Lane("test", Database().square, unwanted=unwanted.append)
    lane.submit(1)
    await anyio.sleep(0.5)
    first = lane.submit(3)
    caller = asyncio.create_task(lane.run(2))
    first.add_done_callback(lambda _: caller.cancel())  # both, of one group, are resolved by then
    await asyncio.wait([caller])
    assert caller.cancelled()
    assert unwanted == [4]


async def test_closing_finishes_what_waits_and_takes_no_more() -> None:
    lane = Lane("test", Database().square, group_calls=1)
    waiting = [lane.submit(1), lane.submit(2)]
    await lane.aclose()
    assert [future.result() for future in waiting] == [1, 4]
    with pytest.raises(UnavailableError, match="closed"):
        await lane.run(3)
    await lane.aclose()


async def test_giving_up_fails_what_waits_and_what_is_on_its_way() -> None:
    lane = Lane("test", Database().square, group_calls=1)
    waiting = [lane.submit(1), lane.submit(2)]
    await anyio.sleep(0.5)
    lane.abort()
    for future in waiting:
        with pytest.raises(UnavailableError):
            await future


async def test_a_mistake_of_ours_reaches_the_caller() -> None:
    async def broken(numbers: Sequence[int]) -> Sequence[int]:
        raise KeyError(numbers[0])

    with pytest.raises(KeyError):
        await Lane("test", broken).run(1)
