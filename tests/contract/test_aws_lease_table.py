"""The lease table's requests and their conditions, on a real DynamoDB API."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import anyio
import pytest
from botocore.exceptions import ClientError

from eventflow.errors import AccessDeniedError, AdapterError, ResourceNotFoundError, UnavailableError
from eventflow.model.mapping import StartingPosition
from eventflow.model.records import Checkpoint
from eventflow_aws.clients import Clients
from eventflow_aws.streams.lease_items import STATE_BESIDE_POSITION_BYTES, stored_state
from eventflow_aws.streams.lease_requests import LeaseRequests
from eventflow_aws.streams.lease_table import Grip, LeaseTable
from eventflow_aws.streams.leases import Lease
from eventflow_aws.streams.shards import BEGINNING, StartingPoint
from tests.contract.aws_dynamodb import dynamodb_clients
from tests.contract.aws_servers import aws_adapter, clients_of
from tests.servers.server import Server

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

PATIENCE_SECONDS = 60
NEW = Lease("s1", BEGINNING, parents=("p1", "p2"))


@dataclass(kw_only=True)
class Leases:
    """One subscription's leases in a table of many."""

    table: LeaseTable
    clients: Clients
    mapping: str

    async def now(self, shard: str = "s1") -> Lease:
        return (await self.table.read(self.mapping)).leases[shard]

    async def taken(self, member: str, shard: str = "s1") -> Grip:
        taken = await self.table.take(self.mapping, await self.now(shard), member)
        assert taken is not None
        return Grip(self.mapping, shard, member, taken.lease.counter)

    async def committed(self, member: str = "next") -> Checkpoint | None:
        """What the next owner finds."""
        taken = await self.table.take(self.mapping, await self.now(), member)
        assert taken is not None
        return taken.checkpoint

    async def items(self) -> int:
        """How many items this subscription has, wherever they lie."""
        dynamodb = await self.clients.dynamodb()
        pages = [page async for page in dynamodb.get_paginator("scan").paginate(TableName=self.table._requests.table)]
        return sum(item["mapping"]["S"].startswith(self.mapping) for page in pages for item in page["Items"])


@asynccontextmanager
async def opened(server: Server) -> AsyncIterator[Leases]:
    """One lease, of shard s1, that nobody has yet."""
    async with dynamodb_clients(server) as clients:
        table = LeaseTable(
            LeaseRequests(
                clients, f"leases-{uuid4().hex}", resource="dynamodb:leases", request_seconds=PATIENCE_SECONDS
            )
        )
        await table.ensure()
        leases = Leases(table=table, clients=clients, mapping="kinesis:paper/reader")
        await table.add(leases.mapping, NEW)
        yield leases


# The table


async def test_many_processes_make_the_table_at_once(dynamodb_server: Server) -> None:
    name = f"leases-{uuid4().hex}"
    async with dynamodb_clients(dynamodb_server) as clients:
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(
                    LeaseTable(
                        LeaseRequests(clients, name, resource="dynamodb:leases", request_seconds=PATIENCE_SECONDS)
                    ).ensure
                )
        described = await (await clients.dynamodb()).describe_table(TableName=name)
        assert described["Table"]["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


async def test_the_environment_names_the_table(dynamodb_server: Server) -> None:
    physical = f"shop-{uuid4().hex}"
    resources = {"dynamodb:leases": physical}
    async with aws_adapter(dynamodb_server.endpoint_url, resources=resources, lease_table="leases") as adapter:
        await adapter._opened.lease_table.ensure()
        tables = await (await clients_of(adapter).dynamodb()).list_tables(ExclusiveStartTableName=physical[:-1])
        assert physical in tables["TableNames"]


async def test_a_table_of_another_kind_is_refused(dynamodb_server: Server) -> None:
    name = f"orders-{uuid4().hex}"
    async with dynamodb_clients(dynamodb_server) as clients:
        await (await clients.dynamodb()).create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        with pytest.raises(AdapterError, match="partition key `mapping` and sort key `shard`"):
            await LeaseTable(
                LeaseRequests(clients, name, resource="dynamodb:orders", request_seconds=PATIENCE_SECONDS)
            ).ensure()


async def test_a_table_that_was_deleted_is_made_again(dynamodb_server: Server) -> None:
    async with opened(dynamodb_server) as leases:
        await (await leases.clients.dynamodb()).delete_table(TableName=leases.table._requests.table)
        with pytest.raises(ResourceNotFoundError):
            await leases.table.read(leases.mapping)
        await leases.table.ensure()
        assert (await leases.table.read(leases.mapping)).leases == {}


class Denying:
    """A DynamoDB client whose credentials may look and not create."""

    async def describe_table(self, **_: Any) -> None:
        raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "DescribeTable")

    async def create_table(self, **_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "CreateTable")


