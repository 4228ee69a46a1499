"""Which shards of a subscription this process reads: leases in a DynamoDB table, shared by all its processes.

There is no coordinator. Every process looks at the leases again and again, takes those that are free or whose owner
has died, asks for one when others have more, and hands over what it is asked for once its work there is committed.
"""

from __future__ import annotations

import asyncio
import logging
import math
import uuid
from typing import TYPE_CHECKING, Final

import anyio

from eventflow.errors import AdapterError, UnavailableError
from eventflow_aws.streams.held_shards import RENEWALS_PER_LEASE, HeldShard, HeldShards
from eventflow_aws.streams.in_parallel import in_parallel
from eventflow_aws.streams.lease_table import Grip
from eventflow_aws.streams.lease_upkeep import LeaseUpkeep
from eventflow_aws.streams.leases import Silence
from eventflow_aws.streams.shard_distribution import View, decide
from eventflow_aws.streams.shard_listing import LISTING_SECONDS, ShardListing

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from eventflow.model.mapping import StreamMapping
    from eventflow.model.records import Checkpoint
    from eventflow.ports import Clock, PartitionOwner
    from eventflow_aws.streams.lease_table import Leases, LeaseTable
    from eventflow_aws.streams.leases import Lease
    from eventflow_aws.streams.shard_distribution import Decision
    from eventflow_aws.streams.shards import ShardLister, StartingPoint

_log = logging.getLogger(__name__)

DRAIN_SECONDS: Final = 30.0
"""More than the default budget for draining at shutdown, so an orderly hand-over has the time it needs."""
LEAVE_SECONDS: Final = 5.0


