"""A stream played by hand, and one mapping polling it: what the tests of the stream loop share."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import anyio

from eventflow.app import App
from eventflow.errors import AdapterError, LeaseLostError, UnavailableError
from eventflow.model.destinations import Destination, OutboundMessage
from eventflow.model.records import Assignment, Checkpoint, PartitionId, SourceIdentity, StreamRead, StreamRecord
from eventflow.plan.environment import Environment
from eventflow.ports import PartitionOwner
from eventflow.runtime.admission import Admission
from eventflow.runtime.functions import Functions
from eventflow.runtime.metrics import Metrics
from eventflow.runtime.readiness import Readiness
from eventflow.runtime.streams.poller import StreamPoller
from eventflow.testing.virtual_time import START, VirtualClock
from eventflow_kafka.ahead import Ahead
from eventflow_kafka.checkpoints import decode, decode_ahead, encode

SHARD = "shardId-000000000000"
OTHER_SHARD = "shardId-000000000001"
STREAM_ARN = "arn:aws:kinesis:us-east-1:123456789012:stream/orders"
CLUSTER_ARN = "arn:aws:kafka:us-east-1:123456789012:cluster/c/1"
KINESIS_IDENTITY = SourceIdentity(arn=STREAM_ARN, region="us-east-1", extras={})
KAFKA_IDENTITY = SourceIdentity(arn=CLUSTER_ARN, region="us-east-1", extras={"bootstrapServers": "b-1:9092"})
TEXT_ATTRIBUTES = {"topic": "orders", "partition": 0, "timestampType": "CREATE_TIME", "headers": []}


def record(
    position: int,
    *,
    key: str | bytes | None = "k",
    data: bytes | None = None,
    at: float = 0.0,
    partition: PartitionId = SHARD,
) -> StreamRecord:
    """A record that arrived ``at`` seconds after the test's clock began; it fits Kinesis and Kafka."""
    content = b"%d" % position if data is None else data
    return StreamRecord(partition, position, key, content, START + at, TEXT_ATTRIBUTES)


def numbers(event: dict[str, Any]) -> list[int]:
    """The data of a Kinesis or Kafka event's records, which tests write as numbers."""
    if "Records" in event:
        return [int(base64.b64decode(item["kinesis"]["data"])) for item in event["Records"]]
    return [int(base64.b64decode(item["value"])) for items in event["records"].values() for item in items]


