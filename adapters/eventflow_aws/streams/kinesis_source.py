"""Reading a Kinesis data stream, by looking at it or with enhanced fan-out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventflow.model.records import SourceIdentity
from eventflow_aws.faults import translated
from eventflow_aws.names import Arn
from eventflow_aws.streams import read_limits
from eventflow_aws.streams.kinesis_shards import TIMESTAMP_SECONDS, KinesisRecords, KinesisShards
from eventflow_aws.streams.shard_ownership import ShardOwnership
from eventflow_aws.streams.shard_reader import ShardReader, rounded_down
from eventflow_aws.streams.shard_source import ShardSource

if TYPE_CHECKING:
    from types_aiobotocore_kinesis import KinesisClient

    from eventflow.model.records import PartitionId
    from eventflow.model.subscriptions import StreamSubscription
    from eventflow_aws.environment import Environment
    from eventflow_aws.streams.shard_reader import Place
    from eventflow_aws.streams.shard_source import OpenReader


async def open_stream_source(env: Environment, subscription: StreamSubscription) -> ShardSource:
    """Raises ResourceNotFoundError if there is no such stream, AccessDeniedError, UnavailableError, AdapterError."""
    resource = f"kinesis:{subscription.name}"
    client = await env.clients.kinesis()
    arn = await stream_arn(env, client, resource)
    consumer_arn = env.options.enhanced_fan_out.get(subscription.name)
    ownership = ShardOwnership(
        await env.lease_table.ensure(),
        KinesisShards(client, resource, arn),
        mapping=f"kinesis:{env.names.plain(resource)}/{subscription.subscriber}",
        starting=subscription.mapping,
        lease_seconds=env.options.lease_seconds,
        clock=env.clock,
    )
    await ownership.subscribe()
    if consumer_arn is None:
        open_reader = _polling(env, client, resource, arn)
    else:
        open_reader = _fanned_out(env, client, resource, consumer_arn)
    identity = SourceIdentity(arn=consumer_arn or arn, region=env.clients.region, extras={})
    return ShardSource(resource, ownership, open_reader, identity=identity)


async def stream_arn(env: Environment, client: KinesisClient, resource: str) -> str:
    """The ARN of a stream that exists."""
    env.names.plain(resource)  # is it of this service?
    physical = env.names.physical(resource)
    which: Any = {"StreamName": physical} if Arn.parse(physical) is None else {"StreamARN": physical}
    with translated(resource, "kinesis:DescribeStreamSummary"):
        answer = await client.describe_stream_summary(**which)
    return answer["StreamDescriptionSummary"]["StreamARN"]


def _polling(env: Environment, client: KinesisClient, resource: str, arn: str) -> OpenReader:
    records = KinesisRecords(client, resource, arn)

    def open_reader(shard: PartitionId, place: Place) -> ShardReader:
        pacer = env.pacers.of(arn, shard, read_limits.KINESIS)
        place = rounded_down(place, TIMESTAMP_SECONDS)
        return ShardReader(resource, shard, records, pacer, place=place, clock=env.clock)

    return open_reader


def _fanned_out(env: Environment, client: KinesisClient, resource: str, consumer_arn: str) -> OpenReader:
    from eventflow_aws.streams.kinesis_fan_out import FanOutReader

    def open_reader(shard: PartitionId, place: Place) -> FanOutReader:
        place = rounded_down(place, TIMESTAMP_SECONDS)
        return FanOutReader(env, client, resource, consumer_arn, shard, place)

    return open_reader
