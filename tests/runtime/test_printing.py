"""What functions print comes out line by line."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from eventflow.runtime.printing import print_whole_lines

if TYPE_CHECKING:
    import pytest
    from _typeshed import ReadableBuffer


class _Recorded(io.RawIOBase):
    """Keeps every write of its own."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        self.writes.append(bytes(data))
        return len(self.writes[-1])


def test_a_line_is_written_in_one_piece_and_at_once_whatever_python_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = _Recorded()
    unbuffered = io.TextIOWrapper(raw, write_through=True)  # type: ignore[type-var]  # what PYTHONUNBUFFERED makes
    monkeypatch.setattr(sys, "stdout", unbuffered)

    print_whole_lines()
    print("picked", 3, "orders")  # noqa: T201 (what a handler does)

    assert raw.writes == [b"picked 3 orders\n"]
