"""Requests that bring events: from the sources' endpoints to their answers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from eventflow.model import limits
from eventflow.ports import PushRequest
from eventflow.runtime.http.answers import JSON, TEXT, Answer, message
from eventflow.runtime.http.bodies import BodyTooLargeError, head_of, read_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventflow.ports import HttpEndpoint
    from eventflow.runtime.http.asgi import Receive, Scope

_log = logging.getLogger(__name__)

_METHOD_NOT_ALLOWED: Final = message(405, "Method Not Allowed")
_TOO_LARGE: Final = message(413, "Request Entity Too Large")
_FAILED: Final = message(500, "Internal Server Error")


class Pushes:
    """The endpoints of a run, by their paths."""

    def __init__(self, endpoints: Mapping[str, HttpEndpoint]) -> None:
        self._endpoints = endpoints

    async def answer(self, path: str, scope: Scope, receive: Receive) -> Answer:
        """The answer to one request. Raises ClientGoneError if the client left before its request was complete."""
        if scope["method"] != "POST":
            return _METHOD_NOT_ALLOWED._replace(headers=(*_METHOD_NOT_ALLOWED.headers, (b"allow", b"POST")))
        _, declared = head_of(scope["headers"])
        try:
            body = await read_body(receive, declared, limit=limits.PUSHED_BODY_BYTES)
        except BodyTooLargeError:
            return _TOO_LARGE
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            status, text, json = await self._endpoints[path].handle(PushRequest(headers, body))
        except Exception:  # noqa: BLE001 - the sender is told to try again
            _log.exception("a request to %s could not be handled", path)
            return _FAILED
        if json is not None:
            return Answer(status, (JSON,), json)
        return Answer(status, (TEXT,), f"{text}\n".encode() if text else b"")
