"""Sharing shards without a coordinator: single decisions, and members that take them at different moments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from eventflow_aws.streams.leases import Lease, Silence
from eventflow_aws.streams.shard_distribution import Decision, View, decide
from eventflow_aws.streams.shards import BEGINNING

LEASE_SECONDS = 20.0


def lease(shard: str, owner: str | None = None, **fields: Any) -> Lease:
    return Lease(shard, BEGINNING)._replace(owner=owner, **fields)


def decision(*leases: Lease, member: str = "me", expired: str = "", leaving: str = "", gone: str = "") -> Decision:
    """What ``member`` does; it works on what it owns. Shards are named by one letter."""
    return decide(
        View(
            member=member,
            leases={each.shard: each for each in leases},
            listed={each.shard for each in leases} - set(gone),
            expired=set(expired),
            held={each.shard for each in leases if each.owner == member},
            leaving=set(leaving),
        )
    )


# Taking


def test_a_lone_member_takes_everything_that_is_free() -> None:
    assert sorted(decision(lease("a"), lease("b"), lease("c")).take) == ["a", "b", "c"]


def test_a_member_takes_its_share_of_what_is_free() -> None:
    assert len(decision(lease("a"), lease("b"), lease("c", "other"), lease("d", "other")).take) == 2


def test_what_a_dead_member_had_is_taken() -> None:
    assert decision(lease("a", "dead"), expired="a").take == ("a",)


def test_a_live_owner_loses_nothing() -> None:
    assert decision(lease("a", "other")) == Decision()


def test_a_shard_given_up_for_a_member_is_left_to_it_until_it_proves_dead() -> None:
    reserved = lease("a", asked_by="other")
    assert decision(reserved).take == ()
    assert decision(reserved, expired="a").take == ("a",)
    assert decision(reserved, member="other").take == ("a",)


def test_a_lease_that_is_ours_without_our_knowing_is_taken_again() -> None:
    view = View(member="me", leases={"a": lease("a", "me")}, listed={"a"}, expired=(), held=())
    assert decide(view).take == ("a",)


def test_members_begin_to_take_at_different_shards() -> None:
    leases = [lease(shard) for shard in "abcdefgh"]
    assert len({decision(*leases, member=member).take for member in ("one", "two", "three")}) == 3


# Parents


def test_a_child_waits_until_all_its_parents_have_ended() -> None:
    child = lease("c", parents=("a", "b"))
    assert "c" not in decision(lease("a"), lease("b"), child).take
    assert "c" not in decision(lease("a", ended=True), lease("b"), child).take
    assert "c" in decision(lease("a", ended=True), lease("b", ended=True), child).take


def test_a_parent_that_is_gone_blocks_nothing() -> None:
    assert decision(lease("a"), lease("c", parents=("a", "z")), gone="a").take == ("c",)


def test_a_listed_parent_blocks_even_before_it_has_a_lease() -> None:
    view = View(member="me", leases={"c": lease("c", parents=("a",))}, listed={"a", "c"}, expired=(), held=())
    assert decide(view) == Decision()


def test_an_ended_shard_is_nobodys() -> None:
    assert decision(lease("a", "dead", ended=True), expired="a") == Decision()


# Asking and answering


def test_a_member_with_too_few_asks_for_one_shard() -> None:
    assert decision(*(lease(shard, "rich") for shard in "abcd")).ask in tuple("abcd")


def test_a_member_asks_for_nothing_more_while_it_waits_for_an_answer() -> None:
    assert decision(lease("a", "rich", asked_by="me"), *(lease(shard, "rich") for shard in "bcd")).ask is None


def test_a_member_asks_for_nothing_while_something_is_free() -> None:
    wanted = decision(*(lease(shard, "rich") for shard in "abcd"), lease("e"))
    assert (wanted.take, wanted.ask) == (("e",), None)


def test_a_shard_that_others_ask_for_counts_as_theirs() -> None:
    assert decision(lease("a", "rich", asked_by="poor"), lease("b", "rich")).ask is None


def test_an_owner_gives_what_makes_shares_more_even_one_at_a_time() -> None:
    asked = [lease("a", "me", asked_by="x"), lease("b", "me", asked_by="y"), lease("c", "me"), lease("d", "me")]
    assert decision(*asked) == Decision(give="a")
    assert decision(*asked, leaving="a") == Decision()


def test_an_owner_refuses_what_would_make_nothing_more_even() -> None:
    assert decision(lease("a", "me", asked_by="x"), lease("b", "x")) == Decision(refuse=("a",))


# Silence


def test_an_owner_expires_once_its_lease_has_not_changed_for_the_time_that_we_watched_it() -> None:
    silence = Silence(LEASE_SECONDS)
    alive = lease("a", "other", heartbeat=1)
    assert silence.expired([alive], now=1_000.0) == set()
    assert silence.expired([alive], now=1_019.9) == set()
    assert silence.expired([alive], now=1_020.0) == {"a"}
    assert silence.expired([alive._replace(heartbeat=2)], now=1_021.0) == set()


def test_being_asked_for_is_no_sign_of_life() -> None:
    silence = Silence(LEASE_SECONDS)
    silence.expired([lease("a", "other")], now=0.0)
    assert silence.expired([lease("a", "other", asked_by="me")], now=LEASE_SECONDS) == {"a"}


# Many members, each looking when it likes


@dataclass
class World:
    """Members over one table whose writes have the conditions of the real one. Nobody's view is fresh: each decides
    on what it read some steps before."""

    leases: dict[str, Lease]
    members: list[str]
    views: dict[str, dict[str, Lease]] = field(default_factory=dict)
    moves: int = 0

    def held(self, member: str) -> set[str]:
        return {shard for shard, lease in self.leases.items() if lease.owner == member}

    def look(self, member: str) -> None:
        self.views[member] = dict(self.leases)

    def act(self, member: str) -> None:
        seen = self.views.get(member, {})
        held = self.held(member)
        view = View(member=member, leases=seen, listed=seen.keys(), expired=self._dead(seen), held=held & seen.keys())
        decided = decide(view)
        for shard in decided.take:
            self._change(seen[shard], lambda now: now._replace(owner=member, counter=now.counter + 1, asked_by=None))
        if decided.ask is not None and self.leases[decided.ask].asked_by is None:
            self._change(seen[decided.ask], lambda now: now._replace(asked_by=member))
        for shard in decided.refuse:
            if shard in held:
                self.leases[shard] = self.leases[shard]._replace(asked_by=None)
        if decided.give is not None and decided.give in held:
            self.leases[decided.give] = self.leases[decided.give]._replace(owner=None)
            self.moves += 1

    def _dead(self, seen: Mapping[str, Lease]) -> set[str]:
        return {
            shard
            for shard, lease in seen.items()
            if (waiting_for := lease.owner or lease.asked_by) is not None and waiting_for not in self.members
        }

    def _change(self, seen: Lease, change: Callable[[Lease], Lease]) -> None:
        now = self.leases[seen.shard]
        if (now.owner, now.counter) == (seen.owner, seen.counter):
            self.leases[seen.shard] = change(now)


@given(
    owners=st.lists(st.sampled_from([None, "a", "b", "c", "dead"]), min_size=1, max_size=12),
    members=st.integers(1, 5).map(lambda count: list("abcde"[:count])),
    steps=st.lists(st.tuples(st.sampled_from("abcde"), st.booleans()), max_size=60),
)
def test_whatever_the_order_of_looking_and_acting_every_shard_ends_up_owned_in_even_shares(
    owners: list[str | None], members: list[str], steps: list[tuple[str, bool]]
) -> None:
    leases = {f"s{number:02d}": lease(f"s{number:02d}", owner) for number, owner in enumerate(owners)}
    world = World(leases, members)
    for member, acts in steps:
        if member in members:
            (world.act if acts else world.look)(member)
    for _ in range(12 * len(owners)):
        for member in members:
            world.look(member)
            world.act(member)
    shares = Counter(dict.fromkeys(members, 0))
    shares.update(str(each.owner) for each in world.leases.values())
    assert shares.keys() == set(members)
    assert max(shares.values()) - min(shares.values()) <= 1


@given(shards=st.integers(1, 12), members=st.integers(1, 5))
def test_even_shares_are_left_alone(shards: int, members: int) -> None:
    names = "abcde"[:members]
    leases = {f"s{number:02d}": lease(f"s{number:02d}", names[number % members]) for number in range(shards)}
    world = World(leases, list(names))
    for _ in range(3):
        for member in names:
            world.look(member)
            world.act(member)
    assert world.leases == leases
    assert world.moves == 0
