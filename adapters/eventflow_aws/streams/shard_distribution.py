"""Sharing shards without a coordinator: what one member should do next, from what it sees in the lease table.

Members see the table at different moments and may be wrong about each other; the conditions of every write make that
harmless. What is decided here makes it converge: free shards are taken by whom they would fall to, a shard in use is
asked of its owner, and an owner gives only to a member that has at least two fewer. Every such move makes the shares
more even, so the moves end.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from eventflow.policy.balancing import balance

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from eventflow_aws.streams.leases import Lease


class View(NamedTuple):
    """What one member knows.

    ``listed`` are the shards that exist. ``expired`` are those whose owner, or whose reservation, was silent for too
    long. ``held`` are the shards that the member works on, ``leaving`` those of them that it is giving up.
    """

    member: str
    leases: Mapping[str, Lease]
    listed: Collection[str]
    expired: Collection[str]
    held: Collection[str]
    leaving: Collection[str] = ()


class Decision(NamedTuple):
    """Leases to take now, one to ask its owner for, one to hand over, and those whose askers get a no."""

    take: tuple[str, ...] = ()
    ask: str | None = None
    give: str | None = None
    refuse: tuple[str, ...] = ()


def decide(view: View) -> Decision:
    """The next step of one member, at most one move away from it and one towards it."""
    assignees = {shard: _assignee(view, shard) for shard in _readable(view)}
    target = balance(assignees, _members(view, assignees))
    take = _takes(view, assignees, target)
    give, refuse = _answers(view, assignees)
    return Decision(take, None if take else _question(view, assignees, target), give, refuse)


def _readable(view: View) -> list[str]:
    """The shards that have not ended and whose parents have, or are gone."""
    return [
        shard
        for shard, lease in view.leases.items()
        if shard in view.listed
        and not lease.ended
        and all(_ended(view, parent) for parent in lease.parents if parent in view.listed)
    ]


def _ended(view: View, shard: str) -> bool:
    lease = view.leases.get(shard)
    return lease is not None and lease.ended


def _assignee(view: View, shard: str) -> str | None:
    """Whose it is, or is about to be; nobody's if it may be taken."""
    lease = view.leases[shard]
    if shard in view.leaving:
        return lease.asked_by
    if shard in view.held or lease.owner == view.member:
        return view.member
    return None if shard in view.expired else lease.asked_by or lease.owner


def _members(view: View, assignees: Mapping[str, str | None]) -> set[str]:
    """Everybody alive who has a shard or wants one. Who has none and wants none changes nothing."""
    owners = {lease.owner for shard, lease in view.leases.items() if shard not in view.expired and not lease.ended}
    askers = {view.leases[shard].asked_by for shard in view.held}
    return {member for member in (*owners, *askers, *assignees.values(), view.member) if member is not None}


def _takes(view: View, assignees: Mapping[str, str | None], target: Mapping[str, str | None]) -> tuple[str, ...]:
    """What falls to us and is nobody's, what was given up for us, and what we own without having noticed."""
    ours = [
        shard
        for shard, assignee in assignees.items()
        if shard not in view.held
        and (
            (assignee is None and target[shard] == view.member)
            or (assignee == view.member and view.leases[shard].owner in (None, view.member))
        )
    ]
    return tuple(_in_own_order(view.member, ours))


def _question(view: View, assignees: Mapping[str, str | None], target: Mapping[str, str | None]) -> str | None:
    """The shard to ask its owner for; none while an answer is due."""
    asking = any(assignee == view.member and shard not in view.held for shard, assignee in assignees.items())
    wanted = [
        shard
        for shard, assignee in assignees.items()
        if target[shard] == view.member and assignee not in (None, view.member) and not view.leases[shard].asked_by
    ]
    return None if asking else next(iter(_in_own_order(view.member, wanted)), None)


def _answers(view: View, assignees: Mapping[str, str | None]) -> tuple[str | None, tuple[str, ...]]:
    """Whom to give a shard to, one at a time, and whom to tell that it would make nothing more even."""
    counts = Counter(assignees.values())
    asked = [
        (shard, asker)
        for shard in sorted(assignees)
        if shard in view.held
        and shard not in view.leaving
        and (asker := view.leases[shard].asked_by) not in (None, view.member)
    ]
    worthwhile = [shard for shard, asker in asked if counts[view.member] - counts[asker] >= 2]
    give = worthwhile[0] if worthwhile and not view.leaving else None
    return give, tuple(shard for shard, _ in asked if shard not in worthwhile)


def _in_own_order(member: str, shards: Iterable[str]) -> list[str]:
    """Every member begins elsewhere, so that they meet less often."""
    return sorted(shards, key=lambda shard: (crc32(f"{member} {shard}".encode()), shard))
