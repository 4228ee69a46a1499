"""Servers that go away, refuse, or are not what they should be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import anyio
import pytest

from eventflow.errors import AccessDeniedError, AdapterError, ResourceNotFoundError, UnavailableError
from eventflow.model.destinations import Destination, Service
from eventflow.model.invocation import QueuedEvent
from eventflow.model.subscriptions import QueueSubscription
from eventflow.ports import EventQueueStore
from eventflow_postgresql import PostgresqlAdapter
from eventflow_postgresql.link import Link
from eventflow_postgresql.options import PostgresqlOptions
from tests.contract.postgresql import (
    Operator,
    new_event,
    new_queue,
    operator,
    postgresql_queue,
    postgresql_settings,
    take,
)
from tests.servers.fixtures import installed
from tests.servers.process import free_port
from tests.servers.running import PrivateServer, running
from tests.servers.server import Server

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

StartServer = Callable[[str], PrivateServer]
OURS = "pg_stat_activity WHERE application_name = 'eventflow'"
"""The connections of adapters."""


@pytest.fixture(scope="module")
def postgresql_server() -> Iterator[Server]:
    """One of this module's own: its tests count connections, and end them."""
    with installed(), running("postgresql") as (server, _):
        yield server


async def enter(dsn: str, **options: object) -> AdapterError:
    """The error of opening an adapter."""
    with pytest.raises(AdapterError) as refused:
        async with PostgresqlAdapter(postgresql_settings(dsn, **options)):
            pass
    assert "s3cret" not in str(refused.value)
    return refused.value


# Servers that go away


async def test_nothing_is_lost_when_the_server_crashes_under_load(start_server: StartServer) -> None:
    private = start_server("postgresql")
    loop = asyncio.get_running_loop()
    accepted: set[str] = set()
    handled: set[str] = set()
    failures = 0

    async def until_available(call: Callable[[], Awaitable[object]]) -> object:
        nonlocal failures
        while True:
            try:
                return await call()
            except UnavailableError:
                failures += 1
                await anyio.sleep(0.02)

    async def handle(store: EventQueueStore, event: QueuedEvent) -> None:
        handled.add(event.request_id)
        await until_available(lambda: store.delete(event))

    async def send(store: EventQueueStore) -> None:
        while not stop_sending.is_set():
            event = new_event()
            if await until_available(lambda event=event: store.put(event, claim=len(accepted) % 2 == 0)):  # type: ignore[misc]
                await handle(store, event)
            accepted.add(event.request_id)

    async def receive(store: EventQueueStore) -> None:
        while not (stop_sending.is_set() and accepted <= handled):
            events: list[QueuedEvent] = []
            with suppress(UnavailableError):
                events += await store.receive(max_events=50, wait_seconds=1)
            for event in events:
                await handle(store, event)

    stop_sending = anyio.Event()
    async with postgresql_queue(private.server.dsn, "load", lease_seconds=1) as store, anyio.create_task_group() as all:
        for _ in range(20):
            all.start_soon(send, store)
        for _ in range(2):
            all.start_soon(receive, store)
        for _ in range(2):
            enough = len(accepted) + 500
            while len(accepted) < enough:  # noqa: ASYNC110 - progress is what is waited for
                await anyio.sleep(0.01)
            await loop.run_in_executor(None, private.kill)
            await loop.run_in_executor(None, private.restart)
        enough = len(accepted) + 500
        while len(accepted) < enough:  # noqa: ASYNC110
            await anyio.sleep(0.01)
        stop_sending.set()
    assert failures > 0
    async with postgresql_queue(private.server.dsn, "load") as store:
        assert (await store.statistics()).total == 0
    assert accepted == handled


async def test_every_call_says_that_the_server_is_away_and_the_next_one_finds_it_again(
    start_server: StartServer,
) -> None:
    private = start_server("postgresql")
    async with postgresql_queue(private.server.dsn, "shop", lease_seconds=60) as store:
        event = new_event()
        await store.put(event, claim=True)
        private.stop()
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: store.put(new_event(), claim=True),
            lambda: store.receive(max_events=1, wait_seconds=0),
            lambda: store.delete(event),
            lambda: store.reschedule(event),
            lambda: store.extend([event]),
            lambda: store.statistics(),
        ]
        for call in calls:
            with pytest.raises(UnavailableError, match=f"127.0.0.1:{private.server.port}, database postgres"):
                await call()
        private.restart()
        assert await store.extend([event]) == []
        await store.delete(event)
        assert await store.receive(max_events=1, wait_seconds=0) == []
        assert await store.put(event, claim=True)
        await store.reschedule(event.at(event.due_at, attempt=1))
        assert (await store.statistics()).waiting == 1


