"""Opening change streams: at a place, or at the next best one where a cluster cannot start there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bson import Timestamp

from eventflow.errors import AdapterError, UnavailableError
from eventflow.model.documentdb import FullDocument
from eventflow_mongodb.changes import CODEC_OPTIONS
from eventflow_mongodb.faults import (
    ChangesNotEnabledError,
    HistoryLostError,
    InvalidTokenError,
    UnknownOptionError,
    translated,
)
from eventflow_mongodb.places import Behind, From, Oldest, after

if TYPE_CHECKING:
    from pymongo import AsyncMongoClient
    from pymongo.asynchronous.change_stream import AsyncChangeStream

    from eventflow.model.documentdb import CollectionAddress
    from eventflow.ports import Clock
    from eventflow_mongodb.places import Place

AWAIT_SECONDS: Final = 1.0
"""How long the cluster waits for changes before it answers that there are none."""
BATCH_SIZE: Final = 500
"""Decoding more at once would block the loop."""
BEGINNING: Final = Timestamp(1, 1)
RACES: Final = 5
LARGE_FIELDS: Final = ("fullDocument", "fullDocumentBeforeChange", "updateDescription")


class Manner(NamedTuple):
    """How many changes at once, and whether with what may be large in them."""

    batch_size: int
    documents: bool


USUALLY: Final = Manner(BATCH_SIZE, documents=True)
SINGLY: Final = Manner(1, documents=True)
WITHOUT_DOCUMENTS: Final = Manner(1, documents=False)


class Watching:
    """Opens change streams of one collection or database. Everything raises HistoryLostError, UnavailableError,
    ResourceNotFoundError (change streams are not enabled, or there is no replica set), AccessDeniedError, AdapterError.
    ``resource`` is its logical name."""

    def __init__(
        self,
        client: AsyncMongoClient[dict[str, Any]],
        address: CollectionAddress,
        full_document: FullDocument,
        *,
        resource: str,
        clock: Clock,
    ) -> None:
        self.resource = resource
        self._client = client
        self._address = address
        self._full_document = None if full_document is FullDocument.DEFAULT else "updateLookup"
        self._clock = clock

    async def open(self, place: Place, manner: Manner = USUALLY) -> AsyncChangeStream[dict[str, Any]]:
        """A change stream that begins at ``place``."""
        match place:
            case Oldest():
                return await self._open_oldest(manner)
            case From(time):
                try:
                    return await self._watch(manner, start_at_operation_time=time)
                except HistoryLostError:
                    return await self._open_oldest(manner)  # what was asked for, as far as there is any
            case Behind(token, Timestamp() as time):
                return await self._open_behind_invalidation(manner, token, time)
            case Behind(token):
                return await self._open_behind(manner, token)

    async def now(self) -> Place:
        """Where to start for what comes from now on. Opens a stream, so all that opening raises is told here, too."""
        stream = await self._watch(USUALLY)
        token = stream.resume_token
        await stream.close()
        if token is not None:
            return Behind(token["_data"])
        with translated(self.resource, "asking for the time"):
            answer = await self._client[self._address.database].command("ping")
        return after(answer["operationTime"])

    async def _open_behind(self, manner: Manner, token: str) -> AsyncChangeStream[dict[str, Any]]:
        try:
            return await self._watch(manner, resume_after={"_data": token})
        except InvalidTokenError as exc:
            try:
                return await self._watch(manner, start_after={"_data": token})
            except UnknownOptionError:
                raise exc from None

    async def _open_behind_invalidation(
        self, manner: Manner, token: str, time: Timestamp
    ) -> AsyncChangeStream[dict[str, Any]]:
        """DocumentDB has no ``startAfter``; no other operation has the time of the invalidation."""
        try:
            return await self._watch(manner, start_after={"_data": token})
        except (UnknownOptionError, InvalidTokenError):
            return await self._watch(manner, start_at_operation_time=after(time).time)

    async def _open_oldest(self, manner: Manner) -> AsyncChangeStream[dict[str, Any]]:
        try:
            return await self._watch(manner, start_at_operation_time=BEGINNING)
        except HistoryLostError:
            pass  # the log is older than what is left of it
        for _ in range(RACES):
            time = await self._oldest_in_oplog() or await self._oldest_by_trying()
            try:
                return await self._watch(manner, start_at_operation_time=time)
            except HistoryLostError:
                continue  # it was overwritten meanwhile
        raise UnavailableError(self.resource, "the oldest changes are overwritten faster than they can be found")

    async def _oldest_in_oplog(self) -> Timestamp | None:
        """The time of the oldest operation; ``None`` if we may not look, or a router hides the oplog."""
        try:
            with translated(self.resource, "reading the oplog"):
                entry = await self._client["local"]["oplog.rs"].find_one(sort=[("$natural", 1)], projection=["ts"])
        except UnavailableError:
            raise
        except AdapterError:
            return None
        return None if entry is None else entry["ts"]

    async def _oldest_by_trying(self) -> Timestamp:
        """The same to the second, by halving."""
        lost, kept = 0, int(self._clock.time()) + 1
        while kept - lost > 1:
            middle = (lost + kept) // 2
            try:
                await (await self._watch(USUALLY, start_at_operation_time=Timestamp(middle, 1))).close()
            except HistoryLostError:
                lost = middle
            else:
                kept = middle
        return Timestamp(kept, 1)

    async def _watch(self, manner: Manner, **start: Any) -> AsyncChangeStream[dict[str, Any]]:
        try:
            return await self._aggregate(manner, **start)
        except ChangesNotEnabledError as exc:
            # DocumentDB says so of places that it no longer has, too.
            if not start:
                raise
            await (await self._aggregate(USUALLY)).close()
            raise HistoryLostError(exc.resource, exc.message) from exc

    async def _aggregate(self, manner: Manner, **start: Any) -> AsyncChangeStream[dict[str, Any]]:
        database = self._client.get_database(self._address.database, codec_options=CODEC_OPTIONS)
        target = database if self._address.collection is None else database[self._address.collection]
        with translated(self.resource, "opening the change stream", self._address):
            return await target.watch(
                [] if manner.documents else [{"$project": dict.fromkeys(LARGE_FIELDS, 0)}],
                full_document=self._full_document,
                max_await_time_ms=int(AWAIT_SECONDS * 1_000),
                batch_size=manner.batch_size,
                **start,
            )
