"""Apps on Kafka topics of the embedded environment."""

from __future__ import annotations

from eventflow import KafkaEvent, KafkaRecord, on_kafka, on_kafka_batch
from eventflow.testing import TestApp


async def test_batches_of_several_topics_hold_one_partition_each() -> None:
    batches: list[dict[str, list[str]]] = []

    @on_kafka_batch("orders", "returns")
    async def fulfil(batch: KafkaEvent[str]) -> None:
        batches.append({name: [record.payload for record in records] for name, records in batch.records.items()})

    async with TestApp([fulfil]) as app:
        for number in range(3):
            await app.kafka("orders").put(f"o{number}")
            await app.kafka("returns").put(f"r{number}")
        await app.settle()
    assert all(len(batch) == 1 for batch in batches)
    together = {
        name: [value for batch in batches for value in batch.get(name, ())] for name in ("orders-0", "returns-0")
    }
    assert together == {"orders-0": ["o0", "o1", "o2"], "returns-0": ["r0", "r1", "r2"]}


async def test_topic_whose_record_fails_holds_up_no_other() -> None:
    handled: list[tuple[str, str]] = []

    @on_kafka("orders", "returns")
    async def fulfil(record: KafkaRecord[str]) -> None:
        if record.payload == "bad" and len(handled) < 3:
            raise ValueError(record.payload)
        handled.append((record.topic, record.payload))

    async with TestApp([fulfil]) as app:
        for value in ("bad", "1"):
            await app.kafka("orders").put(value)
        for value in ("2", "3", "4"):
            await app.kafka("returns").put(value)
        await app.settle()
    assert handled == [("returns", "2"), ("returns", "3"), ("returns", "4"), ("orders", "bad"), ("orders", "1")]
