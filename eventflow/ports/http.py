"""Requests that eventflow itself sends: few, small, and to places that an event may have named."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class OutboundRequest(NamedTuple):
    """``headers`` are sent as they are, an empty value too."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


class OutboundResponse(NamedTuple):
    """``headers`` are in the order they came, names in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class HttpClient(Protocol):
    """Sends requests. Redirections are not followed."""

    async def send(
        self, request: OutboundRequest, *, seconds: float, maximum_bytes: int, private: bool = False
    ) -> OutboundResponse:
        """The response, within ``seconds`` and with at most ``maximum_bytes`` of body.

        Addresses of private networks and of this machine are refused unless ``private``.
        Raises UnavailableError, which names the host and not the URL: that may hold a signature.
        """
