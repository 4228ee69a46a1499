"""Reading the stream of a DynamoDB table.

Source: DynamoDB API: DescribeTable; DynamoDB Streams API: DescribeStream, GetShardIterator, GetRecords.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventflow.errors import AdapterError, ResourceNotFoundError
from eventflow.model.records import SourceIdentity
from eventflow_aws.faults import translated
from eventflow_aws.streams import read_limits
from eventflow_aws.streams.dynamodb_shards import TIMESTAMP_SECONDS, TableRecords, TableShards
from eventflow_aws.streams.shard_ownership import ShardOwnership
from eventflow_aws.streams.shard_reader import ShardReader, rounded_down
from eventflow_aws.streams.shard_source import ShardSource

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb.type_defs import TableDescriptionTypeDef
    from types_aiobotocore_dynamodbstreams import DynamoDBStreamsClient

    from eventflow.model.mapping import StreamViewType
    from eventflow.model.records import PartitionId
    from eventflow.model.subscriptions import StreamSubscription
    from eventflow_aws.environment import Environment
    from eventflow_aws.streams.shard_reader import Place
    from eventflow_aws.streams.shard_source import OpenReader


async def open_table_source(env: Environment, subscription: StreamSubscription) -> ShardSource:
    """Raises ResourceNotFoundError if there is no such table or it has no stream, AdapterError if the stream's records
    hold something else than what the function asks for, AccessDeniedError, UnavailableError."""
    resource = f"dynamodb:{subscription.name}"
    arn, view_type = await table_stream(env, resource, subscription.view_type)
    client = await env.clients.dynamodbstreams()
    ownership = ShardOwnership(
        await env.lease_table.ensure(),
        TableShards(client, resource, arn),
        mapping=f"dynamodb:{env.names.plain(resource)}/{subscription.subscriber}",
        starting=subscription.mapping,
        lease_seconds=env.options.lease_seconds,
        clock=env.clock,
    )
    await ownership.subscribe()
    identity = SourceIdentity(arn=arn, region=env.clients.region, extras={"streamViewType": view_type})
    return ShardSource(resource, ownership, _polling(env, client, resource, arn), identity=identity)


def _polling(env: Environment, client: DynamoDBStreamsClient, resource: str, arn: str) -> OpenReader:
    records = TableRecords(client, resource, arn)

    def open_reader(shard: PartitionId, place: Place) -> ShardReader:
        pacer = env.pacers.of(arn, shard, read_limits.DYNAMODB)
        place = rounded_down(place, TIMESTAMP_SECONDS)
        return ShardReader(resource, shard, records, pacer, place=place, clock=env.clock)

    return open_reader


async def table_stream(env: Environment, resource: str, wanted: StreamViewType | None) -> tuple[str, str]:
    """The ARN and the view type of a table's stream. Raises ResourceNotFoundError, and AdapterError if it is another
    view than the one wanted."""
    env.names.plain(resource)  # is it of this service?
    dynamodb = await env.clients.dynamodb()
    with translated(resource, "dynamodb:DescribeTable"):
        table = (await dynamodb.describe_table(TableName=env.names.physical(resource)))["Table"]
    return _stream_of(table, resource, wanted)


def _stream_of(table: TableDescriptionTypeDef, resource: str, wanted: StreamViewType | None) -> tuple[str, str]:
    stream = table.get("StreamSpecification")
    arn = table.get("LatestStreamArn")
    if arn is None or stream is None or not stream["StreamEnabled"]:
        command = (
            f"aws dynamodb update-table --table-name {table['TableName']} --stream-specification"
            f" StreamEnabled=true,StreamViewType={wanted or 'NEW_AND_OLD_IMAGES'}"
        )
        raise ResourceNotFoundError(resource, f"the table has no stream; run `eventflow provision`, or `{command}`")
    view_type = str(stream["StreamViewType"])
    if wanted is not None and view_type != wanted:
        message = (
            f"the table's stream has {view_type}, and the function asks for {wanted}; declare"
            f" view_type={view_type!r}, or disable the stream and enable one with {wanted}"
        )
        raise AdapterError(resource, message)
    return arn, view_type
