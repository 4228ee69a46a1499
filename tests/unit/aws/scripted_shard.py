"""A shard that answers as a test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from eventflow.model.records import StreamRecord
from eventflow.testing.virtual_time import VirtualClock
from eventflow_aws.streams.read_limits import Pacer, ReadLimits
from eventflow_aws.streams.shard_reader import Page, Place, ShardReader
from eventflow_aws.streams.shards import BEGINNING

LIMITS = ReadLimits(interval_seconds=0.25, bytes_per_second=2_000_000, idle_seconds=1.0)
RESOURCE = "kinesis:orders"
SHARD = "shardId-000000000000"


def record(position: int, *, timestamp: float = 0.0) -> StreamRecord:
    return StreamRecord(SHARD, position, "key", b"%d" % position, timestamp, {})


def page(
    positions: Iterable[int] = (),
    *,
    behind_seconds: float | None = 0.0,
    last: bool = False,
    size_bytes: int = 0,
    timestamp: float = 0.0,
) -> Page:
    records = tuple(record(position, timestamp=timestamp) for position in positions)
    return Page(records, None if last else "next", behind_seconds, size_bytes)


class ScriptedShard:
    """A ShardClient. Answers come in order, each once; then every page is empty and at the tip.

    ``places`` are those that iterators were asked for, ``read_at`` the times of reads, ``limits`` how much they wanted.
    """

    def __init__(self, *answers: Page | Exception) -> None:
        self.answers = list(answers)
        self.iterator_faults: list[Exception] = []
        self.places: list[Place] = []
        self.read_at: list[float] = []
        self.limits: list[int] = []
        self.takes_seconds = 0.0

    async def iterator(self, shard: str, place: Place) -> str:
        assert shard == SHARD
        self.places.append(place)
        if self.iterator_faults:
            raise self.iterator_faults.pop(0)
        return f"iterator-{len(self.places)}"

    async def page(self, shard: str, iterator: str, limit: int) -> Page:
        assert iterator
        self.read_at.append(asyncio.get_running_loop().time())
        self.limits.append(limit)
        if self.takes_seconds:
            await asyncio.sleep(self.takes_seconds)
        answer = self.answers.pop(0) if self.answers else page()
        if isinstance(answer, Exception):
            raise answer
        return answer


def reader_of(shard: ScriptedShard, *, place: Place = BEGINNING, pacer: Pacer | None = None) -> ShardReader:
    pacer = pacer or Pacer(LIMITS, jitter=lambda: 0.0)
    return ShardReader(RESOURCE, SHARD, shard, pacer, place=place, clock=VirtualClock())
