from __future__ import annotations

from itertools import count, product
from typing import Any

import pytest

from eventflow.model import limits
from eventflow.model.destinations import Service
from eventflow.testing.harness import Capability, CreatedQueue, QueueHarness, QueueRequest, case_name
from eventflow.testing.queue_cases import QUEUE_CASES, QueueCase
from tests.contract.embedded import Embedded, Processes, skip_if_unable

CAPABILITIES = frozenset(
    {
        Capability.ATTRIBUTES,
        Capability.DEDUPLICATION,
        Capability.DELAY,
        Capability.FIFO,
        Capability.LONG_WAITS,
        Capability.MESSAGE_ATTRIBUTES,
        Capability.REDRIVE,
        Capability.RELEASE_DELAY,
        Capability.STRICT_RECEIPTS,
        Capability.VISIBILITY_TIMEOUT,
    }
)


def redriven(fifo: bool, maximum_receive_count: int) -> CreatedQueue:
    """Names of a queue with a redrive policy."""
    suffix = ".fifo" if fifo else ""
    return CreatedQueue(
        name=f"tries-{maximum_receive_count}{suffix}", dead_letter_name=f"dead-{maximum_receive_count}{suffix}"
    )


def queue_options() -> dict[str, dict[str, Any]]:
    """The environment's table of queues: redrive policies are declared there."""
    options: dict[str, dict[str, Any]] = {}
    for fifo, times in product((False, True), (1, 2)):
        queue = redriven(fifo, times)
        options[queue.name] = {"maximum_receive_count": times, "dead_letter_queue": queue.dead_letter_name}
    return options


def queue_harness(processes: Processes) -> QueueHarness:
    numbers = count(1)

    async def create(request: QueueRequest) -> CreatedQueue:
        if request.maximum_receive_count is not None:
            return redriven(request.fifo, request.maximum_receive_count)
        return CreatedQueue(name=f"queue-{next(numbers)}{'.fifo' if request.fifo else ''}")

    return QueueHarness(
        adapter=processes.adapter,
        other_adapter=processes.other_adapter,
        clock=processes.clock,
        capabilities=CAPABILITIES,
        service=Service.SQS,
        create=create,
        maximum_body_bytes=limits.SQS_MESSAGE_BYTES,
    )


@pytest.mark.parametrize("case", QUEUE_CASES, ids=case_name)
async def test_queues(case: QueueCase, embedded: Embedded) -> None:
    async with embedded.processes(queues=queue_options()) as processes:
        harness = queue_harness(processes)
        skip_if_unable(case, harness)
        await case(harness)
