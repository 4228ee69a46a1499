"""Provisioning when the answers to its creations are lost, on moto."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from botocore.model import OperationModel

from eventflow.model.blueprint import Blueprint
from eventflow.model.destinations import Service
from eventflow.model.mapping import BatchSettings, StartingPosition, StreamMapping
from eventflow.model.subscriptions import BucketNotification, BusRule, ScheduleRule, StreamSubscription, Subscription
from eventflow.ports import ProvisionAction
from eventflow_aws import AwsAdapter
from tests.contract.aws_servers import aws_adapter, clients_of
from tests.servers.server import Server

REGION = "eu-west-1"
"""us-east-1 takes the creation of an own bucket twice."""
ROLE = "arn:aws:iam::123456789012:role/scheduler"

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


def subscriptions() -> tuple[Subscription, ...]:
    """One of every kind of which AWS refuses to create a second with the same name."""
    name = f"again-{uuid4().hex}"
    mapping = StreamMapping(batch=BatchSettings(batch_size=10), starting_position=StartingPosition.LATEST)
    return (
        StreamSubscription(service=Service.KINESIS, name=name, subscriber="f", mapping=mapping),
        StreamSubscription(service=Service.DYNAMODB, name=name, subscriber="f", mapping=mapping),
        BucketNotification(name=name, subscriber="f", events=("s3:ObjectCreated:*",)),
        BusRule(name=name, subscriber="f", pattern='{"source": ["shop"]}'),
        ScheduleRule(name=name, subscriber="f", expression="rate(1 hour)"),
    )


async def ask_twice_for_creations(adapter: AwsAdapter) -> set[str]:
    """Let botocore do what it does when an answer does not arrive. Returns the operations that were asked twice, as
    they come to be."""
    asked: set[str] = set()

    def needs_retry(operation: OperationModel, attempts: int, **_: Any) -> Any:
        if not operation.name.startswith("Create") or attempts > 1:
            return None
        asked.add(operation.name)
        return 0

    clients = clients_of(adapter)
    for client in (clients.kinesis(), clients.dynamodb(), clients.s3(), clients.events(), clients.scheduler()):
        (await client).meta.events.register_first("needs-retry", needs_retry)
    return asked


async def test_a_creation_whose_answer_is_lost_has_created(moto_server: Server) -> None:
    blueprint = Blueprint(app_name="again", subscriptions=subscriptions())
    queue, lease_table = (f"again-{uuid4().hex}" for _ in range(2))
    opening = aws_adapter(
        moto_server.endpoint_url,
        region=REGION,
        notification_queue=queue,
        lease_table=lease_table,
        scheduler_role=ROLE,
    )
    async with opening as adapter:
        asked = await ask_twice_for_creations(adapter)
        first = [step.action async for step in adapter.provision(blueprint, dry_run=False)]
        assert asked == {"CreateStream", "CreateTable", "CreateBucket", "CreateEventBus", "CreateSchedule"}
        assert first.count(ProvisionAction.CREATE) >= len(asked)
        assert {step.action async for step in adapter.provision(blueprint, dry_run=False)} == {ProvisionAction.EXISTS}
