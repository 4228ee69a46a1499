"""A stream of shards as a StreamSource: leases say which shards are ours, a reader reads each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from eventflow.errors import LeaseLostError
from eventflow_aws.streams.shard_reader import Behind

if TYPE_CHECKING:
    from eventflow.model.records import Assignment, Checkpoint, PartitionId, Position, SourceIdentity, StreamRead
    from eventflow.ports import PartitionOwner
    from eventflow_aws.streams.shard_reader import Place
    from eventflow_aws.streams.shards import StartingPoint


class Reader(Protocol):
    """Reads one shard while it is ours. See ShardReader."""

    @property
    def backlog(self) -> int: ...

    async def read(self, *, max_records: int, wait_seconds: float) -> StreamRead: ...

    def committed(self, position: Position) -> None: ...

    def close(self) -> None: ...


class Ownership(Protocol):
    """Which shards are ours. See ShardOwnership."""

    async def run(self, owner: PartitionOwner) -> None: ...

    async def commit(self, shard: str, checkpoint: Checkpoint) -> None: ...

    async def complete(self, shard: str) -> None: ...

    def owns(self, shard: str) -> bool: ...

    def start_of(self, shard: str) -> StartingPoint: ...


OpenReader: TypeAlias = Callable[["PartitionId", "Place"], Reader]
"""Makes the reader of a shard, from a place on. Connects to nothing."""


class ShardSource:
    """A StreamSource over shards."""

    def __init__(
        self, resource: str, ownership: Ownership, open_reader: OpenReader, *, identity: SourceIdentity
    ) -> None:
        self.identity = identity
        self._resource = resource
        self._ownership = ownership
        self._open_reader = open_reader
        self._readers: dict[PartitionId, Reader] = {}

    async def run(self, owner: PartitionOwner) -> None:
        try:
            await self._ownership.run(_Watched(self, owner))
        finally:
            self.dismiss(list(self._readers))

    async def read(self, partition: PartitionId, *, max_records: int, wait_seconds: float) -> StreamRead:
        reader = self._reader(partition)
        read = await reader.read(max_records=max_records, wait_seconds=wait_seconds)
        if self._reader(partition) is not reader:
            raise self._lost(partition)
        return read

    async def commit(self, partition: PartitionId, checkpoint: Checkpoint) -> None:
        await self._ownership.commit(partition, checkpoint)
        if reader := self._readers.get(partition):
            reader.committed(checkpoint.position)

    async def complete(self, partition: PartitionId) -> None:
        await self._ownership.complete(partition)
        self.dismiss([partition])

    async def backlog(self) -> int:
        """Of the shards that this process owns: records that were read and are not committed, and one for each shard
        that the service says has more. How many those are, no service tells."""
        return sum(reader.backlog for reader in self._readers.values())

    async def aclose(self) -> None:
        self.dismiss(list(self._readers))

    def employ(self, assignments: Sequence[Assignment]) -> None:
        """These shards are ours to read."""
        for assignment in assignments:
            shard, checkpoint = assignment.partition, assignment.checkpoint
            self.dismiss([shard])
            place = self._ownership.start_of(shard) if checkpoint is None else Behind(checkpoint.position)
            self._readers[shard] = self._open_reader(shard, place)

    def dismiss(self, partitions: Collection[PartitionId]) -> None:
        """These are not, or not any more."""
        for partition in partitions:
            if reader := self._readers.pop(partition, None):
                reader.close()

    def _reader(self, partition: PartitionId) -> Reader:
        reader = self._readers.get(partition)
        if reader is None or not self._ownership.owns(partition):
            raise self._lost(partition)
        return reader

    def _lost(self, partition: PartitionId) -> LeaseLostError:
        return LeaseLostError(self._resource, f"{partition} is not held by this reader any more")


class _Watched:
    """Opens and closes readers before the owner hears of its shards."""

    def __init__(self, source: ShardSource, owner: PartitionOwner) -> None:
        self._source = source
        self._owner = owner

    async def on_assigned(self, assignments: Sequence[Assignment]) -> None:
        self._source.employ(assignments)
        await self._owner.on_assigned(assignments)

    async def on_revoked(self, partitions: Sequence[PartitionId]) -> None:
        await self._owner.on_revoked(partitions)
        self._source.dismiss(partitions)

    async def on_lost(self, partitions: Sequence[PartitionId]) -> None:
        self._source.dismiss(partitions)
        await self._owner.on_lost(partitions)
