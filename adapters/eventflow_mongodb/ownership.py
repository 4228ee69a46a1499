"""Whether this process reads a subscription: a lease in the cluster itself, shared by all its processes.

A change stream is in one order, so there is one lease per subscription and nothing to distribute. A lease that was
renewed when a request was sent may be taken over by others ``lease_seconds`` later at the earliest, by their clocks.
Its owner stops working before, by its own: whatever the network does, two never work on a stream for long, and only
one can commit.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio

from eventflow.errors import AdapterError, LeaseLostError, ResourceNotFoundError
from eventflow_mongodb.lease_table import Grip
from eventflow_mongodb.leases import Silence
from eventflow_mongodb.places import Behind

if TYPE_CHECKING:
    from eventflow_mongodb.lease_table import LeaseTable
    from eventflow_mongodb.leases import Lease

_log = logging.getLogger(__name__)

RENEWALS_PER_LEASE: Final = 4
HOLD: Final = 0.8
"""The part of a lease after which its owner gives up renewing it. The rest is for clocks that run at other speeds, and
for work to be cancelled."""
LEAVE_SECONDS: Final = 5.0

QuietUntil: TypeAlias = Callable[[], Behind | None]


class Held:
    """A lease while it is ours."""

    def __init__(self, table: LeaseTable, lease: Lease, grip: Grip, *, lease_seconds: float, taken_at: float) -> None:
        self.lease = lease
        self.grip = grip
        self._table = table
        self._renewal_seconds = lease_seconds / RENEWALS_PER_LEASE
        self._hold_seconds = HOLD * lease_seconds
        self._renewed_at = taken_at
        self._place: Behind | None = None
        self._number = 0
        self._writing = asyncio.Lock()
        self._lost = asyncio.Event()

    @property
    def over(self) -> bool:
        """Whether somebody else may have it by now."""
        return self._lost.is_set() or anyio.current_time() >= self._renewed_at + self._hold_seconds

    async def commit(self, position: str, place: Behind, state: str | None) -> None:
        """Store progress. Raises LeaseLostError if the lease is somebody else's, UnavailableError."""
        async with self._writing:
            sent_at = anyio.current_time()
            self._number += 1
            if not await self._table.commit(self.grip, position, place, state, number=self._number):
                self._lost.set()
                raise LeaseLostError(self.grip.subscription, "somebody else reads it by now; their progress stands")
            self._place = place
            self._renewed_at = max(self._renewed_at, sent_at)

    async def keep(self, quiet_until: QuietUntil) -> None:
        """Renew the lease until it is lost. ``quiet_until`` tells how far nothing has happened."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_renewing, quiet_until)
            while not self.over:
                with anyio.move_on_after(self._renewed_at + self._hold_seconds - anyio.current_time()):
                    await self._lost.wait()
            tasks.cancel_scope.cancel()

    async def _keep_renewing(self, quiet_until: QuietUntil) -> None:
        pause = self._renewal_seconds
        while True:
            await anyio.sleep(pause)
            pause = self._renewal_seconds
            if anyio.current_time() - self._renewed_at >= self._renewal_seconds / 2:
                pause /= 1 if await self._renew(quiet_until) else 4

    async def _renew(self, quiet_until: QuietUntil) -> bool:
        """Whether that went well. What commits meanwhile has shown its life by that."""
        async with self._writing:
            sent_at = anyio.current_time()
            try:
                renewed = await self._renewal(quiet_until())
            except AdapterError as exc:
                _log.warning("%s: its lease could not be renewed: %s", self.grip.subscription, exc)
                return False
            if renewed:
                self._renewed_at = max(self._renewed_at, sent_at)
            else:
                self._lost.set()
            return renewed

    async def _renewal(self, place: Behind | None) -> bool:
        if place is None or place == self._place:
            return await self._table.renew(self.grip)
        self._number += 1
        moved = await self._table.move_on(self.grip, place, number=self._number)
        self._place = place if moved else self._place
        return moved


class Ownership:
    """One process's part in one subscription."""

    def __init__(self, table: LeaseTable, subscription: str, *, lease_seconds: float) -> None:
        self._table = table
        self._subscription = subscription
        self._lease_seconds = lease_seconds
        self._member = uuid.uuid4().hex
        self._taking: Grip | None = None

    async def acquire(self, on_waiting: Callable[[], Awaitable[None]]) -> Held:
        """Wait until the lease is ours. ``on_waiting`` is called once it is known that somebody else has it.

        Raises UnavailableError, AccessDeniedError; ResourceNotFoundError if the lease was deleted.
        """
        silence, waiting = Silence(self._lease_seconds), False
        while True:
            lease = await self._table.read(self._subscription)
            if lease is None:
                mend = "a restart subscribes anew"
                raise ResourceNotFoundError(self._subscription, "its lease was deleted", mend=mend)
            expired = silence.expired(lease, now=anyio.current_time())
            if lease.owner in (None, self._member) or expired:
                held = await self._take(lease)
                if held is not None:
                    return held
                continue
            if not waiting:
                waiting = True
                await on_waiting()
            await anyio.sleep(self._lease_seconds / RENEWALS_PER_LEASE)

    async def _take(self, lease: Lease) -> Held | None:
        taken_at = anyio.current_time()
        grip = Grip(self._subscription, self._member, lease.counter + 1)
        self._taking = grip  # it may be ours without our hearing of it
        taken = await self._table.take(lease, self._member)
        if taken is None:
            return None
        return Held(self._table, taken, grip, lease_seconds=self._lease_seconds, taken_at=taken_at)

    async def leave(self) -> None:
        """Let others have the lease at once."""
        grip, self._taking = self._taking, None
        if grip is None:
            return
        with anyio.move_on_after(LEAVE_SECONDS, shield=True):
            try:
                await self._table.release(grip)
            except AdapterError as exc:
                _log.warning("%s: others wait until our lease expires: %s", self._subscription, exc)