class Log:
    """What is durable: records, checkpoints, and which partitions were completed. It outlives its readers."""

    def __init__(self, *partitions: PartitionId) -> None:
        self.records: dict[PartitionId, list[StreamRecord]] = {name: [] for name in partitions or (SHARD,)}
        self.ended: set[PartitionId] = set()
        self.completed: list[PartitionId] = []
        self.commits: list[tuple[PartitionId, Checkpoint]] = []
        self.checkpoints: dict[PartitionId, Checkpoint] = {}
        self.kept: dict[PartitionId, tuple[int, str]] = {}
        """Offset and text of partitions whose source keeps what is done ahead."""
        self._changed: anyio.Event | None = None

    def append(self, records: Iterable[StreamRecord]) -> None:
        for item in records:
            self.records[item.partition].append(item)
        self._notify()

    def end(self, partition: PartitionId) -> None:
        self.ended.add(partition)
        self._notify()

    def committed(self, partition: PartitionId = SHARD) -> Any:
        """The committed position, ``None`` without one."""
        checkpoint = self.checkpoints.get(partition)
        return checkpoint and checkpoint.position

    def commit(self, partition: PartitionId, checkpoint: Checkpoint) -> None:
        self.commits.append((partition, checkpoint))
        self.checkpoints[partition] = checkpoint

    async def changed(self) -> None:
        self._changed = self._changed or anyio.Event()
        await self._changed.wait()

    def _notify(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None


class ScriptedSource:
    """A StreamSource over a Log for one process. The test plays the group coordinator: it assigns, revokes and
    takes away partitions, and makes the service go away (``away`` holds the verbs that fail, ``error`` says how).
    With ``keeps_ahead`` it keeps, as Kafka's source does, what is done ahead of the committed position."""

    def __init__(
        self,
        log: Log,
        identity: SourceIdentity = KINESIS_IDENTITY,
        *,
        assign_all: bool = True,
        keeps_ahead: bool = False,
    ) -> None:
        self.identity = identity
        self.log = log
        self.away: set[str] = set()
        self.error: type[AdapterError] = UnavailableError
        self.runs = 0
        self.highest_read: dict[PartitionId, int] = {}
        self.commit_seconds = 0.0
        self.maximum_read = 10_000
        self.gap = False
        """Whether the next read says that records before it expired."""
        self._assign_all = assign_all
        self._keeps_ahead = keeps_ahead
        self._ahead: dict[PartitionId, Ahead] = {}
        self._owner: PartitionOwner | None = None
        self._cursors: dict[PartitionId, int] = {}
        self._reading: set[PartitionId] = set()
        self._failed = anyio.Event()

    async def run(self, owner: PartitionOwner) -> None:
        self._check("run")
        self.runs += 1
        self._owner = owner
        self._failed = anyio.Event()
        try:
            if self._assign_all:
                await self.assign(*(name for name in self.log.records if name not in self.log.completed))
            await self._failed.wait()
            raise UnavailableError("kinesis:orders", "the connection broke")
        finally:
            self._cursors.clear()

    def break_connection(self) -> None:
        self._failed.set()

    async def assign(self, *partitions: PartitionId) -> None:
        assert self._owner is not None
        assignments = [self._assignment(name) for name in partitions]
        for assignment in assignments:
            self._cursors[assignment.partition] = self._behind(assignment)
        await self._owner.on_assigned(assignments)

    async def revoke(self, *partitions: PartitionId) -> None:
        assert self._owner is not None
        await self._owner.on_revoked(partitions)
        for name in partitions:
            self._cursors.pop(name, None)

    def steal(self, *partitions: PartitionId) -> None:
        """Somebody else has them; the owner is not told."""
        for name in partitions:
            self._cursors.pop(name, None)

    async def lose(self, *partitions: PartitionId) -> None:
        assert self._owner is not None
        self.steal(*partitions)
        await self._owner.on_lost(partitions)

    async def read(self, partition: PartitionId, *, max_records: int, wait_seconds: float) -> StreamRead:
        assert partition not in self._reading, "two reads of one partition at a time"
        assert max_records > 0
        self._reading.add(partition)
        try:
            with anyio.move_on_after(wait_seconds):
                while not self._is_ready(partition):
                    await self.log.changed()
            await anyio.lowlevel.checkpoint()
            gap, self.gap = self.gap, False
            return replace(self._read(partition, min(max_records, self.maximum_read)), gap=gap)
        finally:
            self._reading.discard(partition)

    async def commit(self, partition: PartitionId, checkpoint: Checkpoint) -> None:
        await anyio.sleep(self.commit_seconds)
        self._check("commit")
        self._check_lease(partition)
        if self._keeps_ahead:
            kept = self.log.kept[partition] = encode(checkpoint, self._ahead[partition])
            checkpoint = Checkpoint(position=kept[0] - 1, state=checkpoint.state)
        self.log.commit(partition, checkpoint)

    async def complete(self, partition: PartitionId) -> None:
        self._check("complete")
        self._check_lease(partition)
        self.log.completed.append(partition)
        del self._cursors[partition]

    async def backlog(self) -> int:
        self._check("backlog")
        return sum(len(records) for records in self.log.records.values())

    async def aclose(self) -> None:
        return

    def _is_ready(self, partition: PartitionId) -> bool:
        self._check("read")
        self._check_lease(partition)
        return self._cursors[partition] < len(self.log.records[partition]) or partition in self.log.ended

    def _read(self, partition: PartitionId, max_records: int) -> StreamRead:
        self._check("read")
        self._check_lease(partition)
        start = self._cursors[partition]
        records = tuple(self.log.records[partition][start : start + max_records])
        self._cursors[partition] += len(records)
        self.highest_read[partition] = self._cursors[partition]
        ended = partition in self.log.ended and self._cursors[partition] == len(self.log.records[partition])
        if self._keeps_ahead:
            ahead = self._ahead[partition]
            records = tuple(record for record in records if not ahead.is_done(int(record.position)))
        return StreamRead(records, ended=ended)

    def _assignment(self, partition: PartitionId) -> Assignment:
        if not self._keeps_ahead:
            return Assignment(partition=partition, checkpoint=self.log.checkpoints.get(partition))
        offset, text = self.log.kept.get(partition, (0, ""))
        self._ahead[partition] = decode_ahead(offset, text)
        return Assignment(partition=partition, checkpoint=decode(offset, text), origin=offset - 1)

    def _behind(self, assignment: Assignment) -> int:
        if assignment.checkpoint is None:
            return 0
        done = int(assignment.checkpoint.position)
        return sum(int(item.position) <= done for item in self.log.records[assignment.partition])

    def _check(self, verb: str) -> None:
        if verb in self.away:
            raise self.error("kinesis:orders", f"{verb} cannot be reached")

    def _check_lease(self, partition: PartitionId) -> None:
        if partition not in self._cursors:
            raise LeaseLostError("kinesis:orders", f"{partition} is somebody else's")


@dataclass
class Failures:
    """A FailureSink that remembers; while ``away`` it can keep nothing."""

    away: bool = False
    delivered: list[tuple[str, Destination, OutboundMessage]] = field(default_factory=list)

    async def deliver(self, function_name: str, destination: Destination, messages: Sequence[OutboundMessage]) -> None:
        await anyio.lowlevel.checkpoint()
        if self.away:
            raise UnavailableError(str(destination), "is away")
        self.delivered.extend((function_name, destination, message) for message in messages)

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(message.body) for _, _, message in self.delivered]


