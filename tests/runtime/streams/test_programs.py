"""Whatever fails, moves or crashes: nothing is skipped, and keys keep their order.

A program is data: records with keys and failures, and what happens to the process that handles them. Hypothesis
shrinks a failing one to a short script.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from eventflow.events import KinesisRecord
from eventflow.model.records import Checkpoint, PartitionId
from eventflow.testing.virtual_time import VirtualTimeLoop
from eventflow.triggers.destinations import to_s3
from eventflow.triggers.kinesis import on_kinesis, on_kinesis_batch
from eventflow_kafka.checkpoints import decode_ahead
from tests.runtime.streams.scripted import (
    OTHER_SHARD,
    SHARD,
    Failures,
    Log,
    Polling,
    ScriptedSource,
    keyed_order,
    numbers,
    polling,
    record,
)

PARTITIONS = (SHARD, OTHER_SHARD)


@dataclass(frozen=True)
class Program:
    """``records`` are keys and how often each record fails. ``steps`` happen one after the other."""

    records: list[tuple[int, int]]
    steps: list[tuple[str, float]]
    each_record: bool
    factor: int
    batch_size: int
    retries: int
    bisect: bool
    report: bool
    keeps_ahead: bool


programs = st.builds(
    Program,
    records=st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0, 0, 0, 0, 1, 2, 4])), max_size=40),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["wait", "crash", "drain", "revoke", "lose", "steal", "break", "append"]),
            st.sampled_from([0.0, 0.05, 0.3, 1.0, 7.0]),
        ),
        max_size=8,
    ),
    each_record=st.booleans(),
    factor=st.integers(1, 4),
    batch_size=st.integers(1, 8),
    retries=st.sampled_from([-1, -1, 0, 1, 3]),
    bisect=st.booleans(),
    report=st.booleans(),
    keeps_ahead=st.booleans(),
)


class CheckedLog(Log):
    """Refuses commits that pass a record which is neither handled nor given up."""

    def __init__(self, is_done: Callable[[int], bool]) -> None:
        super().__init__(*PARTITIONS)
        self._is_done = is_done

    def commit(self, partition: PartitionId, checkpoint: Checkpoint) -> None:
        before = self.checkpoints.get(partition)
        assert before is None or int(before.position) <= int(checkpoint.position)
        for item in self.records[partition]:
            if int(item.position) <= int(checkpoint.position):
                assert self._is_done(int(item.position)), f"{item.position} was skipped by {checkpoint.position}"
        for item in self.records[partition]:
            if decode_ahead(*self.kept.get(partition, (0, ""))).is_done(int(item.position)):
                assert self._is_done(int(item.position)), f"{item.position} is not done, ahead of the position"
        super().commit(partition, checkpoint)


@dataclass
class World:
    """What the program's function did over all its processes."""

    program: Program
    failures: Failures = field(default_factory=Failures)
    succeeded: list[tuple[tuple[str, int], int]] = field(default_factory=list)
    failed: Counter[int] = field(default_factory=Counter)
    appended: int = 0

    def __post_init__(self) -> None:
        self.log = CheckedLog(self.is_done)

    def source(self) -> ScriptedSource:
        return ScriptedSource(self.log, keeps_ahead=self.program.keeps_ahead)

    def append(self, count: int) -> None:
        """The next records of the program arrive."""
        for number in range(self.appended, min(self.appended + count, len(self.program.records))):
            key, _ = self.program.records[number]
            self.log.append([record(number, key=f"key-{key}", partition=PARTITIONS[key % 2])])
            self.appended = number + 1

    def is_done(self, number: int) -> bool:
        return number in self.given_up() or any(done == number for _, done in self.succeeded)

    def given_up(self) -> set[int]:
        events = [json.loads(failure["payload"]) for failure in self.failures.records]
        return {number for event in events for number in numbers(event)}

    def fails(self, number: int) -> bool:
        """Whether this attempt at a record fails."""
        if self.failed[number] < self.program.records[number][1]:
            self.failed[number] += 1
            return True
        return False

    def success(self, number: int) -> None:
        key, _ = self.program.records[number]
        self.succeeded.append(((PARTITIONS[key % 2], key), number))

    def handler(self) -> Callable[..., Any]:
        program = self.program
        options: dict[str, Any] = {
            "batch_size": program.batch_size,
            "parallelization_factor": program.factor,
            "maximum_retry_attempts": program.retries,
            "on_failure": to_s3("failed"),
        }
        if program.each_record:

            @on_kinesis("orders", **options)
            async def each(item: KinesisRecord[int]) -> None:
                number = item.payload
                await anyio.sleep(0.01 * (number % 5))
                if self.fails(number):
                    raise RuntimeError("no")
                self.success(number)

            return each

        @on_kinesis_batch(
            "orders",
            bisect_batch_on_function_error=program.bisect,
            report_batch_item_failures=program.report,
            **options,
        )
        async def batch(event: dict[str, Any]) -> Any:
            found = numbers(event)
            await anyio.sleep(0.01 * (found[0] % 5))
            bad = next((index for index, number in enumerate(found) if self.fails(number)), None)
            if bad is not None and not program.report:
                raise RuntimeError("no")
            for number in found[:bad]:
                self.success(number)
            return {"batchItemFailures": [] if bad is None else [{"itemIdentifier": str(found[bad])}]}

        return batch


async def interpret(program: Program) -> World:
    world = World(program)
    world.append(len(program.records) // 2)
    steps = list(program.steps)
    while steps:
        async with polling(world.handler(), world.source(), failures=world.failures) as mapping:
            await play(world, mapping, steps)
    world.append(len(program.records))
    async with polling(world.handler(), world.source(), failures=world.failures) as mapping:
        await mapping.all_done()
    return world


async def play(world: World, mapping: Polling, steps: list[tuple[str, float]]) -> None:
    """Take steps until the process ends with one of them."""
    source = mapping.source
    await mapping.until(lambda: source.runs)
    while steps:
        verb, seconds = steps.pop(0)
        await anyio.sleep(seconds)
        match verb:
            case "crash":
                return
            case "drain":
                await mapping.poller.drain(5)
                return
            case "revoke":
                await source.revoke(SHARD)
                await source.assign(SHARD)
            case "lose":
                await source.lose(*PARTITIONS)
                await source.assign(*PARTITIONS)
            case "steal":
                source.steal(OTHER_SHARD)
                await anyio.sleep(seconds)
                await source.lose(OTHER_SHARD)
                await source.assign(OTHER_SHARD)
            case "break":
                await reconnected(mapping)
            case "append":
                world.append(5)


async def reconnected(mapping: Polling) -> None:
    """The service goes away for a moment."""
    before = mapping.source.runs
    mapping.source.break_connection()
    await mapping.until(lambda: mapping.source.runs > before)


@settings(max_examples=80)
@given(program=programs)
def test_nothing_is_skipped_and_keys_keep_their_order(program: Program) -> None:
    world = anyio.run(interpret, program, backend="asyncio", backend_options={"loop_factory": VirtualTimeLoop})
    everything = set(range(len(program.records)))
    assert {number for _, number in world.succeeded} | world.given_up() == everything
    for order in keyed_order(world.succeeded).values():
        assert order == sorted(order)
    if program.retries == -1:
        assert not world.failures.delivered
