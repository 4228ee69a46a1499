"""What parent and worker process send each other: length-prefixed messages over pipes."""

from __future__ import annotations

import os
import struct
from typing import Final

READY: Final = b"R"
"""The first byte of a worker's message that its handler is imported."""
LOG: Final = b"L"
"""... that carries a log record."""
PRINTED: Final = b"P"
"""... that carries text which the handler printed."""
ANSWER: Final = b"A"
"""... that answers a request."""

_LENGTH: Final = struct.Struct(">I")


def write_frame(descriptor: int, payload: bytes) -> None:
    """Write one message. Raises BrokenPipeError if nobody reads."""
    data = memoryview(_LENGTH.pack(len(payload)) + payload)
    while data:
        data = data[os.write(descriptor, data) :]


def read_frame(descriptor: int) -> bytes | None:
    """Read one message; ``None`` when the other side is gone."""
    header = _read_exactly(descriptor, _LENGTH.size)
    return None if header is None else _read_exactly(descriptor, _LENGTH.unpack(header)[0])


def _read_exactly(descriptor: int, size: int) -> bytes | None:
    chunks = bytearray()
    while len(chunks) < size:
        chunk = os.read(descriptor, size - len(chunks))
        if not chunk:
            return None
        chunks += chunk
    return bytes(chunks)
