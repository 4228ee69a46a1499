"""What of a partition is done ahead of the offset that its group has committed."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


MAXIMUM_PENDING: Final = 200_000
"""As many as a process ever reads of a partition ahead of having done them: two batches for each of ten lanes."""


class Ahead(NamedTuple):
    """Every record before offset ``end`` is done, except those at ``pending``."""

    end: int = 0
    pending: frozenset[int] = frozenset()

    @property
    def first(self) -> int:
        """The first offset that is not done."""
        return min(self.pending, default=self.end)

    def is_done(self, offset: int) -> bool:
        return offset < self.end and offset not in self.pending

    def then(self, offset: int, *, end: int, pending: Iterable[int]) -> Ahead:
        """What is done once everything before ``offset`` is, and everything before ``end`` except ``pending``. Offsets
        behind ``end`` stay as they were."""
        unread = (each for each in self.pending if each >= end)
        return Ahead(max(self.end, end, offset), frozenset(each for each in chain(pending, unread) if each >= offset))

    def to_text(self, maximum: int) -> str:
        """Lengths of runs from the first pending offset on, pending and done in turn. What does not fit into
        ``maximum`` characters is left out, from the end: it will be repeated."""
        room = maximum * 3 // 4
        packed = bytearray()
        for pending, done in self._runs():
            pair = _varint(pending) + _varint(done)
            if len(packed) + len(pair) > room:
                break
            packed += pair
        return urlsafe_b64encode(packed).rstrip(b"=").decode()

    @classmethod
    def from_text(cls, offset: int, text: str) -> Ahead:
        """The opposite, given the first pending offset. Raises ValueError for what is no such text."""
        pending: set[int] = set()
        lengths = _numbers(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        for waiting in lengths:
            if len(pending) + waiting > MAXIMUM_PENDING:
                raise ValueError(f"{waiting} records are pending, which is not ours")
            pending.update(range(offset, offset + waiting))
            offset += waiting + next(lengths, 0)
        return cls(offset, frozenset(pending))

    def _runs(self) -> Iterator[tuple[int, int]]:
        """How many are pending, and how many are done then, in turn, up to the last that is done."""
        pending = sorted(self.pending)
        run = 0
        for offset, following in zip(pending, [*pending[1:], self.end], strict=False):
            run += 1
            if following > offset + 1:
                yield run, following - offset - 1
                run = 0


def _varint(number: int) -> bytes:
    """Seven bits per byte, the lowest first; the eighth says that there are more."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _numbers(encoded: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in encoded:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte <= 0x7F:
            yield number
            number = shift = 0
