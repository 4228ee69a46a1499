from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from eventflow.model.destinations import Destination, Service
from eventflow.testing.harness import Capability, NotificationHarness, case_name
from eventflow.testing.notification_cases import (
    BUCKET_CASES,
    BUS_CASES,
    NOTIFICATION_CASES,
    SCHEDULE_CASES,
    TOPIC_CASES,
    NotificationCase,
)
from eventflow_local.buckets import BucketSink
from tests.contract.embedded import Embedded, Processes, skip_if_unable

CAPABILITIES = frozenset({Capability.DURABLE_SUBSCRIPTIONS, Capability.LONG_WAITS, Capability.REMOVALS})


def notification_harness(processes: Processes, service: Service, *, grace_seconds: float = 3) -> NotificationHarness:
    numbers = count(1)

    async def create() -> str:
        return f"{service}-{next(numbers)}"

    async def remove(bucket: str, key: str) -> None:
        sink = await processes.adapter.sink(Destination(Service.S3, bucket))
        assert isinstance(sink, BucketSink)
        await sink.remove(key)

    return NotificationHarness(
        adapter=processes.adapter,
        other_adapter=processes.other_adapter,
        clock=processes.clock,
        capabilities=CAPABILITIES,
        grace_seconds=grace_seconds,
        service=service,
        create=create,
        remove=remove,
    )


@pytest.mark.parametrize("service", [Service.SNS, Service.EVENTBRIDGE])
@pytest.mark.parametrize("case", NOTIFICATION_CASES, ids=case_name)
async def test_notifications(case: NotificationCase, service: Service, embedded: Embedded) -> None:
    await run(case, service, embedded)


@pytest.mark.parametrize("case", NOTIFICATION_CASES + BUCKET_CASES, ids=case_name)
async def test_buckets_in_memory(case: NotificationCase) -> None:
    await run(case, Service.S3, Embedded(None))


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # in real time: the operating system tells of files
@pytest.mark.parametrize("case", NOTIFICATION_CASES + BUCKET_CASES, ids=case_name)
async def test_buckets_in_directories(case: NotificationCase, tmp_path: Path) -> None:
    await run(case, Service.S3, Embedded(tmp_path / "data"), grace_seconds=0.2)


@pytest.mark.parametrize("case", TOPIC_CASES, ids=case_name)
async def test_topics(case: NotificationCase, embedded: Embedded) -> None:
    await run(case, Service.SNS, embedded)


@pytest.mark.parametrize("case", BUS_CASES, ids=case_name)
async def test_buses(case: NotificationCase, embedded: Embedded) -> None:
    await run(case, Service.EVENTBRIDGE, embedded)


@pytest.mark.parametrize("case", SCHEDULE_CASES, ids=case_name)
async def test_schedules(case: NotificationCase, embedded: Embedded) -> None:
    await run(case, Service.SCHEDULE, embedded)


async def run(case: NotificationCase, service: Service, embedded: Embedded, *, grace_seconds: float = 3) -> None:
    async with embedded.processes() as processes:
        harness = notification_harness(processes, service, grace_seconds=grace_seconds)
        skip_if_unable(case, harness)
        await case(harness)
