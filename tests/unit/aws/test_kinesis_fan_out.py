"""Enhanced fan-out against a stub of our own over HTTP/1.1: no test server speaks it, and AWS itself was not asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from eventflow.errors import UnavailableError
from eventflow.model.mapping import StartingPosition
from eventflow.model.records import StreamRead
from eventflow_aws.streams.kinesis_fan_out import FanOutReader
from eventflow_aws.streams.shard_reader import Behind, Place
from eventflow_aws.streams.shards import BEGINNING, StartingPoint
from tests.contract.aws_servers import aws_adapter, clients_of
from tests.unit.aws.fan_out_server import FanOutServer, Subscription, records, serving

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

CONSUMER = "arn:aws:kinesis:us-east-1:123456789012:stream/orders/consumer/shop:1"
SHARD = "shardId-000000000000"
PATIENCE_SECONDS = 120


@asynccontextmanager
async def reading(server: FanOutServer, place: Place = BEGINNING) -> AsyncIterator[FanOutReader]:
    async with serving(server) as url, aws_adapter(url) as adapter:
        client = await clients_of(adapter).kinesis()
        reader = FanOutReader(adapter._opened, client, "kinesis:orders", CONSUMER, SHARD, place)
        try:
            yield reader
        finally:
            reader.close()


async def read(reader: FanOutReader) -> StreamRead:
    return await reader.read(max_records=100, wait_seconds=PATIENCE_SECONDS)


def positions(read: StreamRead) -> list[object]:
    return [record.position for record in read.records]


async def test_events_are_read_as_they_are_pushed() -> None:
    server = FanOutServer([Subscription([records(1, 2, behind_milliseconds=1_500), records(), records(3)], lasts=True)])
    async with reading(server) as reader:
        first = await read(reader)
        assert positions(first) == [1, 2]
        assert first.behind_seconds == 1.5
        assert (first.records[0].data, first.records[0].key, first.records[0].timestamp) == (
            b"1",
            "key",
            1_795_000_000.5,
        )
        assert positions(await read(reader)) == [3]
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("place", "position"),
    [
        (BEGINNING, {"Type": "TRIM_HORIZON"}),
        (Behind(7), {"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": "7"}),
        (
            StartingPoint(StartingPosition.AT_TIMESTAMP, 1_795_000_000),
            {"Type": "AT_TIMESTAMP", "Timestamp": 1_795_000_000},
        ),
    ],
)
async def test_subscription_starts_at_the_given_place(place: Place, position: dict[str, object]) -> None:
    server = FanOutServer([Subscription([records(8)], lasts=True)])
    async with reading(server, place) as reader:
        await read(reader)
    assert server.requests == [{"ConsumerARN": CONSUMER, "ShardId": SHARD, "StartingPosition": position}]


async def test_subscription_that_is_over_is_renewed_behind_the_last_record() -> None:
    server = FanOutServer([Subscription([records(1, 2)]), Subscription([records(3)], lasts=True)])
    async with reading(server) as reader:
        assert positions(await read(reader)) == [1, 2]
        assert positions(await read(reader)) == [3]
    assert server.requests[1]["StartingPosition"] == {"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": "2"}


@pytest.mark.parametrize("error", ["ResourceInUseException", "LimitExceededException"])
async def test_subscription_that_somebody_else_still_has_is_tried_again(error: str) -> None:
    server = FanOutServer([Subscription(error=error), Subscription([records(1)], lasts=True)])
    async with reading(server) as reader:
        assert positions(await read(reader)) == [1]


async def test_subscription_that_is_taken_over_is_tried_again() -> None:
    taken = ("ResourceInUseException", {"message": "Another active subscription exists"})
    server = FanOutServer([Subscription([records(1), taken]), Subscription([records(2)], lasts=True)])
    async with reading(server) as reader:
        assert positions(await read(reader)) == [1]
        assert positions(await read(reader)) == [2]


async def test_subscription_that_ends_at_once_is_reported_and_the_next_read_subscribes_again() -> None:
    server = FanOutServer([Subscription(), Subscription(), Subscription([records(1)], lasts=True)])
    async with reading(server) as reader:
        for _ in range(2):
            with pytest.raises(UnavailableError, match="ended at once"):
                await read(reader)
        assert positions(await read(reader)) == [1]


async def test_shard_ends_with_the_event_that_names_its_children() -> None:
    server = FanOutServer([Subscription([records(1), records(2, children=["shardId-000000000001"])])])
    async with reading(server) as reader:
        assert not (await read(reader)).ended
        last = await read(reader)
        assert (positions(last), last.ended) == ([2], True)


async def test_cancelled_read_loses_nothing() -> None:
    server = FanOutServer([Subscription([records(number) for number in range(20)], lasts=True)])
    seen: list[object] = []
    async with reading(server) as reader:
        with anyio.fail_after(PATIENCE_SECONDS):
            turn = 0
            while len(seen) < 20:
                turn += 1
                with anyio.move_on_after(0.001 * (turn % 7)):
                    seen += positions(await reader.read(max_records=100, wait_seconds=PATIENCE_SECONDS))
    assert seen == list(range(20))


async def test_closing_ends_the_subscription() -> None:
    server = FanOutServer([Subscription([records(1)], lasts=True)])
    async with reading(server) as reader:
        await read(reader)
        reader.close()
        with anyio.fail_after(PATIENCE_SECONDS):
            await server.gone.wait()


async def test_closing_ends_a_read_that_waits() -> None:
    server = FanOutServer([Subscription([records(1)], lasts=True)])
    async with reading(server) as reader:
        await read(reader)
        with anyio.fail_after(PATIENCE_SECONDS / 2):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read, reader)
                await anyio.sleep(0.05)
                reader.close()
