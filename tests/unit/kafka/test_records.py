"""Records that stay as they were decoded until somebody looks at one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from eventflow.events.kafka import KAFKA
from eventflow.model.columns import joined, key_bytes, positions, shared_attributes, value_bytes, values
from eventflow.model.records import StreamRecord
from eventflow_kafka.records import FetchedRecords, RecordFactory

ORDERS = RecordFactory(TopicPartition("orders", 3))
HEADERS = st.sampled_from([(), (), (("trace", b"\xff"), ("none", None))])
BYTES = st.one_of(st.none(), st.binary(max_size=5))


@st.composite
def fetched(draw: st.DrawFn) -> list[Any]:
    """What a consumer hands over."""
    count = draw(st.integers(0, 6))
    return [
        ConsumerRecord("orders", 3, offset, 1_700_000_000_123, draw(st.integers(0, 1)), *draw(pair()), draw(HEADERS))
        for offset in range(count)
    ]


@st.composite
def pair(draw: st.DrawFn) -> tuple[Any, ...]:
    return draw(BYTES), draw(BYTES), None, 0, 0


@st.composite
def cut(draw: st.DrawFn, raw: list[Any]) -> list[FetchedRecords]:
    """The same in parts, as they come from different batches of Kafka's, of which some were read in two goes."""
    at, within = draw(st.integers(0, len(raw))), draw(st.integers(0, len(raw)))
    parts = [FetchedRecords(ORDERS, raw[:at]), FetchedRecords(ORDERS, raw[at:])]
    return [piece for part in parts for piece in (part[:within], part[within:]) if piece]


@given(fetched(), st.data())
def test_lazy_records_are_those_that_would_be_made_at_once(raw: list[Any], data: st.DataObject) -> None:
    made = ORDERS.make(raw)
    parts: Sequence[Sequence[StreamRecord]] = data.draw(cut(raw)) or [FetchedRecords(ORDERS, [])]
    lazy = joined(parts)
    assert isinstance(lazy, FetchedRecords)
    assert len(lazy) == len(made)
    assert (positions(lazy), values(lazy)) == (positions(made), values(made))
    assert (key_bytes(lazy), value_bytes(lazy), lazy.size) == (key_bytes(made), value_bytes(made), value_bytes(made))
    assert shared_attributes(lazy) in (None, shared_attributes(made))
    assert sum(KAFKA.sizes(made)) <= KAFKA.size_together(lazy)
    assert [lazy[index] for index in range(-len(lazy), len(lazy))] == made + made
    assert list(lazy) == made
    assert [lazy[index] for index in range(-len(lazy), len(lazy))] == made + made


def test_records_of_different_kinds_are_joined_one_by_one() -> None:
    raw: Any = ConsumerRecord("orders", 3, 7, 1_700_000_000_123, 0, b"k", b"v", None, 1, 1, ())
    lazy = FetchedRecords(ORDERS, [raw])
    assert joined([lazy, [lazy[0]]]) == [lazy[0], lazy[0]]


def test_attributes_are_shared_where_there_are_no_headers() -> None:
    raw: list[Any] = [
        ConsumerRecord("orders", 3, offset, 1_700_000_000_123, 0, b"k", b"v", None, 1, 1, ()) for offset in range(4)
    ]
    lazy = FetchedRecords(ORDERS, raw)
    shared = shared_attributes(lazy)
    assert shared is not None
    assert shared is shared_attributes(lazy[1:3])
    assert shared is shared_attributes(joined([lazy[:2], lazy[2:]]))
    assert all(record.attributes is shared for record in lazy)
