from __future__ import annotations

import asyncio
from itertools import pairwise

import anyio
import pytest

from eventflow.errors import UnavailableError
from eventflow.model.mapping import StartingPosition
from eventflow.model.records import StreamRead
from eventflow.testing.virtual_time import VirtualClock
from eventflow_aws.streams.read_limits import Pacer
from eventflow_aws.streams.shard_reader import (
    LEAST_FETCH,
    MOST_FETCH,
    Behind,
    IteratorExpiredError,
    ReadThrottledError,
    RecordsTrimmedError,
    rounded_down,
)
from eventflow_aws.streams.shards import BEGINNING, StartingPoint
from tests.unit.aws.scripted_shard import LIMITS, RESOURCE, ScriptedShard, page, reader_of

EXPIRED = IteratorExpiredError(RESOURCE, "expired")
THROTTLED = ReadThrottledError(RESOURCE, "too many reads")
TRIMMED = RecordsTrimmedError(RESOURCE, "trimmed")


def positions(read: StreamRead) -> list[object]:
    return [record.position for record in read.records]


def now() -> float:
    return asyncio.get_running_loop().time()


# Places


async def test_first_read_starts_at_the_given_place_and_later_ones_follow_the_iterator() -> None:
    shard = ScriptedShard(page([8, 9]), page([10]))
    reader = reader_of(shard, place=Behind(7))
    assert positions(await reader.read(max_records=10, wait_seconds=5)) == [8, 9]
    assert positions(await reader.read(max_records=10, wait_seconds=5)) == [10]
    assert shard.places == [Behind(7)]


async def test_expired_iterator_is_replaced_silently_behind_the_last_record(caplog: pytest.LogCaptureFixture) -> None:
    shard = ScriptedShard(page([1, 2]), EXPIRED, page([3]))
    reader = reader_of(shard)
    await reader.read(max_records=10, wait_seconds=5)
    assert positions(await reader.read(max_records=10, wait_seconds=5)) == [3]
    assert shard.places == [BEGINNING, Behind(2)]
    assert not caplog.records


async def test_expired_iterator_does_not_skip_records_that_were_fetched_and_not_returned() -> None:
    shard = ScriptedShard(page([1, 2, 3]), EXPIRED, page([4]))
    reader = reader_of(shard)
    seen: list[object] = []
    while len(seen) < 4:
        seen += positions(await reader.read(max_records=1, wait_seconds=5))
    assert seen == [1, 2, 3, 4]
    assert shard.places == [BEGINNING, Behind(3)]


async def test_iterator_that_expires_before_any_record_starts_at_the_same_place() -> None:
    start = StartingPoint(StartingPosition.AT_TIMESTAMP, 1_000.0)
    shard = ScriptedShard(page(), EXPIRED, page([1], timestamp=1_001.0))
    assert positions(await reader_of(shard, place=start).read(max_records=10, wait_seconds=5)) == [1]
    assert shard.places == [start, start]


async def test_records_from_before_the_starting_moment_are_skipped_until_the_first_that_is_not() -> None:
    start = StartingPoint(StartingPosition.AT_TIMESTAMP, 100.6)
    shard = ScriptedShard(
        page([1, 2], timestamp=50.0), page([3], timestamp=100.5), page([4], timestamp=100.6), page([5], timestamp=100.5)
    )
    reader = reader_of(shard, place=start)
    assert positions(await reader.read(max_records=10, wait_seconds=5)) == [4]
    assert positions(await reader.read(max_records=10, wait_seconds=5)) == [5]


def test_starting_moment_is_rounded_down_to_what_records_tell() -> None:
    start = StartingPoint(StartingPosition.AT_TIMESTAMP, 100.6)
    assert rounded_down(start, 1) == StartingPoint(StartingPosition.AT_TIMESTAMP, 100)
    for place in (BEGINNING, Behind(7)):
        assert rounded_down(place, 1) == place


# Trimmed


async def test_trimmed_checkpoint_goes_on_with_the_oldest_record_and_says_what_may_be_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shard = ScriptedShard(page([90]))
    shard.iterator_faults.append(TRIMMED)
    read = await reader_of(shard, place=Behind(7)).read(max_records=10, wait_seconds=5)
    assert (positions(read), read.gap) == ([90], True)
    assert shard.places == [Behind(7), BEGINNING]
    [warning] = caplog.records
    assert warning.levelname == "WARNING"
    assert "behind 7 are lost" in warning.getMessage()


async def test_records_trimmed_while_reading_go_on_with_the_oldest(caplog: pytest.LogCaptureFixture) -> None:
    shard = ScriptedShard(page([1]), TRIMMED, page([90]))
    reader = reader_of(shard)
    assert not (await reader.read(max_records=10, wait_seconds=5)).gap
    read = await reader.read(max_records=10, wait_seconds=5)
    assert (positions(read), read.gap) == ([90], True)
    assert shard.places == [BEGINNING, BEGINNING]
    assert "behind 1 are lost" in caplog.text


