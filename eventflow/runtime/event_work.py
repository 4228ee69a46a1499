"""Events in memory, and the claims that keep them ours while they are there."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import anyio

from eventflow.errors import AdapterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.model.invocation import QueuedEvent
    from eventflow.ports import EventQueueStore

_log = logging.getLogger(__name__)

UNDECODED: Final = object()


class Work:
    """An event in memory. ``decoded`` is its payload's value if that is known already.

    Once it is ``settled``, ``keep`` is the version of it that the store is to keep, ``None`` if it is to be
    forgotten; ``failures`` counts how often the store could not be told. ``lost`` says that it belongs to
    somebody else by now.
    """

    __slots__ = ("decoded", "event", "failures", "keep", "lost", "scope", "settled")

    def __init__(self, event: QueuedEvent, decoded: Any = UNDECODED) -> None:
        self.event = event
        self.decoded = decoded
        self.settled = False
        self.keep: QueuedEvent | None = None
        self.failures = 0
        self.lost = False
        self.scope: anyio.CancelScope | None = None

    def lose(self) -> None:
        """Somebody else has it: stop what is done about it here."""
        self.lost = True
        if self.scope is not None:
            self.scope.cancel()


class Claims:
    """Renews the claims of events in memory, for a store whose claims run out: from when an event comes in, over
    its time in line, until it is settled."""

    def __init__(self, store: EventQueueStore, lease_seconds: float) -> None:
        self._store = store
        self._period_seconds = lease_seconds / 3
        self._held: dict[str, Work] = {}

    def hold(self, work: Work) -> None:
        """An event came in."""
        self._held[work.event.request_id] = work

    def end(self, work: Work) -> None:
        """It is settled, or lost."""
        self._held.pop(work.event.request_id, None)

    async def run(self) -> None:
        """Renew until cancelled."""
        pause = self._period_seconds
        while True:
            await anyio.sleep(pause)
            renewed = not self._held
            if not renewed:
                with anyio.move_on_after(self._period_seconds):  # a store that hangs is asked again in time
                    renewed = await self._renew([work.event for work in self._held.values()])
            pause = self._period_seconds / (1 if renewed else 10)

    async def _renew(self, events: Sequence[QueuedEvent]) -> bool:
        try:
            lost = await self._store.extend(events)
        except AdapterError as exc:
            _log.warning("the claims of %d events could not be renewed: %s", len(events), exc)
            return False
        for event in lost:
            work = self._held.pop(event.request_id, None)
            if work is not None:
                _log.warning("event %s of %s is somebody else's by now", event.request_id, event.function_name)
                work.lose()
        return True
