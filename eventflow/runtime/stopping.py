"""Being told to stop: once politely, twice at once."""

from __future__ import annotations

import anyio


class StopSignal:
    """Set by whoever owns the process (signal handlers, a test), awaited by the supervisor."""

    def __init__(self) -> None:
        self._graceful = anyio.Event()
        self._now = anyio.Event()

    def request(self) -> None:
        """Ask to stop: the first time drain what is in flight, the second time do not wait."""
        if self._graceful.is_set():
            self._now.set()
        self._graceful.set()

    @property
    def requested(self) -> bool:
        return self._graceful.is_set()

    async def graceful(self) -> None:
        """Return when somebody asked to stop."""
        await self._graceful.wait()

    async def now(self) -> None:
        """Return when somebody asked twice."""
        await self._now.wait()
