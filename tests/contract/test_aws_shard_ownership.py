"""Sharing shards between processes, on a real DynamoDB API in real time."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Final, cast
from uuid import uuid4

import pytest
from types_aiobotocore_dynamodb import DynamoDBClient

from eventflow.errors import UnavailableError
from eventflow.testing.harness import case_name
from eventflow_aws.clients import Clients
from eventflow_aws.streams.lease_requests import LeaseRequests
from tests.contract.aws_dynamodb import dynamodb_clients
from tests.contract.embedded import WallClock
from tests.servers.server import Server
from tests.unit.aws import ownership_cases as cases
from tests.unit.aws.ownership import cluster
from tests.unit.aws.paper_leases import CuttableTable

LEASE_SECONDS: Final = 1.0
REAL_TIME_CASES: Final = (
    cases.a_new_process_gets_its_share_from_one_that_goes_on_with_the_rest,
    cases.a_process_that_leaves_releases_its_shards_at_once,
    cases.the_shards_of_a_killed_process_are_taken_over_with_their_checkpoints,
    cases.a_process_that_is_cut_off_stops_before_others_take_over_and_can_commit_nothing,
    cases.commits_at_once_leave_the_last_one,
    cases.sequence_numbers_of_any_length_come_back_as_they_were,
    cases.a_completed_shard_is_not_read_again_and_forgotten_once_it_is_gone,
    cases.latest_is_the_moment_of_the_first_subscription_for_all_that_follow,
)
"""Those that wait least. All of them run on virtual time."""


class RealTable(CuttableTable):
    """One process's way to the table."""

    def __init__(self, clients: Clients, name: str) -> None:
        async def dynamodb() -> DynamoDBClient:
            if self.cut:
                raise UnavailableError("dynamodb:leases", "the network is cut")
            return await clients.dynamodb()

        reachable = cast("Clients", SimpleNamespace(dynamodb=dynamodb))
        super().__init__(LeaseRequests(reachable, name, resource="dynamodb:leases", request_seconds=LEASE_SECONDS / 2))


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("case", REAL_TIME_CASES, ids=case_name)
async def test_in_dynamodb(case: cases.OwnershipCase, dynamodb_server: Server) -> None:
    name = f"leases-{uuid4().hex}"
    async with (
        dynamodb_clients(dynamodb_server) as clients,
        cluster(
            partial(RealTable, clients, name),
            WallClock(),
            lease_seconds=LEASE_SECONDS,
            listing_seconds=0.3,
            patience_seconds=30,
        ) as shared,
    ):
        await case(shared)
