from __future__ import annotations

from itertools import count, product
from typing import Any

import pytest

from eventflow.model import limits
from eventflow.model.destinations import Service
from eventflow.testing.harness import AN_HOUR, Capability, CreatedQueue, QueueHarness, QueueRequest, case_name
from eventflow.testing.queue_cases import QUEUE_CASES, QueueCase
from eventflow_local.message_queues import MESSAGE_BYTES
from tests.contract.embedded import Embedded, Processes, skip_if_unable

COMMON = frozenset(
    {
        Capability.DELAY,
        Capability.LONG_WAITS,
        Capability.REDRIVE,
        Capability.RELEASE_DELAY,
        Capability.STRICT_RECEIPTS,
        Capability.VISIBILITY_TIMEOUT,
    }
)
OF_SQS = frozenset({Capability.ATTRIBUTES, Capability.DEDUPLICATION, Capability.FIFO, Capability.MESSAGE_ATTRIBUTES})
CAPABILITIES = {Service.SQS: COMMON | OF_SQS, Service.RABBITMQ: COMMON, Service.ACTIVEMQ: COMMON}
TABLES = {Service.SQS: "queues", Service.RABBITMQ: "rabbitmq", Service.ACTIVEMQ: "activemq"}


def redriven(fifo: bool, maximum_receive_count: int) -> CreatedQueue:
    """Names of a queue with a redrive policy."""
    suffix = ".fifo" if fifo else ""
    return CreatedQueue(
        name=f"tries-{maximum_receive_count}{suffix}", dead_letter_name=f"dead-{maximum_receive_count}{suffix}"
    )


def lasting(fifo: bool, number: int) -> str:
    """The name of a queue that hides what was received for an hour."""
    return f"lasting-{number}{'.fifo' if fifo else ''}"


def queue_options(service: Service = Service.SQS) -> dict[str, dict[str, Any]]:
    """The environment's table of queues: redrive policies are declared there."""
    options: dict[str, dict[str, Any]] = {}
    for fifo, number in product((False, True) if service is Service.SQS else (False,), (1, 2)):
        options[lasting(fifo, number)] = {"visibility_timeout_seconds": AN_HOUR}
        queue = redriven(fifo, number)
        options[queue.name] = {"maximum_receive_count": number, "dead_letter_queue": queue.dead_letter_name}
    return options


def queue_harness(processes: Processes, service: Service = Service.SQS) -> QueueHarness:
    numbers = count(1)

    async def create(request: QueueRequest) -> CreatedQueue:
        if request.maximum_receive_count is not None:
            return redriven(request.fifo, request.maximum_receive_count)
        if not request.returning:
            return CreatedQueue(name=lasting(request.fifo, next(numbers)))
        return CreatedQueue(name=f"queue-{next(numbers)}{'.fifo' if request.fifo else ''}")

    return QueueHarness(
        adapter=processes.adapter,
        other_adapter=processes.other_adapter,
        clock=processes.clock,
        capabilities=CAPABILITIES[service],
        service=service,
        create=create,
        maximum_body_bytes=limits.SQS_MESSAGE_BYTES if service is Service.SQS else MESSAGE_BYTES,
    )


@pytest.mark.parametrize("service", CAPABILITIES)
@pytest.mark.parametrize("case", QUEUE_CASES, ids=case_name)
async def test_queues(case: QueueCase, service: Service, embedded: Embedded) -> None:
    async with embedded.processes(**{TABLES[service]: queue_options(service)}) as processes:
        harness = queue_harness(processes, service)
        skip_if_unable(case, harness)
        await case(harness)
