"""Keeping the leases of a subscription in step with the shards of its stream."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import anyio

from eventflow.errors import UnavailableError
from eventflow.model.mapping import StartingPosition
from eventflow_aws.streams.in_parallel import in_parallel
from eventflow_aws.streams.lease_table import Subscription
from eventflow_aws.streams.leases import Lease
from eventflow_aws.streams.shards import BEGINNING, StartingPoint

if TYPE_CHECKING:
    from collections.abc import Collection

    from eventflow.model.mapping import StreamMapping
    from eventflow.ports import Clock
    from eventflow_aws.streams.lease_table import Leases, LeaseTable
    from eventflow_aws.streams.shard_listing import ShardListing

_log = logging.getLogger(__name__)


class LeaseUpkeep:
    """Adds leases for new shards and deletes those of shards that are no more.

    Where a subscription starts is fixed once, by whoever subscribes first: every shard of that moment starts there.
    A shard that appears later continues one of those, so it starts at its beginning.
    """

    def __init__(
        self, table: LeaseTable, listing: ShardListing, *, mapping: str, starting: StreamMapping, clock: Clock
    ) -> None:
        self._table = table
        self._listing = listing
        self._mapping = mapping
        self._starting = starting
        self._clock = clock
        self._compared = False
        self._listing_fails = False

    async def look(self) -> Leases:
        """The leases, one for every shard. Lists the shards if that is due.

        Raises UnavailableError, ResourceNotFoundError, AccessDeniedError.
        """
        await self._table.ensure()
        now = anyio.current_time()
        if self._listing.due_in(now=now) == 0:
            await self._refresh_listing(now)
        seen = await self._table.read(self._mapping)
        if not self._compared:
            if await self._add_missing(seen):
                seen = await self._table.read(self._mapping)
            self._compared = True
        return seen

    async def _refresh_listing(self, now: float) -> None:
        """What was listed before serves on while the service is away."""
        try:
            await self._listing.refresh(now=now)
        except UnavailableError as exc:
            if not self._listing.shards:
                raise
            if not self._listing_fails:
                _log.warning("%s: the shards cannot be listed now: %s", self._mapping, exc)
            self._listing_fails = True
            return
        if self._listing_fails:
            _log.info("%s: the shards can be listed again", self._mapping)
        self._listing_fails = self._compared = False

    async def forget(self, leases: Collection[Lease]) -> None:
        """Delete the leases of shards that are gone. Raises UnavailableError."""
        for lease in leases:
            if not lease.ended:
                message = "%s: %s is gone from its stream before it was read to its end; its records have expired"
                _log.warning(message, self._mapping, lease.shard)
        if failure := await in_parallel(partial(self._table.forget, self._mapping), leases):
            raise failure

    async def _add_missing(self, seen: Leases) -> bool:
        """Whether there was anything to add."""
        subscription, begun_here = seen.subscription, False
        if subscription is None:
            subscription, begun_here = await self._begin()
        missing = [
            Lease(
                shard=shard.id,
                parents=shard.parents,
                start=BEGINNING if subscription.started else subscription.start,
                # What was closed before the first moment to read has nothing to read.
                ended=begun_here and shard.closed and self._starting.starting_position is StartingPosition.LATEST,
            )
            for shard in self._listing.shards.values()
            if shard.id not in seen.leases
        ]
        if failure := await in_parallel(partial(self._table.add, self._mapping), missing):
            raise failure
        if not subscription.started:
            await self._table.end_beginning(self._mapping)
        return bool(missing)

    async def _begin(self) -> tuple[Subscription, bool]:
        """The subscription, and whether it begins with us. Its moment is after the listing, so that no record of a
        shard that was listed as closed is younger."""
        start = StartingPoint.of(self._starting, now=self._clock.time())
        if await self._table.begin_subscription(self._mapping, start):
            return Subscription(start, started=False), True
        subscription = (await self._table.read(self._mapping)).subscription
        if subscription is None:
            raise UnavailableError(self._mapping, "the subscription was deleted while it began")
        return subscription, False
