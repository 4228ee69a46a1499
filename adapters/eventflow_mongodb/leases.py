"""A lease: who reads the changes of a subscription, and how far they are done."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from eventflow_mongodb.places import Place


class Lease(NamedTuple):
    """One document of the lease collection; ``subscription`` is its ``_id``.

    ``counter`` is raised by every change of owner and must be shown with every write, so a former owner can change
    nothing. ``heartbeat`` is raised while the owner lives. ``position`` is what was committed last, with its ``state``;
    ``place`` is where to go on: behind the position, further on where nothing happened since, or at the start.
    """

    subscription: str
    place: Place
    owner: str | None = None
    counter: int = 0
    heartbeat: int = 0
    position: str | None = None
    state: str | None = None


class Silence:
    """Whether a lease has not been seen to change for too long, by the observer's own monotonic clock: so no two
    machines need to agree on the time."""

    def __init__(self, lease_seconds: float) -> None:
        self._lease_seconds = lease_seconds
        self._seen: tuple[object, float] | None = None

    def expired(self, lease: Lease, *, now: float) -> bool:
        """``lease`` was read just now."""
        signs = (lease.owner, lease.counter, lease.heartbeat)
        if self._seen is None or self._seen[0] != signs:
            self._seen = (signs, now)
        return now - self._seen[1] >= self._lease_seconds
