"""The stream source of topics: one process's part in a consumer group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventflow.errors import ConfigurationError, LeaseLostError, Problem
from eventflow.model.kafka import topics_of
from eventflow.model.records import SourceIdentity
from eventflow_kafka.decoding import SchemaReader
from eventflow_kafka.member import Member
from eventflow_kafka.starts import StartingPoints

if TYPE_CHECKING:
    from eventflow.model.records import Checkpoint, PartitionId, StreamRead
    from eventflow.model.subscriptions import StreamSubscription
    from eventflow.ports import PartitionOwner
    from eventflow_kafka.environment import Environment
    from eventflow_kafka.registry import SchemaRegistry


async def open_topic_source(env: Environment, subscription: StreamSubscription) -> KafkaSource:
    """Raises ResourceNotFoundError if a topic does not exist, UnavailableError, AccessDeniedError;
    ConfigurationError if it needs a schema registry and there is none."""
    source = KafkaSource(env, subscription)
    await source.subscribe()
    return source


class KafkaSource:
    """A StreamSource over a consumer group: the mapping's, or one of subscriber and topics, ``fulfil-orders``.

    Subscriptions do not share a group unless they are told to: members of a group rebalance together.
    """

    def __init__(self, env: Environment, subscription: StreamSubscription) -> None:
        self.identity = SourceIdentity(
            arn=env.options.cluster_arn or "",
            region=env.region,
            extras={"bootstrapServers": ",".join(env.options.bootstrap_servers)},
        )
        self._env = env
        self._resource = f"{subscription.service}:{subscription.name}"
        self._topics = [env.topic(name) for name in topics_of(subscription.name)]
        self._group = subscription.mapping.consumer_group or f"{subscription.subscriber}-{subscription.name}"
        self._starts = StartingPoints(
            env.cluster, self._group, self._topics, subscription.mapping, resource=self._resource
        )
        self._member: Member | None = None
        self._schemas: SchemaReader | None = None
        if (validation := subscription.mapping.schema_validation) is not None:
            self._schemas = SchemaReader(_registry(env, self._resource), validation)

    async def subscribe(self) -> None:
        """Check that the topics exist, and fix where a new group starts."""
        await self._starts.subscribe()

    async def run(self, owner: PartitionOwner) -> None:
        member = self._member = Member(
            self._env.clients,
            self._env.options,
            group=self._group,
            topics=self._topics,
            resource=self._resource,
            starts=self._starts,
            clock=self._env.clock,
        )
        try:
            await member.run(owner)
        finally:
            self._member = None

    async def read(self, partition: PartitionId, *, max_records: int, wait_seconds: float) -> StreamRead:
        buffer = self._joined(partition).buffer(partition)
        if self._schemas is not None:
            return await self._schemas.read(buffer, max_records=max_records, wait_seconds=wait_seconds)
        return await buffer.read(max_records=max_records, wait_seconds=wait_seconds)

    async def commit(self, partition: PartitionId, checkpoint: Checkpoint) -> None:
        await self._joined(partition).commit(partition, checkpoint)

    async def complete(self, partition: PartitionId) -> None:
        """Never called: Kafka's partitions do not end."""

    async def backlog(self) -> int:
        cluster, resource = self._env.cluster, self._resource
        starts = await self._starts.of(
            [partition for topic in self._topics for partition in await cluster.partitions(topic, resource=resource)]
        )
        ends = await cluster.end(starts, resource=resource)
        return sum(max(0, end - starts[partition].offset) for partition, end in ends.items())

    async def aclose(self) -> None:
        """Nothing is held outside of ``run``."""

    def _joined(self, partition: PartitionId) -> Member:
        if self._member is None:
            raise LeaseLostError(self._resource, f"{partition} is not held: this reader takes part in no group")
        return self._member


def _registry(env: Environment, resource: str) -> SchemaRegistry:
    if env.registry is None:
        where = f"[environments.{env.settings.environment}] adapter kafka"
        message = f"is missing: a function reads {resource} with schema_validation_configs"
        hint = 'for example "https://registry.example.com"'
        raise ConfigurationError([Problem(where=where, field="schema_registry_uri", message=message, hint=hint)])
    return env.registry
