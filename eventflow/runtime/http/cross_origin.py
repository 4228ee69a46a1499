"""CORS in front of functions: preflights are answered here, and what functions say of CORS themselves is replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventflow.policy.cors import OWN, CrossOrigin, is_preflight, preflight_headers, response_headers
from eventflow.runtime.http.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.model.cors import Cors
    from eventflow.runtime.http.asgi import Header


class Sharing:
    """What applies to one request."""

    def __init__(self, cors: Cors, method: str, headers: Sequence[Header]) -> None:
        self._cors = cors
        self._method = method
        self._request = CrossOrigin.of(headers)

    def preflight(self) -> Answer | None:
        """The answer to a preflight; ``None`` for any other request."""
        if self._request is None or not is_preflight(self._method, self._request):
            return None
        return Answer(204, preflight_headers(self._cors, self._request))

    def headers(self, headers: Sequence[Header]) -> list[Header]:
        """A response's headers with the right ones for CORS."""
        kept = [header for header in headers if header[0] not in OWN]
        return kept if self._request is None else kept + response_headers(self._cors, self._request)