async def test_who_may_not_make_the_table_is_told_what_does() -> None:
    async def dynamodb() -> Denying:
        return Denying()

    clients = cast("Clients", SimpleNamespace(dynamodb=dynamodb))
    with pytest.raises(AccessDeniedError, match="eventflow provision"):
        await LeaseTable(
            LeaseRequests(clients, "leases", resource="dynamodb:leases", request_seconds=PATIENCE_SECONDS)
        ).ensure()


async def test_a_server_that_does_not_answer_is_unavailable() -> None:
    async def query(**_: Any) -> None:
        await anyio.sleep_forever()

    async def dynamodb() -> SimpleNamespace:
        return SimpleNamespace(query=query)

    clients = cast("Clients", SimpleNamespace(dynamodb=dynamodb))
    with pytest.raises(UnavailableError, match=r"dynamodb:Query took longer than 0\.01 s"):
        await LeaseTable(LeaseRequests(clients, "leases", resource="dynamodb:leases", request_seconds=0.01)).read("m")


# Subscriptions


async def test_a_subscription_begins_once(dynamodb_server: Server) -> None:
    moment = StartingPoint(StartingPosition.AT_TIMESTAMP, 1_767_225_600.123456)
    async with opened(dynamodb_server) as leases:
        table, mapping = leases.table, leases.mapping
        assert (await table.read(mapping)).subscription is None
        assert await table.begin_subscription(mapping, moment)
        assert not await table.begin_subscription(mapping, BEGINNING)
        assert (await table.read(mapping)).subscription == (moment, False)
        await table.end_beginning(mapping)
        assert (await table.read(mapping)).subscription == (moment, True)


async def test_a_lease_comes_back_as_it_was_added_and_is_not_added_over(dynamodb_server: Server) -> None:
    async with opened(dynamodb_server) as leases:
        await leases.taken("a")
        await leases.table.add(leases.mapping, NEW)
        assert await leases.now() == NEW._replace(owner="a", counter=1)


async def test_more_leases_than_a_page_holds_are_all_read(dynamodb_server: Server) -> None:
    wide = tuple(f"shardId-{number:0180d}" for number in range(1_000))
    async with opened(dynamodb_server) as leases:
        for number in range(7):
            await leases.table.add(leases.mapping, Lease(f"wide{number}", BEGINNING, parents=wide))
        assert len((await leases.table.read(leases.mapping)).leases) == 8


# Changing hands


async def test_of_many_that_take_a_lease_one_gets_it(dynamodb_server: Server) -> None:
    async with opened(dynamodb_server) as leases:
        seen = await leases.now()
        winners: list[str] = []

        async def take(member: str) -> None:
            if await leases.table.take(leases.mapping, seen, member):
                winners.append(member)

        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(take, f"m{number}")
        assert [(await leases.now()).owner] == winners


async def test_a_lease_that_was_renewed_since_it_was_looked_at_is_not_taken(dynamodb_server: Server) -> None:
    async with opened(dynamodb_server) as leases:
        grip = await leases.taken("a")
        seen = await leases.now()
        assert await leases.table.renew(grip)
        assert await leases.table.take(leases.mapping, seen, "b") is None


async def test_a_former_owner_can_do_nothing(dynamodb_server: Server) -> None:
    async with opened(dynamodb_server) as leases:
        table, former = leases.table, await leases.taken("a")
        assert await table.commit(former, 1, stored_state(None), number=1, parts_before=0)
        await leases.taken("b")
        before = await leases.now()
        large = stored_state(random.Random(1).randbytes(9_000).hex())
        assert not await table.renew(former)
        assert not await table.commit(former, 2, stored_state(None), number=2, parts_before=0)
        assert not await table.commit(former, 2, large, number=2, parts_before=0)
        assert not await table.complete(former, parts_before=0)
        assert not await table.release(former)
        assert not await table.refuse(former)
        assert await leases.now() == before


