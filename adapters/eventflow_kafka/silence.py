"""Whether brokers still answer. aiokafka tries again and again by itself, and says so to nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from eventflow.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiokafka import AIOKafkaConsumer, TopicPartition

    from eventflow_kafka.buffers import PartitionBuffer
    from eventflow_kafka.options import KafkaOptions

SILENT_SECONDS: Final = 10.0
"""A broker answers every fetch within a fraction of a second, be it with nothing; electing a leader takes seconds."""


class Silence:
    """Watches the answers of brokers, by when the last fetch of a partition was answered."""

    def __init__(self, consumer: AIOKafkaConsumer, resource: str, options: KafkaOptions) -> None:
        self._consumer = consumer
        self._resource = resource
        self._patience_seconds = (
            options.rebalance_timeout_seconds + 2 * options.session_timeout_seconds + SILENT_SECONDS
        )
        self._outside_since: float | None = anyio.current_time()
        self._answers: dict[TopicPartition, tuple[int | None, float]] = {}

    def joined(self) -> None:
        """The group has given us a share, be it empty."""
        self._outside_since = None
        self._answers.clear()

    def left(self) -> None:
        """A rebalance has taken everything."""
        self._outside_since = anyio.current_time()

    def look(self, buffers: Iterable[PartitionBuffer]) -> None:
        """Tell readers whose broker is silent. Raises UnavailableError if all have been silent for so long that the
        group has given our partitions to others, or if a rebalance does not end: whoever joins anew, finds brokers
        that we have not met."""
        now = anyio.current_time()
        if self._outside_since is not None and now - self._outside_since > self._patience_seconds:
            message = f"its consumer group has given out no partitions for {self._patience_seconds:.0f} s"
            raise UnavailableError(self._resource, message, mend="is a broker away, or another member stuck?")
        silences = [self._silence_of(buffer, now) for buffer in buffers]
        if silences and min(silences) > self._patience_seconds:
            raise UnavailableError(self._resource, f"no broker has answered for {self._patience_seconds:.0f} s")

    def _silence_of(self, buffer: PartitionBuffer, now: float) -> float:
        """For how long nothing was heard of a partition. A paused one is not asked for."""
        answered = self._consumer.last_poll_timestamp(buffer.partition)
        before, heard_at = self._answers.get(buffer.partition, (None, now))
        if buffer.paused or answered != before or buffer.partition not in self._answers:
            self._answers[buffer.partition] = (answered, now)
            if answered != before:
                buffer.heard()
            return 0.0
        if now - heard_at > SILENT_SECONDS:
            buffer.silent(f"the broker of {buffer.id} has not answered for {SILENT_SECONDS:.0f} s")
        return now - heard_at
