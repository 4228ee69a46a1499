"""Handlers that are generators: what they yield goes out piece by piece, to whoever listens, or is collected.

Each piece is sent before the next one is asked for, so that a slow reader holds the handler up and nothing piles up.
Source: Lambda guide: configuration-response-streaming.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError as FutureCancelledError
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from eventflow.model import limits
from eventflow.model.http_prelude import HttpPrelude
from eventflow.runtime.failures import RemoteFailureError
from eventflow.runtime.responses import too_large

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from eventflow.model.context import Context
    from eventflow.plan.endpoint import Call

_log = logging.getLogger(__name__)

Piece: TypeAlias = HttpPrelude | bytes
Sink: TypeAlias = Callable[[Piece], Coroutine[Any, Any, None]]
"""Takes one piece, and returns when the next one may come. A prelude comes first or never."""

response_sink: Final[ContextVar[Sink | None]] = ContextVar("eventflow_response_sink", default=None)
"""Where the invocation that starts here sends its pieces; without one they become its result."""


async def stream(call: Call, subject: Any, context: Context) -> bytes:
    """Run an asynchronous generator to its end; stopping early closes it. Returns what nobody listened to."""
    collected, take = _listener()
    generator = call(subject, context)
    try:
        async for item in generator:
            await take(item)
    finally:
        await generator.aclose()
    return collected.result()


async def stream_in_thread(
    loop: asyncio.AbstractEventLoop, threads: Executor, call: Call, subject: Any, context: Context
) -> bytes:
    """Run a generator to its end in one thread. One that is stopped early is closed when it yields next."""
    collected, take = _listener()
    running = _ThreadStream(loop, take)
    try:
        await loop.run_in_executor(threads, copy_context().run, running.run, call, subject, context)
    except asyncio.CancelledError:
        if not running.stop():
            _log.warning("%s was stopped, but its thread goes on until it yields", context.function_name)
        raise
    return collected.result()


class _Collected:
    """Pieces that nobody listened to: a synchronous response, 6 MB at most."""

    def __init__(self) -> None:
        self._body = bytearray()

    async def take(self, piece: Piece) -> None:
        self._body += piece.encode() if isinstance(piece, HttpPrelude) else piece
        if len(self._body) > limits.SYNCHRONOUS_RESPONSE_BYTES:
            raise RemoteFailureError(too_large())

    def result(self) -> bytes:
        return bytes(self._body)


class _Pieces:
    """Turns what a handler yields into pieces, and hands them to a sink."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._begun = False

    async def take(self, item: Any) -> None:
        if isinstance(item, str):
            item = item.encode()
        elif isinstance(item, bytearray | memoryview):
            item = bytes(item)
        elif isinstance(item, HttpPrelude) and self._begun:
            raise TypeError("an HttpPrelude comes before everything else that is yielded")
        elif not isinstance(item, bytes | HttpPrelude):
            raise TypeError(f"a streamed response consists of str and bytes, not {type(item).__name__}")
        self._begun = True
        if item != b"":
            await self._sink(item)


def _listener() -> tuple[_Collected, Sink]:
    collected = _Collected()
    return collected, _Pieces(response_sink.get() or collected.take).take


class _StoppedError(BaseException):
    """Ends a generator in its thread; no handler should catch it."""


class _ThreadStream:
    """A generator in its thread, and the piece that the loop is sending for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, take: Sink) -> None:
        self._loop = loop
        self._take = take
        self._stopped = False
        self._sending: Future[None] | None = None

    def run(self, call: Call, subject: Any, context: Context) -> None:
        generator = call(subject, context)
        try:
            for item in generator:
                self._send(item)
        except _StoppedError:
            return  # whoever waited for it is gone
        finally:
            generator.close()

    def _send(self, item: Any) -> None:
        self._sending = asyncio.run_coroutine_threadsafe(self._take(item), self._loop)
        if self._stopped:
            self._sending.cancel()
        try:
            self._sending.result()
        except FutureCancelledError:
            raise _StoppedError from None

    def stop(self) -> bool:
        """Close the generator; false if it has to yield before that."""
        self._stopped = True
        return self._sending is not None and self._sending.cancel()
