"""A lease: who reads a shard for a subscription, and how far it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventflow_aws.streams.shards import StartingPoint


class Lease(NamedTuple):
    """One row of the lease table.

    ``counter`` is raised by every change of owner and must be shown with every write, so a former owner can change
    nothing. ``heartbeat`` is raised while the owner lives. ``asked_by`` is the member that wants the shard: of its
    owner while it has one, and reserved for itself once the owner has given it up. ``ended`` says that the shard was
    read to its end. ``position`` is what was committed last; ``state_parts`` counts the items of their own in which
    a large state lies that belongs to it.
    """

    shard: str
    start: StartingPoint
    parents: tuple[str, ...] = ()
    owner: str | None = None
    counter: int = 0
    heartbeat: int = 0
    asked_by: str | None = None
    ended: bool = False
    position: int | None = None
    state_parts: int = 0


class Silence:
    """Which leases one observer has not seen change for too long, by its own monotonic clock: so no two machines
    need to agree on the time."""

    def __init__(self, lease_seconds: float) -> None:
        self._lease_seconds = lease_seconds
        self._seen: dict[str, tuple[object, float]] = {}

    def expired(self, leases: Iterable[Lease], *, now: float) -> set[str]:
        """The shards whose owner, or whose reservation, has shown no life for ``lease_seconds``. ``leases`` are all
        there are, as they were read just now."""
        before, self._seen = self._seen, {}
        for lease in leases:
            signs = _signs_of_life(lease)
            known, since = before.get(lease.shard, (None, now))
            self._seen[lease.shard] = (signs, since if known == signs else now)
        return {shard for shard, (_, since) in self._seen.items() if now - since >= self._lease_seconds}


def _signs_of_life(lease: Lease) -> object:
    return lease.owner, lease.counter, lease.heartbeat, lease.asked_by if lease.owner is None else None