class ShardOwnership:
    """One process's part in one subscription. ``mapping`` is the subscription's id, the same in all processes;
    ``starting`` says where it starts. A lease that was not renewed for ``lease_seconds`` is taken over; whoever has to
    hand a shard over may take ``drain_seconds`` to finish its work."""

    def __init__(
        self,
        table: LeaseTable,
        lister: ShardLister,
        *,
        mapping: str,
        starting: StreamMapping,
        lease_seconds: float,
        clock: Clock,
        drain_seconds: float = DRAIN_SECONDS,
        listing_seconds: float = LISTING_SECONDS,
    ) -> None:
        self._table = table
        self._mapping = mapping
        self._lease_seconds = lease_seconds
        self._drain_seconds = drain_seconds
        self._listing = ShardListing(lister, interval_seconds=listing_seconds)
        self._upkeep = LeaseUpkeep(table, self._listing, mapping=mapping, starting=starting, clock=clock)
        self._held = HeldShards(table, resource=mapping, lease_seconds=lease_seconds)
        self._member = ""
        self._silence = Silence(lease_seconds)
        self._taking: dict[str, Grip] = {}
        self._sharing_fails = False
        self._lost_some = False
        """Since the table could be read last."""
        self._changed = asyncio.Event()

    async def subscribe(self) -> None:
        """Fix where this subscription starts, if nobody has yet: nothing that comes from now on is missed.

        Raises UnavailableError, ResourceNotFoundError, AccessDeniedError.
        """
        await self._upkeep.look()

    async def run(self, owner: PartitionOwner) -> None:
        """Take part until cancelled; then everything is given up at once, without telling ``owner``.

        Raises UnavailableError once nothing is left because the table is away,
        ResourceNotFoundError, AccessDeniedError.
        """
        self._member = uuid.uuid4().hex
        self._silence = Silence(self._lease_seconds)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._held.keep_renewing)
                tasks.start_soon(self._held.watch, owner, self._dropped)
                failure = await self._share(owner, tasks)
                tasks.cancel_scope.cancel()
            raise failure
        finally:
            await self._leave()

    # What is ours

    async def commit(self, shard: str, checkpoint: Checkpoint) -> None:
        """Store how far ``shard`` is done. Commits that wait for another one are written as one, the last.

        Raises LeaseLostError if the shard belongs to somebody else by now, UnavailableError.
        """
        await self._held.commit(shard, checkpoint)

    async def complete(self, shard: str) -> None:
        """``shard`` has ended and is committed; its children may be assigned.

        Raises LeaseLostError, UnavailableError.
        """
        await self._held.complete(shard)
        self._listing.expire()
        self._changed.set()

    def owns(self, shard: str) -> bool:
        """Whether ``shard`` is ours for sure: nobody can have taken it over by now."""
        return self._held.owns(shard)

    def start_of(self, shard: str) -> StartingPoint:
        """Where a shard of ours starts if nothing was committed of it. Raises LeaseLostError."""
        return self._held.get(shard).start

    # Sharing

    async def _share(self, owner: PartitionOwner, tasks: TaskGroup) -> AdapterError:
        """Look and act until that makes no sense any more; returns why."""
        looked_at, failure = -math.inf, None
        while True:
            try:
                await self._look_and_act(owner, tasks)
                if looked_at == -math.inf and not self._held.all():
                    await owner.on_assigned(())
                looked_at, failure = anyio.current_time(), None
                self._shares_again()
            except UnavailableError as exc:
                failure = exc
                self._cannot_share(exc)
            except AdapterError as exc:
                return exc
            if failure is None or not self._nothing_is_left(looked_at):
                with anyio.move_on_after(self._pause()):
                    await self._changed.wait()
                self._changed.clear()
            if failure is not None and self._nothing_is_left(looked_at):
                return failure

    def _nothing_is_left(self, looked_at: float) -> bool:
        """Whether a table that is away has ended our part. Who has nothing because others have it all waits longer."""
        patience = 0.0 if self._lost_some else self._lease_seconds
        return not self._held.all() and anyio.current_time() - looked_at > patience

    def _dropped(self) -> None:
        self._lost_some = True
        self._changed.set()

    def _cannot_share(self, exc: UnavailableError) -> None:
        """Told when it begins and when it is over, not at every look."""
        if not self._sharing_fails:
            _log.warning("%s: cannot share shards now: %s", self._mapping, exc)
        self._sharing_fails = True

    def _shares_again(self) -> None:
        if self._sharing_fails:
            _log.info("%s: shards are shared again", self._mapping)
        self._sharing_fails = self._lost_some = False

    def _pause(self) -> float:
        listing = self._listing.due_in(now=anyio.current_time())
        return min(self._lease_seconds / RENEWALS_PER_LEASE, max(listing, 0.05))

    async def _look_and_act(self, owner: PartitionOwner, tasks: TaskGroup) -> None:
        seen = await self._upkeep.look()
        now = anyio.current_time()
        expired = self._silence.expired(seen.leases.values(), now=now)
        gone = self._listing.compare(seen.leases.keys(), now=now)
        self._check_held(seen, gone)
        await self._held.drop_lost(owner)
        held = [each for each in self._held.all() if each.shard in seen.leases]
        view = View(
            member=self._member,
            leases=seen.leases,
            listed=self._listing.shards.keys(),
            expired=expired,
            held={each.shard for each in held},
            leaving={each.shard for each in held if each.draining is not None},
        )
        await self._act(decide(view), seen, owner, tasks)
        await self._upkeep.forget([seen.leases[shard] for shard in gone if _unused(seen.leases[shard], expired)])

    async def _act(self, decision: Decision, seen: Leases, owner: PartitionOwner, tasks: TaskGroup) -> None:
        for held in self._held.all():
            if held.shard == decision.give:
                tasks.start_soon(self._give_up, held, owner)
        failure = await in_parallel(self._take, [seen.leases[shard] for shard in decision.take])
        await self._held.announce(owner)
        refused = [held.grip for held in self._held.all() if held.shard in decision.refuse]
        failure = await in_parallel(self._refuse, refused) or failure
        if failure is not None:
            raise failure
        if decision.ask is not None:
            await self._table.ask(self._mapping, seen.leases[decision.ask], self._member)

    async def _take(self, lease: Lease) -> None:
        sent_at = anyio.current_time()
        grip = Grip(self._mapping, lease.shard, self._member, lease.counter + 1)
        self._taking[lease.shard] = grip  # it may be ours without our hearing of it
        taken = await self._table.take(self._mapping, lease, self._member)
        if taken is not None:
            self._held.add(HeldShard(taken, grip, renewed_at=sent_at))
        del self._taking[lease.shard]

    async def _refuse(self, grip: Grip) -> None:
        await self._table.refuse(grip)

    async def _give_up(self, held: HeldShard, owner: PartitionOwner) -> None:
        await self._held.give_up(held, owner, drain_seconds=self._drain_seconds)
        self._changed.set()

    async def _leave(self) -> None:
        """Let others have our shards at once."""
        grips = {**self._taking, **{held.shard: held.grip for held in self._held.all()}}
        self._held.clear()
        self._taking.clear()
        with anyio.move_on_after(LEAVE_SECONDS, shield=True):
            if failure := await in_parallel(self._release, grips.values()):
                _log.warning("%s: others wait until our leases expire: %s", self._mapping, failure)

    async def _release(self, grip: Grip) -> None:
        await self._table.release(grip)

    def _check_held(self, seen: Leases, gone: set[str]) -> None:
        """Notice what belongs to somebody else by now."""
        for held in self._held.all():
            lease = seen.leases.get(held.shard)
            if lease is None or (lease.owner, lease.counter) != (self._member, held.grip.counter) or held.shard in gone:
                self._held.lose(held)


def _unused(lease: Lease, expired: set[str]) -> bool:
    return lease.ended or lease.owner is None or lease.shard in expired
