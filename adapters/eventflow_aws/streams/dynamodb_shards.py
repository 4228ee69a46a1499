"""The shards of a table's stream and their records.

Source: DynamoDB Streams API: DescribeStream, GetShardIterator, GetRecords.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventflow_aws.faults import translated
from eventflow_aws.streams.read_faults import reading
from eventflow_aws.streams.shard_reader import Behind, Page
from eventflow_aws.streams.shards import Shard
from eventflow_aws.streams.table_changes import change_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from types_aiobotocore_dynamodbstreams import DynamoDBStreamsClient
    from types_aiobotocore_dynamodbstreams.type_defs import ShardTypeDef

    from eventflow.model.records import PartitionId
    from eventflow_aws.streams.shard_reader import Place

MOST_RECORDS: Final = 1_000
"""The most that one GetRecords may ask for."""
TIMESTAMP_SECONDS: Final = 1
"""What times of changes are rounded to."""
SEQUENCE_NUMBER_CHARACTERS: Final = 21
"""Sequence numbers have at least so many, with zeros in front if need be."""


class TableShards:
    """The ShardLister of one stream."""

    def __init__(self, client: DynamoDBStreamsClient, resource: str, arn: str) -> None:
        self._client = client
        self._resource = resource
        self._arn = arn

    async def list_shards(self) -> Sequence[Shard]:
        shards: list[Shard] = []
        following: Any = {}
        while following is not None:
            with translated(self._resource, "dynamodb:DescribeStream"):
                answer = await self._client.describe_stream(StreamArn=self._arn, **following)
            description = answer["StreamDescription"]
            shards += map(_shard, description["Shards"])
            last = description.get("LastEvaluatedShardId")
            following = {"ExclusiveStartShardId": last} if last else None
        return shards


class TableRecords:
    """The ShardClient of one stream."""

    def __init__(self, client: DynamoDBStreamsClient, resource: str, arn: str) -> None:
        self._client = client
        self._resource = resource
        self._arn = arn

    async def iterator(self, shard: PartitionId, place: Place) -> str:
        with reading(self._resource, "dynamodb:GetShardIterator"):
            answer = await self._client.get_shard_iterator(StreamArn=self._arn, ShardId=shard, **_place(place))
        return answer["ShardIterator"]

    async def page(self, shard: PartitionId, iterator: str, limit: int) -> Page:
        with reading(self._resource, "dynamodb:GetRecords"):
            answer = await self._client.get_records(ShardIterator=iterator, Limit=min(limit, MOST_RECORDS))
        records = tuple([change_of(shard, record) for record in answer["Records"]])
        return Page(records, answer.get("NextShardIterator") or None, None, 0)


def _place(place: Place) -> Any:
    if isinstance(place, Behind):
        number = str(place.position).zfill(SEQUENCE_NUMBER_CHARACTERS)
        return {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": number}
    return {"ShardIteratorType": "TRIM_HORIZON"}  # it knows no moments


def _shard(shard: ShardTypeDef) -> Shard:
    parent = shard.get("ParentShardId")
    closed = bool(shard.get("SequenceNumberRange", {}).get("EndingSequenceNumber"))
    return Shard(shard["ShardId"], (parent,) if parent else (), closed)
