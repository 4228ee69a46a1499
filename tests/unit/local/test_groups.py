"""Leases and generations, without a clock or a loop."""

from __future__ import annotations

import sqlite3
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from eventflow_local import groups
from eventflow_local.groups import Group, Share
from eventflow_local.schema import GROUPS

LEASE_SECONDS = 10.0
PARTITIONS = [f"p{number}" for number in range(5)]
MEMBERS = ["a", "b", "c"]


class GroupMachine(RuleBasedStateMachine):
    """Members join, fall silent, drain slowly, leave; whatever happens, a lease has one owner."""

    def __init__(self) -> None:
        super().__init__()
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.executescript(GROUPS)
        self.group = Group("g", lease_seconds=LEASE_SECONDS, rebalance_timeout_seconds=LEASE_SECONDS / 2)
        self.now = 0.0
        self.shares: dict[str, Share] = {}
        self.granted: dict[tuple[str, int], str] = {}
        self.progress = dict.fromkeys(PARTITIONS, groups.BEGINNING)

    @initialize()
    def create(self) -> None:
        assert self.group.create(self.connection)
        for name in PARTITIONS:
            self.group.add(self.connection, name, after=groups.BEGINNING)

    def teardown(self) -> None:
        self.connection.close()

    @rule(member=st.sampled_from(MEMBERS))
    def look(self, member: str) -> None:
        share = self.group.take_part(self.connection, member, PARTITIONS, now=self.now)
        self.shares[member] = share
        for name, lease in share.held.items():
            assert self.granted.setdefault((name, lease.generation), member) == member
            assert lease.position == self.progress[name]

    @precondition(lambda self: self.shares)
    @rule(data=st.data())
    def give_up_what_must_move(self, data: st.DataObject) -> None:
        member = data.draw(st.sampled_from(sorted(self.shares)))
        self.group.release(self.connection, member, self.shares[member].leaving)

    @precondition(lambda self: self.shares)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        member = data.draw(st.sampled_from(sorted(self.shares)))
        self.group.leave(self.connection, member, now=self.now)

    @precondition(lambda self: self.shares)
    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        """With whatever lease the member believes to have, even one from long ago."""
        member = data.draw(st.sampled_from(sorted(self.shares)))
        for name, lease in self.shares[member].held.items():
            owner = self.owners()[name]
            position = self.progress[name] + 1
            accepted = self.group.commit(self.connection, member, name, lease.generation, position=position, state=None)
            assert accepted == (owner == (member, lease.generation))
            if accepted:
                self.progress[name] = position

    @rule(seconds=st.floats(0, 2 * LEASE_SECONDS))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def everybody_cooperates_until_it_is_fair(self) -> None:
        for _ in range(3):
            for member in MEMBERS:
                self.look(member)
                self.group.release(self.connection, member, self.shares[member].leaving)
        counts = Counter(owner for owner, _ in self.owners().values())
        assert sorted(counts[member] for member in MEMBERS) == [1, 2, 2]

    @invariant()
    def owners_are_members_that_were_granted_the_partition(self) -> None:
        for name, (owner, generation) in self.owners().items():
            assert owner is None or self.granted.get((name, generation), owner) == owner

    def owners(self) -> dict[str, tuple[str | None, int]]:
        rows = self.connection.execute("SELECT partition, owner, generation FROM group_partitions")
        return {name: (owner, generation) for name, owner, generation in rows}


TestGroupMachine = GroupMachine.TestCase
TestGroupMachine.settings = settings(max_examples=40)


@pytest.fixture
def connection() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(GROUPS)
    return connection


def _group(connection: sqlite3.Connection) -> Group:
    group = Group("g", lease_seconds=LEASE_SECONDS, rebalance_timeout_seconds=5)
    group.create(connection)
    group.add(connection, "p", after=7)
    return group


def test_a_partition_stays_with_its_owner_until_the_rebalance_timeout(connection: sqlite3.Connection) -> None:
    group = _group(connection)
    group.take_part(connection, "a", ["p"], now=0)
    group.add(connection, "q", after=0)
    group.take_part(connection, "a", ["p", "q"], now=0)
    newcomer = group.take_part(connection, "b", ["p", "q"], now=1)
    assert newcomer.rebalanced
    assert newcomer.held == {}
    assert newcomer.recheck_at == 6
    assert list(group.take_part(connection, "a", ["p", "q"], now=2).leaving.values()) == [4]
    assert len(group.take_part(connection, "b", ["p", "q"], now=6).held) == 1
    assert group.take_part(connection, "a", ["p", "q"], now=6).leaving == {}
    connection.close()


def test_looking_writes_nothing_when_nothing_has_changed(connection: sqlite3.Connection) -> None:
    """Other processes wake at every write: writing on every look would keep them all awake."""
    group = _group(connection)
    group.take_part(connection, "a", ["p"], now=0)
    before = connection.total_changes
    group.take_part(connection, "a", ["p"], now=1)
    assert connection.total_changes == before
    group.take_part(connection, "a", ["p"], now=LEASE_SECONDS / 3)
    assert connection.total_changes > before
    connection.close()


def test_a_group_is_created_once(connection: sqlite3.Connection) -> None:
    assert not _group(connection).create(connection)
    connection.close()
