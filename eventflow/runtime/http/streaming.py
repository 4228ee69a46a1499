"""Responses that are sent while their function runs.

A client that leaves stops the function; a function that fails midway leaves the response without its end, which the
client sees. Source: Lambda guide: configuration-response-streaming.
"""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from eventflow.model import limits
from eventflow.model.http_prelude import HttpPrelude
from eventflow.model.outcome import Outcome, Succeeded, Throttled
from eventflow.runtime.http.answers import BODYLESS, Answer, send_answer
from eventflow.runtime.http.event_stream import CONTENT_TYPE, MAXIMUM_PAYLOAD_BYTES, event
from eventflow.runtime.http.response_fields import header_value, single_headers, status_of
from eventflow.runtime.response_streams import response_sink
from eventflow.runtime.responses import response_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from eventflow.runtime.http.asgi import Header, Receive, Scope, Send
    from eventflow.runtime.response_streams import Piece

Invoke: TypeAlias = "Callable[[], Coroutine[Any, Any, Outcome]]"

_OCTETS: Final = (b"content-type", b"application/octet-stream")
_NO_PRELUDE: Final = HttpPrelude()


class StreamedAnswer(ABC):
    """One response. ``invoke`` runs the function once."""

    finish_headers: Callable[[Sequence[Header]], Sequence[Header]] = list
    """Has the last word on the headers."""
    _send: Send
    _identity: Sequence[Header]

    def __init__(self, invoke: Invoke) -> None:
        self._invoke = invoke
        self._begun = False
        self._sent_bytes = 0

    async def run(self, scope: Scope, receive: Receive, send: Send, identity: Sequence[Header]) -> None:
        """Send all of it."""
        self._send, self._identity = send, identity
        token = response_sink.set(self.take)
        try:
            outcome = await _while_connected(self._invoke(), receive)
        finally:
            response_sink.reset(token)
        if outcome is None:
            return
        if not self._begun and (answer := self.whole(outcome)) is not None:
            await send_answer(scope, send, answer._replace(headers=self.finish_headers(answer.headers)), identity)
        else:
            await self.end(outcome)

    async def take(self, piece: Piece) -> None:
        """Send one piece; waits for a client that reads slowly."""
        if not isinstance(piece, HttpPrelude):
            self._sent_bytes += len(piece)
            if self._sent_bytes > limits.STREAMED_RESPONSE_BYTES:
                raise ValueError(f"a streamed response has at most {limits.STREAMED_RESPONSE_BYTES} bytes")
        await self.send_piece(piece)

    async def start(self, status: int, headers: Sequence[Header]) -> None:
        """Send the status and headers."""
        self._begun = True
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*self.finish_headers(headers), *self._identity],
            }
        )

    async def send_body(self, body: bytes, *, more: bool = True) -> None:
        """Send a part of the body."""
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    @abstractmethod
    async def send_piece(self, piece: Piece) -> None:
        """Send one piece of the function's."""

    @abstractmethod
    def whole(self, outcome: Outcome) -> Answer | None:
        """The answer if nothing was sent; ``None`` if there is nothing special about that."""

    @abstractmethod
    async def end(self, outcome: Outcome) -> None:
        """Send what comes last."""


class UrlStream(StreamedAnswer):
    """A function URL's response. ``whole_answer`` is what a client is told when nothing was sent yet."""

    def __init__(self, invoke: Invoke, whole_answer: Callable[[Outcome], Answer]) -> None:
        super().__init__(invoke)
        self._whole_answer = whole_answer
        self._bodyless = False

    async def send_piece(self, piece: Piece) -> None:
        if isinstance(piece, HttpPrelude):
            await self._start_with(piece)
            return
        if not self._begun:
            await self._start_with(_NO_PRELUDE)
        if not self._bodyless:
            await self.send_body(piece)

    async def _start_with(self, prelude: HttpPrelude) -> None:
        status = status_of(prelude.status_code)
        headers = list(single_headers(dict(prelude.headers)))
        headers += [(b"set-cookie", header_value("set-cookie", cookie)) for cookie in prelude.cookies]
        self._bodyless = status in BODYLESS
        if not self._bodyless and not any(name == b"content-type" for name, _ in headers):
            headers.insert(0, _OCTETS)
        await self.start(status, headers)

    def whole(self, outcome: Outcome) -> Answer | None:
        return None if isinstance(outcome, Succeeded) else self._whole_answer(outcome)

    async def end(self, outcome: Outcome) -> None:
        if not isinstance(outcome, Succeeded):
            return  # the server closes a connection whose response has no end
        if not self._begun:
            await self._start_with(_NO_PRELUDE)
        await self.send_body(b"", more=False)


class EventStream(StreamedAnswer):
    """The answer of InvokeWithResponseStream. ``throttled`` is the answer if nothing ran; ``log_result`` gives the log
    if it was asked for. Source: Lambda API: InvokeWithResponseStream."""

    def __init__(
        self,
        invoke: Invoke,
        *,
        request_id: str,
        version: Header,
        throttled: Callable[[Throttled], Answer],
        log_result: Callable[[], str | None],
    ) -> None:
        super().__init__(invoke)
        self._request_id = request_id
        self._version = version
        self._throttled = throttled
        self._log_result = log_result

    async def send_piece(self, piece: Piece) -> None:
        payload = piece.encode() if isinstance(piece, HttpPrelude) else piece
        if not self._begun:
            await self.start(200, [(b"content-type", CONTENT_TYPE.encode()), self._version])
        for start in range(0, len(payload), MAXIMUM_PAYLOAD_BYTES):
            chunk = payload[start : start + MAXIMUM_PAYLOAD_BYTES]
            await self.send_body(event("PayloadChunk", "application/octet-stream", chunk))

    def whole(self, outcome: Outcome) -> Answer | None:
        return self._throttled(outcome) if isinstance(outcome, Throttled) else None

    async def end(self, outcome: Outcome) -> None:
        response = response_of(outcome, self._request_id)
        complete: dict[str, Any] = {}
        if not isinstance(response.outcome, Succeeded | Throttled):
            details = (response.body or b"").decode()
            complete = {"ErrorCode": response.outcome.body()["errorType"], "ErrorDetails": details}
        if not self._begun:
            whole = response.body or b""
            await self.send_piece(whole if isinstance(response.outcome, Succeeded) else b"")
        log = self._log_result()
        if log is not None:
            complete["LogResult"] = log
        last = event("InvokeComplete", "application/json", json.dumps(complete).encode())
        await self.send_body(last, more=False)


async def _while_connected(running: Coroutine[Any, Any, Outcome], receive: Receive) -> Outcome | None:
    """What comes of ``running``; ``None`` if the client left, which ends it."""
    loop = asyncio.get_running_loop()
    task, leaving = loop.create_task(running), loop.create_task(_disconnected(receive))
    try:
        await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        leaving.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
