"""What goes back to the client."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.runtime.http.asgi import Header, Scope, Send

JSON: Final = (b"content-type", b"application/json")
TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")

WHOLE_RESPONSE: Final = "eventflow.whole_response"
"""An ASGI extension of our own server: a function that takes a status, valid headers and the body, and returns
whether it sent them."""

BODYLESS: Final = frozenset({204, 304})
"""Statuses of responses that have no body."""


class Answer(NamedTuple):
    """One HTTP response. ``headers`` leave out ``content-length``, which is added when it is sent."""

    status: int
    headers: Sequence[Header]
    body: bytes = b""


def message(status: int, text: str) -> Answer:
    """An answer of HTTP APIs' own: ``{"message": text}``."""
    return Answer(status, (JSON,), json.dumps({"message": text}, separators=(",", ":")).encode())


METHOD_NOT_ALLOWED: Final = Answer(405, (JSON, (b"allow", b"GET, HEAD")), b'{"message":"Method Not Allowed"}')
"""For pages that are only looked at."""


async def send_answer(scope: Scope, send: Send, answer: Answer, identity: Sequence[Header]) -> None:
    """Send an answer with the headers that identify its request. A client that is gone by now gets nothing, which
    is no error."""
    status, headers, body = answer
    if status in BODYLESS:
        sent, body = [*headers, *identity], b""
    else:
        sent = [*headers, (b"content-length", b"%d" % len(body)), *identity]
        if scope["method"] == "HEAD":
            body = b""
    extensions = scope.get("extensions")
    if extensions and WHOLE_RESPONSE in extensions and extensions[WHOLE_RESPONSE](status, sent, body):
        return
    try:
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": body})
    except OSError:  # how ASGI servers say that the client has gone
        return
