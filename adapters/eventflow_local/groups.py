"""Who reads which partition, and how far: members, leases, generations and checkpoints of consumer groups.

One mechanism serves the readers of shards and of Kafka partitions. A member says again and again that it is
alive; whoever looks first after a member joined, left or died spreads the partitions anew, moving as few as
possible. A partition that has to move stays with its owner until the owner has given it up, died, or let the
rebalance timeout pass. Every lease is stamped with the generation of the group in which it was granted, and a
commit must show that stamp, so a member that was thought dead cannot overwrite the progress of its successor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from eventflow.model.records import Checkpoint
from eventflow.policy.balancing import balance

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Mapping

    from eventflow.model.records import PartitionId

BEGINNING: Final = -1
"""The position before every record."""


class Lease(NamedTuple):
    """A partition held by a member: the generation in which it was granted, and how far it had been read."""

    generation: int
    position: int
    checkpoint: Checkpoint | None


@dataclass(frozen=True, slots=True)
class Share:
    """What belongs to one member: the partitions to read, and those to give up with the seconds left for it.

    ``recheck_at`` is when a partition that another member is slow to give up may be taken from it.
    ``rebalanced`` says that this look has started a new generation: the other members should look, too.
    """

    held: Mapping[PartitionId, Lease]
    leaving: Mapping[PartitionId, float]
    recheck_at: float | None
    rebalanced: bool


@dataclass(frozen=True, slots=True)
class Group:
    """One consumer group: transactions over its rows. ``now`` is in epoch seconds.

    ``lease_seconds`` is how long a silent member lives; ``rebalance_timeout_seconds`` is how long an owner may
    take to give a partition up.
    """

    name: str
    lease_seconds: float
    rebalance_timeout_seconds: float

    def create(self, connection: sqlite3.Connection) -> bool:
        """Remember the group; false if it was known already."""
        statement = "INSERT INTO consumer_groups VALUES (?, 0) ON CONFLICT DO NOTHING"
        return connection.execute(statement, (self.name,)).rowcount == 1

    def add(
        self, connection: sqlite3.Connection, partition: PartitionId, *, after: int, complete: bool = False
    ) -> None:
        """Let the group read ``partition`` behind position ``after``. A partition it knows is left as it is."""
        connection.execute(
            "INSERT INTO group_partitions (group_name, partition, position, complete) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            (self.name, partition, after, complete),
        )

    def forget(self, connection: sqlite3.Connection, partitions: Iterable[PartitionId]) -> None:
        """Drop partitions that are no more."""
        connection.executemany(
            "DELETE FROM group_partitions WHERE group_name = ? AND partition = ?",
            [(self.name, partition) for partition in partitions],
        )

    def completed(self, connection: sqlite3.Connection) -> dict[PartitionId, bool]:
        """Every partition the group knows, and whether it was read to its end."""
        rows = connection.execute("SELECT partition, complete FROM group_partitions WHERE group_name = ?", (self.name,))
        return {partition: bool(complete) for partition, complete in rows}

    def positions(self, connection: sqlite3.Connection) -> dict[PartitionId, int]:
        """How far each partition is done that has not ended."""
        rows = connection.execute(
            "SELECT partition, position FROM group_partitions WHERE group_name = ? AND NOT complete", (self.name,)
        )
        return dict(rows.fetchall())

    def take_part(
        self, connection: sqlite3.Connection, member: str, readable: Collection[PartitionId], *, now: float
    ) -> Share:
        """Say that ``member`` is alive, spread ``readable`` if that has become necessary, and tell its share."""
        self._renew(connection, member, now=now)
        rebalanced = self._spread(connection, readable, now=now)
        self._grant(connection, member, now=now)
        return self._share(connection, member, readable, now=now, rebalanced=rebalanced)

    def members(self, connection: sqlite3.Connection) -> list[str]:
        """Who takes part, dead or alive."""
        rows = connection.execute("SELECT member FROM group_members WHERE group_name = ?", (self.name,))
        return [member for (member,) in rows]

    def expel(self, connection: sqlite3.Connection, member: str) -> None:
        """Forget a member that is known to be dead; the next look of the others spreads what it had."""
        connection.execute("DELETE FROM group_members WHERE group_name = ? AND member = ?", (self.name, member))

    def extend(self, connection: sqlite3.Connection, member: str, *, until: float) -> None:
        """Let ``member`` live without a sign of life until ``until``."""
        connection.execute(
            "UPDATE group_members SET expires_at = ? WHERE group_name = ? AND member = ?", (until, self.name, member)
        )

    def release(self, connection: sqlite3.Connection, member: str, partitions: Iterable[PartitionId]) -> None:
        """Give up partitions that ``member`` still owns; others may take them at once."""
        connection.executemany(
            "UPDATE group_partitions SET owner = NULL, revoke_by = NULL"
            " WHERE group_name = ? AND partition = ? AND owner = ?",
            [(self.name, partition, member) for partition in partitions],
        )

    def leave(self, connection: sqlite3.Connection, member: str, *, now: float) -> None:
        """Give up everything that ``member`` owns; the rest of the group shares it."""
        self.expel(connection, member)
        self._spread(connection, self._assigned(connection), now=now)

    def owns(self, connection: sqlite3.Connection, member: str, partition: PartitionId, generation: int) -> bool:
        """Whether ``member`` still holds the lease it got in ``generation``."""
        row = connection.execute(
            "SELECT 1 FROM group_partitions WHERE group_name = ? AND partition = ? AND owner = ? AND generation = ?",
            (self.name, partition, member, generation),
        ).fetchone()
        return row is not None

    def commit(
        self,
        connection: sqlite3.Connection,
        member: str,
        partition: PartitionId,
        generation: int,
        *,
        position: int,
        state: str | None,
    ) -> bool:
        """Store progress; false if ``member`` does not hold the lease of that generation any more."""
        statement = (
            "UPDATE group_partitions SET position = ?, state = ?, committed = 1"
            " WHERE group_name = ? AND partition = ? AND owner = ? AND generation = ?"
        )
        values = (position, state, self.name, partition, member, generation)
        return connection.execute(statement, values).rowcount == 1

    def complete(self, connection: sqlite3.Connection, member: str, partition: PartitionId, generation: int) -> bool:
        """The partition has ended and is done; false if ``member`` does not hold the lease any more."""
        statement = (
            "UPDATE group_partitions SET complete = 1, assignee = NULL, owner = NULL, revoke_by = NULL"
            " WHERE group_name = ? AND partition = ? AND owner = ? AND generation = ?"
        )
        return connection.execute(statement, (self.name, partition, member, generation)).rowcount == 1

    def _renew(self, connection: sqlite3.Connection, member: str, *, now: float) -> None:
        """Writes only when a quarter of the lease has passed: every write wakes the other processes, and they
        would wake us."""
        connection.execute(
            "INSERT INTO group_members VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET expires_at = excluded.expires_at"
            " WHERE expires_at <= ?",
            (self.name, member, now + self.lease_seconds, now + 0.75 * self.lease_seconds),
        )
        connection.execute("DELETE FROM group_members WHERE group_name = ? AND expires_at <= ?", (self.name, now))

    def _spread(self, connection: sqlite3.Connection, readable: Collection[PartitionId], *, now: float) -> bool:
        """Choose assignees, and start a new generation if that changes any. Dead members own nothing."""
        connection.execute(
            "UPDATE group_partitions SET owner = NULL, revoke_by = NULL WHERE group_name = :group"
            " AND owner NOT IN (SELECT member FROM group_members WHERE group_name = :group)",
            {"group": self.name},
        )
        before = {name: assignee for name, assignee in self._assignees(connection).items() if name in readable}
        after = balance(before, self.members(connection))
        moved = [name for name in before if before[name] != after[name]]
        if not moved:
            return False
        connection.execute("UPDATE consumer_groups SET generation = generation + 1 WHERE name = ?", (self.name,))
        revoke_by = now + self.rebalance_timeout_seconds
        connection.executemany(
            "UPDATE group_partitions SET assignee = :assignee,"
            " revoke_by = CASE WHEN owner IS NULL OR owner = :assignee THEN NULL ELSE coalesce(revoke_by, :by) END"
            " WHERE group_name = :group AND partition = :name",
            [{"assignee": after[name], "by": revoke_by, "group": self.name, "name": name} for name in moved],
        )
        return True

    def _grant(self, connection: sqlite3.Connection, member: str, *, now: float) -> None:
        """Take what is assigned to ``member`` and free, or kept by its owner for too long."""
        connection.execute(
            "UPDATE group_partitions SET owner = :member, revoke_by = NULL,"
            " generation = (SELECT generation FROM consumer_groups WHERE name = :group)"
            " WHERE group_name = :group AND assignee = :member AND NOT complete"
            " AND (owner IS NULL OR (owner <> :member AND revoke_by <= :now))",
            {"group": self.name, "member": member, "now": now},
        )

    def _share(
        self,
        connection: sqlite3.Connection,
        member: str,
        readable: Collection[PartitionId],
        *,
        now: float,
        rebalanced: bool,
    ) -> Share:
        held: dict[PartitionId, Lease] = {}
        leaving: dict[PartitionId, float] = {}
        recheck_at: float | None = None
        for name, assignee, owner, revoke_by, generation, position, state, committed in connection.execute(
            "SELECT partition, assignee, owner, revoke_by, generation, position, state, committed"
            " FROM group_partitions WHERE group_name = ? AND ? IN (assignee, owner) AND NOT complete",
            (self.name, member),
        ):
            if owner != member:
                recheck_at = min(revoke_by, recheck_at or revoke_by)
            elif assignee != member:
                leaving[name] = revoke_by - now
            elif name in readable:
                checkpoint = Checkpoint(position=position, state=state) if committed else None
                held[name] = Lease(generation, position, checkpoint)
        return Share(held, leaving, recheck_at, rebalanced)

    def _assignees(self, connection: sqlite3.Connection) -> dict[PartitionId, str | None]:
        rows = connection.execute(
            "SELECT partition, assignee FROM group_partitions WHERE group_name = ? AND NOT complete", (self.name,)
        )
        return dict(rows.fetchall())

    def _assigned(self, connection: sqlite3.Connection) -> Collection[PartitionId]:
        return [name for name, assignee in self._assignees(connection).items() if assignee is not None]
