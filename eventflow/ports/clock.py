"""Wall-clock time as a dependency, so that tests can own it."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Tells the time. Waiting is the event loop's business (``anyio.sleep``), whose clock moves along."""

    def time(self) -> float:
        """Seconds since the epoch."""
