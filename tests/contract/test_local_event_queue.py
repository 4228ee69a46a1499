from __future__ import annotations

import pytest

from eventflow.testing.event_queue_cases import EVENT_QUEUE_CASES, EventQueueCase
from eventflow.testing.harness import Capability, EventQueueHarness, case_name
from tests.contract.embedded import Embedded, skip_if_unable


@pytest.mark.parametrize("case", EVENT_QUEUE_CASES, ids=case_name)
async def test_event_queues(case: EventQueueCase, embedded: Embedded) -> None:
    async with embedded.processes() as processes:
        harness = EventQueueHarness(
            adapter=processes.adapter,
            other_adapter=processes.other_adapter,
            clock=processes.clock,
            capabilities=frozenset({Capability.DUE_ORDER, Capability.IDEMPOTENT_PUT}),
            name="events",
        )
        skip_if_unable(case, harness)
        await case(harness)
