"""Sharing a subscription between processes, on a server that speaks MongoDB's protocol: its answers are awaited for
real, and take no time of the virtual clock, so that no lease ends because a machine is busy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast
from uuid import uuid4

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from bson import Timestamp
from pymongo import AsyncMongoClient

from eventflow.errors import UnavailableError
from eventflow.ports import AdapterSettings
from eventflow.testing.harness import case_name
from eventflow.testing.virtual_time import VirtualTimeLoop
from eventflow_mongodb.options import MongodbOptions
from eventflow_mongodb.places import Behind, From, Oldest, Place
from tests.contract.embedded import WallClock
from tests.servers.server import Server
from tests.unit.mongodb.lease_cases import CASES, CuttableTable, LeaseCase, cluster

pytestmark = pytest.mark.forgotten_sockets

LEASE_SECONDS = 20.0
Client = AsyncMongoClient[dict[str, Any]]
PLACES = (Oldest(), Behind("82ab"), Behind("82ab", Timestamp(5, 6)), From(Timestamp(5, 6)))


class RealCollection:
    """The driver's, whose requests run in a loop of real time. The virtual clock stands still meanwhile."""

    def __init__(self, portal: BlockingPortal, collection: Any) -> None:
        self._portal = portal
        self._collection = collection

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def ask(*args: Any, **options: Any) -> Any:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualTimeLoop)
            with loop.standstill():
                request = partial(getattr(self._collection, name), *args, **options)
                return await asyncio.wrap_future(self._portal.start_task_soon(request))

        return ask


class RealTable(CuttableTable):
    """On the server."""

    @classmethod
    def through(cls, portal: BlockingPortal, client: Client, chosen: MongodbOptions) -> RealTable:
        table = cls.of(client, chosen)
        table._collection = cast("Any", RealCollection(portal, table._collection))
        return table

    def _request(self, doing: str) -> Any:
        if self.cut:
            raise UnavailableError(self.resource, "the network is cut")
        return super()._request(doing)


def options(server: Server) -> MongodbOptions:
    given = {"uri": server.endpoint_url, "lease_seconds": LEASE_SECONDS, "lease_collection": f"l{uuid4().hex}"}
    return MongodbOptions.parse(AdapterSettings(environment="test", options=given, resources={}, clock=WallClock()))


@contextmanager
def tables(server: Server) -> Iterator[Callable[[], RealTable]]:
    """Makes tables of the same leases."""
    chosen = options(server)
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(
            portal.call(partial(Client, server.endpoint_url, retryWrites=False))
        ) as client,
    ):
        yield lambda: RealTable.through(portal, client, chosen)


@pytest.mark.parametrize("case", CASES, ids=case_name)
async def test_on_a_server(case: LeaseCase, mongodb_server: Server) -> None:
    with tables(mongodb_server) as make_table:
        async with cluster(make_table, lease_seconds=LEASE_SECONDS, patience_seconds=600) as shared:
            await case(shared)


@pytest.mark.parametrize("place", PLACES, ids=repr)
async def test_places_come_back_as_they_were(place: Place, mongodb_server: Server) -> None:
    with tables(mongodb_server) as make_table:
        table = make_table()
        await table.begin("s", place)
        lease = await table.read("s")
        assert lease is not None
        assert lease.place == place
