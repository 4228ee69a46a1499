"""The formats in which an HTTP API hands requests to functions and authorizers."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

PayloadFormatVersion: TypeAlias = Literal["2.0", "1.0"]
PAYLOAD_FORMAT_VERSIONS: Final = ("2.0", "1.0")
