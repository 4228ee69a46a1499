"""The collection of leases and positions: what is done to a lease, each deed with its condition.

An update says what must still be so for it to count, and tells with its result whether it was. So nothing that a
former owner sends, however late, changes anything. Every write is confirmed by a majority: what an election undoes was
never taken for done.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from pymongo import ReadPreference, ReturnDocument, WriteConcern
from pymongo.errors import DuplicateKeyError

from eventflow_mongodb.faults import translated
from eventflow_mongodb.leases import Lease
from eventflow_mongodb.places import Behind, from_document, to_document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from pymongo import AsyncMongoClient
    from pymongo.asynchronous.collection import AsyncCollection

    from eventflow_mongodb.options import MongodbOptions
    from eventflow_mongodb.places import Place

MAXIMUM_REQUEST_SECONDS: Final = 5.0
COMMITS: Final = "commits"
"""The number of the last write of progress under a grip."""


class Grip(NamedTuple):
    """What an owner shows with every write: that it is still the one it was."""

    subscription: str
    owner: str
    counter: int

    @property
    def condition(self) -> dict[str, Any]:
        return {"_id": self.subscription, "owner": self.owner, "counter": self.counter}


class LeaseTable:
    """The leases of one environment. A request takes at most ``request_seconds``; all raise UnavailableError and
    AccessDeniedError. ``resource`` names the collection in messages."""

    def __init__(self, collection: AsyncCollection[dict[str, Any]], *, resource: str, request_seconds: float) -> None:
        self.resource = resource
        self._collection = collection
        self._request_seconds = request_seconds

    @classmethod
    def of(cls, client: AsyncMongoClient[dict[str, Any]], options: MongodbOptions) -> Self:
        """The leases that the options name; nothing is asked of them yet."""
        collection = client[options.lease_database].get_collection(
            options.lease_collection,
            read_preference=ReadPreference.PRIMARY,
            write_concern=WriteConcern("majority"),
        )
        resource = f"documentdb:{options.lease_database}.{options.lease_collection}"
        seconds = min(MAXIMUM_REQUEST_SECONDS, options.lease_seconds / 4)
        return cls(collection, resource=resource, request_seconds=seconds)

    # Looking

    async def read(self, subscription: str) -> Lease | None:
        """A lease as it is now; ``None`` if there is no such subscription."""
        async with self._request("reading a lease"):
            document = await self._collection.find_one({"_id": subscription})
        return None if document is None else _lease(document)

    async def all(self) -> Sequence[Lease]:
        """Every lease, by subscription."""
        async with self._request("reading the leases"):
            return [_lease(document) async for document in self._collection.find().sort("_id")]

    async def check(self) -> None:
        """Find out whether leases may be written, without changing any."""
        await self._change({"_id": {"$exists": False}}, {"$inc": {"heartbeat": 1}})

    # Subscribing

    async def begin(self, subscription: str, place: Place) -> None:
        """Fix where a subscription starts, unless it has begun already."""
        document = {"_id": subscription, "place": to_document(place), "counter": 0, "heartbeat": 0, COMMITS: 0}
        async with self._request("beginning a subscription"):
            try:
                await self._collection.insert_one(document)
            except DuplicateKeyError:
                return

    # Changing hands

    async def take(self, lease: Lease, member: str) -> Lease | None:
        """Become the owner; ``None`` if the lease has changed since it was read."""
        seen = {"_id": lease.subscription, "counter": lease.counter, "heartbeat": lease.heartbeat, "owner": lease.owner}
        change = {"$set": {"owner": member, COMMITS: 0}, "$inc": {"counter": 1}}
        async with self._request("taking a lease"):
            document = await self._collection.find_one_and_update(seen, change, return_document=ReturnDocument.AFTER)
        return None if document is None else _lease(document)

    async def release(self, grip: Grip) -> None:
        """Give a lease up, if it is ours yet."""
        async with self._request("releasing a lease"):
            await self._collection.update_one(grip.condition, {"$unset": {"owner": ""}})

    # What owners do; all return false if the lease is not theirs any more

    async def renew(self, grip: Grip) -> bool:
        """Show that the owner lives."""
        return await self._change(grip.condition, {"$inc": {"heartbeat": 1}})

    async def commit(self, grip: Grip, position: str, place: Behind, state: str | None, *, number: int) -> bool:
        """Store progress, and show that the owner lives. ``number`` grows with every write of progress under one grip,
        so that none undoes a later one."""
        kept: dict[str, Any] = {"position": position, "place": to_document(place), COMMITS: number}
        change: dict[str, Any] = {"$set": kept, "$inc": {"heartbeat": 1}}
        if state is None:
            change["$unset"] = {"state": ""}
        else:
            kept["state"] = state
        return await self._change({**grip.condition, COMMITS: {"$lte": number}}, change)

    async def move_on(self, grip: Grip, place: Behind, *, number: int) -> bool:
        """Store that nothing happened up to ``place``, and show that the owner lives."""
        change = {"$set": {"place": to_document(place), COMMITS: number}, "$inc": {"heartbeat": 1}}
        return await self._change({**grip.condition, COMMITS: {"$lte": number}}, change)

    async def _change(self, condition: dict[str, Any], change: dict[str, Any]) -> bool:
        async with self._request("writing a lease"):
            result = await self._collection.update_one(condition, change)
        return result.matched_count == 1

    @asynccontextmanager
    async def _request(self, doing: str) -> AsyncIterator[None]:
        with translated(self.resource, doing):
            async with asyncio.timeout(self._request_seconds):
                yield


def _lease(document: dict[str, Any]) -> Lease:
    return Lease(
        subscription=document["_id"],
        place=from_document(document["place"]),
        owner=document.get("owner"),
        counter=document["counter"],
        heartbeat=document["heartbeat"],
        position=document.get("position"),
        state=document.get("state"),
    )
