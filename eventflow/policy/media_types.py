"""Which media types are binary. Source: API Gateway guide: api-gateway-payload-encodings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def matches_any(value: str, patterns: Iterable[str]) -> bool:
    """Whether a header's media type is one of ``patterns``: ``type/subtype``, ``type/*`` or ``*/*``. Parameters after
    a semicolon count for nothing."""
    media_type = value.partition(";")[0].strip().lower()
    return any(_matches(media_type, pattern.lower()) for pattern in patterns)


def _matches(media_type: str, pattern: str) -> bool:
    if pattern == "*/*":
        return True
    kind, _, subtype = pattern.partition("/")
    return media_type == pattern or (subtype == "*" and media_type.startswith(f"{kind}/"))
