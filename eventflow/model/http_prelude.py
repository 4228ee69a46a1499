"""What comes before a streamed body. Source: Lambda guide: response-streaming, response-streaming-tutorial."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SEPARATOR: Final = bytes(8)
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class HttpPrelude:
    """Status, headers and cookies of a streamed response. A generator may yield one before anything else::

    @on_function_url(invoke_mode="RESPONSE_STREAM")
    async def chat(event: HttpEvent) -> AsyncIterator[HttpPrelude | str]:
        yield HttpPrelude(headers={"content-type": "text/event-stream"})
        async for word in answer(event.body):
            yield f"data: {word}\\n\\n"
    """

    status_code: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS)
    cookies: Sequence[str] = ()

    def encode(self) -> bytes:
        """As it goes over Lambda's wire: JSON, and eight NULs before the body."""
        parts = {"statusCode": self.status_code, "headers": dict(self.headers), "cookies": list(self.cookies)}
        return json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode() + SEPARATOR
