"""What sharing a subscription promises, as cases over any lease table: on paper and virtual time, or a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import anyio
from anyio.abc import TaskGroup

from eventflow.errors import LeaseLostError, UnavailableError
from eventflow_mongodb.lease_table import LeaseTable
from eventflow_mongodb.leases import Lease
from eventflow_mongodb.ownership import Held, Ownership
from eventflow_mongodb.places import Behind, Oldest

SUBSCRIPTION: Final = "fulfil/shop.orders"


class CuttableTable(LeaseTable):
    """One process's way to the leases. While it is ``cut``, nothing gets through."""

    cut = False


class Process:
    """Takes part in the subscription, again and again as the poller does."""

    def __init__(self, table: CuttableTable, lease_seconds: float) -> None:
        self.table = table
        self.held: Held | None = None
        self.quiet: Behind | None = None
        self.lost_at: list[float] = []
        self.waited = 0
        self._ownership = Ownership(table, SUBSCRIPTION, lease_seconds=lease_seconds)
        self._lease_seconds = lease_seconds
        self._scope = anyio.CancelScope()
        self._left = anyio.Event()

    async def run(self) -> None:
        with self._scope:
            try:
                while True:
                    await self._take_part()
            finally:
                await self._ownership.leave()
                self._left.set()

    async def _take_part(self) -> None:
        try:
            self.held = await self._ownership.acquire(self._wait)
            await self.held.keep(lambda: self.quiet)
            self.lost_at.append(anyio.current_time())
        except UnavailableError:
            await anyio.sleep(self._lease_seconds / 10)
        finally:
            self.held = None

    async def _wait(self) -> None:
        self.waited += 1

    async def leave(self) -> None:
        self._scope.cancel()
        await self._left.wait()

    async def die(self) -> None:
        """As after ``kill -9``: nothing is released."""
        self.table.cut = True
        await self.leave()

    async def commit(self, position: str, state: str | None = None) -> None:
        assert self.held is not None
        await self.held.commit(position, Behind(position), state)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Processes on one lease collection."""

    make_table: Callable[[], CuttableTable]
    lease_seconds: float
    patience_seconds: float
    tasks: TaskGroup
    processes: list[Process] = field(default_factory=list)

    def start(self) -> Process:
        process = Process(self.make_table(), self.lease_seconds)
        self.processes.append(process)
        self.tasks.start_soon(process.run)
        return process

    async def owner(self) -> Process:
        """Start one, and return once it has the lease."""
        process = self.start()
        await self.until(lambda: process.held is not None)
        return process

    async def until(self, condition: Callable[[], bool]) -> None:
        with anyio.fail_after(self.patience_seconds):
            while not condition():  # noqa: ASYNC110 (nobody tells)
                await anyio.sleep(self.lease_seconds / 50)

    async def lease(self) -> Lease:
        lease = await self.make_table().read(SUBSCRIPTION)
        assert lease is not None
        return lease


LeaseCase: TypeAlias = Callable[[Cluster], Awaitable[None]]


@asynccontextmanager
async def cluster(
    make_table: Callable[[], CuttableTable], *, lease_seconds: float, patience_seconds: float
) -> AsyncIterator[Cluster]:
    """A subscription that begins with the oldest change."""
    await make_table().begin(SUBSCRIPTION, Oldest())
    async with anyio.create_task_group() as tasks:
        shared = Cluster(
            make_table=make_table, lease_seconds=lease_seconds, patience_seconds=patience_seconds, tasks=tasks
        )
        try:
            yield shared
        finally:
            for process in shared.processes:
                await process.leave()


async def one_process_reads_and_the_others_wait(c: Cluster) -> None:
    owner, waiting = await c.owner(), c.start()
    await anyio.sleep(2 * c.lease_seconds)
    assert owner.held is not None
    assert not owner.lost_at
    assert waiting.held is None
    assert waiting.waited == 1


async def a_process_that_leaves_hands_over_at_once(c: Cluster) -> None:
    owner, waiting = await c.owner(), c.start()
    await owner.commit("1", state='{"sum": 1}')
    await c.until(lambda: waiting.waited == 1)
    left_at = anyio.current_time()
    await owner.leave()
    await c.until(lambda: waiting.held is not None)
    assert anyio.current_time() - left_at < c.lease_seconds
    assert waiting.held is not None
    assert (waiting.held.lease.position, waiting.held.lease.state) == ("1", '{"sum": 1}')
    assert waiting.held.lease.place == Behind("1")


async def the_lease_of_a_killed_process_is_taken_over_when_it_ends(c: Cluster) -> None:
    owner, waiting = await c.owner(), c.start()
    await owner.commit("1")
    await c.until(lambda: waiting.waited == 1)
    died_at = anyio.current_time()
    await owner.die()
    await c.until(lambda: waiting.held is not None)
    assert anyio.current_time() - died_at >= 0.5 * c.lease_seconds
    assert waiting.held is not None
    assert waiting.held.lease.position == "1"


async def a_process_that_is_cut_off_stops_before_another_takes_over(c: Cluster) -> None:
    owner, waiting = await c.owner(), c.start()
    await owner.commit("1")
    held = owner.held
    assert held is not None
    await c.until(lambda: waiting.waited == 1)
    owner.table.cut = True
    await c.until(lambda: waiting.held is not None)
    assert held.over
    assert owner.lost_at
    assert owner.lost_at[0] <= anyio.current_time()
    await waiting.commit("2")
    owner.table.cut = False
    try:
        await held.commit("1b", Behind("1b"), None)
    except LeaseLostError:
        pass
    else:
        raise AssertionError("the loser has committed")
    lease = await c.lease()
    assert (lease.position, lease.place) == ("2", Behind("2"))


async def an_owner_outlives_a_short_outage(c: Cluster) -> None:
    owner = await c.owner()
    held = owner.held
    owner.table.cut = True
    await anyio.sleep(c.lease_seconds / 2)
    owner.table.cut = False
    await anyio.sleep(c.lease_seconds)
    assert owner.held is held
    await owner.commit("1")


async def an_owner_that_lost_touch_takes_its_own_lease_again(c: Cluster) -> None:
    owner = await c.owner()
    await owner.commit("1")
    assert owner.held is not None
    former = owner.held.grip
    owner.table.cut = True
    await c.until(lambda: owner.held is None)
    owner.table.cut = False
    back_at = anyio.current_time()
    await c.until(lambda: owner.held is not None)
    assert anyio.current_time() - back_at < c.lease_seconds / 2
    await owner.commit("2")
    assert not await c.make_table().commit(former, "1b", Behind("1b"), None, number=99)


async def what_a_former_owner_sends_late_changes_nothing(c: Cluster) -> None:
    owner = await c.owner()
    assert owner.held is not None
    grip = owner.held.grip
    await owner.leave()
    successor = await c.owner()
    await successor.commit("2")
    table = c.make_table()
    assert not await table.commit(grip, "1", Behind("1"), None, number=99)
    assert not await table.move_on(grip, Behind("1"), number=99)
    assert not await table.renew(grip)
    await table.release(grip)
    lease = await c.lease()
    assert lease.position == "2"
    assert lease.owner is not None


async def a_commit_that_comes_late_undoes_no_later_one(c: Cluster) -> None:
    owner = await c.owner()
    await owner.commit("1")
    await owner.commit("2")
    assert owner.held is not None
    assert not await c.make_table().commit(owner.held.grip, "1", Behind("1"), None, number=1)
    assert (await c.lease()).position == "2"


async def an_owner_that_has_just_shown_life_is_not_followed(c: Cluster) -> None:
    owner = await c.owner()
    seen = await c.lease()
    await owner.commit("1")
    assert await c.make_table().take(seen, "impatient") is None
    await owner.commit("2")


async def two_that_take_at_once_do_not_both_succeed(c: Cluster) -> None:
    lease = await c.lease()
    outcomes: list[Lease | None] = []

    async def take(member: str) -> None:
        outcomes.append(await c.make_table().take(lease, member))

    async with anyio.create_task_group() as tasks:
        for member in "abcd":
            tasks.start_soon(take, member)
    assert sum(taken is not None for taken in outcomes) == 1


async def a_quiet_place_is_stored_beside_the_position(c: Cluster) -> None:
    owner = await c.owner()
    await owner.commit("1", state="open")
    owner.quiet = Behind("quiet")
    with anyio.fail_after(c.patience_seconds):
        while (await c.lease()).place != Behind("quiet"):  # noqa: ASYNC110 (nobody tells)
            await anyio.sleep(c.lease_seconds / 10)
    lease = await c.lease()
    assert (lease.position, lease.state) == ("1", "open")
    owner.quiet = None
    await owner.commit("2")
    await anyio.sleep(c.lease_seconds)
    assert (await c.lease()).place == Behind("2")


async def where_a_subscription_started_is_never_changed(c: Cluster) -> None:
    await c.make_table().begin(SUBSCRIPTION, Behind("elsewhere"))
    assert (await c.lease()).place == Oldest()


CASES: Final[tuple[LeaseCase, ...]] = (
    one_process_reads_and_the_others_wait,
    a_process_that_leaves_hands_over_at_once,
    the_lease_of_a_killed_process_is_taken_over_when_it_ends,
    a_process_that_is_cut_off_stops_before_another_takes_over,
    an_owner_outlives_a_short_outage,
    an_owner_that_lost_touch_takes_its_own_lease_again,
    what_a_former_owner_sends_late_changes_nothing,
    a_commit_that_comes_late_undoes_no_later_one,
    an_owner_that_has_just_shown_life_is_not_followed,
    two_that_take_at_once_do_not_both_succeed,
    a_quiet_place_is_stored_beside_the_position,
    where_a_subscription_started_is_never_changed,
)
