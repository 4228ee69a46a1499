"""Waiting that ends at once when a partition is told to stop."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterator


class Pauses:
    """The waits of one partition: for records, for a permit, for another try. Invocations are not among them, so
    ``stop`` lets what runs go on while nothing new starts."""

    __slots__ = ("_scopes", "stopped")

    def __init__(self) -> None:
        self.stopped = False
        self._scopes: set[anyio.CancelScope] = set()

    def stop(self) -> None:
        """End every wait, now and from now on."""
        self.stopped = True
        for scope in self._scopes:
            scope.cancel()

    @contextmanager
    def interruptible(self, seconds: float = math.inf) -> Iterator[None]:
        """A block that only waits: it is left early when the time is over or ``stop`` is called."""
        with anyio.move_on_after(seconds) as scope:
            if self.stopped:
                scope.cancel()
            self._scopes.add(scope)
            try:
                yield
            finally:
                self._scopes.discard(scope)

    async def sleep(self, seconds: float) -> None:
        with self.interruptible():
            await anyio.sleep(seconds)
