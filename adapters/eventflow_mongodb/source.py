"""A collection or database as a StreamSource: a lease says whether it is ours, a reader reads its change stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from eventflow.errors import LeaseLostError
from eventflow.events.documentdb import CHANGES
from eventflow.model.documentdb import ChangeSubscription, FullDocument
from eventflow.model.records import Assignment, Checkpoint, SourceIdentity
from eventflow_mongodb.change_reader import ChangeReader
from eventflow_mongodb.ownership import Ownership
from eventflow_mongodb.places import starting_place
from eventflow_mongodb.watching import Watching

if TYPE_CHECKING:
    from eventflow.model.records import PartitionId, StreamRead
    from eventflow.model.subscriptions import StreamSubscription
    from eventflow.ports import PartitionOwner
    from eventflow_mongodb.environment import Environment
    from eventflow_mongodb.ownership import Held


async def open_change_source(env: Environment, subscription: StreamSubscription) -> ChangeSource:
    """Raises ResourceNotFoundError if there are no change streams, AccessDeniedError, UnavailableError."""
    source = ChangeSource(env, subscription)
    await source.subscribe()
    return source


def watching(env: Environment, subscription: StreamSubscription) -> Watching:
    """What opens the change streams of a subscription."""
    full_document = subscription.full_document if isinstance(subscription, ChangeSubscription) else FullDocument.DEFAULT
    return Watching(
        env.client,
        env.collection(subscription.name),
        full_document,
        resource=f"{subscription.service}:{subscription.name}",
        clock=env.clock,
    )


def subscription_id(subscription: StreamSubscription) -> str:
    """What its lease is filed under: ``fulfil/shop.orders``."""
    return f"{subscription.subscriber}/{subscription.name}"


class ChangeSource:
    """A StreamSource with one partition. All processes whose subscriber and name are the same share it: one reads."""

    def __init__(self, env: Environment, subscription: StreamSubscription) -> None:
        self.identity = SourceIdentity(arn=env.arn, region=env.region, extras={})
        self._env = env
        self._mapping = subscription.mapping
        self._resource = f"{subscription.service}:{subscription.name}"
        self._watching = watching(env, subscription)
        self._subscription = subscription_id(subscription)
        self._held: Held | None = None
        self._reader: ChangeReader | None = None

    async def subscribe(self) -> None:
        """Check that changes can be read, and fix where a new subscription starts."""
        now = await self._watching.now()
        if await self._env.leases.read(self._subscription) is None:
            place = starting_place(self._mapping)
            await self._env.leases.begin(self._subscription, now if place is None else place)

    async def run(self, owner: PartitionOwner) -> None:
        ownership = Ownership(self._env.leases, self._subscription, lease_seconds=self._env.options.lease_seconds)

        async def nothing_yet() -> None:
            await owner.on_assigned([])

        try:
            while True:
                held = await ownership.acquire(nothing_yet)
                await self._work(held, owner)
                await owner.on_lost([CHANGES])
        finally:
            await ownership.leave()

    async def _work(self, held: Held, owner: PartitionOwner) -> None:
        """Until the lease is lost."""
        lease = held.lease
        checkpoint = None if lease.position is None else Checkpoint(position=lease.position, state=lease.state)
        reader = ChangeReader(self._watching, lease.place, clock=self._env.clock)
        self._held, self._reader = held, reader
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(reader.run)
                await owner.on_assigned([Assignment(partition=CHANGES, checkpoint=checkpoint)])
                await held.keep(lambda: reader.quiet_until)
                tasks.cancel_scope.cancel()
        finally:
            self._held = self._reader = None

    async def read(self, partition: PartitionId, *, max_records: int, wait_seconds: float) -> StreamRead:
        reader = self._reader
        if reader is None or self._held is None or self._held.over:
            raise self._lost(partition)
        read = await reader.read(max_records=max_records, wait_seconds=wait_seconds)
        if self._reader is not reader:
            raise self._lost(partition)
        return read

    async def commit(self, partition: PartitionId, checkpoint: Checkpoint) -> None:
        held, reader = self._held, self._reader
        if held is None or reader is None or held.over:
            raise self._lost(partition)
        token = str(checkpoint.position)
        await held.commit(token, reader.place_behind(token), checkpoint.state)
        reader.committed(token)

    async def complete(self, partition: PartitionId) -> None:
        """Never called: a change stream does not end."""

    async def backlog(self) -> int:
        """Of what this process reads: changes that were read and are not committed, and one if there may be more. How
        many those are, no cluster tells."""
        return 0 if self._reader is None else self._reader.backlog

    async def aclose(self) -> None:
        """Nothing is held outside of ``run``."""

    def _lost(self, partition: PartitionId) -> LeaseLostError:
        return LeaseLostError(self._resource, f"{partition} is not held by this reader any more")
