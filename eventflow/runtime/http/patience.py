"""How long a server waits for its clients."""

from __future__ import annotations

from typing import Final, NamedTuple


class Patience(NamedTuple):
    """How many seconds the server waits for a client. Nobody waits for one while a function runs."""

    idle_seconds: float = 75.0
    """For the next request. Longer than the 60 s of common load balancers, which would meet closed connections."""
    head_seconds: float = 30.0
    """For a request's line and headers, from their first byte."""
    body_seconds: float = 300.0
    """For a request's body."""
    unread_seconds: float = 60.0
    """For the client to read anything of what was sent."""


PATIENCE: Final = Patience()