async def test_the_same_member_is_fenced_from_its_own_former_lease(dynamodb_server: Server) -> None:
    async with opened(dynamodb_server) as leases:
        former = await leases.taken("a")
        await leases.taken("a")
        assert not await leases.table.commit(former, 1, stored_state(None), number=1, parts_before=0)


async def test_one_member_at_a_time_asks_for_a_shard(dynamodb_server: Server) -> None:
    async with opened(dynamodb_server) as leases:
        grip = await leases.taken("a")
        seen = await leases.now()
        assert await leases.table.ask(leases.mapping, seen, "b")
        assert not await leases.table.ask(leases.mapping, seen, "c")
        assert (await leases.now()).asked_by == "b"
        assert await leases.table.refuse(grip)
        assert await leases.now() == seen
        await leases.taken("d")
        assert not await leases.table.ask(leases.mapping, seen, "b")


async def test_a_shard_is_released_to_who_has_asked_or_to_anybody(dynamodb_server: Server) -> None:
    async with opened(dynamodb_server) as leases:
        for reserve, asked_by in ((True, "b"), (False, None)):
            grip = await leases.taken("a")
            assert await leases.table.ask(leases.mapping, await leases.now(), "b")
            assert await leases.table.release(grip, reserve=reserve)
            lease = await leases.now()
            assert (lease.owner, lease.asked_by) == (None, asked_by)
        await leases.taken("c")
        assert (await leases.now()).asked_by is None


# Progress


async def test_an_older_commit_that_arrives_late_undoes_nothing(dynamodb_server: Server) -> None:
    async with opened(dynamodb_server) as leases:
        grip = await leases.taken("a")
        assert await leases.table.commit(grip, 20, stored_state(None), number=2, parts_before=0)
        assert await leases.table.commit(grip, 20, stored_state(None), number=2, parts_before=0)  # sent twice
        assert not await leases.table.commit(grip, 10, stored_state(None), number=1, parts_before=0)
        assert (await leases.now()).position == 20
        grip = await leases.taken("b")
        assert await leases.table.commit(grip, 30, stored_state(None), number=1, parts_before=0)


async def test_a_commit_is_a_sign_of_life(dynamodb_server: Server) -> None:
    async with opened(dynamodb_server) as leases:
        grip = await leases.taken("a")
        before = await leases.now()
        assert await leases.table.commit(grip, 1, stored_state(None), number=1, parts_before=0)
        assert (await leases.now()).heartbeat > before.heartbeat


async def test_the_largest_window_state_survives_with_its_position_and_leaves_nothing_behind(
    dynamodb_server: Server,
) -> None:
    largest = random.Random(2).randbytes(500_000).hex()  # 1 MB that compresses to half
    async with opened(dynamodb_server) as leases:
        assert len(stored_state(largest).parts) == 2
        grip, parts = await leases.taken("a"), 0
        for number, state in enumerate((largest, "{}", largest[:20_000], None), start=1):
            stored = stored_state(state)
            assert await leases.table.commit(grip, number, stored, number=number, parts_before=parts)
            parts = len(stored.parts)
            assert await leases.items() == 1 + parts
            assert await leases.committed("a") == Checkpoint(position=number, state=state)
            grip = grip._replace(counter=grip.counter + 1)


async def test_what_is_complete_stays_complete_and_keeps_no_state(dynamodb_server: Server) -> None:
    large = stored_state(random.Random(3).randbytes(2 * STATE_BESIDE_POSITION_BYTES).hex())
    async with opened(dynamodb_server) as leases:
        grip = await leases.taken("a")
        assert await leases.table.commit(grip, 1, large, number=1, parts_before=0)
        for _ in range(2):
            assert await leases.table.complete(grip, parts_before=len(large.parts))
        lease = await leases.now()
        assert (lease.ended, lease.position) == (True, 1)
        assert await leases.items() == 1
        assert await leases.table.take(leases.mapping, lease, "b") is None


async def test_a_lease_is_forgotten_with_its_state_unless_it_was_taken_meanwhile(dynamodb_server: Server) -> None:
    large = stored_state(random.Random(4).randbytes(2 * STATE_BESIDE_POSITION_BYTES).hex())
    async with opened(dynamodb_server) as leases:
        seen = await leases.now()
        grip = await leases.taken("a")
        await leases.table.forget(leases.mapping, seen)
        assert await leases.table.commit(grip, 1, large, number=1, parts_before=0)
        await leases.table.forget(leases.mapping, await leases.now())
        assert await leases.items() == 0
