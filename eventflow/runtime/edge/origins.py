"""Requests to origins, and what sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from eventflow.model.edge import OriginUrl

Pair = tuple[str, str]
"""A header's name and value; bytes beyond ASCII are Latin-1."""


class OriginRequest(NamedTuple):
    """``target`` is path and query as they are sent, below the path of ``url``. ``body`` is ``None`` where there is
    none; ``length`` is ``None`` for one sent in chunks. ``headers`` say nothing of either."""

    method: str
    url: OriginUrl
    target: str
    headers: Sequence[Pair]
    body: AsyncIterator[bytes] | None = None
    length: int | None = None
    read_seconds: float = 30.0


class OriginResponse(NamedTuple):
    """``headers`` are as they came, ``body`` as it comes: reading it may raise OriginError."""

    status: int
    reason: str
    headers: Sequence[Pair]
    body: AsyncIterator[bytes]


class OriginError(Exception):
    """An origin gave no answer that can be passed on. ``status`` is what the viewer gets: 502, or 504 if it took too
    long."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Origins(Protocol):
    """Sends requests to origins. Redirections are not followed and bodies not unpacked."""

    def send(self, request: OriginRequest) -> AbstractAsyncContextManager[OriginResponse]:
        """The response, for as long as the block lasts.

        Raises OriginError if the origin is not there, does not answer within the request's ``read_seconds`` of having
        it, or answers with what is no HTTP.
        """

    async def find(self, host: str) -> None:
        """Look a name up. Raises OriginError if it has no address."""