async def test_a_waiting_receive_says_that_the_server_went_away(start_server: StartServer) -> None:
    private = start_server("postgresql")
    async with postgresql_queue(private.server.dsn, "shop") as store:
        receive = asyncio.create_task(store.receive(max_events=1, wait_seconds=300))
        await store.put(new_event(due_at=4e9), claim=False)
        await asyncio.get_running_loop().run_in_executor(None, private.kill)
        with pytest.raises(UnavailableError), anyio.fail_after(60):
            await receive


async def test_a_waiting_receive_survives_a_connection_that_is_closed(postgresql_server: Server) -> None:
    async with postgresql_queue(postgresql_server.dsn, new_queue()) as store:
        receive = asyncio.create_task(store.receive(max_events=1, wait_seconds=300))
        async with operator(postgresql_server.dsn) as connection:
            await until_waiting(connection)
            await connection.fetch(f"SELECT pg_terminate_backend(pid, 60000) FROM {OURS}")
            await until_waiting(connection)
        event = new_event()
        await store.put(event, claim=False)
        with anyio.fail_after(60):
            assert await receive == [event]


async def until_waiting(connection: Operator) -> None:
    """Return once a receive has looked and found nothing."""
    waiting = "state = 'idle' AND query LIKE '%AS lease_seconds%'"
    while not await connection.fetchval(f"SELECT count(*) FROM {OURS} AND {waiting}"):  # noqa: ASYNC110
        await anyio.sleep(0.01)


@asynccontextmanager
async def gateway(port: int) -> AsyncIterator[tuple[int, anyio.Event]]:
    """A port that leads to another one. Connections that were made before the event is set are forgotten then:
    nothing passes, and nobody is told."""
    forget = anyio.Event()
    pumps: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, lasting: bool) -> None:
        while data := await reader.read(65_536):
            if lasting or not forget.is_set():
                writer.write(data)
        writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lasting = forget.is_set()
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        pumps.add(asyncio.create_task(pump(reader, far_writer, lasting=lasting)))
        pumps.add(asyncio.create_task(pump(far_reader, writer, lasting=lasting)))

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], forget
    finally:
        server.close()
        await asyncio.wait(pumps)


async def test_a_connection_that_was_idle_is_tried_before_it_is_trusted(postgresql_server: Server) -> None:
    async with gateway(postgresql_server.port) as (port, forget):
        dsn = postgresql_server.dsn.replace(f":{postgresql_server.port}", f":{port}")
        link = Link(PostgresqlOptions.parse(postgresql_settings(dsn)), "test", check_after_seconds=0)

        async def backend() -> object:
            return await link.run(lambda connection: connection.fetchval("SELECT pg_backend_pid()"))

        with anyio.fail_after(60):
            while (first := await backend()) != await backend():
                pass  # a server that pauses is not trusted either
        forget.set()
        assert await backend() != first  # else the statement runs into its own, longer limit
        await link.aclose()


async def test_a_store_closes_even_if_the_server_is_away(start_server: StartServer) -> None:
    private = start_server("postgresql")
    async with postgresql_queue(private.server.dsn, "shop") as store:
        await store.put(new_event(), claim=True)
        private.kill()


async def test_a_closed_store_leaves_no_connection_and_no_task(postgresql_server: Server) -> None:
    tasks = asyncio.all_tasks()
    queue = new_queue()
    async with operator(postgresql_server.dsn) as connection:
        async with postgresql_queue(postgresql_server.dsn, queue) as store:
            receive = asyncio.create_task(store.receive(max_events=1, wait_seconds=300))
            await store.put(new_event(due_at=4e9), claim=True)
            await store.extend([])
            await store.aclose()
            with pytest.raises(UnavailableError, match="closed"):
                await receive
            with pytest.raises(UnavailableError, match="closed"):
                await store.put(new_event(), claim=True)
        while await connection.fetchval(f"SELECT count(*) FROM {OURS}"):  # noqa: ASYNC110 - it takes a moment
            await anyio.sleep(0.01)
    assert asyncio.all_tasks() == tasks


# Servers that refuse


async def test_a_server_that_does_not_answer_is_named_without_secrets() -> None:
    port = free_port()
    error = await enter(f"postgresql://shop:s3cret@127.0.0.1:{port}/orders")
    assert isinstance(error, UnavailableError)
    assert f"127.0.0.1:{port}, database orders" in str(error)


async def test_a_user_that_the_server_does_not_know_is_told_what_to_check(postgresql_server: Server) -> None:
    error = await enter(postgresql_server.dsn.replace("test@", "nobody:s3cret@"))
    assert isinstance(error, AccessDeniedError)
    assert "check user and password" in str(error)


