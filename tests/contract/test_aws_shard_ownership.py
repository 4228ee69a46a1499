"""Sharing shards between processes, with leases in a real DynamoDB API: its answers are awaited for real, and take no
time of the virtual clock, so that no lease ends because a machine is busy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from uuid import uuid4

import pytest
from types_aiobotocore_dynamodb import DynamoDBClient

from eventflow.errors import UnavailableError
from eventflow.testing.harness import case_name
from eventflow.testing.virtual_time import VirtualClock, VirtualTimeLoop
from eventflow_aws.clients import Clients
from eventflow_aws.streams.lease_requests import LeaseRequests
from tests.contract.aws_dynamodb import dynamodb_clients
from tests.servers.server import Server
from tests.unit.aws.ownership import cluster
from tests.unit.aws.ownership_cases import CASES, OwnershipCase
from tests.unit.aws.paper_leases import CuttableTable


class DynamoDbTable(CuttableTable):
    """One process's way to the table."""

    def __init__(self, clients: Clients, name: str) -> None:
        super().__init__(_Requests(self, clients, name))


class _Requests(LeaseRequests):
    """Requests over the network of a table. The clock stands still while one is under way."""

    def __init__(self, network: CuttableTable, clients: Clients, table: str) -> None:
        super().__init__(clients, table, resource="dynamodb:leases", request_seconds=5)
        self._network = network

    @asynccontextmanager
    async def _request(self, action: str, *, seconds: float | None = None) -> AsyncIterator[DynamoDBClient]:
        if self._network.cut:
            raise UnavailableError(self.resource, "the network is cut")
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        with loop.standstill():
            async with super()._request(action, seconds=seconds) as client:
                yield client
        if self._network.cut or self._network.answers_to_lose:
            self._network.answers_to_lose -= not self._network.cut
            raise UnavailableError(self.resource, "the answer was lost")


@pytest.mark.parametrize("case", CASES, ids=case_name)
async def test_in_dynamodb(case: OwnershipCase, dynamodb_server: Server) -> None:
    async with (
        dynamodb_clients(dynamodb_server) as clients,
        cluster(
            partial(DynamoDbTable, clients, f"leases-{uuid4().hex}"),
            VirtualClock(),
            lease_seconds=20,
            listing_seconds=30,
            patience_seconds=600,
        ) as shared,
    ):
        await case(shared)
