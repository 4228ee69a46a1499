"""How far a partition is done, and telling the source so. The only caller of ``commit``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import anyio

from eventflow.errors import AdapterError, LeaseLostError
from eventflow.model.columns import positions, value_bytes
from eventflow.model.records import Checkpoint
from eventflow.policy.lanes import Watermark
from eventflow.policy.retry import reconnect_backoff

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.model.records import Assignment, Position, StreamRecord
    from eventflow.runtime.streams.mapping_run import MappingRun

COMMIT_SECONDS: Final = 1.0
"""The longest that done records wait to be committed together with later ones."""
COMMIT_PAUSE_SECONDS: Final = 0.5
"""Between two commits of a partition that is not given up: under load, one takes along what was done meanwhile."""
ROOM_AT: Final = 0.9
"""The share of the buffer at which reading goes on after it was full: low enough that reads stay large, high enough
that a blocked key, whose records pile up, does not keep the others from being read."""


class Progress:
    """The records of one partition between reading and commit.

    A record is done when it was handled, filtered out, or given up durably. What is committed is the position
    before which everything is done, so a crash repeats records and never skips one. Sources that keep it are told,
    too, what is done ahead of that. Commits are coalesced: one runs at a time, not before a pause after the last, and
    takes along whatever was done until it starts.

    At most ``maximum_records`` and, after the read that reaches it, ``maximum_bytes`` of undecoded data are held.
    """

    def __init__(
        self, run: MappingRun, assignment: Assignment, *, maximum_records: int, maximum_bytes: int, part: str
    ) -> None:
        checkpoint = assignment.checkpoint
        self.state: str | None = None
        """What is committed beside the position; see Checkpoint."""
        self.position: Position | None = assignment.origin if checkpoint is None else checkpoint.position
        self._tells_pending = assignment.origin is not None
        self._run = run
        self._partition = assignment.partition
        self._part = part
        self._watermark = Watermark()
        self._loop = asyncio.get_running_loop()
        self._finished: list[StreamRecord] = []
        self._maximum_records = maximum_records
        self._maximum_bytes = maximum_bytes
        self._roomy_records = int(ROOM_AT * maximum_records)
        self._roomy_bytes = int(ROOM_AT * maximum_bytes)
        self._bytes = 0
        self._reader_waits = False
        self._room = asyncio.Event()
        self._closed = False
        self._dirty = False
        self._committing = False
        self._changed = asyncio.Event()
        self._hurry = asyncio.Event()
        self._closing = asyncio.Event()
        self._pause_ends_at = 0.0

    @property
    def outstanding(self) -> int:
        """Records that were read and are not done."""
        self._count()
        return self._watermark.outstanding

    @property
    def free(self) -> int:
        """How many more records may be read."""
        return max(0, self._maximum_records - self.outstanding)

    @property
    def full(self) -> bool:
        """Whether nothing more may be read until something is done."""
        return self.outstanding >= self._maximum_records or self._bytes >= self._maximum_bytes

    @property
    def settled(self) -> bool:
        """Whether everything that was read is done and committed."""
        return not (self.outstanding or self._dirty or self._committing)

    def started(self, records: Sequence[StreamRecord], *, size: int | None = None) -> None:
        """Records were read, in this order. ``size`` is the bytes of their data, if somebody knows."""
        self._watermark.started(positions(records))
        self._bytes += value_bytes(records) if size is None else size

    def done(self, record: StreamRecord) -> None:
        """A record is done. A commit follows within a second, sooner once nothing is outstanding.

        Records that finish in one turn of the loop are counted together, at its end or when somebody asks: nobody could
        have committed them any sooner.
        """
        self._finished.append(record)
        if len(self._finished) == 1:
            self._loop.call_soon(self._count)

    def settle(self, records: Sequence[StreamRecord], *, state: str | None = None) -> None:
        """A batch is done, and ``state`` goes with it; they are committed as soon as a commit may be."""
        self._note(records)
        if state != self.state:
            self.state = state
            self._dirty = self.position is not None
            self._changed.set()
        if self._dirty:
            self._hurry.set()

    def _count(self) -> None:
        if self._finished:
            finished, self._finished = self._finished, []
            self._note(finished)

    def _note(self, records: Sequence[StreamRecord]) -> None:
        """These are done."""
        self._bytes -= value_bytes(records)
        done = positions(records)
        moved = self._watermark.done(done[0]) if len(done) == 1 else self._watermark.done_together(done)
        if moved is not None:
            self.position = moved
        if moved is not None or self._tells_pending:
            self._tell()
        if self._reader_waits:
            self._look_for_room()

    def _tell(self) -> None:
        """There is something to commit, and no reason to wait if nothing is outstanding."""
        if not self._dirty:
            self._dirty = True
            self._changed.set()
        if not self._watermark.running:
            self._hurry.set()

    def _look_for_room(self) -> None:
        if self._bytes <= self._roomy_bytes and len(self._watermark.running) <= self._roomy_records:
            self._room.set()

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
        self._count()
        self._closed = True
        self._changed.set()
        self._hurry.set()
        self._closing.set()

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
        with anyio.move_on_after(self._pause_ends_at - anyio.current_time()):
            await self._closing.wait()
        return True

    async def _commit(self) -> None:
        if self.position is None:
            raise AssertionError("nothing is done yet")
        self._dirty = False
        if not self._closed:
            self._hurry.clear()
        self._committing = True
        try:
            await self._run.source.commit(self._partition, self._checkpoint(self.position))
        finally:
            self._committing = False
            self._pause_ends_at = anyio.current_time() + COMMIT_PAUSE_SECONDS

    def _checkpoint(self, position: Position) -> Checkpoint:
        watermark = self._watermark
        if not (self._tells_pending and watermark.running):
            return Checkpoint(position=position, state=self.state)
        return Checkpoint(
            position=position, state=self.state, reached=watermark.reached, pending=frozenset(watermark.running)
        )
