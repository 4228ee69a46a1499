"""Reading one shard through iterators: the part that Kinesis and DynamoDB Streams have in common."""

from __future__ import annotations

import logging
import math
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

import anyio

from eventflow.errors import AdapterError, UnavailableError
from eventflow.model.records import StreamRead
from eventflow_aws.streams.shards import BEGINNING, StartingPoint

if TYPE_CHECKING:
    from eventflow.model.records import PartitionId, Position, StreamRecord
    from eventflow.ports import Clock
    from eventflow_aws.streams.read_limits import Pacer

_log = logging.getLogger(__name__)

LEAST_FETCH: Final = 1_000
"""Records asked for even if fewer are wanted: reads are scarce, and what is left over waits here."""
MOST_FETCH: Final = 2_000
"""Kinesis would return five times as many, but decoding them would hold up everybody else for too long. This is twice
what a shard takes in a second, and four reads a second are allowed."""


class Behind(NamedTuple):
    """A place in a shard: right after this record."""

    position: Position


Place: TypeAlias = Behind | StartingPoint
"""Where to read from. LATEST does not occur: it is pinned to a moment when a subscription starts."""


def rounded_down(place: Place, unit_seconds: float) -> Place:
    """The place for a service that tells the time of its records in whole units: a record from the same unit as the
    moment to start at may be from before or after it, and repeating beats losing."""
    if isinstance(place, Behind) or place.timestamp is None:
        return place
    return place._replace(timestamp=math.floor(place.timestamp / unit_seconds) * unit_seconds)


class Page(NamedTuple):
    """What one call returned. ``next_iterator`` is ``None`` at the end of a closed shard. ``behind_seconds`` is how
    far these records are from the tip, if the service says so. ``size_bytes`` is what counts towards its limits."""

    records: tuple[StreamRecord, ...]
    next_iterator: str | None
    behind_seconds: float | None
    size_bytes: int


class ShardClient(Protocol):
    """The two calls of a service that reading takes. Both raise ReadThrottledError, RecordsTrimmedError and
    UnavailableError beside what is said of them."""

    async def iterator(self, shard: PartitionId, place: Place) -> str:
        """An iterator that starts there. For a moment it may start with any record before."""

    async def page(self, shard: PartitionId, iterator: str, limit: int) -> Page:
        """The next records. Raises IteratorExpiredError."""


class IteratorExpiredError(UnavailableError):
    """The iterator is older than five minutes; another one for the same place goes on."""


class ReadThrottledError(UnavailableError):
    """The shard is read too often, by whomever."""


class RecordsTrimmedError(AdapterError):
    """The place is not in the shard any more: its records are older than the stream keeps them."""


class Uncommitted:
    """Counts the records of a shard that were read and are not committed yet, a read at a time."""

    def __init__(self) -> None:
        self._reads: deque[tuple[Position, int]] = deque()
        self.count = 0

    def add(self, records: tuple[StreamRecord, ...]) -> None:
        """One read returned these."""
        if records:
            self._reads.append((records[-1].position, len(records)))
            self.count += len(records)

    def committed(self, position: Position) -> None:
        """Everything up to ``position`` is committed. A read that is committed in part still counts as a whole."""
        while self._reads and int(self._reads[0][0]) <= int(position):
            self.count -= self._reads.popleft()[1]


