"""Kinesis streams, in memory and in a file; processes come and go."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventflow.errors import InvalidMessageError, LeaseLostError
from eventflow.model.destinations import OutboundMessage, Service
from eventflow.model.mapping import StartingPosition, StreamMapping
from eventflow.model.records import Checkpoint
from eventflow.model.subscriptions import StreamSubscription
from eventflow.testing.virtual_time import START
from eventflow_local import shards
from eventflow_local.database import Database
from eventflow_local.log_source import LogSource
from eventflow_local.owners import Owner
from eventflow_local.streams import (
    EXPLICIT_HASH_KEY,
    FIRST_SEQUENCE_NUMBER,
    StreamSink,
    ensure_stream,
    merge_shards,
    open_stream_sink,
    open_stream_source,
    split_shard,
)
from tests.unit.local.log_workers import local_settings, mapping, process, refused, working

ZERO, ONE, TWO = (f"shardId-{number:012d}" for number in range(3))


class Kinesis:
    """One process's view of the stream ``orders``."""

    def __init__(self, database: Database, owner: Owner, sink: StreamSink) -> None:
        self.database = database
        self.owner = owner
        self.sink = sink

    async def source(
        self, wanted: StreamMapping | None = None, *, subscriber: str = "fulfil", lease_seconds: float | None = None
    ) -> LogSource:
        subscription = StreamSubscription(
            service=Service.KINESIS, name="orders", subscriber=subscriber, mapping=wanted or mapping()
        )
        return await open_stream_source(
            self.database, self.owner, local_settings(), subscription, lease_seconds=lease_seconds
        )

    async def put(self, *bodies: bytes, key: str = "k", **attributes: str) -> None:
        for body in bodies:
            await self.sink.send(OutboundMessage(body=body, key=key, attributes=attributes))


@asynccontextmanager
async def kinesis(directory: Path | None, *, shard_count: int = 1) -> AsyncIterator[Kinesis]:
    async with process(directory) as (database, owner):
        sink = await open_stream_sink(database, local_settings(), "orders", shard_count=shard_count)
        yield Kinesis(database, owner, sink)


