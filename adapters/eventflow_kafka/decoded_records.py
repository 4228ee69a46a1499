"""Takes what a consumer fetches right where aiokafka's decoder in C hands it over.

aiokafka builds a ConsumerRecord from each record in Python, and passes it through an iterator on a generator: several
times what decoding costs, for objects that would be read once and thrown away. Here, each of Kafka's batches goes
through all that as one item. Records have the same names in both forms, so where a later aiokafka fetches in another
way, records cost more and nothing else changes.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from aiokafka.consumer.fetcher import FetchResult

from eventflow.model.columns import total_bytes
from eventflow_kafka.records import FetchedRecords, RecordFactory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aiokafka import AIOKafkaConsumer, TopicPartition

FEW: Final = 50
"""Batches with fewer records are put together: an object for each would cost more than it saves."""


class Decoder:
    """Keeps the records of one consumer."""

    def __init__(self) -> None:
        self._factories: dict[TopicPartition, RecordFactory] = {}

    def attach(self, consumer: AIOKafkaConsumer) -> None:
        """What ``consumer`` fetches from now on comes in whole batches. Call it once it has started."""
        fetcher = getattr(consumer, "_fetcher", None)
        if isinstance(getattr(fetcher, "_records", None), dict):
            vars(fetcher)["_records"] = _Fetched(self)

    def records(self, partition: TopicPartition, fetched: Iterable[Any]) -> list[FetchedRecords]:
        """What the consumer gave of a partition: large batches, lists of the records of small ones, or records."""
        parts: list[FetchedRecords] = []
        for are_large, items in groupby(fetched, lambda item: isinstance(item, FetchedRecords)):
            if are_large:
                parts += items
            elif raw := [record for item in items for record in (item if isinstance(item, list) else (item,))]:
                parts.append(FetchedRecords(self._factory(partition), raw))
        return parts

    def keep(self, partition: TopicPartition, batch: _Batch) -> FetchedRecords | list[Any]:
        """Stands in for what builds a ConsumerRecord. A batch may begin before the offset that was asked for."""
        raw = list(batch.records)
        if raw and raw[0].offset < batch.start:
            raw = [record for record in raw if record.offset >= batch.start]
        if len(raw) < FEW:
            return raw
        size = total_bytes([record.value for record in raw])  # now, while they are at hand
        return FetchedRecords(self._factory(partition), raw, size)

    def _factory(self, partition: TopicPartition) -> RecordFactory:
        factory = self._factories.get(partition)
        if factory is None:
            factory = self._factories[partition] = RecordFactory(partition)
        return factory


class _Fetched(dict["TopicPartition", Any]):
    """What a consumer has fetched and nobody has taken yet: results and errors."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self._decoder = decoder

    def __setitem__(self, partition: TopicPartition, fetched: Any) -> None:
        if isinstance(fetched, FetchResult) and hasattr(unread := fetched._partition_records, "_consumer_record"):
            unread._records = _Batches(unread._records, unread.next_fetch_offset)
            unread._consumer_record = self._decoder.keep
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
        self.offset = batch.next_offset - 1
        # What aiokafka asks every batch; what else it may ask comes through __getattr__, which takes its time.
        self.next_offset = batch.next_offset
        self.validate_crc = batch.validate_crc
        self.is_control_batch = batch.is_control_batch
        self.producer_id = batch.producer_id
        if self.producer_id is not None:  # formats before transactions have no more
            self.base_offset = batch.base_offset
            self.is_transactional = batch.is_transactional

    def __iter__(self) -> Iterator[_Batch]:
        return iter((self,))

    def __next__(self) -> Any:
        return next(self.records)  # the marker in a batch of control

    def __getattr__(self, name: str) -> Any:
        return getattr(self.records, name)
