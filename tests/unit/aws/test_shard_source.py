from __future__ import annotations

import anyio
import pytest
from anyio import lowlevel

from eventflow.errors import LeaseLostError
from eventflow.model.mapping import StartingPosition
from eventflow.model.records import Assignment, Checkpoint, PartitionId, Position, SourceIdentity, StreamRead
from eventflow.ports import PartitionOwner
from eventflow_aws.streams.shard_reader import Behind, Place
from eventflow_aws.streams.shard_source import ShardSource
from eventflow_aws.streams.shards import StartingPoint
from tests.unit.aws.scripted_shard import RESOURCE, SHARD

START = StartingPoint(StartingPosition.AT_TIMESTAMP, 100.0)
IDENTITY = SourceIdentity(arn="arn:aws:kinesis:us-east-1:123456789012:stream/orders", region="us-east-1", extras={})


class Ownership:
    """A ShardOwnership that owns what a test says."""

    def __init__(self) -> None:
        self.owned: set[str] = set()
        self.commits: list[tuple[str, Checkpoint]] = []
        self.completed: list[str] = []
        self.owner: PartitionOwner | None = None

    async def run(self, owner: PartitionOwner) -> None:
        self.owner = owner
        await anyio.sleep_forever()

    async def commit(self, shard: str, checkpoint: Checkpoint) -> None:
        self.commits.append((shard, checkpoint))

    async def complete(self, shard: str) -> None:
        self.completed.append(shard)

    def owns(self, shard: str) -> bool:
        return shard in self.owned

    def start_of(self, shard: str) -> StartingPoint:
        assert shard in self.owned
        return START


class Reader:
    """A Reader that returns nothing after a second, or raises."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.backlog = 3
        self.fault: Exception | None = None
        self.committed_to: list[Position] = []
        self.closed = False

    async def read(self, *, max_records: int, wait_seconds: float) -> StreamRead:
        if self.fault is not None:
            raise self.fault
        await anyio.sleep(1)
        return StreamRead(())

    def committed(self, position: Position) -> None:
        self.committed_to.append(position)

    def close(self) -> None:
        self.closed = True


class Rig:
    """A source over an ownership and readers that tests play with."""

    def __init__(self) -> None:
        self.ownership = Ownership()
        self.readers: list[Reader] = []
        self.source = ShardSource(RESOURCE, self.ownership, self._open, identity=IDENTITY)

    def _open(self, shard: PartitionId, place: Place) -> Reader:
        assert shard == SHARD
        self.readers.append(Reader(place))
        return self.readers[-1]

    def assign(self, checkpoint: Checkpoint | None = None) -> Reader:
        self.ownership.owned.add(SHARD)
        self.source.employ([Assignment(partition=SHARD, checkpoint=checkpoint)])
        return self.readers[-1]

    async def read(self) -> StreamRead:
        return await self.source.read(SHARD, max_records=10, wait_seconds=5)


def test_reading_starts_behind_the_checkpoint() -> None:
    assert Rig().assign(Checkpoint(position=7)).place == Behind(7)


def test_reading_starts_where_the_subscription_did_without_a_checkpoint() -> None:
    assert Rig().assign().place == START


async def test_shard_that_was_never_assigned_cannot_be_read() -> None:
    with pytest.raises(LeaseLostError, match=SHARD):
        await Rig().read()


async def test_shard_whose_lease_ran_out_cannot_be_read() -> None:
    rig = Rig()
    rig.assign()
    rig.ownership.owned.clear()
    with pytest.raises(LeaseLostError):
        await rig.read()


async def test_what_was_read_while_the_shard_was_lost_is_not_returned() -> None:
    rig = Rig()
    rig.assign()
    async with anyio.create_task_group() as tasks:

        async def read() -> None:
            with pytest.raises(LeaseLostError):
                await rig.read()

        tasks.start_soon(read)
        await anyio.sleep(0.5)
        rig.assign(Checkpoint(position=7))  # lost and assigned again: another reader's business
    assert rig.readers[0].closed


async def test_commits_go_to_the_lease_table_and_to_the_reader() -> None:
    rig = Rig()
    reader = rig.assign()
    await rig.source.commit(SHARD, Checkpoint(position=9))
    assert rig.ownership.commits == [(SHARD, Checkpoint(position=9))]
    assert reader.committed_to == [9]


async def test_completed_shard_is_read_no_more() -> None:
    rig = Rig()
    reader = rig.assign()
    await rig.source.complete(SHARD)
    assert (rig.ownership.completed, reader.closed, await rig.source.backlog()) == ([SHARD], True, 0)


async def test_backlog_is_that_of_the_shards_we_own() -> None:
    rig = Rig()
    assert await rig.source.backlog() == 0
    rig.assign()
    assert await rig.source.backlog() == 3


async def test_readers_follow_what_the_owner_is_told() -> None:
    rig = Rig()
    told: list[str] = []

    class Owner:
        async def on_assigned(self, assignments: object) -> None:
            told.append(f"assigned, {len(rig.readers)} opened")

        async def on_revoked(self, partitions: object) -> None:
            told.append(f"revoked, closed: {rig.readers[-1].closed}")

        async def on_lost(self, partitions: object) -> None:
            told.append(f"lost, closed: {rig.readers[-1].closed}")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(rig.source.run, Owner())
        await lowlevel.checkpoint()
        assert rig.ownership.owner is not None
        rig.ownership.owned.add(SHARD)
        for turn in (rig.ownership.owner.on_revoked, rig.ownership.owner.on_lost):
            await rig.ownership.owner.on_assigned([Assignment(partition=SHARD)])
            await turn([SHARD])
            assert rig.readers[-1].closed
        await rig.ownership.owner.on_assigned([Assignment(partition=SHARD)])
        tasks.cancel_scope.cancel()
    assert told == [
        "assigned, 1 opened",
        "revoked, closed: False",
        "assigned, 2 opened",
        "lost, closed: True",
        "assigned, 3 opened",
    ]
    assert rig.readers[-1].closed, "giving up the membership closes the readers"