class ShardReader:
    """Reads one shard from ``place`` on. What a call returned beyond what was asked for waits in a buffer of one page.

    Cancelling ``read`` loses nothing: a page that did not arrive is asked for again.
    """

    def __init__(
        self, resource: str, shard: PartitionId, client: ShardClient, pacer: Pacer, *, place: Place, clock: Clock
    ) -> None:
        self._part = f"{resource} {shard}"
        self._shard = shard
        self._client = client
        self._pacer = pacer
        self._place = place
        self._clock = clock
        self._iterator: str | None = None
        self._page = Page((), None, None, 0)
        self._taken = 0
        self._ended = False
        self._gap = False
        self._pause_seconds = 0.0
        self._due_at = -math.inf
        moment = place.timestamp if isinstance(place, StartingPoint) else None
        self._not_before = -math.inf if moment is None else moment
        self._refused = True
        self._seen_at = anyio.current_time()
        self._uncommitted = Uncommitted()
        self._closed = False

    @property
    def backlog(self) -> int:
        """Records that were fetched and are not committed, and one more if the service says that others follow."""
        behind = bool(self._page.behind_seconds)
        return self._uncommitted.count + len(self._page.records) - self._taken + behind

    def committed(self, position: Position) -> None:
        """The shard is done up to and including ``position``."""
        self._uncommitted.committed(position)

    async def read(self, *, max_records: int, wait_seconds: float) -> StreamRead:
        """See StreamSource.read. Waits by looking again, as often as the shard's limits allow and no more often than
        is of use."""
        deadline = anyio.current_time() + wait_seconds
        while self._is_dry and await self._turn(deadline):
            await self._fetch(min(max(max_records, LEAST_FETCH), MOST_FETCH))
        return self._hand_over(max_records)

    def close(self) -> None:
        """The shard is not ours any more: a read that waits ends soon."""
        self._closed = True

    @property
    def _is_dry(self) -> bool:
        return not (self._page.records or self._ended or self._closed)

    async def _turn(self, deadline: float) -> bool:
        pause = min(self._due_at, deadline) - anyio.current_time()
        if pause > 0:
            await anyio.sleep(pause)
        return self._due_at <= deadline and await self._pacer.turn(deadline)

    async def _fetch(self, limit: int) -> None:
        try:
            if self._iterator is None:
                self._iterator = await self._client.iterator(self._shard, self._place)
            page = await self._client.page(self._shard, self._iterator, limit)
        except IteratorExpiredError:
            self._iterator = None
        except ReadThrottledError as exc:
            _log.debug("%s: %s", self._part, exc)
            self._refused = True
            self._pacer.throttled()
        except RecordsTrimmedError as exc:
            self._start_over(exc)
        else:
            self._accept(page)

    def _start_over(self, reason: RecordsTrimmedError) -> None:
        """What has to be read next is gone; the oldest record that is left follows it."""
        if self._place == BEGINNING and self._iterator is None:
            raise UnavailableError(self._part, f"not even its oldest record can be read: {reason}") from reason
        _log.warning(
            "%s: the records %s are lost unread as far as they are older than what the stream keeps; reading goes on"
            " with the oldest that is left (%s)",
            self._part,
            f"behind {self._place.position}" if isinstance(self._place, Behind) else "at the beginning",
            reason,
        )
        self._place, self._iterator, self._gap = BEGINNING, None, True

    def _accept(self, page: Page) -> None:
        self._iterator = page.next_iterator
        self._ended = page.next_iterator is None
        self._refused = False
        self._seen_at = anyio.current_time()
        self._due_at = self._seen_at + self._next_pause(page)
        self._pacer.spent(page.size_bytes)
        if page.records:
            self._place = Behind(page.records[-1].position)
        self._page, self._taken = page._replace(records=self._wanted(page.records)), 0

    def _wanted(self, records: tuple[StreamRecord, ...]) -> tuple[StreamRecord, ...]:
        """Without those from before the moment to start at: services look for it roughly, or not at all."""
        if self._not_before == -math.inf:
            return records
        wanted = tuple(record for record in records if record.timestamp >= self._not_before)
        if wanted:
            self._not_before = -math.inf
        return wanted

    def _next_pause(self, page: Page) -> float:
        """None while there is something to catch up with, then longer and longer up to the idle pause."""
        if page.records or page.behind_seconds:
            self._pause_seconds = 0.0
        else:
            limits = self._pacer.limits
            self._pause_seconds = min(limits.idle_seconds, max(2 * self._pause_seconds, limits.interval_seconds))
        return self._pause_seconds

    def _hand_over(self, max_records: int) -> StreamRead:
        page = self._page
        records = page.records[self._taken : self._taken + max_records]
        self._taken += len(records)
        self._uncommitted.add(records)
        behind_seconds = self._behind_seconds(records)
        if self._taken == len(page.records):
            self._page, self._taken = page._replace(records=()), 0
        gap, self._gap = self._gap, False
        ended = self._ended and not self._page.records
        return StreamRead(records, ended=ended, behind_seconds=behind_seconds, gap=gap)

    def _behind_seconds(self, records: tuple[StreamRecord, ...]) -> float:
        page = self._page
        if records and (page.behind_seconds is None or self._taken < len(page.records)):
            return max(page.behind_seconds or 0.0, self._clock.time() - records[-1].timestamp)
        unseen = anyio.current_time() - self._seen_at if self._refused else 0.0
        return (page.behind_seconds or 0.0) + unseen
