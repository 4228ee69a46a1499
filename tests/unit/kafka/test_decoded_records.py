"""What aiokafka fetches, in the form its decoder gives it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchError, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from eventflow_kafka.decoded_records import keep_as_decoded
from eventflow_kafka.records import RecordFactory

ORDERS = TopicPartition("orders", 3)


def fetched() -> FetchResult:
    """A record with headers, one without anything but a value, and a tombstone, as they come from a broker."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 16,
    )
    builder.append(0, 1_700_000_000_123, b"key", b"value", [("trace", b"\xff"), ("none", None)])
    builder.append(1, 1_700_000_000_124, None, b"bare", [])
    builder.append(2, 1_700_000_000_125, b"key", None, [])
    records = MemoryRecords(bytes(builder.build()))
    assignment = Assignment({ORDERS})
    assignment.state_value(ORDERS).seek(0)
    unpacked = PartitionRecords(ORDERS, records, [], 0, None, None, True, 1)
    return FetchResult(ORDERS, assignment=assignment, partition_records=unpacked, backoff=0)


def consumer() -> Any:
    started: Any = SimpleNamespace(_fetcher=SimpleNamespace(_records={}))
    keep_as_decoded(started)
    return started


async def test_aiokafka_makes_no_object_of_its_own_for_a_record() -> None:
    records = consumer()._fetcher._records
    records[ORDERS] = fetched()
    got = records[ORDERS].getall()
    assert [record.offset for record in got] == [0, 1, 2]
    assert not any(hasattr(record, "topic") for record in got)
    assert all(hasattr(record, "topic") for record in fetched().getall())


async def test_the_neutral_records_are_the_same() -> None:
    records = consumer()._fetcher._records
    records[ORDERS] = fetched()
    factory = RecordFactory("orders-3", "orders", 3)
    made = factory.make(records[ORDERS].getall())
    assert made == factory.make(fetched().getall())
    assert [(record.key, record.data) for record in made] == [(b"key", b"value"), (None, b"bare"), (b"key", None)]
    assert made[0].attributes["headers"] == [("trace", b"\xff"), ("none", b"")]
    assert made[0].timestamp == 1_700_000_000.123


async def test_errors_are_kept_as_they_are() -> None:
    records = consumer()._fetcher._records
    records[ORDERS] = error = FetchError(error=OSError(), backoff=0)
    assert records[ORDERS] is error