async def test_shard_whose_oldest_record_cannot_be_read_is_unavailable_instead_of_a_loop() -> None:
    shard = ScriptedShard()
    shard.iterator_faults += [TRIMMED, TRIMMED]
    with pytest.raises(UnavailableError, match="not even its oldest record"):
        await reader_of(shard, place=Behind(7)).read(max_records=10, wait_seconds=300)


# The end


async def test_closed_shard_ends_with_its_last_records() -> None:
    shard = ScriptedShard(page([1]), page([2, 3], last=True))
    reader = reader_of(shard)
    assert not (await reader.read(max_records=10, wait_seconds=5)).ended
    read = await reader.read(max_records=10, wait_seconds=5)
    assert (positions(read), read.ended) == ([2, 3], True)


async def test_closed_shard_ends_only_after_what_is_left_in_the_buffer() -> None:
    reader = reader_of(ScriptedShard(page([1, 2, 3], last=True)))
    first = await reader.read(max_records=2, wait_seconds=5)
    assert (positions(first), first.ended) == ([1, 2], False)
    second = await reader.read(max_records=2, wait_seconds=5)
    assert (positions(second), second.ended) == ([3], True)


async def test_closed_shard_without_records_ends_at_once_and_is_never_read_again() -> None:
    shard = ScriptedShard(page(last=True))
    reader = reader_of(shard)
    for _ in range(3):
        assert (await reader.read(max_records=10, wait_seconds=300)) == StreamRead((), ended=True, behind_seconds=0.0)
    assert len(shard.read_at) == 1
    assert now() < 1


# The buffer


async def test_records_beyond_those_asked_for_wait_and_nothing_is_fetched_meanwhile() -> None:
    shard = ScriptedShard(page(range(5)), page([5]))
    reader = reader_of(shard)
    seen = [positions(await reader.read(max_records=2, wait_seconds=5)) for _ in range(4)]
    assert seen == [[0, 1], [2, 3], [4], [5]]
    assert len(shard.read_at) == 2


@pytest.mark.parametrize(("asked", "fetched"), [(1, LEAST_FETCH), (1_500, 1_500), (50_000, MOST_FETCH)])
async def test_one_fetch_is_bounded_and_worth_its_while(asked: int, fetched: int) -> None:
    shard = ScriptedShard(page([1]))
    await reader_of(shard).read(max_records=asked, wait_seconds=5)
    assert shard.limits == [fetched]


async def test_cancelled_read_loses_nothing_wherever_it_is_cancelled() -> None:
    shard = ScriptedShard(*[page([number]) for number in range(20)])
    shard.takes_seconds = 0.05
    reader = reader_of(shard)
    seen: list[object] = []
    step = 0.0
    while len(seen) < 20:
        step = (step + 0.017) % 0.4
        with anyio.move_on_after(step):
            seen += positions(await reader.read(max_records=10, wait_seconds=300))
    assert seen == list(range(20))


async def test_closing_ends_a_read_that_waits() -> None:
    reader = reader_of(ScriptedShard())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: reader.read(max_records=10, wait_seconds=300))
        await anyio.sleep(10)
        reader.close()
    assert now() < 12


# Pace


async def test_idle_shard_is_looked_at_once_a_second() -> None:
    shard = ScriptedShard()
    await reader_of(shard).read(max_records=10, wait_seconds=60)
    assert 60 <= len(shard.read_at) <= 63
    assert now() == pytest.approx(60, abs=0.01)


async def test_record_is_followed_by_a_look_as_soon_as_the_limits_allow() -> None:
    shard = ScriptedShard(*[page() for _ in range(10)], page([1]), page([2]))
    reader = reader_of(shard)
    await reader.read(max_records=10, wait_seconds=60)
    arrived_at = now()
    await reader.read(max_records=10, wait_seconds=60)
    assert now() - arrived_at == pytest.approx(LIMITS.interval_seconds)


async def test_shard_that_is_behind_its_tip_is_read_without_idle_pauses() -> None:
    shard = ScriptedShard(*[page(behind_seconds=30.0) for _ in range(20)], page([1]))
    await reader_of(shard).read(max_records=10, wait_seconds=60)
    assert now() == pytest.approx(20 * LIMITS.interval_seconds)


async def test_two_subscriptions_together_stay_within_the_limits_of_their_shard() -> None:
    pacer = Pacer(LIMITS)
    shards = [ScriptedShard(*[page([n]) for n in range(100)]) for _ in range(2)]

    async def read_all(shard: ScriptedShard) -> None:
        reader = reader_of(shard, pacer=pacer)
        for _ in range(40):
            await reader.read(max_records=10, wait_seconds=60)

    async with anyio.create_task_group() as tasks:
        for shard in shards:
            tasks.start_soon(read_all, shard)
    times = sorted(shards[0].read_at + shards[1].read_at)
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert min(pauses) >= LIMITS.interval_seconds - 1e-9
    assert now() == pytest.approx(79 * LIMITS.interval_seconds), "no turn is wasted"


