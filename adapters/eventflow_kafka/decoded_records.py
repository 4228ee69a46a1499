"""Makes neutral records of what a consumer fetches, right where aiokafka's decoder in C hands them over.

aiokafka builds a ConsumerRecord from each in Python, and passes it through an iterator on a generator: twice what
decoding costs, for objects that would be read once and thrown away. Here, each of Kafka's batches goes through all that
as one item. Records have the same names in both forms, so where a later aiokafka fetches in another way, records cost
more and nothing else changes.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from aiokafka.consumer.fetcher import FetchResult

from eventflow_kafka.records import RecordFactory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiokafka import AIOKafkaConsumer, TopicPartition

    from eventflow.model.records import StreamRecord


class Decoder:
    """Makes the records of one consumer."""

    def __init__(self) -> None:
        self._factories: dict[TopicPartition, RecordFactory] = {}

    def attach(self, consumer: AIOKafkaConsumer) -> None:
        """What ``consumer`` fetches from now on comes in whole batches. Call it once it has started."""
        fetcher = getattr(consumer, "_fetcher", None)
        if isinstance(getattr(fetcher, "_records", None), dict):
            vars(fetcher)["_records"] = _Fetched(self)

    def records(self, partition: TopicPartition, fetched: Sequence[Any]) -> Sequence[StreamRecord]:
        """What the consumer gave of a partition, be it in batches or in records."""
        if not fetched or isinstance(fetched[0], _Made):
            return fetched[0] if len(fetched) == 1 else list(chain.from_iterable(fetched))
        return self._factory(partition).make(fetched)

    def make(self, partition: TopicPartition, batch: _Batch) -> _Made:
        """Stands in for what builds a ConsumerRecord. A batch may begin before the offset that was asked for."""
        made = _Made(self._factory(partition).make(batch.records))
        if made and int(made[0].position) < batch.start:
            return _Made([record for record in made if int(record.position) >= batch.start])
        return made

    def _factory(self, partition: TopicPartition) -> RecordFactory:
        factory = self._factories.get(partition)
        if factory is None:
            factory = self._factories[partition] = RecordFactory(partition)
        return factory


class _Made(list["StreamRecord"]):
    """The records of one of Kafka's batches."""


class _Fetched(dict["TopicPartition", Any]):
    """What a consumer has fetched and nobody has taken yet: results and errors."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self._decoder = decoder

    def __setitem__(self, partition: TopicPartition, fetched: Any) -> None:
        if isinstance(fetched, FetchResult) and hasattr(unread := fetched._partition_records, "_consumer_record"):
            unread._records = _Batches(unread._records, unread.next_fetch_offset)
            unread._consumer_record = self._decoder.make
        super().__setitem__(partition, fetched)


class _Batches:
    """aiokafka's batches in memory, to be read from offset ``start`` on."""

    def __init__(self, batches: Any, start: int) -> None:
        self._batches = batches
        self._start = start

    def has_next(self) -> bool:
        return bool(self._batches.has_next())

    def next_batch(self) -> _Batch:
        return _Batch(self._batches.next_batch(), self._start)


class _Batch:
    """A batch that, asked for its records, gives one: itself, at the offset before the next batch's."""

    def __init__(self, batch: Any, start: int) -> None:
        self.records = batch
        self.start = start

    @property
    def offset(self) -> int:
        return int(self.records.next_offset) - 1

    def __iter__(self) -> Iterator[_Batch]:
        return iter((self,))

    def __next__(self) -> Any:
        return next(self.records)  # the marker in a batch of control

    def __getattr__(self, name: str) -> Any:
        return getattr(self.records, name)
