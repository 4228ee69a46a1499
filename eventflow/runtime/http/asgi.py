"""The part of ASGI that is used here. Source: ASGI specification: HTTP & WebSocket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    import asyncio

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Header: TypeAlias = tuple[bytes, bytes]
"""A lower-case name and its value."""


class Connections(Protocol):
    """What an application keeps open of its own accord."""

    async def leave(self, *, within_seconds: float) -> None:
        """End all of them, in time."""


class ServedApp(Protocol):
    """An application that can be stopped: what a listener serves."""

    @property
    def outliving(self) -> frozenset[asyncio.Task[Any]]:
        """Work that may outlive its requests; whoever stops the server waits for it."""

    @property
    def websockets(self) -> Connections | None:
        """Its connections, if it takes any; they are ended first."""

    def abandon(self) -> None:
        """The server stops without waiting any longer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
