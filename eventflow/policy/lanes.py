"""Order per key while other keys run: lanes within a partition, and how far the partition is done."""

from __future__ import annotations

import zlib
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.model.records import Position

CROWDED: Final = 1_000
"""Positions behind one that does not end, from which on those that no longer matter are forgotten."""


def lane_of(key: str | bytes | None, lanes: int) -> int:
    """The lane from 0 to ``lanes - 1`` in which every record with ``key`` runs. Stable over processes and versions.

    Records without a key share lane 0: nothing says that they may overtake each other, so they keep the partition's
    order.
    """
    if lanes == 1 or key is None:
        return 0
    return zlib.crc32(key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key) % lanes


class Watermark:
    """How far one partition is done, when its records finish in any order.

    Records are ``started`` in the order they are read. The watermark is the last position before which nothing is
    still running, so committing it skips no record. Constant time per record, on average.
    """

    __slots__ = ("_order", "position", "running")

    def __init__(self) -> None:
        self._order: deque[Position] = deque()
        self.running: set[Position] = set()
        """What is started and not done; for others to look at."""
        self.position: Position | None = None
        """The watermark; ``None`` until the first record is done."""

    @property
    def outstanding(self) -> int:
        """How many records are started and not done."""
        return len(self.running)

    @property
    def remembered(self) -> int:
        """How many positions are kept: at most some multiple of those that run, however long one of them does."""
        return len(self._order)

    @property
    def reached(self) -> Position | None:
        """The last position that was started, while anything is outstanding."""
        return self._order[-1] if self._order else None

    def started(self, positions: Sequence[Position]) -> None:
        """Records were read, in this order. Starting one that is already running changes nothing."""
        running = self.running
        if not running.isdisjoint(positions):
            positions = [position for position in positions if position not in running]
        running.update(positions)
        self._order.extend(positions)
        if len(self._order) > CROWDED and len(self._order) > 4 * len(running):
            self._forget_passed()

    def done(self, position: Position) -> Position | None:
        """A record is settled. Returns the watermark if it moved. Repeating it, or naming a record that was not
        started, changes nothing."""
        running, order = self.running, self._order
        if position not in running:
            return None
        running.remove(position)
        if order[0] != position:
            return None
        self.position = order.popleft()
        if order and order[0] not in running:
            return self._move()
        return position

    def done_together(self, positions: Sequence[Position]) -> Position | None:
        """The same for many records at once."""
        self.running.difference_update(positions)
        return self._move()

    def _forget_passed(self) -> None:
        """Of what is done, only the last before each running one can still become the watermark."""
        kept: deque[Position] = deque()
        follows_done = False
        for position in self._order:
            is_done = position not in self.running
            if is_done and follows_done:
                kept[-1] = position
            else:
                kept.append(position)
            follows_done = is_done
        self._order = kept

    def _move(self) -> Position | None:
        running, order = self.running, self._order
        moved: Position | None = None
        if order and not running:
            moved = self.position = order[-1]
            order.clear()
        while order and order[0] not in running:
            moved = self.position = order.popleft()
        return moved
