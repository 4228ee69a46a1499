"""The shards that this process owns: kept by renewing their leases, and dropped in time when that fails.

A lease that was renewed when a request was sent may be taken over by others ``lease_seconds`` later at the earliest,
by their clocks. Its owner stops working before, by its own: whatever the network does, two never work on a shard for
long, and only one can commit.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Final

import anyio

from eventflow.errors import AdapterError, LeaseLostError
from eventflow.model.records import Assignment
from eventflow_aws.streams.in_parallel import in_parallel
from eventflow_aws.streams.lease_items import stored_state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventflow.model.records import Checkpoint
    from eventflow.ports import PartitionOwner
    from eventflow_aws.streams.lease_table import Grip, LeaseTable, Taken

_log = logging.getLogger(__name__)

RENEWALS_PER_LEASE: Final = 4
HOLD: Final = 0.8
"""The part of a lease after which its owner gives up renewing it. The rest is for clocks that run at other speeds, and
for work to be cancelled."""


class HeldShard:
    """One shard while it is ours."""

    def __init__(self, taken: Taken, grip: Grip, *, renewed_at: float) -> None:
        self.grip = grip
        self.start = taken.lease.start
        self.checkpoint = taken.checkpoint
        self.renewed_at = renewed_at
        self.state_parts = taken.lease.state_parts
        """The most items of its own that the committed state may lie in."""
        self.commits = 0
        self.pending: Checkpoint | None = None
        self.writing = asyncio.Lock()
        self.announced = False
        """Whether the owner was told that it is assigned."""
        self.lost = False
        self.draining: anyio.CancelScope | None = None
        """Set while it is being given up."""

    @property
    def shard(self) -> str:
        return self.grip.shard

    def take_pending(self) -> Checkpoint | None:
        """What is to be committed next."""
        pending, self.pending = self.pending, None
        return pending


class HeldShards:
    """What one process holds of one subscription. ``resource`` names the subscription in messages."""

    def __init__(self, table: LeaseTable, *, resource: str, lease_seconds: float) -> None:
        self._table = table
        self._resource = resource
        self._renewal_seconds = lease_seconds / RENEWALS_PER_LEASE
        self._hold_seconds = HOLD * lease_seconds
        self._held: dict[str, HeldShard] = {}
        self._telling = asyncio.Lock()
        self._alarm = asyncio.Event()

    def get(self, shard: str) -> HeldShard:
        """Raises LeaseLostError if the shard is not ours, or not for sure."""
        held = self._held.get(shard)
        if held is None or self._over(held):
            raise LeaseLostError(self._resource, f"{shard} is not held by this process any more")
        return held

    def owns(self, shard: str) -> bool:
        held = self._held.get(shard)
        return held is not None and not self._over(held)

    def all(self) -> tuple[HeldShard, ...]:
        return tuple(self._held.values())

    def clear(self) -> None:
        self._held.clear()

    def add(self, held: HeldShard) -> None:
        """It is ours; the owner is told by :meth:`announce`."""
        self._held[held.shard] = held

    def remove(self, held: HeldShard) -> None:
        if self._held.get(held.shard) is held:
            del self._held[held.shard]

    def lose(self, held: HeldShard) -> None:
        """Somebody else has it, for sure. :meth:`watch` tells the owner."""
        held.lost = True
        self._alarm.set()

    # Telling the owner

    async def announce(self, owner: PartitionOwner) -> None:
        """Tell ``owner`` of what is new."""
        async with self._telling:
            new = [held for held in self._held.values() if not held.announced and not self._over(held)]
            for held in new:
                held.announced = True
            if new:
                await owner.on_assigned([Assignment(partition=held.shard, checkpoint=held.checkpoint) for held in new])

    async def give_up(self, held: HeldShard, owner: PartitionOwner, *, drain_seconds: float) -> None:
        """Let ``owner`` finish and commit what runs there, and leave the shard to whoever has asked for it."""
        if self._held.get(held.shard) is not held:
            return
        with anyio.move_on_after(drain_seconds) as held.draining:
            await owner.on_revoked([held.shard])
        if held.draining.cancelled_caught:
            await owner.on_lost([held.shard])
        try:
            if self._held.get(held.shard) is held and not held.lost:
                await self._table.release(held.grip, reserve=True)
        except AdapterError as exc:
            _log.warning("%s: %s could not be handed over: %s", self._resource, held.shard, exc)
        self.remove(held)

    async def watch(self, owner: PartitionOwner, dropped: Callable[[], None]) -> None:
        """Tell ``owner`` of every shard that was lost or could not be renewed in time; ``dropped`` is called after."""
        while True:
            if await self.drop_lost(owner):
                dropped()
            with anyio.move_on_after(self._until_next_deadline()):
                await self._alarm.wait()
            self._alarm.clear()

    async def drop_lost(self, owner: PartitionOwner) -> bool:
        """Tell ``owner`` of what is lost by now, if anything is. What it is draining it is told of there."""
        async with self._telling:
            over = [held for held in self._held.values() if self._over(held)]
            for held in over:
                held.lost = True
                if held.draining is None:
                    self.remove(held)
                else:
                    held.draining.cancel()
            dropped = [held.shard for held in over if held.announced and held.draining is None]
            if dropped:
                _log.warning("%s: lost %s", self._resource, ", ".join(dropped))
                await owner.on_lost(dropped)
            return bool(dropped)

    def _over(self, held: HeldShard) -> bool:
        return held.lost or anyio.current_time() >= held.renewed_at + self._hold_seconds

    def _until_next_deadline(self) -> float:
        """A shard that is added meanwhile has its deadline later than this looks again."""
        deadlines = [held.renewed_at + self._hold_seconds for held in self._held.values() if not held.lost]
        until_next = min(deadlines, default=math.inf) - anyio.current_time()
        return max(0.0, min(until_next, self._renewal_seconds))

    # Keeping

    async def keep_renewing(self) -> None:
        """Renew all leases again and again. What commits has shown its life by that."""
        fails = False
        while True:
            due = self._due()
            failure = await in_parallel(self._renew, due)
            if failure is not None and not fails:
                _log.warning("%s: leases cannot be renewed now: %s", self._resource, failure)
            if fails and due and failure is None:
                _log.info("%s: leases can be renewed again", self._resource)
            fails = failure is not None or (fails and not due)
            await anyio.sleep(self._renewal_seconds / (1 if failure is None else 4))

    def _due(self) -> Sequence[HeldShard]:
        renewed_before = anyio.current_time() - self._renewal_seconds / 2
        return [held for held in self._held.values() if not held.lost and held.renewed_at <= renewed_before]

    async def _renew(self, held: HeldShard) -> None:
        sent_at = anyio.current_time()
        self._renewed(held, sent_at) if await self._table.renew(held.grip) else self.lose(held)

    async def commit(self, shard: str, checkpoint: Checkpoint) -> None:
        """Store progress. While one commit of a shard is under way, the last of those that wait stands for all.

        Raises LeaseLostError, UnavailableError.
        """
        held = self.get(shard)
        held.pending = checkpoint
        async with held.writing:
            latest = held.take_pending()
            if latest is None:
                return  # a commit that was under way has taken ours along
            try:
                committed = await self._commit(held, latest)
            except BaseException:
                held.pending = held.pending or latest  # for those that wait
                raise
            if not committed:
                raise self._lost(held)

    async def _commit(self, held: HeldShard, checkpoint: Checkpoint) -> bool:
        state, parts_before, sent_at = stored_state(checkpoint.state), held.state_parts, anyio.current_time()
        held.commits += 1
        held.state_parts = max(parts_before, len(state.parts))  # if the answer gets lost
        committed = await self._table.commit(
            held.grip, checkpoint.position, state, number=held.commits, parts_before=held.state_parts
        )
        if committed:
            held.state_parts = len(state.parts)
            self._renewed(held, sent_at)
        return committed

    async def complete(self, shard: str) -> None:
        """The shard was read to its end and everything in it is committed. Raises LeaseLostError, UnavailableError."""
        held = self.get(shard)
        async with held.writing:
            if not await self._table.complete(held.grip, parts_before=held.state_parts):
                raise self._lost(held)
            self.remove(held)

    def _renewed(self, held: HeldShard, sent_at: float) -> None:
        held.renewed_at = max(held.renewed_at, sent_at)

    def _lost(self, held: HeldShard) -> LeaseLostError:
        self.lose(held)
        return LeaseLostError(self._resource, f"{held.shard} belongs to somebody else by now; its progress stands")
