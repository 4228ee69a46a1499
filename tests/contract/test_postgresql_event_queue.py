from __future__ import annotations

from uuid import uuid4

import pytest

from eventflow.testing.event_queue_cases import EVENT_QUEUE_CASES, EventQueueCase
from eventflow.testing.harness import AN_HOUR, Capability, EventQueueHarness, case_name, is_returning
from eventflow_postgresql import PostgresqlAdapter
from tests.contract.postgresql import WallClock, postgresql_settings
from tests.servers.server import Server

LEASE_SECONDS = 4


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("case", EVENT_QUEUE_CASES, ids=case_name)
async def test_event_queues(case: EventQueueCase, postgresql_server: Server) -> None:
    lease_seconds = LEASE_SECONDS if is_returning(case) else AN_HOUR
    settings = postgresql_settings(postgresql_server.dsn, lease_seconds=lease_seconds)
    async with PostgresqlAdapter(settings) as adapter, PostgresqlAdapter(settings) as other_adapter:
        harness = EventQueueHarness(
            adapter=adapter,
            other_adapter=other_adapter,
            clock=WallClock(),
            name=f"case-{uuid4()}",
            capabilities=frozenset(
                {Capability.DUE_ORDER, Capability.IDEMPOTENT_PUT, Capability.LEASES}
            ),  # all that the cases ask for
        )
        await case(harness)