async def test_reads_stay_within_two_megabytes_a_second() -> None:
    shard = ScriptedShard(*[page([n], size_bytes=10_000_000) for n in range(5)])
    reader = reader_of(shard)
    for _ in range(5):
        await reader.read(max_records=10, wait_seconds=60)
    assert now() == pytest.approx(4 * 5.0)


async def test_turn_that_would_come_too_late_is_not_waited_for() -> None:
    shard = ScriptedShard(page([1], size_bytes=20_000_000), page([2]))
    reader = reader_of(shard)
    await reader.read(max_records=10, wait_seconds=5)
    read = await reader.read(max_records=10, wait_seconds=5)
    assert not read.records
    assert now() == pytest.approx(5.0)


# Throttling


async def test_throttled_shard_is_left_alone_longer_and_longer() -> None:
    shard = ScriptedShard(*[THROTTLED] * 6, page([1]))
    assert positions(await reader_of(shard).read(max_records=10, wait_seconds=60)) == [1]
    pauses = [later - earlier for earlier, later in pairwise(shard.read_at)]
    assert pauses == pytest.approx([0.4, 0.8, 1.6, 3.2, 6.4, 6.4])


async def test_throttling_of_one_shard_does_not_slow_another() -> None:
    throttled, other = ScriptedShard(*[THROTTLED] * 5), ScriptedShard(page([1]))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: reader_of(throttled).read(max_records=10, wait_seconds=60))
        await anyio.sleep(1)
        assert positions(await reader_of(other).read(max_records=10, wait_seconds=60)) == [1]
        assert now() == pytest.approx(1)
        tasks.cancel_scope.cancel()


async def test_throttled_read_that_returns_nothing_does_not_claim_to_have_caught_up() -> None:
    shard = ScriptedShard(page([1]), *[THROTTLED] * 50)
    reader = reader_of(shard)
    await reader.read(max_records=10, wait_seconds=10)
    read = await reader.read(max_records=10, wait_seconds=10)
    assert not read.records
    assert read.behind_seconds == pytest.approx(10)


async def test_service_that_is_away_is_reported_and_the_next_read_goes_on() -> None:
    shard = ScriptedShard(UnavailableError(RESOURCE, "away"), page([1]))
    reader = reader_of(shard)
    with pytest.raises(UnavailableError, match="away"):
        await reader.read(max_records=10, wait_seconds=60)
    assert positions(await reader.read(max_records=10, wait_seconds=60)) == [1]


# Lag and backlog


async def test_lag_is_what_the_service_says() -> None:
    reader = reader_of(ScriptedShard(page([1], behind_seconds=12.5)))
    assert (await reader.read(max_records=10, wait_seconds=5)).behind_seconds == 12.5


async def test_lag_is_the_age_of_the_last_record_where_the_service_says_nothing() -> None:
    arrived_at = VirtualClock().time() - 42
    reader = reader_of(ScriptedShard(page([1], behind_seconds=None, timestamp=arrived_at)))
    assert (await reader.read(max_records=10, wait_seconds=5)).behind_seconds == pytest.approx(42, abs=0.1)
    assert (await reader.read(max_records=10, wait_seconds=5)).behind_seconds == 0


async def test_lag_counts_from_the_last_record_that_was_returned() -> None:
    arrived_at = VirtualClock().time() - 42
    reader = reader_of(ScriptedShard(page([1, 2], timestamp=arrived_at)))
    assert (await reader.read(max_records=1, wait_seconds=5)).behind_seconds == pytest.approx(42, abs=0.1)
    assert (await reader.read(max_records=1, wait_seconds=5)).behind_seconds == 0


async def test_backlog_is_what_was_fetched_and_not_committed() -> None:
    reader = reader_of(ScriptedShard(page([1, 2, 3]), page([4, 5])))
    await reader.read(max_records=2, wait_seconds=5)
    assert reader.backlog == 3
    await reader.read(max_records=2, wait_seconds=5)
    await reader.read(max_records=2, wait_seconds=5)
    assert reader.backlog == 5
    reader.committed(2)
    assert reader.backlog == 3
    reader.committed(4)
    assert reader.backlog == 2, "a read that is committed in part counts as a whole"
    reader.committed(5)
    assert reader.backlog == 0


async def test_backlog_is_never_zero_while_the_service_has_more() -> None:
    reader = reader_of(ScriptedShard(page([1], behind_seconds=3.0)))
    await reader.read(max_records=2, wait_seconds=5)
    reader.committed(1)
    assert reader.backlog == 1
