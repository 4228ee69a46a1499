"""The DynamoDB table of shard leases and checkpoints: what is done to leases, each deed with its condition.

A write says what must still be so for it to count, and tells with its result whether it was. So nothing that a former
owner sends, however late, changes anything.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import anyio

from eventflow.errors import UnavailableError
from eventflow.model.records import Checkpoint
from eventflow.policy.retry import reconnect_backoff
from eventflow_aws.streams import lease_items
from eventflow_aws.streams.lease_items import SUBSCRIPTION, key, lease_of
from eventflow_aws.streams.lease_requests import LeaseRequests, Update

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.model.records import Position
    from eventflow_aws.clients import Clients
    from eventflow_aws.names import Names
    from eventflow_aws.options import AwsOptions
    from eventflow_aws.streams.lease_items import Item, StoredState
    from eventflow_aws.streams.leases import Lease
    from eventflow_aws.streams.shards import StartingPoint

CREATION_SECONDS: Final = 60.0
"""How long a new table may take to become active."""
MAXIMUM_REQUEST_SECONDS: Final = 5.0
OWNED: Final = "#owner = :owner AND #counter = :counter"
TRUE: Final = {"BOOL": True}
FALSE: Final = {"BOOL": False}


class Subscription(NamedTuple):
    """Where a subscription started. It has ``started`` once every shard that existed then has its lease."""

    start: StartingPoint
    started: bool


class Leases(NamedTuple):
    """Everything the table holds of one subscription."""

    subscription: Subscription | None
    leases: dict[str, Lease]


class Taken(NamedTuple):
    """A lease that is ours now, and what was committed before."""

    lease: Lease
    checkpoint: Checkpoint | None


class Grip(NamedTuple):
    """What an owner shows with every write: that it is still the one it was."""

    mapping: str
    shard: str
    owner: str
    counter: int


class LeaseTable:
    """The lease table of one environment, for all its subscriptions. Everything raises UnavailableError,
    ResourceNotFoundError and AccessDeniedError."""

    def __init__(self, requests: LeaseRequests) -> None:
        self._requests = requests
        self._opening = asyncio.Lock()

    async def ensure(self) -> Self:
        """Make the table if it does not exist, and return it once it can be used. Many processes may do so at once.

        Raises AccessDeniedError if it may not be made here, AdapterError if it is some other table.
        """
        async with self._opening:
            if not self._requests.found:
                await self._make_usable()
                self._requests.found = True
        return self

    async def _make_usable(self) -> None:
        created = False
        with anyio.move_on_after(CREATION_SECONDS):
            for attempt in itertools.count(1):
                status = await self._requests.status()
                if status in ("ACTIVE", "UPDATING"):
                    return
                if status is None and not created:
                    await self._requests.create()
                    created = True
                await anyio.sleep(min(2.0, reconnect_backoff(attempt)))
        message = f"the table {self._requests.table} did not become active in {CREATION_SECONDS:g} s"
        raise UnavailableError(self._requests.resource, message)

    # Looking

    async def read(self, mapping: str) -> Leases:
        """Everything of one subscription, as it is now."""
        subscription: Subscription | None = None
        leases: dict[str, Lease] = {}
        for item in await self._requests.query(mapping):
            if item["shard"]["S"] == SUBSCRIPTION:
                subscription = Subscription(lease_items.start_of(item), item["started"]["BOOL"])
            else:
                lease = lease_of(item)
                leases[lease.shard] = lease
        return Leases(subscription, leases)

    # Subscribing

    async def begin_subscription(self, mapping: str, start: StartingPoint) -> bool:
        """Fix where a subscription starts; false if it has begun already, which is left as it is."""
        item = {**key(mapping, SUBSCRIPTION), **lease_items.start_attributes(start), "started": FALSE}
        return await self._requests.add(item)

    async def end_beginning(self, mapping: str) -> None:
        """Every shard that existed at the beginning has its lease: from now on, a new shard is a child."""
        started = Update(mapping, SUBSCRIPTION, "SET #started = :true", "attribute_exists(#started)", {":true": TRUE})
        await self._requests.update(started)

    async def add(self, mapping: str, lease: Lease) -> None:
        """Add the lease of a shard. One that is there already is left as it is."""
        await self._requests.add(lease_items.new_item(mapping, lease))

    async def forget(self, mapping: str, lease: Lease) -> None:
        """Delete the lease of a shard that is gone, unless somebody has taken it since ``lease`` was read."""
        await self._requests.delete(mapping, lease.shard, counter=lease.counter, state_parts=lease.state_parts)

    # Changing hands

    async def take(self, mapping: str, lease: Lease, member: str) -> Taken | None:
        """Become the owner; ``None`` if the lease has changed since it was read."""
        owner = "#owner = :owner" if lease.owner else "attribute_not_exists(#owner)"
        item = await self._requests.update(
            Update(
                mapping,
                lease.shard,
                "SET #owner = :member, #counter = #counter + :one REMOVE #asked_by, #commits",
                f"{owner} AND #counter = :counter AND #heartbeat = :heartbeat AND #ended = :false",
                {
                    ":member": {"S": member},
                    ":counter": _number(lease.counter),
                    ":heartbeat": _number(lease.heartbeat),
                    ":one": _number(1),
                    ":false": FALSE,
                    **({":owner": {"S": lease.owner}} if lease.owner else {}),
                },
            )
        )
        if item is None:
            return None
        taken = lease_of(item)
        return Taken(taken, await self._checkpoint(mapping, taken, item))

    async def ask(self, mapping: str, lease: Lease, member: str) -> bool:
        """Ask the owner for its shard; false if the lease has changed, or somebody else asks."""
        item = await self._requests.update(
            Update(
                mapping,
                lease.shard,
                "SET #asked_by = :member",
                "#owner = :owner AND #counter = :counter AND #ended = :false AND attribute_not_exists(#asked_by)",
                {
                    ":member": {"S": member},
                    ":owner": {"S": str(lease.owner)},
                    ":counter": _number(lease.counter),
                    ":false": FALSE,
                },
            )
        )
        return item is not None

    # What owners do; all return false if the shard is not theirs any more

    async def renew(self, grip: Grip) -> bool:
        """Show that the owner lives."""
        return await self._change(grip, "SET #heartbeat = #heartbeat + :one", {":one": _number(1)})

    async def refuse(self, grip: Grip) -> bool:
        """Keep the shard."""
        return await self._change(grip, "REMOVE #asked_by")

    async def release(self, grip: Grip, *, reserve: bool = False) -> bool:
        """Give the shard up: to whom has asked for it if ``reserve``, else to anybody."""
        return await self._change(grip, "REMOVE #owner" if reserve else "REMOVE #owner, #asked_by")

    async def commit(
        self, grip: Grip, position: Position, state: StoredState, *, number: int, parts_before: int
    ) -> bool:
        """Store progress, and show that the owner lives. ``number`` grows with every commit of one grip, so that none
        undoes a later one; ``parts_before`` is how many parts of an earlier state there may be.

        A large state takes effect together with its position, or not at all.
        """
        values: Item = {
            ":position": {"S": str(position)},
            ":number": _number(number),
            ":parts": _number(len(state.parts)),
            ":one": _number(1),
        }
        update = "SET #position = :position, #commits = :number, #state_parts = :parts, #heartbeat = #heartbeat + :one"
        if state.beside is None:
            update += " REMOVE #state"
        else:
            update += ", #state = :state"
            values[":state"] = {"B": state.beside}
        condition = f"{OWNED} AND (attribute_not_exists(#commits) OR #commits <= :number)"
        return await self._write(grip, update, condition, values, parts=state.parts, parts_before=parts_before)

    async def complete(self, grip: Grip, *, parts_before: int) -> bool:
        """The shard has ended and is done. Saying so twice does no harm: the owner's name stays on it."""
        update = "SET #ended = :true, #state_parts = :zero REMOVE #asked_by, #state"
        values = {":true": TRUE, ":zero": _number(0)}
        return await self._write(grip, update, OWNED, values, parts=(), parts_before=parts_before)

    async def _checkpoint(self, mapping: str, lease: Lease, item: Item) -> Checkpoint | None:
        if lease.position is None:
            return None
        parts = [await self._requests.state_part(mapping, lease.shard, number) for number in range(lease.state_parts)]
        return Checkpoint(position=lease.position, state=lease_items.state_of(item, parts))

    async def _change(self, grip: Grip, change: str, values: Item | None = None) -> bool:
        update = Update(grip.mapping, grip.shard, change, OWNED, {**(values or {}), **_shown(grip)})
        return await self._requests.update(update) is not None

    async def _write(
        self, grip: Grip, change: str, condition: str, values: Item, *, parts: Sequence[bytes], parts_before: int
    ) -> bool:
        update = Update(grip.mapping, grip.shard, change, condition, {**values, **_shown(grip)})
        if parts or parts_before:
            return await self._requests.update_with_state(update, parts, parts_before=parts_before)
        return await self._requests.update(update) is not None


def lease_table(clients: Clients, names: Names, options: AwsOptions) -> LeaseTable:
    """The lease table that the options name; nothing is asked of it yet."""
    resource = f"dynamodb:{options.lease_table}"
    seconds = min(MAXIMUM_REQUEST_SECONDS, options.lease_seconds / 4)
    requests = LeaseRequests(clients, names.physical(resource), resource=resource, request_seconds=seconds)
    return LeaseTable(requests)


def _shown(grip: Grip) -> Item:
    return {":owner": {"S": grip.owner}, ":counter": _number(grip.counter)}


def _number(value: int) -> Item:
    return {"N": str(value)}
