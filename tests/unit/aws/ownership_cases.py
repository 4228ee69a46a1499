"""What sharing shards between processes promises, as cases: on virtual time with leases on paper, and in real time
with leases in DynamoDB."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, TypeAlias

import anyio
import pytest

from eventflow.errors import AdapterError, LeaseLostError, UnavailableError
from eventflow.model.mapping import StartingPosition
from eventflow.model.records import Checkpoint
from eventflow_aws.streams.shards import BEGINNING, StartingPoint
from tests.unit.aws.ownership import Cluster, starting

OwnershipCase: TypeAlias = Callable[[Cluster], Awaitable[None]]

FOUR = ("s1", "s2", "s3", "s4")


# Sharing


async def a_single_process_owns_every_shard(shared: Cluster) -> None:
    shared.stream.open(*FOUR)
    process = shared.join()
    await process.owns(*FOUR)
    assert all(assignment.checkpoint is None for assignment in process.assigned.values())
    assert all(process.ownership.owns(shard) for shard in FOUR)


async def a_new_process_gets_its_share_from_one_that_goes_on_with_the_rest(shared: Cluster) -> None:
    shared.stream.open(*FOUR)
    first = shared.join()
    await first.owns(*FOUR)
    second = shared.join()
    await second.owns_some(2)
    assert first.assigned.keys() | second.assigned.keys() == set(FOUR)
    moved = [told for told in first.told if told[0] != "assigned"]
    assert sorted(moved) == sorted(("revoked", shard) for shard in second.assigned)


async def three_processes_that_start_together_have_shares_that_differ_by_one(shared: Cluster) -> None:
    shared.stream.open(*FOUR)
    processes = [shared.join() for _ in range(3)]

    def shared_out() -> bool:
        return sorted(len(process.assigned) for process in processes) == [1, 1, 2]

    await shared.until(shared_out, "four shards are shared by three")


async def a_shard_moves_only_after_its_owner_has_drained_it(shared: Cluster) -> None:
    shared.stream.open("s1", "s2")
    first = shared.join()
    await first.owns("s1", "s2")
    first.drained = anyio.Event()
    second = shared.join()
    await shared.until(lambda: any(held.draining for held in first.ownership._held.all()), "a shard is drained")
    [leaving] = [held.shard for held in first.ownership._held.all() if held.draining]
    await anyio.sleep(shared.lease_seconds * 1.2)
    assert not second.assigned
    await first.ownership.commit(leaving, Checkpoint(position=7))
    first.drained.set()
    await second.owns(leaving)
    assert second.assigned[leaving].checkpoint == Checkpoint(position=7)


async def a_drain_that_takes_too_long_is_cut_off(shared: Cluster) -> None:
    shared.stream.open("s1", "s2")
    first = shared.join()
    await first.owns("s1", "s2")
    first.drained = anyio.Event()
    second = shared.join()
    await second.owns_some(1)
    [moved] = second.assigned
    assert first.told[-1] == ("lost", moved)


async def a_process_that_leaves_releases_its_shards_at_once(shared: Cluster) -> None:
    shared.stream.open(*FOUR)
    first = shared.join()
    await first.owns(*FOUR)
    await first.leave()
    leases = await first.leases()
    assert all(lease.owner is None for lease in leases)
    await shared.join().owns(*FOUR)


async def a_process_that_leaves_while_it_drains_releases_that_shard_too(shared: Cluster) -> None:
    shared.stream.open("s1", "s2")
    first = shared.join()
    await first.owns("s1", "s2")
    first.drained = anyio.Event()
    second = shared.join()
    await shared.until(lambda: any(held.draining for held in first.ownership._held.all()), "a shard is drained")
    await second.leave()
    await first.leave()
    leases = await first.leases()
    assert [lease.owner for lease in leases] == [None, None]


# Failing


async def the_shards_of_a_killed_process_are_taken_over_with_their_checkpoints(shared: Cluster) -> None:
    shared.stream.open("s1", "s2")
    first = shared.join()
    await first.owns("s1", "s2")
    await first.ownership.commit("s1", Checkpoint(position=41, state='{"sum": 1}'))
    await first.die()
    second = shared.join()
    await second.owns("s1", "s2")
    assert second.assigned["s1"].checkpoint == Checkpoint(position=41, state='{"sum": 1}')
    assert second.assigned["s2"].checkpoint is None


async def a_process_that_is_cut_off_stops_before_others_take_over_and_can_commit_nothing(shared: Cluster) -> None:
    shared.stream.open("s1", "s2")
    first = shared.join()
    await first.owns("s1", "s2")
    grips = {held.shard: held.grip for held in first.ownership._held.all()}
    second = shared.join()
    await second.owns_some(1)
    [kept] = first.assigned
    first.table.cut = True
    await second.owns("s1", "s2")  # and its on_assigned finds no other owner
    assert ("lost", kept) in first.told
    await second.ownership.commit(kept, Checkpoint(position=9))
    first.table.cut = False
    assert not await first.table.renew(grips[kept])
    with pytest.raises(LeaseLostError):
        await first.ownership.commit(kept, Checkpoint(position=3))
    await first.owns_some(1)
    progress = {each.shard: each.position for each in await first.leases()}
    assert progress[kept] == 9


async def an_owner_learns_from_a_commit_that_its_shard_was_taken(shared: Cluster) -> None:
    shared.stream.open("s1")
    first = shared.join()
    await first.owns("s1")
    lease = next(each for each in await first.leases() if each.shard == "s1")
    assert await shared.process().table.take(shared.mapping, lease, "thief")
    with pytest.raises(LeaseLostError, match="s1"):
        await first.ownership.commit("s1", Checkpoint(position=1))
    assert not first.ownership.owns("s1")
    await shared.until(lambda: ("lost", "s1") in first.told, "the owner is told")


async def a_lease_that_somebody_deletes_is_lost_and_made_again(shared: Cluster) -> None:
    shared.stream.open("s1", "s2")
    first = shared.join()
    await first.owns("s1", "s2")
    lease = next(each for each in await first.leases() if each.shard == "s1")
    await first.table.forget(shared.mapping, lease)
    await shared.until(lambda: ("lost", "s1") in first.told, "the owner is told")
    await first.owns("s1", "s2")


async def a_short_break_of_the_network_costs_nothing(shared: Cluster) -> None:
    shared.stream.open("s1")
    first = shared.join()
    await first.owns("s1")
    first.table.cut = True
    await anyio.sleep(shared.lease_seconds / 4)
    first.table.cut = False
    await anyio.sleep(shared.lease_seconds)
    assert first.told == [("assigned", "s1")]


async def a_table_that_cannot_be_reached_ends_the_membership_of_who_has_nothing(shared: Cluster) -> None:
    shared.stream.open("s1")
    process = shared.process()
    process.table.cut = True
    with pytest.raises(AdapterError, match="the network is cut"):
        await process.ownership.run(process)


async def a_process_that_gets_nothing_when_the_table_is_back_knows_that_it_is_back(shared: Cluster) -> None:
    shared.stream.open("s1")
    owner = shared.join()
    await owner.owns("s1")
    spare = shared.join()
    await anyio.sleep(shared.lease_seconds)
    spare.table.cut = True
    await shared.until(lambda: spare.problem is not None, "the poller is told")
    spare.table.cut = False
    await shared.until(lambda: spare.problem is None, "the poller is told that it works again")
    assert not spare.assigned


async def what_was_listed_last_serves_while_the_stream_is_away(shared: Cluster) -> None:
    shared.stream.open("s1", "s2")
    first = shared.join()
    await first.owns("s1", "s2")
    shared.stream.away = True
    await anyio.sleep(3 * shared.lease_seconds)
    await first.ownership.commit("s1", Checkpoint(position=1))
    assert [what for what, _ in first.told] == ["assigned", "assigned"]
    shared.stream.away = False
    shared.stream.split("s1")
    await first.ownership.complete("s1")
    first.assigned.pop("s1")
    await first.owns("s2", "s1.0", "s1.1")


async def an_answer_that_gets_lost_costs_neither_a_shard_nor_a_commit(shared: Cluster) -> None:
    shared.stream.open("s1", "s2")
    first = shared.process()
    await first.ownership.subscribe()
    first.table.answers_to_lose = 4
    shared.tasks.start_soon(first.run)
    await first.owns("s1", "s2")
    first.table.answers_to_lose = 1
    with pytest.raises(UnavailableError):
        await first.ownership.commit("s1", Checkpoint(position=5))
    await first.ownership.commit("s1", Checkpoint(position=6))
    first.table.answers_to_lose = 1
    with pytest.raises(UnavailableError):
        await first.ownership.complete("s1")
    await first.ownership.complete("s1")
    progress = {each.shard: each for each in await first.leases()}
    assert (progress["s1"].position, progress["s1"].ended) == (6, True)


# Committing


async def commits_at_once_leave_the_last_one(shared: Cluster) -> None:
    shared.stream.open("s1")
    first = shared.join()
    await first.owns("s1")
    async with anyio.create_task_group() as tasks:
        for position in range(20):
            tasks.start_soon(first.ownership.commit, "s1", Checkpoint(position=position))
    [progress] = await first.leases()
    assert progress.position == 19
    assert first.ownership._held.get("s1").commits < 20


async def sequence_numbers_of_any_length_come_back_as_they_were(shared: Cluster) -> None:
    position = 49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_898
    shared.stream.open("s1")
    first = shared.join()
    await first.owns("s1")
    await first.ownership.commit("s1", Checkpoint(position=position))
    await first.leave()
    second = shared.join()
    await second.owns("s1")
    assert second.assigned["s1"].checkpoint == Checkpoint(position=position)


async def nobody_commits_what_it_does_not_own(shared: Cluster) -> None:
    shared.stream.open("s1")
    process = shared.process()
    await process.ownership.subscribe()
    with pytest.raises(LeaseLostError):
        await process.ownership.commit("s1", Checkpoint(position=1))
    with pytest.raises(LeaseLostError):
        await process.ownership.complete("s1")


# Resharding


async def children_come_after_their_parent_is_complete_and_start_at_their_beginning(shared: Cluster) -> None:
    shared.stream.open("s1")
    process = shared.join(starting(StartingPosition.LATEST))
    await process.owns("s1")
    shared.stream.split("s1")
    await anyio.sleep(shared.lease_seconds)
    assert process.assigned.keys() == {"s1"}
    await process.ownership.complete("s1")
    process.assigned.pop("s1")
    await process.owns("s1.0", "s1.1")
    assert [process.ownership.start_of(f"s1.{number}") for number in (0, 1)] == [BEGINNING, BEGINNING]


async def a_merged_shard_waits_for_both_its_parents(shared: Cluster) -> None:
    shared.stream.open("s1", "s2")
    process = shared.join()
    await process.owns("s1", "s2")
    shared.stream.merge("s1", "s2")
    await process.ownership.complete("s1")
    process.assigned.pop("s1")
    await anyio.sleep(shared.lease_seconds)
    assert process.assigned.keys() == {"s2"}
    await process.ownership.complete("s2")
    process.assigned.pop("s2")
    await process.owns("s1+s2")


async def children_go_to_whom_has_least(shared: Cluster) -> None:
    shared.stream.open("s1", "s2")
    first, second = shared.join(), shared.join()
    await shared.until(lambda: len(first.assigned) == len(second.assigned) == 1, "two processes share two shards")
    [parent] = first.assigned
    shared.stream.split(parent)
    await first.ownership.complete(parent)
    first.assigned.pop(parent)
    await shared.until(lambda: sorted(map(len, (first.assigned, second.assigned))) == [1, 2], "three are shared")


async def a_completed_shard_is_not_read_again_and_forgotten_once_it_is_gone(shared: Cluster) -> None:
    shared.stream.open("s1")
    first = shared.join()
    await first.owns("s1")
    shared.stream.split("s1")
    await first.ownership.complete("s1")
    first.assigned.pop("s1")
    await first.leave()
    second = shared.join()
    await second.owns("s1.0", "s1.1")
    assert any(each.shard == "s1" and each.ended for each in await second.leases())
    shared.stream.expire("s1")
    leases = {each.shard for each in await second.leases()}
    while "s1" in leases:
        await anyio.sleep(0.1)
        leases = {each.shard for each in await second.leases()}
    assert leases == {"s1.0", "s1.1"}


async def a_shard_that_expires_unread_is_lost_and_blocks_nobody(shared: Cluster) -> None:
    shared.stream.open("s1")
    process = shared.join()
    await process.owns("s1")
    shared.stream.split("s1")
    shared.stream.expire("s1")
    await process.owns("s1.0", "s1.1")
    assert ("lost", "s1") in process.told


# Starting positions


async def latest_is_the_moment_of_the_first_subscription_for_all_that_follow(shared: Cluster) -> None:
    shared.stream.open("s1")
    shared.stream.split("s1")
    latest = starting(StartingPosition.LATEST)
    first = shared.process(latest)
    before = shared.clock.time()
    await first.ownership.subscribe()
    after = shared.clock.time()
    second = shared.join(latest)
    await second.owns("s1.0", "s1.1")  # the closed parent has nothing to read
    start = second.ownership.start_of("s1.0")
    assert start.position is StartingPosition.AT_TIMESTAMP
    assert start.timestamp is not None
    assert before <= start.timestamp <= after
    await second.leave()
    third = shared.join(latest)
    await third.owns("s1.0", "s1.1")
    assert {third.ownership.start_of(shard) for shard in third.assigned} == {start}


async def a_timestamp_counts_for_every_shard_of_the_first_listing(shared: Cluster) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    shared.stream.open("s1", "s2")
    process = shared.join(starting(StartingPosition.AT_TIMESTAMP, moment))
    await process.owns("s1", "s2")
    expected = StartingPoint(StartingPosition.AT_TIMESTAMP, moment.timestamp())
    assert {process.ownership.start_of(shard) for shard in ("s1", "s2")} == {expected}


CASES: Final[tuple[OwnershipCase, ...]] = (
    sequence_numbers_of_any_length_come_back_as_they_were,
    a_timestamp_counts_for_every_shard_of_the_first_listing,
    a_single_process_owns_every_shard,
    a_new_process_gets_its_share_from_one_that_goes_on_with_the_rest,
    three_processes_that_start_together_have_shares_that_differ_by_one,
    a_shard_moves_only_after_its_owner_has_drained_it,
    a_drain_that_takes_too_long_is_cut_off,
    a_process_that_leaves_releases_its_shards_at_once,
    the_shards_of_a_killed_process_are_taken_over_with_their_checkpoints,
    a_process_that_is_cut_off_stops_before_others_take_over_and_can_commit_nothing,
    an_owner_learns_from_a_commit_that_its_shard_was_taken,
    a_process_that_leaves_while_it_drains_releases_that_shard_too,
    a_lease_that_somebody_deletes_is_lost_and_made_again,
    a_short_break_of_the_network_costs_nothing,
    a_table_that_cannot_be_reached_ends_the_membership_of_who_has_nothing,
    a_process_that_gets_nothing_when_the_table_is_back_knows_that_it_is_back,
    what_was_listed_last_serves_while_the_stream_is_away,
    an_answer_that_gets_lost_costs_neither_a_shard_nor_a_commit,
    commits_at_once_leave_the_last_one,
    nobody_commits_what_it_does_not_own,
    children_come_after_their_parent_is_complete_and_start_at_their_beginning,
    a_merged_shard_waits_for_both_its_parents,
    children_go_to_whom_has_least,
    a_completed_shard_is_not_read_again_and_forgotten_once_it_is_gone,
    a_shard_that_expires_unread_is_lost_and_blocks_nobody,
    latest_is_the_moment_of_the_first_subscription_for_all_that_follow,
)
