"""How far a partition is done, and telling the source so. The only caller of ``commit``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import anyio

from eventflow.errors import AdapterError, LeaseLostError
from eventflow.model.records import Checkpoint
from eventflow.policy.lanes import Watermark
from eventflow.policy.retry import reconnect_backoff

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventflow.model.records import Assignment, Position, StreamRecord
    from eventflow.runtime.streams.mapping_run import MappingRun

COMMIT_SECONDS: Final = 1.0
"""The longest that done records wait to be committed together with later ones."""
ROOM_AT: Final = 0.9
"""The share of the buffer at which reading goes on after it was full: low enough that reads stay large, high enough
that a blocked key, whose records pile up, does not keep the others from being read."""


class Progress:
    """The records of one partition between reading and commit.

    A record is done when it was handled, filtered out, or given up durably. What is committed is the position
    before which everything is done, so a crash repeats records and never skips one. Commits are coalesced: one
    runs at a time, and takes along whatever was done until it starts.

    At most ``maximum_records`` and, after the read that reaches it, ``maximum_bytes`` of undecoded data are held.
    """

    def __init__(
        self, run: MappingRun, assignment: Assignment, *, maximum_records: int, maximum_bytes: int, part: str
    ) -> None:
        checkpoint = assignment.checkpoint
        self.state: str | None = None
        """What is committed beside the position; see Checkpoint."""
        self.position: Position | None = None if checkpoint is None else checkpoint.position
        self._run = run
        self._partition = assignment.partition
        self._part = part
        self._watermark = Watermark()
        self._maximum_records = maximum_records
        self._maximum_bytes = maximum_bytes
        self._bytes = 0
        self._reader_waits = False
        self._room = asyncio.Event()
        self._closed = False
        self._dirty = False
        self._committing = False
        self._changed = asyncio.Event()
        self._hurry = asyncio.Event()

    @property
    def outstanding(self) -> int:
        """Records that were read and are not done."""
        return self._watermark.outstanding

    @property
    def free(self) -> int:
        """How many more records may be read."""
        return max(0, self._maximum_records - self._watermark.outstanding)

    @property
    def full(self) -> bool:
        """Whether nothing more may be read until something is done."""
        return self._watermark.outstanding >= self._maximum_records or self._bytes >= self._maximum_bytes

    @property
    def settled(self) -> bool:
        """Whether everything that was read is done and committed."""
        return not (self._watermark.outstanding or self._dirty or self._committing)

    def started(self, record: StreamRecord) -> None:
        """A record was read."""
        self._watermark.started(record.position)
        self._bytes += len(record.data or b"")

    def done(self, record: StreamRecord) -> None:
        """A record is done. Commits follow within a second, or as soon as nothing is outstanding."""
        watermark = self._watermark
        moved = watermark.done(record.position)
        self._bytes -= len(record.data or b"")
        if moved is not None:
            self.position = moved
            if not self._dirty:
                self._dirty = True
                self._changed.set()
            if not watermark.outstanding:
                self._hurry.set()
        if self._reader_waits and not self._crowded():
            self._room.set()

    def settle(self, records: Iterable[StreamRecord], *, state: str | None = None) -> None:
        """A batch is done, and ``state`` goes with it; they are committed at once."""
        for record in records:
            self.done(record)
        if state != self.state:
            self.state = state
            self._dirty = self.position is not None
            self._changed.set()
        if self._dirty:
            self._hurry.set()

    async def room(self) -> None:
        """Return once more may be read. One reader waits at a time."""
        if not self.full:
            return
        self._room.clear()
        self._reader_waits = True
        try:
            await self._room.wait()
        finally:
            self._reader_waits = False

    def close(self) -> None:
        """Nothing more will be done: ``commit_changes`` commits the rest and returns."""
        self._closed = True
        self._changed.set()
        self._hurry.set()

    async def commit_changes(self) -> None:
        """Commit what changes until closed. A source that is away is tried again and again.

        Raises LeaseLostError.
        """
        failures = 0
        while await self._something_to_commit():
            try:
                await self._commit()
            except LeaseLostError:
                raise
            except AdapterError as exc:
                failures += 1
                self._dirty = True
                self._run.report(self._part, str(exc))
                await anyio.sleep(reconnect_backoff(failures, jitter=self._run.random()))
            else:
                if failures:
                    self._run.report(self._part, None)
                failures = 0

    async def _something_to_commit(self) -> bool:
        while not self._dirty:
            if self._closed:
                return False
            self._changed.clear()
            await self._changed.wait()
        with anyio.move_on_after(COMMIT_SECONDS):
            await self._hurry.wait()
        return True

    async def _commit(self) -> None:
        if self.position is None:
            raise AssertionError("nothing is done yet")
        self._dirty = False
        if not self._closed:
            self._hurry.clear()
        self._committing = True
        try:
            await self._run.source.commit(self._partition, Checkpoint(position=self.position, state=self.state))
        finally:
            self._committing = False

    def _crowded(self) -> bool:
        records, size = self._watermark.outstanding, self._bytes
        return records > ROOM_AT * self._maximum_records or size > ROOM_AT * self._maximum_bytes
