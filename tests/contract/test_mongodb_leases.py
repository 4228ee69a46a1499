"""Sharing a subscription between processes, on a server that speaks MongoDB's protocol."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from bson import Timestamp
from pymongo import AsyncMongoClient

from eventflow.errors import UnavailableError
from eventflow.ports import AdapterSettings
from eventflow.testing.harness import case_name
from eventflow_mongodb.lease_table import LeaseTable
from eventflow_mongodb.options import MongodbOptions
from eventflow_mongodb.places import Behind, From, Oldest, Place
from tests.contract.embedded import WallClock
from tests.servers.server import Server
from tests.unit.mongodb.lease_cases import CASES, CuttableTable, LeaseCase, cluster

pytestmark = [pytest.mark.parametrize("anyio_backend", ["asyncio"]), pytest.mark.forgotten_sockets]

LEASE_SECONDS = 8.0
PLACES = (Oldest(), Behind("82ab"), Behind("82ab", Timestamp(5, 6)), From(Timestamp(5, 6)))


class RealTable(CuttableTable):
    """On the server."""

    def _request(self, doing: str) -> Any:
        if self.cut:
            raise UnavailableError(self.resource, "the network is cut")
        return super()._request(doing)


def options(server: Server) -> MongodbOptions:
    given = {"uri": server.endpoint_url, "lease_seconds": LEASE_SECONDS, "lease_collection": f"l{uuid4().hex}"}
    return MongodbOptions.parse(AdapterSettings(environment="test", options=given, resources={}, clock=WallClock()))


@pytest.mark.parametrize("case", CASES, ids=case_name)
async def test_on_a_server(case: LeaseCase, mongodb_server: Server) -> None:
    chosen = options(mongodb_server)
    async with (
        AsyncMongoClient[dict[str, Any]](mongodb_server.endpoint_url, retryWrites=False) as client,
        cluster(lambda: RealTable.of(client, chosen), lease_seconds=LEASE_SECONDS, patience_seconds=60) as shared,
    ):
        await case(shared)


@pytest.mark.parametrize("place", PLACES, ids=repr)
async def test_places_come_back_as_they_were(place: Place, mongodb_server: Server) -> None:
    chosen = options(mongodb_server)
    async with AsyncMongoClient[dict[str, Any]](mongodb_server.endpoint_url, retryWrites=False) as client:
        table = LeaseTable.of(client, chosen)
        await table.begin("s", place)
        lease = await table.read("s")
        assert lease is not None
        assert lease.place == place
