from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import OffsetMetadataTooLargeError

from eventflow.errors import AdapterError
from eventflow.model.records import Assignment, Checkpoint, PartitionId
from eventflow.testing.virtual_time import VirtualClock
from eventflow_kafka.member import Member
from eventflow_kafka.options import KafkaOptions
from eventflow_kafka.starts import Start

ORDERS = TopicPartition("orders", 0)


class ScriptedConsumer:
    """Is assigned ``ORDERS`` at once, and keeps texts of up to ``maximum_text`` characters beside offsets."""

    def __init__(self, maximum_text: int) -> None:
        self.maximum_text = maximum_text
        self.committed: dict[TopicPartition, tuple[int, str]] = {}

    async def start(self) -> None:
        return

    def subscribe(self, topics: Sequence[str], *, listener: ConsumerRebalanceListener) -> None:
        listener.on_partitions_assigned([ORDERS])

    def seek(self, partition: TopicPartition, offset: int) -> None:
        return

    def pause(self, *partitions: TopicPartition) -> None:
        return

    def resume(self, *partitions: TopicPartition) -> None:
        return

    def last_poll_timestamp(self, partition: TopicPartition) -> int:
        return round(anyio.current_time() * 1000)

    async def getmany(self, *, timeout_ms: int) -> Mapping[TopicPartition, Sequence[Any]]:
        await anyio.sleep(timeout_ms / 1000)
        return {}

    async def commit(self, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        if any(len(text) > self.maximum_text for _, text in offsets.values()):
            raise OffsetMetadataTooLargeError
        self.committed.update(offsets)


class ScriptedClients:
    heartbeat_seconds = 3.0

    def __init__(self, consumer: ScriptedConsumer) -> None:
        self._consumer = consumer

    def member(self, group: str) -> Any:
        return self._consumer

    def retire(self, consumer: ScriptedConsumer) -> asyncio.Task[None]:
        return asyncio.ensure_future(anyio.lowlevel.checkpoint())


class FromTheBeginning:
    async def check(self) -> None:
        return

    async def of(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Start]:
        return {partition: Start(0) for partition in partitions}


class Owner:
    def __init__(self) -> None:
        self.assigned = anyio.Event()

    async def on_assigned(self, assignments: Sequence[Assignment]) -> None:
        self.assigned.set()

    async def on_revoked(self, partitions: Sequence[PartitionId]) -> None:
        return

    async def on_lost(self, partitions: Sequence[PartitionId]) -> None:
        return


@asynccontextmanager
async def joined(consumer: ScriptedConsumer) -> AsyncIterator[Member]:
    options = KafkaOptions(bootstrap_servers=("127.0.0.1:9092",))
    clients: Any = ScriptedClients(consumer)
    starts: Any = FromTheBeginning()
    member = Member(
        clients,
        options,
        group="fulfil",
        topics=["orders"],
        resource="kafka:orders",
        starts=starts,
        clock=VirtualClock(),
    )
    owner = Owner()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(member.run, owner)
        await owner.assigned.wait()
        yield member
        tasks.cancel_scope.cancel()


SOME_AHEAD = Checkpoint(position=4, reached=9, pending=frozenset({5, 8}))


async def test_what_is_done_ahead_is_committed_beside_the_offset() -> None:
    consumer = ScriptedConsumer(maximum_text=4096)
    async with joined(consumer) as member:
        await member.commit("orders-0", SOME_AHEAD)
    offset, text = consumer.committed[ORDERS]
    assert offset == 5
    assert text.startswith("eventflow-ahead:")


async def test_a_cluster_that_keeps_no_text_is_told_the_offset_alone() -> None:
    consumer = ScriptedConsumer(maximum_text=10)
    async with joined(consumer) as member:
        await member.commit("orders-0", SOME_AHEAD)
    assert consumer.committed[ORDERS] == (5, "")


async def test_a_state_that_the_cluster_does_not_keep_is_an_error() -> None:
    consumer = ScriptedConsumer(maximum_text=10)
    async with joined(consumer) as member:
        with pytest.raises(AdapterError, match="too large"):
            await member.commit("orders-0", Checkpoint(position=4, state='{"sum": 9.5}'))
    assert not consumer.committed
