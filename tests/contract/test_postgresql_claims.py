"""Claims and what is stored, over processes and queues."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from eventflow.errors import InvalidMessageError
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.invocation import PendingDelivery
from eventflow.ports import EventQueueStatistics, ResourceStatus
from eventflow_postgresql import PostgresqlAdapter
from eventflow_postgresql.link import Link
from eventflow_postgresql.options import PostgresqlOptions
from tests.contract.postgresql import (
    WallClock,
    new_event,
    new_queue,
    operator,
    postgresql_queue,
    postgresql_settings,
    take,
)
from tests.contract.postgresql_claimer import LEASE_SECONDS
from tests.servers.server import Server

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

ROOT = Path(__file__).resolve().parents[2]
WHILE = 60
"""A lease that does not end while a test runs."""


async def test_the_claims_of_a_killed_process_are_taken_over_when_their_leases_end(postgresql_server: Server) -> None:
    queue = new_queue()
    async with postgresql_queue(postgresql_server.dsn, queue) as store:
        for _ in range(5):
            await store.put(new_event(), claim=False)
        command = [sys.executable, "-m", "tests.contract.postgresql_claimer", postgresql_server.dsn, queue, "5"]
        claimer = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        try:
            assert claimer.stdout is not None
            began, *claimed = [(await claimer.stdout.readline()).decode().strip() for _ in range(7)]
        finally:
            claimer.kill()
            await claimer.wait()
        taken = await take(store, 1)
        assert WallClock().time() >= float(began) + LEASE_SECONDS
        taken += await take(store, 5)
        assert {event.request_id for event in taken} == set(claimed)


async def test_a_claim_that_was_lost_settles_nothing(postgresql_server: Server) -> None:
    queue = new_queue()
    async with (
        postgresql_queue(postgresql_server.dsn, queue, lease_seconds=1) as stalled,
        postgresql_queue(postgresql_server.dsn, queue, lease_seconds=WHILE) as owner,
    ):
        await stalled.put(new_event(), claim=True)
        [event] = await take(owner, 1)
        await stalled.delete(event)
        await stalled.reschedule(event.at(event.due_at + 1_000, attempt=2))
        assert await stalled.extend([event]) == [event]
        assert await owner.statistics() == EventQueueStatistics(claimed=1)
        assert await owner.extend([event]) == []
        delivery = PendingDelivery(destination=Destination(Service.SQS, "failures"), message=OutboundMessage(body=b"x"))
        finished = event.at(event.due_at, attempt=1, deliveries=(delivery,))
        await owner.reschedule(finished)
        assert await take(owner, 1) == [finished]


async def test_a_lease_that_ended_is_still_ours_until_somebody_takes_it(postgresql_server: Server) -> None:
    queue = new_queue()
    async with postgresql_queue(postgresql_server.dsn, queue, lease_seconds=1) as store:
        kept, done = new_event(), new_event()
        for event in (kept, done):
            await store.put(event, claim=True)
        await anyio.sleep(1.1)
        await store.delete(done)
        assert await store.extend([kept, done]) == [done]
        assert await store.statistics() == EventQueueStatistics(claimed=1)


async def test_an_event_that_was_claimed_and_abandoned_waits_until_it_is_due(postgresql_server: Server) -> None:
    queue = new_queue()
    async with postgresql_queue(postgresql_server.dsn, queue, lease_seconds=1) as store:
        event = new_event(due_at=WallClock().time() + 2)
        await store.put(event, claim=True)
        [received] = await take(store, 1)
        assert received == event
        assert WallClock().time() >= event.due_at


async def test_a_receive_that_was_cancelled_during_its_claim_gives_it_back_at_once(postgresql_server: Server) -> None:
    queue = new_queue()
    async with postgresql_queue(postgresql_server.dsn, queue, lease_seconds=WHILE) as store:
        for steps in range(12):
            event = new_event()
            await store.put(event, claim=False)
            receive = asyncio.create_task(store.receive(max_events=1, wait_seconds=0))
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            receive.cancel()
            await asyncio.wait([receive])
            taken = receive.result() if not receive.cancelled() else await take(store, 1)
            assert list(taken) == [event]
            await store.delete(event)


async def test_events_that_are_put_at_once_by_the_same_id_are_one(postgresql_server: Server) -> None:
    queue = new_queue()
    async with (
        postgresql_queue(postgresql_server.dsn, queue) as store,
        postgresql_queue(postgresql_server.dsn, queue) as other,
    ):
        events = [new_event() for _ in range(20)]
        puts = [place.put(event, claim=True) for event in events for place in (store, other, store, other)]
        claimed = await asyncio.gather(*puts)
        assert [sum(claimed[start : start + 4]) for start in range(0, 80, 4)] == [1] * 20
        assert (await store.statistics()).total == 20


async def test_an_event_that_cannot_be_stored_does_not_keep_others_out(postgresql_server: Server) -> None:
    async with postgresql_queue(postgresql_server.dsn, new_queue()) as store:
        good = [new_event() for _ in range(10)]
        bad = [
            new_event(function_name="nul \0", payload=b"s3cret"),
            new_event(function_name="\ud800", payload=b"s3cret"),
            new_event(attempt=2**40, payload=b"s3cret"),
        ]
        puts = [store.put(event, claim=False) for event in (*good[:5], *bad, *good[5:])]
        results = await asyncio.gather(*puts, return_exceptions=True)
        refused = [result for result in results if result is not False]
        assert [type(error) for error in refused] == [InvalidMessageError] * 3
        assert not any("s3cret" in str(error) for error in refused)
        assert {event.request_id for event in await take(store, 10)} == {event.request_id for event in good}


async def test_queues_and_schemas_keep_to_themselves(postgresql_server: Server) -> None:
    name = new_queue()
    event = new_event()
    async with (
        postgresql_queue(postgresql_server.dsn, name) as store,
        postgresql_queue(postgresql_server.dsn, f"{name} 2") as other_queue,
        postgresql_queue(postgresql_server.dsn, name, postgresql_schema='other "schema" ä') as other_schema,
    ):
        for place in (store, other_queue, other_schema):
            await place.put(event, claim=False)
        for place in (store, other_queue, other_schema):
            assert await take(place, 1) == [event]
            assert (await place.statistics()).total == 1


async def test_resources_tell_how_many_events_there_are(postgresql_server: Server) -> None:
    name = new_queue()
    settings = postgresql_settings(postgresql_server.dsn, postgresql_schema=name)
    async with PostgresqlAdapter(settings) as adapter:
        assert await adapter.resources() == []
        store = await adapter.event_queue("shop")
        await store.put(new_event(), claim=True)
        await store.put(new_event(), claim=False)
        await store.put(new_event(due_at=WallClock().time() + 1_000), claim=False)
        figures = {"waiting": 1, "scheduled": 1, "claimed": 1}
        assert await adapter.resources() == [ResourceStatus(resource="event queue:shop", figures=figures)]


async def test_events_are_durable_whatever_the_role_says(postgresql_server: Server) -> None:
    role = new_queue()
    async with operator(postgresql_server.dsn) as connection:
        await connection.execute(f'CREATE ROLE "{role}" LOGIN SUPERUSER')
        await connection.execute(f'ALTER ROLE "{role}" SET synchronous_commit = off')
        await connection.execute(f"ALTER ROLE \"{role}\" SET default_transaction_isolation = 'serializable'")
    dsn = postgresql_server.dsn.replace("test@", f"{role}@")
    async with operator(dsn) as connection:
        assert await connection.fetchval("SHOW synchronous_commit") == "off"
    link = Link(PostgresqlOptions.parse(postgresql_settings(dsn)), "test")
    assert await link.run(lambda connection: connection.fetchval("SHOW synchronous_commit")) == "on"
    assert await link.run(lambda connection: connection.fetchval("SHOW transaction_isolation")) == "read committed"
    await link.aclose()
