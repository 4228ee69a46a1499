"""Where a consumer group begins to read a partition."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from eventflow.errors import LeaseLostError
from eventflow.model.mapping import StartingPosition
from eventflow_kafka.ahead import Ahead
from eventflow_kafka.checkpoints import START, decode, decode_ahead
from eventflow_kafka.cluster import Committed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from aiokafka import TopicPartition

    from eventflow.model.mapping import StreamMapping
    from eventflow.model.records import Checkpoint
    from eventflow_kafka.cluster import Cluster

_log = logging.getLogger(__name__)


class Start(NamedTuple):
    """The offset to read from, what was committed before it, and what is done ahead of it. ``fixed`` is false if the
    offset would be another one next time, unless it is committed now."""

    offset: int
    checkpoint: Checkpoint | None = None
    ahead: Ahead = Ahead()
    fixed: bool = True


class StartingPoints:
    """The starting points of one group in some topics.

    A group is new in a topic only if it has no offset in all of it. A partition that was added to the topic of a known
    group is read from its beginning, whatever the mapping says: what it holds came after the subscription.
    """

    def __init__(
        self, cluster: Cluster, group: str, topics: Sequence[str], mapping: StreamMapping, *, resource: str
    ) -> None:
        self._cluster = cluster
        self._group = group
        self._topics = topics
        self._mapping = mapping
        self._resource = resource

    async def check(self) -> None:
        """Raises ResourceNotFoundError if there is no such topic, UnavailableError, AccessDeniedError."""
        for topic in self._topics:
            await self._cluster.partitions(topic, resource=self._resource)

    async def subscribe(self) -> None:
        """Check that the topics exist; fix where a new group starts that wants nothing older than now."""
        fresh: list[TopicPartition] = []
        for topic in self._topics:
            partitions = await self._cluster.partitions(topic, resource=self._resource)
            if self._mapping.starting_position is not StartingPosition.LATEST:
                continue
            if not await self._cluster.committed(self._group, partitions, resource=self._resource):
                fresh += partitions
        if not fresh:
            return
        ends = await self._cluster.end(fresh, resource=self._resource)
        offsets = {partition: Committed(offset, START) for partition, offset in ends.items()}
        try:
            await self._cluster.commit(self._group, offsets, resource=self._resource)
        except LeaseLostError as exc:
            # Somebody has joined: members fix the start of what they are given.
            _log.debug("%s: %s", self._resource, exc)

    async def of(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Start]:
        """Where to begin in these. Raises ResourceNotFoundError if a topic is gone, UnavailableError."""
        starts: dict[TopicPartition, Start] = {}
        for topic in self._topics:
            starts |= await self._of_topic(topic, [each for each in partitions if each.topic == topic])
        return starts

    async def _of_topic(self, name: str, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Start]:
        topic = await self._cluster.partitions(name, resource=self._resource)
        if not partitions:
            return {}
        committed = await self._cluster.committed(self._group, topic, resource=self._resource)
        starts = {
            partition: Start(entry.offset, decode(*entry), decode_ahead(*entry))
            for partition, entry in committed.items()
            if partition in partitions
        }
        fresh = [partition for partition in partitions if partition not in starts]
        return {**starts, **await self._fresh(fresh, known=bool(committed))} if fresh else starts

    async def _fresh(self, partitions: Collection[TopicPartition], *, known: bool) -> dict[TopicPartition, Start]:
        position, fixed = self._mapping.starting_position, True
        if position is StartingPosition.AT_TIMESTAMP and self._mapping.starting_timestamp is not None:
            timestamp = self._mapping.starting_timestamp.timestamp()
            offsets = await self._cluster.at(partitions, timestamp=timestamp, resource=self._resource)
        elif position is StartingPosition.LATEST and not known:
            offsets, fixed = await self._cluster.end(partitions, resource=self._resource), False
        else:
            offsets = await self._cluster.beginning(partitions, resource=self._resource)
        return {partition: Start(offset, fixed=fixed) for partition, offset in offsets.items()}
