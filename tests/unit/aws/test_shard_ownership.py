"""Sharing shards between processes, on virtual time, with leases on paper."""

from __future__ import annotations

import logging
import random
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from typing import NamedTuple

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventflow.errors import LeaseLostError, UnavailableError
from eventflow.model.records import Checkpoint
from eventflow.testing.harness import case_name
from eventflow.testing.virtual_time import VirtualClock, VirtualTimeLoop
from tests.unit.aws.ownership import Cluster, Process, cluster
from tests.unit.aws.ownership_cases import CASES, OwnershipCase
from tests.unit.aws.paper_leases import Paper, PaperTable


def on_paper() -> AbstractAsyncContextManager[Cluster]:
    return cluster(
        partial(PaperTable, Paper()), VirtualClock(), lease_seconds=20, listing_seconds=30, patience_seconds=600
    )


async def only_owner(shared: Cluster) -> Process:
    """A process that has the one shard there is."""
    shared.stream.open("s1")
    process = shared.join()
    await process.owns("s1")
    return process


@pytest.mark.parametrize("case", CASES, ids=case_name)
async def test_on_paper(case: OwnershipCase) -> None:
    async with on_paper() as shared:
        await case(shared)


async def test_a_listing_that_fails_for_long_is_logged_twice(caplog: pytest.LogCaptureFixture) -> None:
    """When it begins, and when it is over."""
    caplog.set_level(logging.INFO, "eventflow_aws.streams.lease_upkeep")
    async with on_paper() as shared:
        await only_owner(shared)
        for _ in range(2):
            shared.stream.away = True
            await anyio.sleep(300)
            shared.stream.away = False
            await anyio.sleep(100)
    told = [(record.levelname, record.getMessage().rpartition(": ")[2]) for record in caplog.records]
    assert told == [("WARNING", "the stream is away"), ("INFO", "the shards can be listed again")] * 2


async def test_a_table_that_is_away_is_logged_twice(caplog: pytest.LogCaptureFixture) -> None:
    """When it begins, and when it is over: by those who look for shards, and by those who renew leases."""
    caplog.set_level(logging.INFO, "eventflow_aws.streams")
    async with on_paper() as shared:
        process = await only_owner(shared)
        for _ in range(2):
            process.table.cut = True
            await anyio.sleep(9)
            process.table.cut = False
            await anyio.sleep(100)
    told: dict[str, list[str]] = {}
    for logged in caplog.records:
        told.setdefault(logged.name.rpartition(".")[2], []).append(logged.getMessage().split(": ")[1])
    assert told == {
        "shard_ownership": ["cannot share shards now", "shards are shared again"] * 2,
        "held_shards": ["leases cannot be renewed now", "leases can be renewed again"] * 2,
    }


async def test_a_process_that_lost_all_it_had_knows_at_once_that_the_table_is_away() -> None:
    async with on_paper() as shared:
        process = await only_owner(shared)
        process.table.cut = True
        await shared.until(lambda: not process.assigned, "the lease is not renewed")
        await anyio.sleep(0.5)
        assert process.problem == "dynamodb:leases: the network is cut"
        process.table.cut = False
        await process.owns("s1")
        assert process.problem is None


class Step(NamedTuple):
    """One thing that happens to one of the processes, and how long it lasts."""

    what: str
    process: int
    seconds: int


PROCESSES = range(3)
STEPS = st.lists(
    st.builds(
        Step,
        what=st.sampled_from(["join", "leave", "die", "cut", "mend", "lose answers", "split"]),
        process=st.sampled_from(PROCESSES),
        seconds=st.sampled_from([0, 1, 3, 10, 40]),
    ),
    min_size=3,
    max_size=12,
)


@settings(max_examples=20)
@given(steps=STEPS, seed=st.integers(0, 1_000_000))
def test_whatever_happens_shards_have_one_owner_and_progress_never_goes_back(steps: list[Step], seed: int) -> None:
    steps = [Step("join", process, 5) for process in PROCESSES] + steps
    anyio.run(
        _interpret, steps, random.Random(seed), backend="asyncio", backend_options={"loop_factory": VirtualTimeLoop}
    )


async def _interpret(steps: list[Step], delays: random.Random) -> None:
    paper = Paper()

    def make_table() -> PaperTable:
        return PaperTable(paper, delay_seconds=lambda: delays.uniform(0, 0.3))

    async with cluster(
        make_table, VirtualClock(), lease_seconds=20, listing_seconds=30, patience_seconds=2_000
    ) as shared:
        shared.stream.open("s1", "s2", "s3", "s4", "s5")
        alive: dict[int, Process] = {}
        for step in steps:
            await _take_step(step, shared, alive)
            await anyio.sleep(step.seconds)
        for process in alive.values():
            process.table.cut = False
        survivors = list(alive.values()) or [_work(shared)]
        await shared.until(lambda: _is_shared_out(shared, survivors), "every shard has an owner, in even shares")
    positions: dict[str, int] = {}
    for shard, position in paper.committed:
        assert position >= positions.get(shard, 0), f"the progress of {shard} went back"
        positions[shard] = position


async def _take_step(step: Step, shared: Cluster, alive: dict[int, Process]) -> None:
    process = alive.get(step.process)
    match step.what:
        case "join" if process is None:
            alive[step.process] = _work(shared)
        case "split":
            shared.stream.split(next(shard.id for shard in shared.stream.shards if not shard.closed))
        case "leave" if process is not None:
            await alive.pop(step.process).leave()
        case "die" if process is not None:
            await alive.pop(step.process).die()
        case "cut" | "mend" if process is not None:
            process.table.cut = step.what == "cut"
        case "lose answers" if process is not None:
            process.table.answers_to_lose = 3


def _work(shared: Cluster) -> Process:
    """A new process that commits one record a second in every shard it has, and completes closed shards."""
    process = shared.join()
    shared.tasks.start_soon(_commit_forever, shared, process)
    return process


async def _commit_forever(shared: Cluster, process: Process) -> None:
    done: dict[str, int] = {}
    while not process.left:
        await anyio.sleep(1)
        for shard, assignment in list(process.assigned.items()):
            reached = int(assignment.checkpoint.position) if assignment.checkpoint else 0
            position = done[shard] = max(done.get(shard, 0), reached) + 1
            with suppress(UnavailableError, LeaseLostError):
                await process.ownership.commit(shard, Checkpoint(position=position))
                if any(listed.id == shard and listed.closed for listed in shared.stream.shards):
                    await process.ownership.complete(shard)
                    process.assigned.pop(shard, None)


def _is_shared_out(shared: Cluster, processes: list[Process]) -> bool:
    owned = [shard for process in processes for shard in process.assigned]
    shares = [len(process.assigned) for process in processes]
    unfinished = {shard.id for shard in shared.stream.shards if not shard.closed}
    return set(owned) == unfinished and len(owned) == len(unfinished) and max(shares) - min(shares) <= 1
