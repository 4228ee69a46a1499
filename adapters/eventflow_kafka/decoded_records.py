"""Has aiokafka hand over records as its decoder in C made them.

Its consumer builds a ConsumerRecord from each, in Python, at twice the cost of decoding; it would be read once and
thrown away. Offset, times, key, value and headers have the same names in both, so where a later aiokafka fetches in
another way, records cost more and nothing else changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka.consumer.fetcher import FetchResult

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, TopicPartition


def keep_as_decoded(consumer: AIOKafkaConsumer) -> None:
    """Records that ``consumer`` fetches from now on have no topic, partition and sizes. Call it once it has started."""
    fetcher = getattr(consumer, "_fetcher", None)
    if isinstance(getattr(fetcher, "_records", None), dict):
        vars(fetcher)["_records"] = _Fetched()


class _Fetched(dict["TopicPartition", Any]):
    """What a consumer has fetched and nobody has taken yet: results and errors."""

    def __setitem__(self, partition: TopicPartition, fetched: Any) -> None:
        if isinstance(fetched, FetchResult) and hasattr(fetched, "_partition_records"):
            fetched._partition_records._consumer_record = _as_decoded
        super().__setitem__(partition, fetched)


def _as_decoded(partition: TopicPartition, record: Any) -> Any:
    return record
