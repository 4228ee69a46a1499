"""Signed requests: who sent them is told by their signature."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class SignedRequest(NamedTuple):
    """A request as it came over the wire: ``path`` and ``query`` encoded, ``headers`` with lower-case names, repeated
    ones in their order."""

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a caller signs with. ``expires_at`` is in seconds since 1970."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expires_at: float | None = None


class SignatureVerifier(Protocol):
    """Knows a kind of signature. Found through the entry point group ``eventflow.verifiers``: a callable that takes
    the credentials of all callers, the Region that they sign for, and a Clock."""

    def verify(self, request: SignedRequest, *, service: str) -> str:
        """The id of the access key that signed the request for a service, all of it, just now. Raises
        SignatureError."""
