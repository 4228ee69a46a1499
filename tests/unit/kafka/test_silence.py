from __future__ import annotations

from collections.abc import Callable
from functools import partial

import anyio
import pytest
from aiokafka import TopicPartition

from eventflow.errors import UnavailableError
from eventflow.testing.virtual_time import VirtualClock
from eventflow_kafka.ahead import Ahead
from eventflow_kafka.buffers import PartitionBuffer
from eventflow_kafka.options import KafkaOptions
from eventflow_kafka.silence import SILENT_SECONDS, Silence

OPTIONS = KafkaOptions(bootstrap_servers=("b-1:9092",), session_timeout_seconds=6, rebalance_timeout_seconds=15)
PATIENCE_SECONDS = 15 + 2 * 6 + SILENT_SECONDS


class ScriptedConsumer:
    """Tells when the last fetch of a partition was answered."""

    def __init__(self) -> None:
        self.answers: dict[TopicPartition, int] = {}

    def last_poll_timestamp(self, partition: TopicPartition) -> int | None:
        return self.answers.get(partition)


class Watch:
    """Two partitions that are looked at once per second."""

    def __init__(self) -> None:
        self.consumer = ScriptedConsumer()
        self.silence = Silence(self.consumer, "kafka:orders", OPTIONS)
        nothing: Callable[[TopicPartition], None] = lambda _: None  # noqa: E731
        make = partial(PartitionBuffer, ahead=Ahead(), resource="kafka:orders", clock=VirtualClock(), maximum_records=1)
        self.buffers = [
            make(TopicPartition("orders", number), maximum_bytes=1, pause=nothing, resume=nothing)
            for number in range(2)
        ]

    async def pass_by(self, seconds: int, *, answering: int = 0) -> None:
        """The first ``answering`` partitions are answered meanwhile."""
        for _ in range(seconds):
            await anyio.sleep(1)
            for buffer in self.buffers[:answering]:
                self.consumer.answers[buffer.partition] = self.consumer.answers.get(buffer.partition, 0) + 1
            self.silence.look(self.buffers)

    async def is_silent(self, number: int) -> bool:
        try:
            await self.buffers[number].read(max_records=1, wait_seconds=0)
        except UnavailableError:
            return True
        return False


async def test_a_partition_whose_broker_does_not_answer_is_told_so() -> None:
    watch = Watch()
    watch.silence.joined()
    await watch.pass_by(round(SILENT_SECONDS), answering=1)
    assert not await watch.is_silent(1)
    await watch.pass_by(2, answering=1)
    assert [await watch.is_silent(0), await watch.is_silent(1)] == [False, True]
    await watch.pass_by(1, answering=2)
    assert not await watch.is_silent(1)


async def test_a_paused_partition_is_not_asked_for_and_so_not_silent() -> None:
    watch = Watch()
    watch.silence.joined()
    for buffer in watch.buffers:
        buffer.paused = True
    await watch.pass_by(round(PATIENCE_SECONDS) + 5)
    assert not await watch.is_silent(0)


async def test_a_cluster_that_is_silent_for_long_ends_the_membership() -> None:
    watch = Watch()
    watch.silence.joined()
    await watch.pass_by(5, answering=2)
    await watch.pass_by(round(PATIENCE_SECONDS))
    with pytest.raises(UnavailableError, match="no broker has answered"):
        await watch.pass_by(2)


async def test_one_broker_that_answers_keeps_the_membership() -> None:
    watch = Watch()
    watch.silence.joined()
    await watch.pass_by(3 * round(PATIENCE_SECONDS), answering=1)


async def test_a_member_without_partitions_waits() -> None:
    watch = Watch()
    watch.buffers = []
    watch.silence.joined()
    await watch.pass_by(3 * round(PATIENCE_SECONDS))


async def test_a_rebalance_that_does_not_end_ends_the_membership() -> None:
    watch = Watch()
    watch.buffers = []
    watch.silence.joined()
    watch.silence.left()
    await watch.pass_by(round(PATIENCE_SECONDS))
    with pytest.raises(UnavailableError, match="no partitions"):
        await watch.pass_by(2)
