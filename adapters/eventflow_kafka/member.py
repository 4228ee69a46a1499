"""One membership in a consumer group, from joining to leaving.

aiokafka rebalances eagerly: whenever members come or go, everybody gives up everything, and gets a share anew.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

import anyio
from aiokafka.errors import OffsetOutOfRangeError

from eventflow.errors import LeaseLostError
from eventflow.model.records import Assignment
from eventflow_kafka.ahead import Ahead
from eventflow_kafka.buffers import PartitionBuffer
from eventflow_kafka.checkpoints import START, encode
from eventflow_kafka.decoded_records import Decoder
from eventflow_kafka.faults import TextTooLargeError, translated
from eventflow_kafka.group_changes import Assigned, GroupChanges, Revoked
from eventflow_kafka.records import partition_id
from eventflow_kafka.silence import Silence

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from aiokafka import AIOKafkaConsumer, TopicPartition

    from eventflow.model.records import Checkpoint, PartitionId
    from eventflow.ports import Clock, PartitionOwner
    from eventflow_kafka.clients import Clients
    from eventflow_kafka.options import KafkaOptions
    from eventflow_kafka.starts import StartingPoints

_log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
"""How often a member looks whether its brokers still answer."""
CONNECT_SECONDS: Final = 30.0
LEAVE_SECONDS: Final = 5.0
COMMIT_SECONDS: Final = 10.0
MARGIN_SECONDS: Final = 2.0
"""Kept of the rebalance timeout for joining again after the last partition was given up."""
BUFFERED_RECORDS: Final = 20_000
BUFFERED_BYTES: Final = 16 * 1024 * 1024
"""What all buffers of a member hold together, beside one fetch; they are equal."""
LEAST_BUFFERED_RECORDS: Final = 500
LEAST_BUFFERED_BYTES: Final = 256 * 1024


class Member:
    """Reads the partitions of ``topics`` that fall to this process in ``group``."""

    def __init__(
        self,
        clients: Clients,
        options: KafkaOptions,
        *,
        group: str,
        topics: Sequence[str],
        resource: str,
        starts: StartingPoints,
        clock: Clock,
    ) -> None:
        self._clients = clients
        self._options = options
        self._group = group
        self._topics = topics
        self._resource = resource
        self._starts = starts
        self._clock = clock
        self._consumer: AIOKafkaConsumer = clients.member(group)
        self._decoder = Decoder()
        self._buffers: dict[PartitionId, PartitionBuffer] = {}
        self._fetching = anyio.CancelScope()
        self._changes = GroupChanges(is_lost=self._is_thrown_out, interrupt=self._interrupt)
        self._silence = Silence(self._consumer, resource, options)

    async def run(self, owner: PartitionOwner) -> None:
        """See StreamSource."""
        try:
            await self._starts.check()  # to subscribe to a topic may make it
            with translated(self._resource, f"joining group {self._group}"):
                async with asyncio.timeout(CONNECT_SECONDS):
                    await self._consumer.start()
            self._decoder.attach(self._consumer)
            self._consumer.subscribe(self._topics, listener=self._changes)
            while True:
                match self._changes.next():
                    case Assigned(partitions):
                        await self._accept(partitions, owner)
                    case Revoked() as revoked:
                        await self._give_up(revoked, owner)
                    case None:
                        self._keep(await self._fetch())
                        self._silence.look(self._buffers.values())
        finally:
            self._forget()
            await self._leave()

    def buffer(self, partition: PartitionId) -> PartitionBuffer:
        """Raises LeaseLostError if the partition is not ours."""
        buffer = self._buffers.get(partition)
        if buffer is None:
            raise LeaseLostError(self._resource, f"{partition} is not held by this reader any more")
        return buffer

    async def commit(self, partition: PartitionId, checkpoint: Checkpoint) -> None:
        """See StreamSource."""
        buffer = self.buffer(partition)
        offset, text = encode(checkpoint, buffer.ahead)
        try:
            await self._commit({buffer.partition: (offset, text)})
        except TextTooLargeError:
            if checkpoint.state is not None:
                raise
            await self._commit({buffer.partition: (offset, "")})  # what is done ahead of it will be repeated

    # Fetching

    async def _fetch(self) -> Mapping[TopicPartition, Sequence[Any]]:
        """What has come of all partitions; nothing after a while, or when the group has decided something.

        What getmany takes out of its own buffers it returns in the same turn of the loop: no interruption loses it.
        """
        fetched: Mapping[TopicPartition, Sequence[Any]] = {}
        with anyio.move_on_after(2 * LOOK_SECONDS) as self._fetching, translated(self._resource, "fetching"):
            try:
                fetched = await self._consumer.getmany(timeout_ms=round(LOOK_SECONDS * 1000))
            except OffsetOutOfRangeError as exc:
                await self._reset(exc.args[0])
        return fetched

    def _interrupt(self) -> None:
        self._fetching.cancel()

    def _keep(self, fetched: Mapping[TopicPartition, Sequence[Any]]) -> None:
        for partition, records in fetched.items():
            buffer = self._buffers.get(partition_id(partition))
            if buffer is not None:  # what is not accepted yet will be fetched again from where it starts
                parts = self._decoder.records(partition, records)
                buffer.push(parts, end=self._consumer.highwater(partition) or 0)

    async def _reset(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Go to the oldest record there is: those before it were deleted before they were read."""
        for partition, offset in offsets.items():
            _log.warning(
                "%s: offset %d of %s is not there any more: retention has deleted records before they were read;"
                " reading goes on with the oldest that is left",
                self._resource,
                offset,
                partition_id(partition),
            )
            if (buffer := self._buffers.get(partition_id(partition))) is not None:
                buffer.ahead = Ahead()  # of a topic that was made anew, these would be other records
        await self._consumer.seek_to_beginning(*offsets)

    # Changes of the group

    async def _accept(self, partitions: Collection[TopicPartition], owner: PartitionOwner) -> None:
        self._silence.joined()
        starts = await self._starts.of(partitions)  # of none, too: it tells whether a topic is gone
        await self._fix({partition: (start.offset, START) for partition, start in starts.items() if not start.fixed})
        share = max(1, len(starts))
        for partition, start in starts.items():
            self._consumer.seek(partition, start.offset)
            buffer = PartitionBuffer(
                partition,
                ahead=start.ahead,
                resource=self._resource,
                clock=self._clock,
                maximum_records=max(LEAST_BUFFERED_RECORDS, BUFFERED_RECORDS // share),
                maximum_bytes=max(LEAST_BUFFERED_BYTES, BUFFERED_BYTES // share),
                pause=self._consumer.pause,
                resume=self._consumer.resume,
            )
            self._buffers[buffer.id] = buffer
        await owner.on_assigned(
            [
                Assignment(partition=partition_id(partition), checkpoint=start.checkpoint, origin=start.offset - 1)
                for partition, start in sorted(starts.items())
            ]
        )

    async def _fix(self, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        """Commit where reading begins, so that it is the same after a restart before the first commit."""
        if offsets:
            await self._commit(offsets)

    async def _give_up(self, revoked: Revoked, owner: PartitionOwner) -> None:
        """Let the owner finish and commit, as long as the group waits for it."""
        held = sorted(self._buffers)
        try:
            if held and revoked.lost:
                self._forget()
                await owner.on_lost(held)
            elif held:
                budget = self._options.rebalance_timeout_seconds - self._clients.heartbeat_seconds - MARGIN_SECONDS
                with anyio.move_on_after(budget) as scope:
                    await owner.on_revoked(held)
                self._forget()
                if scope.cancelled_caught:
                    await owner.on_lost(held)
        finally:
            self._silence.left()
            if not revoked.done.done():
                revoked.done.set_result(None)

    async def _commit(self, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        with translated(self._resource, f"committing for group {self._group}"):
            async with asyncio.timeout(COMMIT_SECONDS):
                await self._consumer.commit(dict(offsets))

    def _is_thrown_out(self) -> bool:
        # aiokafka tells its listener the same whether the group wants partitions back or has given them to others
        # already; in the second case it has forgotten its generation.
        return bool(self._consumer._coordinator.generation < 0)

    def _forget(self) -> None:
        for buffer in self._buffers.values():
            buffer.lose()
        self._buffers.clear()

    async def _leave(self) -> None:
        stopping = self._clients.retire(self._consumer)
        with anyio.move_on_after(LEAVE_SECONDS, shield=True):
            await anyio.lowlevel.checkpoint()  # stop() says first that it wants no more rebalances
            self._changes.close()
            await asyncio.wait([stopping])
