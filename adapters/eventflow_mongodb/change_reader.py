"""Reads a change stream into a bounded buffer, while it is ours."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio import lowlevel
from pymongo.errors import PyMongoError

from eventflow.errors import AdapterError, UnavailableError
from eventflow.model.records import StreamRead
from eventflow_mongodb.changes import change_record, place_behind
from eventflow_mongodb.faults import EventTooLargeError, HistoryLostError, translated
from eventflow_mongodb.places import Behind, Oldest
from eventflow_mongodb.watching import SINGLY, USUALLY, WITHOUT_DOCUMENTS, Manner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pymongo.asynchronous.change_stream import AsyncChangeStream

    from eventflow.model.records import StreamRecord
    from eventflow.ports import Clock
    from eventflow_mongodb.places import Place
    from eventflow_mongodb.watching import Watching

_log = logging.getLogger(__name__)

MAXIMUM_RECORDS: Final = 1_000
MAXIMUM_BYTES: Final = 16 * 1024 * 1024
YIELD_BYTES: Final = 1024 * 1024
IDLE_SECONDS: Final = 0.2
"""The least time between two questions that bring nothing, for servers that do not wait for changes."""
OPEN_SECONDS: Final = 30.0
"""How long a read waits for the stream to be open. The driver's own patience is shorter."""
CLOSE_SECONDS: Final = 2.0


