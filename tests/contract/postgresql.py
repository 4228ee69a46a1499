"""PostgreSQL as tests open it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from uuid import uuid4

import asyncpg

from eventflow.model.invocation import QueuedEvent
from eventflow.ports import AdapterSettings, EventQueueStore
from eventflow_postgresql import PostgresqlAdapter

Operator: TypeAlias = "asyncpg.Connection[Any]"

PATIENCE_SECONDS = 60


class WallClock:
    def time(self) -> float:
        return time.time()


def postgresql_settings(dsn: str, **options: Any) -> AdapterSettings:
    """Settings of an adapter for the server at ``dsn``, on the wall clock."""
    options = {"postgresql_url": dsn, **options}
    return AdapterSettings(environment="test", options=options, resources={}, clock=WallClock())


@asynccontextmanager
async def postgresql_queue(dsn: str, name: str, **options: Any) -> AsyncIterator[EventQueueStore]:
    """One process's store."""
    async with PostgresqlAdapter(postgresql_settings(dsn, **options)) as adapter:
        yield await adapter.event_queue(name)


@asynccontextmanager
async def operator(dsn: str) -> AsyncIterator[Operator]:
    """A connection that eventflow knows nothing of."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


def new_queue() -> str:
    """The name of a queue that nobody has used."""
    return f"events-{uuid4()}"


def new_event(**fields: Any) -> QueuedEvent:
    """An event that is due now."""
    now = time.time()
    defaults: dict[str, Any] = {
        "request_id": str(uuid4()),
        "function_name": "import",
        "source": "direct",
        "payload": b"{}",
        "accepted_at": now,
        "due_at": now,
    }
    return QueuedEvent(**{**defaults, **fields})


async def take(store: EventQueueStore, number: int) -> list[QueuedEvent]:
    """Claim so many events."""
    events: list[QueuedEvent] = []
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while len(events) < number:
        assert time.monotonic() < give_up_at, f"{number} events were due, {len(events)} came"
        events.extend(await store.receive(max_events=number - len(events), wait_seconds=5))
    return events
