"""Frames of ``application/vnd.amazon.eventstream``, as SDKs read them. Source: Amazon event stream encoding."""

from __future__ import annotations

import struct
from binascii import crc32
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"
MAXIMUM_PAYLOAD_BYTES: Final = 1024 * 1024
"""Larger pieces are sent in several frames; the format allows 16 MB."""

_STRING: Final = 7
_PRELUDE: Final = struct.Struct(">II")
_CHECKSUM: Final = struct.Struct(">I")
_VALUE: Final = struct.Struct(">BH")


def event(event_type: str, content_type: str, payload: bytes) -> bytes:
    """One event as a frame: lengths and their checksum, headers, payload, and the checksum of it all."""
    headers = _headers({":message-type": "event", ":event-type": event_type, ":content-type": content_type})
    prelude = _PRELUDE.pack(len(headers) + len(payload) + 16, len(headers))
    message = b"".join([prelude, _CHECKSUM.pack(crc32(prelude)), headers, payload])
    return message + _CHECKSUM.pack(crc32(message))


def _headers(headers: Mapping[str, str]) -> bytes:
    pieces = []
    for name, value in headers.items():
        text = value.encode()
        pieces += [bytes([len(name)]), name.encode(), _VALUE.pack(_STRING, len(text)), text]
    return b"".join(pieces)
