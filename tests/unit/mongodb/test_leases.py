"""Sharing a subscription, on paper and virtual time. The same cases run on a server in ``tests/contract``."""

from __future__ import annotations

import asyncio

import pytest

from eventflow.errors import UnavailableError
from eventflow.testing.harness import case_name
from eventflow_mongodb.lease_table import Grip
from eventflow_mongodb.leases import Lease, Silence
from eventflow_mongodb.places import Behind, Oldest, Place
from tests.unit.mongodb.lease_cases import CASES, CuttableTable, LeaseCase, cluster


class Paper:
    """The rows that all processes see, with the number of the last write of progress."""

    def __init__(self) -> None:
        self.leases: dict[str, tuple[Lease, int]] = {}


class PaperTable(CuttableTable):
    """What LeaseTable does, on paper. An answer takes a moment."""

    def __init__(self, paper: Paper) -> None:
        self._leases = paper.leases

    async def read(self, subscription: str) -> Lease | None:
        await self._arrive()
        found = self._leases.get(subscription)
        return None if found is None else found[0]

    async def begin(self, subscription: str, place: Place) -> None:
        await self._arrive()
        self._leases.setdefault(subscription, (Lease(subscription, place), 0))

    async def take(self, lease: Lease, member: str) -> Lease | None:
        await self._arrive()
        now, _ = self._leases[lease.subscription]
        if (now.owner, now.counter, now.heartbeat) != (lease.owner, lease.counter, lease.heartbeat):
            return None
        taken = now._replace(owner=member, counter=now.counter + 1)
        self._leases[lease.subscription] = (taken, 0)
        return taken

    async def release(self, grip: Grip) -> None:
        await self._alter(grip, owner=None)

    async def renew(self, grip: Grip) -> bool:
        return await self._alter(grip)

    async def commit(self, grip: Grip, position: str, place: Behind, state: str | None, *, number: int) -> bool:
        return await self._alter(grip, number, position=position, place=place, state=state)

    async def move_on(self, grip: Grip, place: Behind, *, number: int) -> bool:
        return await self._alter(grip, number, place=place)

    async def _alter(self, grip: Grip, number: int | None = None, **fields: object) -> bool:
        await self._arrive()
        lease, last = self._leases[grip.subscription]
        if (lease.owner, lease.counter) != (grip.owner, grip.counter) or (number is not None and number < last):
            return False
        changed = lease._replace(heartbeat=lease.heartbeat + 1, **fields)  # type: ignore[arg-type]  # fields of it
        self._leases[grip.subscription] = (changed, last if number is None else number)
        return True

    async def _arrive(self) -> None:
        await asyncio.sleep(0.01)
        if self.cut:
            raise UnavailableError("documentdb:eventflow.leases", "the network is cut")


@pytest.mark.parametrize("case", CASES, ids=case_name)
async def test_on_paper(case: LeaseCase) -> None:
    paper = Paper()
    async with cluster(lambda: PaperTable(paper), lease_seconds=30, patience_seconds=300) as shared:
        await case(shared)


def test_a_lease_ends_when_it_was_not_seen_to_change_for_its_time() -> None:
    silence, lease = Silence(10), Lease("s", Oldest(), owner="a")
    assert not silence.expired(lease, now=100)
    assert not silence.expired(lease, now=109)
    assert not silence.expired(lease._replace(heartbeat=1), now=110), "it has shown life"
    assert not silence.expired(lease._replace(heartbeat=1), now=119)
    assert silence.expired(lease._replace(heartbeat=1), now=120)
