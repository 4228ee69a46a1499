"""How often a shard may be read: its limits are shared by all who read it, so all of one process go through one pacer.

Source: Kinesis guide: quotas (five reads and 2 MB a second of a shard); Lambda guide: with-kinesis, with-ddb.
"""

from __future__ import annotations

import asyncio
import math
import random
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakValueDictionary

import anyio

from eventflow.policy.retry import reconnect_backoff

if TYPE_CHECKING:
    from collections.abc import Callable


class ReadLimits(NamedTuple):
    """What one shard allows. ``idle_seconds`` is the longest pause between two looks at a shard with nothing new."""

    interval_seconds: float
    bytes_per_second: float
    idle_seconds: float


KINESIS: Final = ReadLimits(interval_seconds=0.25, bytes_per_second=2_000_000, idle_seconds=1.0)
"""Four of the five reads a second: other consumers live, too. Idle shards are read once a second, as Lambda does."""
DYNAMODB: Final = ReadLimits(interval_seconds=0.25, bytes_per_second=math.inf, idle_seconds=1.0)
"""Lambda looks four times a second at an idle shard, which costs it nothing; everybody else pays for each look."""

LONGEST_BACKOFF: Final = 5
"""Refusals in a row after which the pause does not grow any more: it is 3 to 6 seconds by then."""


class Pacer:
    """Turns at reading one shard, in the order in which they were asked for."""

    def __init__(self, limits: ReadLimits, *, jitter: Callable[[], float] = random.random) -> None:
        self.limits = limits
        self._jitter = jitter
        self._queue = asyncio.Lock()
        self._next_read_at = -math.inf
        self._bytes_free_at = -math.inf
        self._throttles = 0

    async def turn(self, deadline: float) -> bool:
        """Wait until the shard may be read, and take that turn; false if it does not come before ``deadline``."""
        with anyio.CancelScope(deadline=deadline):
            async with self._queue:
                # What a read spends while this one waits makes it wait longer.
                while (pause := max(self._next_read_at, self._bytes_free_at) - anyio.current_time()) > 0:  # noqa: ASYNC110 (the time is all there is)
                    await anyio.sleep(pause)
                self._next_read_at = anyio.current_time() + self.limits.interval_seconds
                return True
        return False

    def spent(self, size_bytes: int) -> None:
        """A read went well and returned so much."""
        self._throttles = 0
        free_at = max(self._bytes_free_at, anyio.current_time())
        self._bytes_free_at = free_at + size_bytes / self.limits.bytes_per_second

    def throttled(self) -> None:
        """A read was refused: leave the shard alone for a while, longer each time, and not in step with others."""
        self._throttles = min(self._throttles + 1, LONGEST_BACKOFF)
        pause = reconnect_backoff(1 + self._throttles, jitter=self._jitter())
        self._next_read_at = max(self._next_read_at, anyio.current_time() + pause)


class Pacers:
    """One pacer per shard, for as long as somebody reads it."""

    def __init__(self) -> None:
        self._pacers: WeakValueDictionary[tuple[str, str], Pacer] = WeakValueDictionary()

    def of(self, stream_arn: str, shard: str, limits: ReadLimits) -> Pacer:
        pacer = self._pacers.get((stream_arn, shard))
        if pacer is None:
            pacer = self._pacers[stream_arn, shard] = Pacer(limits)
        return pacer
