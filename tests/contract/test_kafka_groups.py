"""Consumer groups of the Kafka adapter beside the common cases, on Apache Kafka, in real time."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewPartitions, RecordsToDelete

from eventflow.errors import AdapterError, LeaseLostError, ResourceNotFoundError, UnavailableError
from eventflow.model.destinations import Service
from eventflow.model.kafka import name_of
from eventflow.model.mapping import BatchSettings, StartingPosition, StreamMapping
from eventflow.model.records import Checkpoint, PartitionId
from eventflow.model.subscriptions import StreamSubscription
from eventflow.ports import StreamSource
from eventflow.testing._member import Member, joined, values, write_all, write_keys
from eventflow.testing.harness import StreamHarness
from eventflow_kafka import KafkaAdapter, member, silence
from tests.contract.kafka_topics import (
    PATIENCE_SECONDS,
    Processes,
    create_topic,
    kafka_adapter,
    processes,
    stream_harness,
)
from tests.servers.kafka import PROXY
from tests.servers.proxy import Proxy
from tests.servers.server import Server

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"], scope="module")


@pytest.fixture(scope="module")
async def opened(kafka_server: Server, anyio_backend: str) -> AsyncIterator[Processes]:
    async with processes(kafka_server) as both:
        yield both


@pytest.fixture
def h(opened: Processes) -> StreamHarness:
    return stream_harness(opened)


def subscription(topic: str, **fields: Any) -> StreamSubscription:
    mapping = StreamMapping(
        batch=BatchSettings(batch_size=100), **{"starting_position": StartingPosition.TRIM_HORIZON, **fields}
    )
    return StreamSubscription(service=Service.KAFKA, name=topic, subscriber="groups", mapping=mapping)


# Where reading begins


async def test_latest_is_fixed_when_the_source_is_opened(h: StreamHarness) -> None:
    name = await h.create(1)
    await write_all(h, name, [b"old"])
    await h.open(name, starting_position=StartingPosition.LATEST)
    await write_all(h, name, [b"new"])
    async with joined(h, await h.open(name, starting_position=StartingPosition.LATEST)) as reader:
        await reader.owns(1)
        assert [assignment.checkpoint for assignment in reader.assignments.values()] == [None]
        assert values(h, await reader.take(1)) == [b"new"]


async def test_latest_skips_nothing_when_the_first_run_commits_nothing(h: StreamHarness) -> None:
    name = await h.create(1)
    async with joined(h, await h.open(name, starting_position=StartingPosition.LATEST)) as reader:
        await reader.owns(1)
    await write_all(h, name, [b"1"])
    async with joined(h, await h.open(name, starting_position=StartingPosition.LATEST)) as reader:
        await reader.owns(1)
        assert values(h, await reader.take(1)) == [b"1"]


async def test_latest_is_fixed_by_a_member_if_the_group_has_members_for_another_topic(
    h: StreamHarness, opened: Processes
) -> None:
    group = f"shared-{uuid.uuid4().hex}"
    one, other = await h.create(1), await h.create(1)
    await write_all(h, other, [b"old"])
    latest = StartingPosition.LATEST
    first = await opened.adapter.stream_source(subscription(one, consumer_group=group))
    async with joined(h, first) as reader:
        await reader.owns(1)
        wanted = subscription(other, consumer_group=group, starting_position=latest)
        async with joined(h, await opened.other_adapter.stream_source(wanted)) as second:
            await second.owns(1)
        await write_all(h, other, [b"new"])
        async with joined(h, await opened.other_adapter.stream_source(wanted)) as second:
            await second.owns(1)
            assert values(h, await second.take(1)) == [b"new"]


async def test_partition_that_is_added_later_is_read_from_its_beginning(h: StreamHarness, opened: Processes) -> None:
    name = await h.create(1)
    await h.open(name, starting_position=StartingPosition.LATEST)
    await opened.admin.create_partitions({name: NewPartitions(total_count=2)})
    sent = [b"%02d" % number for number in range(10)]
    async with producing(opened) as producer:
        for value in sent:
            await producer.send_and_wait(name, value, partition=1)
    async with joined(h, await h.open(name, starting_position=StartingPosition.LATEST, other_process=True)) as reader:
        await reader.owns(2)
        assert values(h, await reader.take(len(sent))) == sent


async def test_offsets_that_another_program_committed_count(h: StreamHarness, opened: Processes) -> None:
    name = await h.create(1)
    group = f"taken-over-{uuid.uuid4().hex}"
    await write_all(h, name, [b"1", b"2", b"3"])
    before = AIOKafkaConsumer(bootstrap_servers=_address(opened), group_id=group, enable_auto_commit=False)
    await before.start()
    before.assign([TopicPartition(name, 0)])
    await before.commit({TopicPartition(name, 0): (2, "a text of its own")})
    await before.stop()
    async with joined(h, await opened.adapter.stream_source(subscription(name, consumer_group=group))) as reader:
        await reader.owns(1)
        assert [assignment.checkpoint for assignment in reader.assignments.values()] == [Checkpoint(position=1)]
        assert values(h, await reader.take(1)) == [b"3"]


async def test_records_that_retention_deleted_are_skipped_with_a_warning(
    h: StreamHarness, opened: Processes, caplog: pytest.LogCaptureFixture
) -> None:
    name = await h.create(1)
    await write_all(h, name, [b"%d" % number for number in range(6)])
    async with joined(h, await h.open(name)) as reader:
        await reader.owns(1)
        await reader.commit((await reader.take(6))[:1])
    await opened.admin.delete_records({TopicPartition(name, 0): RecordsToDelete(before_offset=4)})
    async with joined(h, await h.open(name)) as reader:
        await reader.owns(1)
        assert values(h, await reader.take(2)) == [b"4", b"5"]
    assert f"offset 1 of {name}-0 is not there any more" in caplog.text


async def test_records_of_aborted_transactions_are_not_read(h: StreamHarness, opened: Processes) -> None:
    name = await h.create(1)
    async with producing(opened, transactional_id=f"t-{uuid.uuid4().hex}") as producer:
        for value, commits in ((b"aborted", False), (b"committed", True)):
            await producer.begin_transaction()
            await producer.send_and_wait(name, value)
            await (producer.commit_transaction() if commits else producer.abort_transaction())
    async with joined(h, await h.open(name)) as reader:
        await reader.owns(1)
        assert values(h, await reader.take(1)) == [b"committed"]
        await reader.expect_nothing()


async def test_header_without_a_value_arrives_empty(h: StreamHarness, opened: Processes) -> None:
    name = await h.create(1)
    async with producing(opened) as producer:
        await producer.send_and_wait(name, b"1", headers=[("none", None), ("some", b"x")])
    async with joined(h, await h.open(name)) as reader:
        await reader.owns(1)
        [record] = await reader.take(1)
        assert record.attributes["headers"] == [("none", b""), ("some", b"x")]
        assert record.attributes["timestampType"] == "CREATE_TIME"


async def test_time_of_a_topic_may_be_the_brokers(h: StreamHarness, opened: Processes) -> None:
    name = await create_topic(opened.admin, 1, **{"message.timestamp.type": "LogAppendTime"})
    await write_all(h, name, [b"1"])
    async with joined(h, await h.open(name)) as reader:
        await reader.owns(1)
        [record] = await reader.take(1)
        assert record.attributes["timestampType"] == "LOG_APPEND_TIME"


async def test_partition_that_is_not_read_holds_nobody_up_and_is_complete_later(
    h: StreamHarness, opened: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member, "LEAST_BUFFERED_RECORDS", 50)
    monkeypatch.setattr(member, "BUFFERED_RECORDS", 100)
    name = await h.create(2)
    sent = [b"%04d" % number for number in range(3_000)]
    async with producing(opened, max_batch_size=1_000) as producer:
        for number, count in enumerate((3_000, 300)):
            await asyncio.gather(*[await producer.send(name, value, partition=number) for value in sent[:count]])
    source = await h.open(name)
    async with joined(h, source) as reader:
        await reader.owns(2)
        for partition, count in ((f"{name}-1", 300), (f"{name}-0", 3_000)):
            arrived: list[bytes] = []
            while len(arrived) < count:
                read = await source.read(partition, max_records=70, wait_seconds=h.patience_seconds)
                assert read.records, f"nothing came of {partition} behind {len(arrived)} records"
                arrived += values(h, read.records)
            assert arrived == sent[:count]


# What cannot be


async def test_topic_that_does_not_exist_is_reported_and_not_made(h: StreamHarness, opened: Processes) -> None:
    name = f"missing-{uuid.uuid4().hex}"
    with pytest.raises(ResourceNotFoundError, match=name):
        await h.open(name)
    assert name not in await opened.admin.list_topics()


async def test_topic_that_is_deleted_ends_the_run(h: StreamHarness, opened: Processes) -> None:
    name = await h.create(1)
    source = await h.open(name)
    await opened.admin.delete_topics([name])
    with anyio.fail_after(PATIENCE_SECONDS), pytest.raises(ResourceNotFoundError, match=name):
        await source.run(Member(h, source))


async def test_state_that_the_group_cannot_keep_is_refused_with_the_reason(h: StreamHarness) -> None:
    name = await h.create(1)
    await write_all(h, name, [b"1"])
    async with joined(h, await h.open(name)) as reader:
        await reader.owns(1)
        records = await reader.take(1)
        with pytest.raises(AdapterError, match=r"offset\.metadata\.max\.bytes"):
            await reader.commit(records, state="x" * 5_000)
        await reader.commit(records)


async def test_cluster_that_is_away_is_unavailable_at_open(h: StreamHarness) -> None:
    async with kafka_adapter("127.0.0.1:1") as adapter:
        with pytest.raises(UnavailableError, match=r"127\.0\.0\.1"):
            await adapter.stream_source(subscription("orders"))


async def test_missing_topic_among_several_is_named(h: StreamHarness) -> None:
    there, missing = await h.create(1), f"missing-{uuid.uuid4().hex}"
    with pytest.raises(ResourceNotFoundError, match=f"topic {missing} does not exist"):
        await h.open(name_of([there, missing]))


async def test_latest_is_fixed_for_a_topic_that_joins_a_known_group(h: StreamHarness, opened: Processes) -> None:
    group, latest = f"grown-{uuid.uuid4().hex}", StartingPosition.LATEST
    known, added = await h.create(1), await h.create(1)
    async with joined(h, await opened.adapter.stream_source(subscription(known, consumer_group=group))) as reader:
        await reader.owns(1)
        await write_all(h, known, [b"1"])
        await reader.commit(await reader.take(1))
    for name in (known, added):
        await write_all(h, name, [b"2"])
    wanted = subscription(name_of([known, added]), consumer_group=group, starting_position=latest)
    async with joined(h, await opened.adapter.stream_source(wanted)) as reader:
        await reader.owns(2)
        assert [record.partition for record in await reader.take(1)] == [f"{known}-0"]
        await reader.expect_nothing()


# Giving partitions up


async def test_slow_owner_loses_its_partitions_when_the_group_waits_no_longer(
    h: StreamHarness, kafka_server: Server
) -> None:
    name = await h.create(2)

    async def never(_: Sequence[PartitionId]) -> None:
        await anyio.sleep_forever()

    async with (
        kafka_adapter(kafka_server, rebalance_timeout_seconds=6) as slow,
        joined(h, await slow.stream_source(_contract(name)), on_drain=never) as first,
    ):
        await first.owns(2)
        async with joined(h, await h.open(name, other_process=True)) as second:
            await second.owns(1)
            await first.owns(1)
            assert ("lost", f"{name}-0") in first.told


async def test_member_that_was_away_is_told_that_its_partitions_are_lost(
    h: StreamHarness, kafka_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await h.create(1)
    await write_keys(h, name, [b"1", b"2"])
    async with network(kafka_server, session_timeout_seconds=12) as (proxy, adapter):
        source = await adapter.stream_source(_contract(name))
        async with joined(h, source) as first:
            await first.owns(1)
            records = await first.take(2)
            await first.commit(records[:1])
            proxy.cut()
            with monkeypatch.context() as impatient:
                impatient.setattr(silence, "SILENT_SECONDS", 2)
                impatient.setattr(member, "COMMIT_SECONDS", 1)
                await _raises(UnavailableError, source, name)
                with pytest.raises(UnavailableError):
                    await first.commit(records)
            async with joined(h, await h.open(name, other_process=True)) as second:
                await second.owns(1)
                assert values(h, await second.take(1)) == [b"2"]
                await proxy.restore()
                await first.until(lambda: ("lost", f"{name}-0") in first.told, "it is told")
                with pytest.raises(LeaseLostError):
                    await first.commit(records)


async def test_reads_go_on_by_themselves_after_an_outage(
    h: StreamHarness, kafka_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await h.create(1)
    async with network(kafka_server) as (proxy, adapter):
        source = await adapter.stream_source(_contract(name))
        async with joined(h, source) as reader:
            await reader.owns(1)
            proxy.cut()
            with monkeypatch.context() as impatient:
                impatient.setattr(silence, "SILENT_SECONDS", 1)
                await _raises(UnavailableError, source, name)
            await write_all(h, name, [b"1"])
            await proxy.restore()
            arrived: list[bytes] = []
            with anyio.fail_after(h.patience_seconds):
                while not arrived:
                    try:
                        read = await source.read(f"{name}-0", max_records=10, wait_seconds=300)
                    except UnavailableError:
                        await anyio.sleep(0.1)
                    else:
                        arrived += values(h, read.records)
            assert arrived == [b"1"]
            assert [what for what, _ in reader.told] == ["assigned"]


# Helpers


@asynccontextmanager
async def producing(opened: Processes, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(bootstrap_servers=_address(opened), **options) as producer:
        yield producer


@asynccontextmanager
async def network(server: Server, **options: Any) -> AsyncIterator[tuple[Proxy, KafkaAdapter]]:
    """An adapter whose connections can be cut."""
    behind, reached = (int(server.addresses[name].rpartition(":")[2]) for name in ("BEHIND_PROXY", PROXY))
    async with (
        Proxy(behind, port=reached) as proxy,
        kafka_adapter(server.addresses[PROXY], **options) as adapter,
    ):
        yield proxy, adapter


def _contract(name: str) -> StreamSubscription:
    """The same subscription as the harness's."""
    mapping = StreamMapping(batch=BatchSettings(batch_size=100), starting_position=StartingPosition.TRIM_HORIZON)
    return StreamSubscription(service=Service.KAFKA, name=name, subscriber="contract", mapping=mapping)


def _address(opened: Processes) -> str:
    return opened.adapter._options.bootstrap_servers[0]


async def _raises(error: type[AdapterError], source: StreamSource, name: str) -> None:
    """Reads begin to fail with ``error``."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while True:
            try:
                await source.read(f"{name}-0", max_records=10, wait_seconds=1)
            except error:
                return
