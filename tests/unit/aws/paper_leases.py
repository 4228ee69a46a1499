"""A lease table on paper: the same conditions as in DynamoDB, at once, and with a network that can be cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import anyio

from eventflow.errors import UnavailableError
from eventflow.model.records import Checkpoint, Position
from eventflow_aws.streams.lease_items import StoredState, state_of
from eventflow_aws.streams.lease_table import Grip, Leases, LeaseTable, Subscription, Taken
from eventflow_aws.streams.leases import Lease
from eventflow_aws.streams.shards import BEGINNING, StartingPoint


@dataclass
class Paper:
    """What all tables of one test write on."""

    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    leases: dict[str, dict[str, Lease]] = field(default_factory=dict)
    states: dict[tuple[str, str], StoredState] = field(default_factory=dict)
    committed: list[tuple[str, int]] = field(default_factory=list)
    """Every commit that counted, in order."""

    def of(self, mapping: str) -> dict[str, Lease]:
        return self.leases.setdefault(mapping, {})


class CuttableTable(LeaseTable):
    """A lease table behind a bad network. Once it is ``cut``, no request arrives and no answer returns; of the next
    ``answers_to_lose`` requests, only the answers get lost."""

    cut = False
    answers_to_lose = 0


class PaperTable(CuttableTable):
    """One process's way to the paper."""

    def __init__(self, paper: Paper, *, delay_seconds: Callable[[], float] = lambda: 0.001) -> None:
        self._paper = paper
        self._delay_seconds = delay_seconds

    async def ensure(self) -> Self:
        await self._arrive()
        return self

    async def read(self, mapping: str) -> Leases:
        await self._arrive()
        seen = Leases(self._paper.subscriptions.get(mapping), dict(self._paper.of(mapping)))
        await self._return()
        return seen

    async def begin_subscription(self, mapping: str, start: StartingPoint) -> bool:
        await self._arrive()
        begun = mapping not in self._paper.subscriptions
        self._paper.subscriptions.setdefault(mapping, Subscription(start, started=False))
        await self._return()
        return begun

    async def end_beginning(self, mapping: str) -> None:
        await self._arrive()
        self._paper.subscriptions[mapping] = self._paper.subscriptions[mapping]._replace(started=True)
        await self._return()

    async def add(self, mapping: str, lease: Lease) -> None:
        await self._arrive()
        self._paper.of(mapping).setdefault(lease.shard, lease)
        await self._return()

    async def forget(self, mapping: str, lease: Lease) -> None:
        await self._arrive()
        if self._now(mapping, lease.shard).counter == lease.counter:
            del self._paper.of(mapping)[lease.shard]
        await self._return()

    async def take(self, mapping: str, lease: Lease, member: str) -> Taken | None:
        await self._arrive()
        now = self._now(mapping, lease.shard)
        taken: Taken | None = None
        if not now.ended and (now.owner, now.counter, now.heartbeat) == (lease.owner, lease.counter, lease.heartbeat):
            mine = now._replace(owner=member, counter=now.counter + 1, asked_by=None)
            self._paper.of(mapping)[lease.shard] = mine
            taken = Taken(mine, self._committed(mapping, mine))
        await self._return()
        return taken

    async def ask(self, mapping: str, lease: Lease, member: str) -> bool:
        await self._arrive()
        now = self._now(mapping, lease.shard)
        free = not now.ended and now.asked_by is None and (now.owner, now.counter) == (lease.owner, lease.counter)
        if free:
            self._paper.of(mapping)[lease.shard] = now._replace(asked_by=member)
        await self._return()
        return free

    async def renew(self, grip: Grip) -> bool:
        return await self._apply(grip, lambda now: now._replace(heartbeat=now.heartbeat + 1))

    async def refuse(self, grip: Grip) -> bool:
        return await self._apply(grip, lambda now: now._replace(asked_by=None))

    async def release(self, grip: Grip, *, reserve: bool = False) -> bool:
        def released(now: Lease) -> Lease:
            return now._replace(owner=None, asked_by=now.asked_by if reserve else None)

        return await self._apply(grip, released)

    async def commit(
        self, grip: Grip, position: Position, state: StoredState, *, number: int, parts_before: int
    ) -> bool:
        def committed(now: Lease) -> Lease:
            self._paper.states[grip.mapping, grip.shard] = state
            self._paper.committed.append((grip.shard, int(position)))
            return now._replace(position=int(position), heartbeat=now.heartbeat + 1, state_parts=len(state.parts))

        return await self._apply(grip, committed)

    async def complete(self, grip: Grip, *, parts_before: int) -> bool:
        return await self._apply(grip, lambda now: now._replace(ended=True, asked_by=None))

    async def _apply(self, grip: Grip, change: Callable[[Lease], Lease]) -> bool:
        await self._arrive()
        now = self._now(grip.mapping, grip.shard)
        ours = (now.owner, now.counter) == (grip.owner, grip.counter)
        if ours:
            self._paper.of(grip.mapping)[grip.shard] = change(now)
        await self._return()
        return ours

    def _now(self, mapping: str, shard: str) -> Lease:
        missing = Lease(shard, BEGINNING, counter=-1, ended=True)  # fails every condition
        return self._paper.of(mapping).get(shard, missing)

    def _committed(self, mapping: str, lease: Lease) -> Checkpoint | None:
        if lease.position is None:
            return None
        stored = self._paper.states[mapping, lease.shard]
        item = {} if stored.beside is None else {"state": {"B": stored.beside}}
        return Checkpoint(position=lease.position, state=state_of(item, stored.parts))

    async def _arrive(self) -> None:
        await anyio.sleep(self._delay_seconds())
        if self.cut:
            raise UnavailableError("dynamodb:leases", "the network is cut")

    async def _return(self) -> None:
        await anyio.sleep(self._delay_seconds())
        if self.cut or self.answers_to_lose:
            self.answers_to_lose -= not self.cut
            raise UnavailableError("dynamodb:leases", "the answer was lost")