@dataclass
class Polling:
    """One mapping of a test while it is polled."""

    poller: StreamPoller
    source: ScriptedSource
    failures: Failures
    metrics: Metrics
    readiness: Readiness
    functions: Functions
    clock: VirtualClock

    @property
    def log(self) -> Log:
        return self.source.log

    async def until(self, condition: Callable[[], object], *, within: float = 100_000) -> None:
        """Let time pass until ``condition`` holds."""
        with anyio.fail_after(within):
            while not condition():  # noqa: ASYNC110 (on virtual time this costs nothing)
                await anyio.sleep(0.1)

    async def all_done(self) -> None:
        """Let time pass until everything in the log is handled or given up, and committed."""

        def committed() -> bool:
            lasts = {name: records[-1].position for name, records in self.log.records.items() if records}
            return self.poller.idle and all(self.log.committed(name) == last for name, last in lasts.items())

        await self.until(committed)


@asynccontextmanager
async def polling(
    handler: Callable[..., Any],
    source: ScriptedSource,
    *,
    failures: Failures | None = None,
    random: Callable[[], float] = lambda: 0.5,
    concurrency: int = 1_000,
    drain_seconds: float = 20.0,
) -> AsyncIterator[Polling]:
    """Poll ``source`` for ``handler``, which is marked with one stream decorator. Leaving the block is a crash:
    nothing is drained."""
    plan = App([handler]).freeze(Environment(concurrency=concurrency))
    clock, metrics, readiness = VirtualClock(), Metrics(), Readiness()
    failures = failures or Failures()
    threads = ThreadPoolExecutor(1)
    definitions = [function.definition for function in plan.functions.values()]
    functions = Functions(
        plan,
        clock=clock,
        monotonic=anyio.current_time,
        admission=Admission(definitions, concurrency=concurrency),
        metrics=metrics,
        threads=threads,
    )
    [stream] = plan.streams
    poller = StreamPoller(
        stream,
        source,
        functions[stream.endpoint.function.name],
        clock=clock,
        metrics=metrics,
        failures=failures,
        random=random,
        report=readiness.report,
        drain_seconds=drain_seconds,
    )
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(poller.run)
            yield Polling(poller, source, failures, metrics, readiness, functions, clock)
            tasks.cancel_scope.cancel()
    finally:
        functions.close()
        threads.shutdown()


def keyed_order(seen: Iterable[tuple[Any, int]]) -> dict[Any, list[int]]:
    """The numbers seen per key, in order, each only the first time."""
    orders: dict[Any, list[int]] = defaultdict(list)
    for key, number in seen:
        if number not in orders[key]:
            orders[key].append(number)
    return dict(orders)
