"""What generators yield, as one response: Lambda's Python runtime has no way to send a response in pieces."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from eventflow.model import limits
from eventflow.model.destinations import HTTP_SERVICES
from eventflow.model.http_prelude import HttpPrelude
from eventflow.model.outcome import Outcome, Succeeded
from eventflow.runtime.failures import RemoteFailureError, marshal_failed
from eventflow.runtime.http.answers import BODYLESS
from eventflow.runtime.responses import too_large

if TYPE_CHECKING:
    from eventflow.runtime.response_streams import Piece


class CollectedStream:
    """The pieces of one response: 6 MB at most, as of any that is not streamed."""

    def __init__(self) -> None:
        self._prelude: HttpPrelude | None = None
        self._body = bytearray()

    async def take(self, piece: Piece) -> None:
        """Keep a piece. Raises RemoteFailureError above the limit."""
        if isinstance(piece, HttpPrelude):
            self._prelude = piece
            return
        self._body += piece
        if len(self._body) > limits.SYNCHRONOUS_RESPONSE_BYTES:
            raise RemoteFailureError(too_large())

    def outcome(self, outcome: Outcome, source: str) -> Outcome:
        """The outcome of a generator with what it has yielded: a response of payload format 2.0, or a direct caller's
        text."""
        if not isinstance(outcome, Succeeded):
            return outcome
        if source in HTTP_SERVICES or self._prelude is not None:
            return Succeeded(self._response(self._prelude or HttpPrelude()))
        try:
            return Succeeded(self._body.decode())
        except UnicodeDecodeError as exc:
            return marshal_failed(exc, "")

    def _response(self, prelude: HttpPrelude) -> dict[str, Any]:
        headers = dict(prelude.headers)
        has_body = prelude.status_code not in BODYLESS
        if has_body and not any(name.lower() == "content-type" for name in headers):
            headers["content-type"] = "application/octet-stream"
        try:
            body, is_base64 = self._body.decode(), False
        except UnicodeDecodeError:
            body, is_base64 = base64.b64encode(self._body).decode(), True
        return {
            "statusCode": prelude.status_code,
            "headers": headers,
            "cookies": list(prelude.cookies),
            "body": body,
            "isBase64Encoded": is_base64,
        }
