"""Reading a Kinesis stream with enhanced fan-out: the service pushes the records of a shard to a registered consumer,
which has 2 MB a second of its own. Source: Kinesis API: SubscribeToShard.
"""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from aiohttp import ClientError as ConnectionLostError

from eventflow.errors import AdapterError, UnavailableError
from eventflow_aws.streams.kinesis_shards import kinesis_records
from eventflow_aws.streams.read_faults import reading
from eventflow_aws.streams.read_limits import Pacer, ReadLimits
from eventflow_aws.streams.shard_reader import Behind, IteratorExpiredError, Page, ShardReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from types_aiobotocore_kinesis import KinesisClient
    from types_aiobotocore_kinesis.type_defs import SubscribeToShardEventTypeDef

    from eventflow.model.records import PartitionId, Position, StreamRead
    from eventflow_aws.background import Background
    from eventflow_aws.environment import Environment
    from eventflow_aws.streams.shard_reader import Place

SUBSCRIBE: Final = "kinesis:SubscribeToShard"
LIMITS: Final = ReadLimits(interval_seconds=0, bytes_per_second=math.inf, idle_seconds=0)
"""The service sets the pace."""
LOOK_SECONDS: Final = 1.0
"""How long one look waits for the service to push something. It does every five seconds, if only an empty event."""


class FanOutReader:
    """A Reader of one shard for one registered consumer."""

    def __init__(
        self,
        env: Environment,
        client: KinesisClient,
        resource: str,
        consumer_arn: str,
        shard: PartitionId,
        place: Place,
    ) -> None:
        self._subscription = ShardSubscription(client, env.background, resource, consumer_arn)
        self._reader = ShardReader(resource, shard, self._subscription, Pacer(LIMITS), place=place, clock=env.clock)

    @property
    def backlog(self) -> int:
        return self._reader.backlog

    async def read(self, *, max_records: int, wait_seconds: float) -> StreamRead:
        return await self._reader.read(max_records=max_records, wait_seconds=wait_seconds)

    def committed(self, position: Position) -> None:
        self._reader.committed(position)

    def close(self) -> None:
        self._reader.close()
        self._subscription.close()


class ShardSubscription:
    """A ShardClient whose pages are pushed. Its iterator is the subscription, which the service ends after five
    minutes: then it has expired, and another one goes on. At most one page arrives ahead of being asked for."""

    def __init__(self, client: KinesisClient, background: Background, resource: str, consumer_arn: str) -> None:
        self._client = client
        self._background = background
        self._resource = resource
        self._consumer_arn = consumer_arn
        self._place: Place | None = None
        self._stream: Any = None
        self._events: AsyncIterator[Any] | None = None
        self._next: asyncio.Task[Page] | None = None
        self._behind_seconds: float | None = None
        self._pushed = False

    async def iterator(self, shard: PartitionId, place: Place) -> str:
        """Subscribes with the first page: then nobody who stops waiting can break it off half-way."""
        self.close()
        self._place = place
        return shard

    async def page(self, shard: PartitionId, iterator: str, limit: int) -> Page:
        if self._next is None:
            self._next = self._background.start(self._receive(shard))
        arriving = self._next
        await asyncio.wait([arriving], timeout=LOOK_SECONDS)  # cancelled, it leaves the page for the next call
        if self._next is not arriving or not arriving.done():
            return Page((), iterator, self._behind_seconds, 0)
        self._next = None
        return arriving.result()

    def close(self) -> None:
        """Receive nothing more."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._unsubscribe()

    async def _receive(self, shard: PartitionId) -> Page:
        """The next page, from a new subscription if there is none yet."""
        if self._place is not None:
            await self._subscribe(shard, self._place)
            self._place = None
        try:
            with reading(self._resource, SUBSCRIBE):
                event = None if self._events is None else await anext(self._events, None)
        except ConnectionLostError as exc:
            self._unsubscribe()
            raise UnavailableError(self._resource, f"{SUBSCRIBE}: the connection broke: {exc}") from exc
        except AdapterError:
            self._unsubscribe()
            raise
        if event is None:
            raise self._over()
        self._pushed = True
        return self._page(shard, event["SubscribeToShardEvent"])

    def _over(self) -> UnavailableError:
        """What the end of a subscription means: another one goes on, unless this one never brought anything."""
        early = self._events is not None and not self._pushed
        self._unsubscribe()
        if early:
            return UnavailableError(self._resource, f"{SUBSCRIBE}: the subscription ended at once")
        return IteratorExpiredError(self._resource, f"{SUBSCRIBE}: the subscription is over")

    async def _subscribe(self, shard: PartitionId, place: Place) -> None:
        with reading(self._resource, SUBSCRIBE, place=place):
            answer = await self._client.subscribe_to_shard(
                ConsumerARN=self._consumer_arn, ShardId=shard, StartingPosition=_starting_position(place)
            )
        self._stream = answer["EventStream"]
        self._events = aiter(self._stream)
        self._pushed = False

    def _unsubscribe(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = self._events = None

    def _page(self, shard: PartitionId, event: SubscribeToShardEventTypeDef) -> Page:
        self._behind_seconds = event["MillisBehindLatest"] / 1_000
        ended = bool(event.get("ChildShards"))
        return Page(kinesis_records(shard, event["Records"]), None if ended else shard, self._behind_seconds, 0)


def _starting_position(place: Place) -> Any:
    if isinstance(place, Behind):
        return {"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": str(place.position)}
    if place.timestamp is None:
        return {"Type": "TRIM_HORIZON"}
    return {"Type": "AT_TIMESTAMP", "Timestamp": datetime.fromtimestamp(place.timestamp, tz=UTC)}