@pytest.fixture(params=["memory", "file"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path if request.param == "file" else None


def data(records: Sequence[Any]) -> list[bytes]:
    return [record.data for record in records]


async def test_records_come_in_order_with_growing_sequence_numbers_of_56_digits(directory: Path | None) -> None:
    async with kinesis(directory) as stream:
        await stream.put(b"1", b"2", b"3")
        async with working(await stream.source()) as worker:
            await worker.owns(ZERO)
            records = await worker.read(ZERO)
    assert data(records) == [b"1", b"2", b"3"]
    assert [record.key for record in records] == ["k"] * 3
    numbers = [int(record.position) for record in records]
    assert numbers == sorted(set(numbers))
    assert {len(str(number)) for number in numbers} == {56}
    assert records[0].timestamp == START


async def test_a_read_returns_at_most_what_was_asked_and_goes_on_behind_it(directory: Path | None) -> None:
    async with kinesis(directory) as stream:
        await stream.put(b"1", b"2", b"3")
        async with working(await stream.source()) as worker:
            await worker.owns(ZERO)
            first = await worker.source.read(ZERO, max_records=2, wait_seconds=0)
            second = await worker.source.read(ZERO, max_records=2, wait_seconds=0)
    assert (data(first.records), data(second.records)) == ([b"1", b"2"], [b"3"])
    assert not first.ended


async def test_a_read_holds_ten_megabytes_at_most(directory: Path | None) -> None:
    async with kinesis(directory) as stream:
        await stream.put(*[bytes(4 * 1024 * 1024)] * 3)
        async with working(await stream.source()) as worker:
            await worker.owns(ZERO)
            assert [len(await worker.read(ZERO)) for _ in range(2)] == [2, 1]


async def test_a_waiting_read_returns_with_the_first_record(directory: Path | None) -> None:
    async with kinesis(directory) as stream, working(await stream.source()) as worker:
        await worker.owns(ZERO)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stream.put, b"1")
            read = await worker.source.read(ZERO, max_records=10, wait_seconds=3_600)
        assert data(read.records) == [b"1"]
        before = anyio.current_time()
        empty = await worker.source.read(ZERO, max_records=10, wait_seconds=30)
        assert empty.records == ()
        assert anyio.current_time() - before == pytest.approx(30)


async def test_the_reader_knows_how_far_behind_it_is(directory: Path | None) -> None:
    async with kinesis(directory) as stream:
        await stream.put(b"1", b"2")
        async with working(await stream.source()) as worker:
            await worker.owns(ZERO)
            await anyio.sleep(90)
            first = await worker.source.read(ZERO, max_records=1, wait_seconds=0)
            last = await worker.source.read(ZERO, max_records=1, wait_seconds=0)
            assert first.behind_seconds == pytest.approx(90)
            assert last.behind_seconds == 0


async def test_progress_and_window_state_survive_a_restart(directory: Path | None) -> None:
    async with kinesis(directory) as stream:
        await stream.put(b"1", b"2", b"3")
        async with working(await stream.source()) as worker:
            await worker.owns(ZERO)
            records = await worker.read(ZERO)
            checkpoint = Checkpoint(position=records[1].position, state='{"count": 2}')
            await worker.source.commit(ZERO, checkpoint)
        assert await (await stream.source()).backlog() == 1
        async with working(await stream.source()) as worker:
            await worker.owns(ZERO)
            assert worker.owned[ZERO] == checkpoint
            assert data(await worker.read(ZERO)) == [b"3"]


async def test_latest_is_fixed_when_the_subscriber_subscribes(directory: Path | None) -> None:
    async with kinesis(directory) as stream:
        await stream.put(b"before")
        await stream.source(mapping(StartingPosition.LATEST))
        await stream.put(b"after")
        for _ in range(2):
            source = await stream.source(mapping(StartingPosition.LATEST))
            async with working(source) as worker:
                await worker.owns(ZERO)
                assert worker.owned[ZERO] is None
                assert data(await worker.read(ZERO)) == [b"after"]


async def test_latest_leaves_out_shards_that_are_closed(directory: Path | None) -> None:
    async with kinesis(directory) as stream:
        await stream.put(b"before")
        await split_shard(stream.database, "orders", ZERO)
        async with working(await stream.source(mapping(StartingPosition.LATEST))) as worker:
            await worker.owns(ONE, TWO)


async def test_at_timestamp_starts_with_the_first_record_from_then_on(directory: Path | None) -> None:
    async with kinesis(directory) as stream:
        await stream.put(b"1")
        await anyio.sleep(60)
        await stream.put(b"2")
        moment = datetime.fromtimestamp(START + 30, tz=UTC)
        wanted = replace(mapping(StartingPosition.AT_TIMESTAMP), starting_timestamp=moment)
        async with working(await stream.source(wanted)) as worker:
            await worker.owns(ZERO)
            assert data(await worker.read(ZERO)) == [b"2"]


async def test_every_subscriber_has_a_position_of_its_own(directory: Path | None) -> None:
    async with kinesis(directory) as stream:
        await stream.put(b"1")
        for subscriber in ("fulfil", "audit"):
            async with working(await stream.source(subscriber=subscriber)) as worker:
                await worker.owns(ZERO)
                [record] = await worker.read(ZERO)
                await worker.source.commit(ZERO, Checkpoint(position=record.position))


async def test_children_come_after_their_parents_are_complete(directory: Path | None) -> None:
    async with kinesis(directory) as stream:
        await stream.put(b"parent")
        async with working(await stream.source()) as worker:
            await worker.owns(ZERO)
            await split_shard(stream.database, "orders", ZERO)
            await stream.put(b"child", **{EXPLICIT_HASH_KEY: "0"})
            read = await worker.source.read(ZERO, max_records=10, wait_seconds=0)
            assert data(read.records) == [b"parent"]
            assert read.ended
            await anyio.sleep(100)
            assert worker.owned.keys() == {ZERO}
            await worker.source.complete(ZERO)
            worker.owned.clear()
            await worker.owns(ONE, TWO)
            assert data(await worker.read(ONE)) == [b"child"]
            assert await worker.read(TWO) == []
            with pytest.raises(LeaseLostError):
                await worker.read(ZERO)


async def test_a_merged_shard_waits_for_both_parents(directory: Path | None) -> None:
    async with kinesis(directory, shard_count=2) as stream, working(await stream.source()) as worker:
        await worker.owns(ZERO, ONE)
        await merge_shards(stream.database, "orders", ZERO, ONE)
        for parent in (ZERO, ONE):
            assert TWO not in worker.owned
            await worker.source.complete(parent)
            del worker.owned[parent]
        await worker.owns(TWO)


async def test_a_reader_waiting_at_the_end_of_a_shard_learns_that_it_is_closed(directory: Path | None) -> None:
    async with kinesis(directory) as stream, working(await stream.source()) as worker:
        await worker.owns(ZERO)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(split_shard, stream.database, "orders", ZERO)
            read = await worker.source.read(ZERO, max_records=10, wait_seconds=3_600)
        assert read.ended


async def test_two_readers_share_the_shards_fairly_and_hand_over_what_was_committed(directory: Path | None) -> None:
    async with kinesis(directory, shard_count=4) as stream, kinesis(directory) as other:
        if directory is None:
            other = stream
        await stream.put(b"1", **{EXPLICIT_HASH_KEY: str(shards.LAST_HASH)})
        async with working(await stream.source()) as first:
            await first.until(lambda: len(first.owned) == 4)
            async with working(await other.source()) as second:
                await second.until(lambda: len(second.owned) == 2)
                await first.until(lambda: len(first.owned) == 2)
                assert not first.owned.keys() & second.owned.keys()
            await first.until(lambda: len(first.owned) == 4)


async def test_what_moves_is_drained_first_and_may_be_committed_meanwhile(directory: Path | None) -> None:
    async with kinesis(directory, shard_count=2) as stream:

        async def drain(partitions: Sequence[str]) -> None:
            await anyio.sleep(10)
            for partition in partitions:
                await first.source.commit(partition, Checkpoint(position=FIRST_SEQUENCE_NUMBER))

        async with working(await stream.source(), drain=drain) as first:
            await first.owns(ZERO, ONE)
            before = anyio.current_time()
            async with working(await stream.source()) as second:
                await second.until(lambda: len(second.owned) == 1)
                assert anyio.current_time() - before > 9.9
                assert list(second.owned.values()) == [Checkpoint(position=FIRST_SEQUENCE_NUMBER)]
            assert first.revoked
            assert not first.lost


async def test_an_owner_that_drains_for_too_long_loses_the_shard(directory: Path | None) -> None:
    async with kinesis(directory, shard_count=2) as stream:

        async def drain(_: Sequence[str]) -> None:
            await anyio.sleep(10_000)

        async with working(await stream.source(), drain=drain) as first:
            await first.owns(ZERO, ONE)
            async with working(await stream.source()) as second:
                await second.until(lambda: len(second.owned) == 1)
                [moved] = second.owned
                await first.until(lambda: first.lost == [moved])
                with pytest.raises(LeaseLostError):
                    await first.source.commit(moved, Checkpoint(position=FIRST_SEQUENCE_NUMBER))
                with pytest.raises(LeaseLostError):
                    await first.read(moved)


async def test_the_shards_of_a_silent_reader_are_taken_over_and_it_learns_of_it(directory: Path | None) -> None:
    """The reader hangs in a callback longer than its lease lasts."""
    async with kinesis(directory) as stream:
        woken = anyio.Event()

        class Hanging:
            lost: tuple[str, ...] = ()

            async def on_assigned(self, _: object) -> None:
                await woken.wait()

            async def on_revoked(self, _: object) -> None:
                raise AssertionError("it was silent")

            async def on_lost(self, partitions: Sequence[str]) -> None:
                self.lost += tuple(partitions)

        hanging = Hanging()
        silent = await stream.source(lease_seconds=20)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(silent.run, hanging)
            await anyio.sleep(1)
            before = anyio.current_time()
            async with working(await stream.source(lease_seconds=20)) as second:
                await second.owns(ZERO)
                assert anyio.current_time() - before >= 19
                with pytest.raises(LeaseLostError):
                    await silent.commit(ZERO, Checkpoint(position=FIRST_SEQUENCE_NUMBER))
                woken.set()
                await anyio.sleep(1)
                assert hanging.lost == (ZERO,)
            tasks.cancel_scope.cancel()


async def test_the_shards_of_a_dead_process_are_taken_over_at_once(tmp_path: Path) -> None:
    async with kinesis(tmp_path) as dead:
        source = await dead.source(lease_seconds=10_000)
        async with working(source) as first:
            await first.owns(ZERO)
            dead.owner.close()  # as the operating system does when a process is killed
            async with kinesis(tmp_path) as alive:
                before = anyio.current_time()
                async with working(await alive.source(lease_seconds=10_000)) as second:
                    await second.owns(ZERO)
                    assert anyio.current_time() - before < 1


async def test_after_leaving_nothing_can_be_committed(directory: Path | None) -> None:
    async with kinesis(directory) as stream:
        async with working(await stream.source()) as worker:
            await worker.owns(ZERO)
        with pytest.raises(LeaseLostError):
            await worker.source.commit(ZERO, Checkpoint(position=FIRST_SEQUENCE_NUMBER))


async def test_records_are_kept_for_a_day(directory: Path | None) -> None:
    async with kinesis(directory) as stream:
        await stream.put(b"old")
        await anyio.sleep(86_400 - 1)
        await stream.put(b"young")
        await anyio.sleep(2)
        async with working(await stream.source()) as worker:
            await worker.owns(ZERO)
            assert data(await worker.read(ZERO)) == [b"young"]


async def test_an_explicit_hash_key_chooses_the_shard(directory: Path | None) -> None:
    async with kinesis(directory, shard_count=2) as stream:
        await stream.put(b"low", **{EXPLICIT_HASH_KEY: "0"})
        await stream.put(b"high", **{EXPLICIT_HASH_KEY: str(shards.LAST_HASH)})
        async with working(await stream.source()) as worker:
            await worker.owns(ZERO, ONE)
            assert (data(await worker.read(ZERO)), data(await worker.read(ONE))) == ([b"low"], [b"high"])


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (OutboundMessage(body=b"x"), "partition key"),
        (OutboundMessage(body=b"x", key="k" * 257), "partition key"),
        (OutboundMessage(body=bytes(10 * 1024 * 1024), key="k"), "bytes"),
        (OutboundMessage(body=b"x", key="k", attributes={EXPLICIT_HASH_KEY: "-1"}), EXPLICIT_HASH_KEY),
        (OutboundMessage(body=b"x", key="k", attributes={EXPLICIT_HASH_KEY: str(2**128)}), EXPLICIT_HASH_KEY),
    ],
    ids=["no key", "long key", "too large", "negative hash", "large hash"],
)
async def test_what_kinesis_refuses_is_refused(message: OutboundMessage, reason: str) -> None:
    async with kinesis(None) as stream:
        with pytest.raises(InvalidMessageError, match=reason):
            await stream.sink.send(message)
        assert await (await stream.source()).backlog() == 0


async def test_the_largest_record_is_taken() -> None:
    async with kinesis(None) as stream:
        await stream.put(bytes(10 * 1024 * 1024 - 1))


async def test_a_name_that_kinesis_refuses_is_refused() -> None:
    async with process(None) as (database, _):
        with refused("is not a stream name"):
            await ensure_stream(database, "or ders", shard_count=1)
