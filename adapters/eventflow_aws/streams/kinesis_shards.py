"""The shards of a Kinesis data stream and their records.

Source: Kinesis API: ListShards, GetShardIterator, GetRecords.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from eventflow.model.records import StreamRecord
from eventflow_aws.faults import translated
from eventflow_aws.streams.read_faults import reading
from eventflow_aws.streams.shard_reader import Behind, Page
from eventflow_aws.streams.shards import Shard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from types_aiobotocore_kinesis import KinesisClient
    from types_aiobotocore_kinesis.type_defs import ShardTypeDef

    from eventflow.model.records import PartitionId
    from eventflow_aws.streams.shard_reader import Place

TIMESTAMP_SECONDS: Final = 0.001
"""What times of arrival are rounded to."""
NO_ATTRIBUTES: Final[Mapping[str, Any]] = {}


class KinesisShards:
    """The ShardLister of one stream."""

    def __init__(self, client: KinesisClient, resource: str, arn: str) -> None:
        self._client = client
        self._resource = resource
        self._arn = arn

    async def list_shards(self) -> Sequence[Shard]:
        shards: list[Shard] = []
        following: Any = {"StreamARN": self._arn}
        while following:
            with translated(self._resource, "kinesis:ListShards"):
                answer = await self._client.list_shards(**following)
            shards += map(_shard, answer["Shards"])
            following = {"NextToken": answer["NextToken"]} if answer.get("NextToken") else None
        return shards


class KinesisRecords:
    """The ShardClient of one stream."""

    def __init__(self, client: KinesisClient, resource: str, arn: str) -> None:
        self._client = client
        self._resource = resource
        self._arn = arn

    async def iterator(self, shard: PartitionId, place: Place) -> str:
        with reading(self._resource, "kinesis:GetShardIterator", place=place):
            answer = await self._client.get_shard_iterator(StreamARN=self._arn, ShardId=shard, **_place(place))
        return answer["ShardIterator"]

    async def page(self, shard: PartitionId, iterator: str, limit: int) -> Page:
        with reading(self._resource, "kinesis:GetRecords"):
            answer = await self._client.get_records(StreamARN=self._arn, ShardIterator=iterator, Limit=limit)
        records = kinesis_records(shard, answer["Records"])
        behind = answer.get("MillisBehindLatest")
        return Page(
            records,
            answer.get("NextShardIterator") or None,
            None if behind is None else behind / 1_000,
            sum(len(record.data or b"") for record in records),
        )


def kinesis_records(shard: PartitionId, records: Any) -> tuple[StreamRecord, ...]:
    """The records of an answer as sources hand them over. Times are numbers: see TIMES_AS_NUMBERS."""
    return tuple(
        [
            StreamRecord(
                shard,
                int(record["SequenceNumber"]),
                record["PartitionKey"],
                record["Data"],
                record["ApproximateArrivalTimestamp"],
                NO_ATTRIBUTES,
            )
            for record in records
        ]
    )


def _place(place: Place) -> Any:
    if isinstance(place, Behind):
        return {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": str(place.position)}
    if place.timestamp is None:
        return {"ShardIteratorType": "TRIM_HORIZON"}
    return {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": datetime.fromtimestamp(place.timestamp, tz=UTC)}


def _shard(shard: ShardTypeDef) -> Shard:
    parents = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
    closed = bool(shard["SequenceNumberRange"].get("EndingSequenceNumber"))
    return Shard(shard["ShardId"], tuple(parent for parent in parents if parent), closed)