async def test_a_wrong_password_is_an_error_that_somebody_has_to_mend(start_server: StartServer) -> None:
    private = start_server("postgresql")
    async with operator(private.server.dsn) as connection:
        await connection.execute("CREATE ROLE shop LOGIN PASSWORD 'right'")
        rules = await connection.fetchval("SHOW hba_file")
        await connection.execute(f"COPY (SELECT 'host all all 127.0.0.1/32 scram-sha-256') TO '{rules}'")
    private.restart()
    error = await enter(private.server.dsn.replace("test@", "shop:s3cret@"))
    assert isinstance(error, AccessDeniedError)
    assert "password authentication failed" in str(error)


async def test_a_database_that_is_not_there_is_missed(postgresql_server: Server) -> None:
    error = await enter(postgresql_server.dsn.replace("/postgres", "/orders"))
    assert isinstance(error, ResourceNotFoundError)
    assert "create the database" in str(error)


async def test_a_role_without_permissions_is_told_which_it_needs(postgresql_server: Server) -> None:
    role = new_queue()
    async with operator(postgresql_server.dsn) as connection:
        await connection.execute(f'CREATE ROLE "{role}" LOGIN')
    error = await enter(postgresql_server.dsn.replace("test@", f"{role}@"), postgresql_schema=role)
    assert isinstance(error, AccessDeniedError)
    assert "GRANT CREATE ON DATABASE" in str(error)


async def test_a_role_needs_no_more_than_rows_once_the_tables_are_there(postgresql_server: Server) -> None:
    role = new_queue()
    async with PostgresqlAdapter(postgresql_settings(postgresql_server.dsn, postgresql_schema=role)):
        pass
    async with operator(postgresql_server.dsn) as connection:
        await connection.execute(f'CREATE ROLE "{role}" LOGIN')
        await connection.execute(f'GRANT USAGE ON SCHEMA "{role}" TO "{role}"')
        await connection.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "{role}" TO "{role}"')
    dsn = postgresql_server.dsn.replace("test@", f"{role}@")
    async with postgresql_queue(dsn, "shop", postgresql_schema=role) as store:
        await store.put(new_event(), claim=False)
        [event] = await take(store, 1)
        await store.reschedule(event)
        [event] = await take(store, 1)
        assert await store.extend([event]) == []
        await store.delete(event)


async def test_a_configuration_that_asyncpg_refuses_is_an_error_of_ours(
    postgresql_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLMODE", "sometimes")
    assert "sslmode" in str(await enter(postgresql_server.dsn))


# Tables


async def test_many_processes_may_make_the_tables_at_once(postgresql_server: Server) -> None:
    settings = postgresql_settings(postgresql_server.dsn, postgresql_schema=new_queue())

    async def start() -> None:
        async with PostgresqlAdapter(settings) as adapter:
            await adapter.resources()

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(start)


async def test_tables_of_a_newer_eventflow_are_left_alone(postgresql_server: Server) -> None:
    schema = new_queue()
    async with PostgresqlAdapter(postgresql_settings(postgresql_server.dsn, postgresql_schema=schema)):
        pass
    async with operator(postgresql_server.dsn) as connection:
        await connection.execute(f'UPDATE "{schema}".version SET version = 2')
    error = await enter(postgresql_server.dsn, postgresql_schema=schema)
    assert "has format 2, this eventflow knows 1; upgrade eventflow" in str(error)


async def test_tables_that_are_gone_are_missed(postgresql_server: Server) -> None:
    schema = new_queue()
    async with postgresql_queue(postgresql_server.dsn, "shop", postgresql_schema=schema) as store:
        async with operator(postgresql_server.dsn) as connection:
            await connection.execute(f'DROP SCHEMA "{schema}" CASCADE')
        with pytest.raises(ResourceNotFoundError, match="a restart makes new ones"):
            await store.put(new_event(), claim=False)
        await store.aclose()


# What it does not serve


async def test_other_services_are_refused_by_name(postgresql_server: Server) -> None:
    async with PostgresqlAdapter(postgresql_settings(postgresql_server.dsn)) as adapter:
        with pytest.raises(ResourceNotFoundError, match="sqs:orders: PostgreSQL serves event queues only"):
            await adapter.queue_source(
                QueueSubscription(service=Service.SQS, name="orders", subscriber="fulfil", timeout_seconds=3)
            )
        with pytest.raises(ResourceNotFoundError, match="sns:orders: PostgreSQL serves event queues only"):
            await adapter.sink(Destination(Service.SNS, "orders"))


async def test_an_adapter_has_to_be_entered(postgresql_server: Server) -> None:
    adapter = PostgresqlAdapter(postgresql_settings(postgresql_server.dsn))
    with pytest.raises(AdapterError, match="not open"):
        await adapter.event_queue("shop")