class ChangeReader:
    """One change stream from ``place`` on. ``run`` reads it, as far as :meth:`read` leaves room.

    After a failure nothing is tried until the next read, so whoever reads decides how often.
    """

    def __init__(self, watching: Watching, place: Place, *, clock: Clock) -> None:
        self._watching = watching
        self._place = place
        self._clock = clock
        self._buffer: deque[StreamRecord] = deque()
        self._bytes = 0
        self._uncommitted: deque[str] = deque()
        """Tokens of what was handed out, in order."""
        self._invalidations: dict[str, Behind] = {}
        """Where to go on behind those that are not committed."""
        self._quiet_until: Behind | None = None
        self._open = False
        self._caught_up = False
        self._manner = USUALLY
        self._gap = False
        self._failure: AdapterError | None = None
        self._news = asyncio.Event()
        self._wanted = asyncio.Event()

    @property
    def backlog(self) -> int:
        """Changes that were read and are not committed, and one if there may be more."""
        return len(self._uncommitted) + len(self._buffer) + (0 if self._caught_up else 1)

    @property
    def quiet_until(self) -> Behind | None:
        """While everything is committed: a place further on, with nothing in between that concerns this stream. The
        place of a quiet collection would otherwise grow older than all that the cluster keeps."""
        return None if self._uncommitted or self._buffer else self._quiet_until

    # Whoever works on the changes

    async def read(self, *, max_records: int, wait_seconds: float) -> StreamRead:
        """See StreamSource. A stream that is not open is waited for: only then it is known whether it can be read."""
        self._wanted.set()
        with anyio.move_on_after(OPEN_SECONDS):
            await self._until(lambda: self._open or self._has_something)
        with anyio.move_on_after(wait_seconds):
            await self._until(lambda: self._has_something)
        if self._buffer or self._gap:
            return self._take(max_records)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if not self._open:
            raise UnavailableError(self._watching.resource, f"no answer within {OPEN_SECONDS:.0f} s")
        return StreamRead((), behind_seconds=0.0 if self._caught_up else None)

    def place_behind(self, token: str) -> Behind:
        """Where to go on once everything up to ``token`` is done."""
        return self._invalidations.get(token) or Behind(token)

    def committed(self, token: str) -> None:
        """Everything up to ``token`` is done, and that is stored."""
        if token in self._uncommitted:
            while (done := self._uncommitted.popleft()) != token:
                self._invalidations.pop(done, None)
        self._invalidations.pop(token, None)

    @property
    def _has_something(self) -> bool:
        return bool(self._buffer) or self._gap or self._failure is not None

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._news.clear()
            await self._news.wait()

    def _take(self, maximum: int) -> StreamRead:
        taken = tuple(self._buffer.popleft() for _ in range(min(maximum, len(self._buffer))))
        self._bytes -= sum(len(record.data or b"") for record in taken)
        self._uncommitted.extend(str(record.position) for record in taken)
        behind_seconds = max(0.0, self._clock.time() - taken[-1].timestamp) if taken else None
        if self._caught_up and not self._buffer:
            behind_seconds = 0.0
        gap, self._gap = self._gap, False
        return StreamRead(taken, behind_seconds=behind_seconds, gap=gap)

    # Reading ahead

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            try:
                await self._read_stream()
            except EventTooLargeError as exc:
                await self._take_care(exc)
            except HistoryLostError as exc:
                self._start_over(exc)
            except AdapterError as exc:
                await self._fail(exc)
            finally:
                self._open = self._caught_up = False

    async def _read_stream(self) -> None:
        """Until it ends, as it does after an invalidation."""
        stream = await self._watching.open(self._place, self._manner)
        unyielded = 0
        try:
            self._open = True
            self._news.set()
            while stream.alive:
                await self._until_there_is_room()
                asked_at = anyio.current_time()
                with translated(self._watching.resource, "reading the change stream"):
                    change = await stream.try_next()
                if change is not None:
                    self._keep(change)
                    if self._manner is WITHOUT_DOCUMENTS:
                        self._manner = USUALLY
                        break
                    unyielded += len(self._buffer[-1].data or b"")
                    if unyielded >= YIELD_BYTES:
                        unyielded = 0
                        await lowlevel.checkpoint()
                elif stream.alive:
                    self._idle(stream)
                    if self._manner is SINGLY:
                        self._manner = USUALLY  # what was too large is not there any more
                        break
                    await anyio.sleep(max(0.0, asked_at + IDLE_SECONDS - anyio.current_time()))
            await anyio.sleep(IDLE_SECONDS)  # one that ends at once must not be opened all the time
        finally:
            with anyio.move_on_after(CLOSE_SECONDS, shield=True), suppress(PyMongoError, OSError):
                await stream.close()

    def _keep(self, change: Mapping[str, Any]) -> None:
        record = change_record(change, oversized=self._manner is WITHOUT_DOCUMENTS)
        self._place = place_behind(change)
        if self._place.time is not None:
            self._invalidations[self._place.token] = self._place
        self._quiet_until = None
        self._caught_up = False
        self._buffer.append(record)
        self._bytes += len(record.data or b"")
        self._news.set()

    def _idle(self, stream: AsyncChangeStream[dict[str, Any]]) -> None:
        self._caught_up = True
        if (token := stream.resume_token) is not None:
            self._place = self._quiet_until = Behind(token["_data"])

    async def _until_there_is_room(self) -> None:
        while len(self._buffer) >= MAXIMUM_RECORDS or self._bytes >= MAXIMUM_BYTES:
            self._wanted.clear()
            await self._wanted.wait()

    async def _take_care(self, reason: EventTooLargeError) -> None:
        """Of a batch, nobody knows which change is too large; one that comes alone is known."""
        match self._manner:
            case Manner(documents=False):
                await self._fail(reason)
            case Manner(batch_size=1):
                self._manner = WITHOUT_DOCUMENTS
            case _:
                self._manner = SINGLY

    async def _fail(self, failure: AdapterError) -> None:
        """Tell the next read, and return when somebody reads again after that."""
        self._open = False
        self._failure = failure
        self._news.set()
        while self._failure is not None:
            self._wanted.clear()
            await self._wanted.wait()

    def _start_over(self, reason: HistoryLostError) -> None:
        message = "%s; changes may be lost to this subscription, which goes on with the oldest that there is"
        _log.warning(message, reason)
        self._gap = True
        self._place = Oldest()
        self._news.set()
