"""What aiokafka fetches, in the form its decoder gives it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchError, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from eventflow.model.columns import value_bytes
from eventflow.model.records import StreamRecord
from eventflow_kafka.decoded_records import FEW, Decoder
from eventflow_kafka.records import FetchedRecords, RecordFactory

ORDERS = TopicPartition("orders", 3)
READ_COMMITTED = 1
ABORT = b"\x00\x00\x00\x00"
CONTROL = 0x20


def batch(
    *values: bytes | None, first: int = 0, producer_id: int = -1, key: bytes = b"key", gzip: bool = False
) -> bytes:
    """Of records with offsets from ``first`` on."""
    builder = _builder(gzip=gzip, producer_id=producer_id)
    for number, value in enumerate(values):
        builder.append(number, 1_700_000_000_000 + number, key, value, [])
    return _at(first, builder.build())


def abort(*, first: int, producer_id: int) -> bytes:
    """The marker that a broker writes where a transaction was given up."""
    data = bytearray(batch(b"\x00\x00\x00\x00\x00\x00", first=first, producer_id=producer_id, key=ABORT))
    data[22] |= CONTROL
    data[17:21] = calc_crc32c(bytes(data[21:])).to_bytes(4, "big")
    return bytes(data)


def _builder(*, gzip: bool = False, producer_id: int = -1) -> DefaultRecordBatchBuilder:
    return DefaultRecordBatchBuilder(
        magic=2,
        compression_type=int(gzip),
        is_transactional=producer_id >= 0,
        producer_id=producer_id,
        producer_epoch=0,
        base_sequence=0,
        batch_size=1 << 16,
    )


def _at(offset: int, built: bytearray) -> bytes:
    """With the offset that a broker gives it."""
    return offset.to_bytes(8, "big") + bytes(built)[8:]


def with_headers() -> bytes:
    """A record with headers, one without anything but a value, and a tombstone."""
    builder = _builder()
    builder.append(0, 1_700_000_000_123, b"key", b"value", [("trace", b"\xff"), ("none", None)])
    builder.append(1, 1_700_000_000_124, None, b"bare", [])
    builder.append(2, 1_700_000_000_125, b"key", None, [])
    return bytes(builder.build())


def fetched(data: bytes, *, start: int = 0, aborted: Sequence[tuple[int, int]] = ()) -> FetchResult:
    """What a consumer keeps of an answer to a fetch from offset ``start``."""
    assignment = Assignment({ORDERS})
    assignment.state_value(ORDERS).seek(start)
    unpacked = PartitionRecords(ORDERS, MemoryRecords(data), list(aborted), start, None, None, True, READ_COMMITTED)
    return FetchResult(ORDERS, assignment=assignment, partition_records=unpacked, backoff=0)


class Consumer:
    """As far as records are concerned."""

    def __init__(self) -> None:
        self.decoder = Decoder()
        started: Any = SimpleNamespace(_fetcher=SimpleNamespace(_records={}))
        self.decoder.attach(started)
        self.records: dict[TopicPartition, Any] = started._fetcher._records

    def take(self, result: FetchResult) -> Sequence[StreamRecord]:
        self.records[ORDERS] = result
        return together(self.decoder.records(ORDERS, self.records[ORDERS].getall()))


def together(parts: Iterable[FetchedRecords]) -> Sequence[StreamRecord]:
    """The records of all parts, whose sizes are right."""
    parts = list(parts)
    assert [part.size for part in parts] == [value_bytes(list(part)) for part in parts]
    return [record for part in parts for record in part]


def as_aiokafka_does(result: FetchResult) -> Sequence[StreamRecord]:
    return RecordFactory(ORDERS).make(result.getall())


def position(result: FetchResult) -> int:
    """Where the next fetch would begin."""
    offset: int = result._assignment.state_value(ORDERS).position
    return offset


async def test_a_batch_goes_through_aiokafka_as_one_item() -> None:
    consumer = Consumer()
    consumer.records[ORDERS] = fetched(batch(b"a", b"b") + batch(b"c", first=2))
    assert [len(item) for item in consumer.records[ORDERS].getall()] == [2, 1]


async def test_small_batches_are_put_together() -> None:
    consumer = Consumer()
    few, many = [b"few"] * (FEW - 1), [b"many"] * FEW
    data = batch(*few) + batch(*few, first=100) + batch(*many, first=200) + batch(*few, first=300)
    consumer.records[ORDERS] = fetched(data)
    parts = consumer.decoder.records(ORDERS, consumer.records[ORDERS].getall())
    assert [len(part) for part in parts] == [2 * len(few), len(many), len(few)]
    assert together(parts) == as_aiokafka_does(fetched(data))


async def test_records_keep_everything_that_events_have_of_them() -> None:
    made = Consumer().take(fetched(with_headers()))
    assert made == as_aiokafka_does(fetched(with_headers()))
    assert [(record.key, record.data) for record in made] == [(b"key", b"value"), (None, b"bare"), (b"key", None)]
    assert made[0].attributes["headers"] == [("trace", b"\xff"), ("none", b"")]
    assert made[0].timestamp == 1_700_000_000.123


@pytest.mark.parametrize("start", range(3))
async def test_reading_begins_within_a_batch(start: int) -> None:
    data = batch(b"a", b"b", b"c") + batch(b"d", b"e", first=3)
    result = fetched(data, start=start)
    made = Consumer().take(result)
    assert [record.position for record in made] == list(range(start, 5))
    assert made == as_aiokafka_does(fetched(data, start=start))
    assert position(result) == 5


async def test_compressed_batches_are_read() -> None:
    data = batch(b"a", b"b", b"c", gzip=True) + batch(b"d", first=3)
    made = Consumer().take(fetched(data, start=1))
    assert [record.data for record in made] == [b"b", b"c", b"d"]


async def test_what_was_compacted_away_leaves_gaps() -> None:
    data = batch(b"a", first=4) + batch(b"b", first=9)
    assert [record.position for record in Consumer().take(fetched(data, start=2))] == [4, 9]


async def test_transactions_that_were_given_up_are_passed_over() -> None:
    transactions = batch(b"given up", producer_id=7) + batch(b"kept", b"kept", first=1, producer_id=8)
    data = transactions + abort(first=3, producer_id=7) + batch(b"kept", first=4, producer_id=7)
    result = fetched(data, aborted=[(7, 0)])
    made = Consumer().take(result)
    assert [(record.position, record.data) for record in made] == [(1, b"kept"), (2, b"kept"), (4, b"kept")]
    assert made == as_aiokafka_does(fetched(data, aborted=[(7, 0)]))
    assert position(result) == 5


async def test_damage_is_noticed() -> None:
    damaged = bytearray(batch(b"value"))
    damaged[-3] ^= 1
    with pytest.raises(CorruptRecordException):
        Consumer().take(fetched(bytes(damaged)))


async def test_the_format_before_headers_is_read() -> None:
    builder = LegacyRecordBatchBuilder(magic=1, compression_type=1, batch_size=1 << 16)
    for number in range(3):
        builder.append(number, 1_700_000_000_000, b"key", b"%d" % number)
    data = _at(2, builder.build())  # a compressed set has the offset of its last record
    made = Consumer().take(fetched(data, start=1))
    assert made == as_aiokafka_does(fetched(data, start=1))
    assert [record.data for record in made] == [b"1", b"2"]


async def test_a_consumer_that_fetches_in_another_way_is_read_record_by_record() -> None:
    decoder = Decoder()
    decoder.attach(SimpleNamespace())
    records = fetched(with_headers()).getall()
    assert together(decoder.records(ORDERS, records)) == as_aiokafka_does(fetched(with_headers()))
    assert together(decoder.records(ORDERS, [])) == []


async def test_errors_are_kept_as_they_are() -> None:
    consumer = Consumer()
    consumer.records[ORDERS] = error = FetchError(error=OSError(), backoff=0)
    assert consumer.records[ORDERS] is error
