"""The shards of one stream as they were listed last: asked for rarely, since listing is rationed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

    from eventflow_aws.streams.shards import Shard, ShardLister

LISTING_SECONDS: Final = 30.0
LEAST_SECONDS: Final = 1.0
"""Between two listings, whatever happens. DescribeStream of DynamoDB Streams is allowed 10 times a second to all."""


class ShardListing:
    """Lists every ``interval_seconds``, and at once when something new is to be expected. ``now`` is monotonic."""

    def __init__(self, lister: ShardLister, *, interval_seconds: float = LISTING_SECONDS) -> None:
        self.shards: dict[str, Shard] = {}
        self._lister = lister
        self._interval_seconds = interval_seconds
        self._listed_at = -math.inf
        self._outdated = False
        self._missing_since: dict[str, float] = {}

    def expire(self) -> None:
        """Something has changed: a shard was completed, so its children are wanted."""
        self._outdated = True

    def due_in(self, *, now: float) -> float:
        """The seconds until it should be listed again."""
        interval = min(LEAST_SECONDS, self._interval_seconds) if self._outdated else self._interval_seconds
        return max(0.0, self._listed_at + interval - now)

    async def refresh(self, *, now: float) -> None:
        """Raises UnavailableError, ResourceNotFoundError, AccessDeniedError."""
        self._listed_at = now
        self._outdated = True  # unless it succeeds
        self.shards = {shard.id: shard for shard in await self._lister.list_shards()}
        self._outdated = False

    def compare(self, leased: Collection[str], *, now: float) -> set[str]:
        """The shards among ``leased`` that are gone for good: missing for so long that all members must have noticed.

        One that is missing for the first time is new, unless the next listing lacks it, too.
        """
        if not self.shards:  # no stream is without shards
            return set()
        missing = set(leased) - self.shards.keys()
        if missing - self._missing_since.keys():
            self._outdated = True
        self._missing_since = {shard: self._missing_since.get(shard, now) for shard in missing}
        return {shard for shard, since in self._missing_since.items() if now - since >= 2 * self._interval_seconds}
