"""Streams, tables and the lease table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventflow.errors import ResourceNotFoundError
from eventflow.model.mapping import StreamViewType
from eventflow.ports import ProvisionAction, ProvisionStep
from eventflow_aws.faults import creating, translated

if TYPE_CHECKING:
    from eventflow.model.subscriptions import StreamSubscription
    from eventflow_aws.management.provisioning_run import Provisioning

PARTITION_KEY: Final = "id"
"""Of tables that have to be made: an app's declarations do not tell their keys."""


async def make_stream(run: Provisioning, name: str) -> ProvisionStep:
    resource = f"kinesis:{name}"
    physical = run.env.names.plain(resource)
    kinesis = await run.env.clients.kinesis()
    try:
        with translated(resource, "kinesis:DescribeStreamSummary"):
            await kinesis.describe_stream_summary(StreamName=physical)
        return ProvisionStep(resource=resource, action=ProvisionAction.EXISTS, detail=physical)
    except ResourceNotFoundError:
        if not run.dry_run:
            with creating(resource, "kinesis:CreateStream"):
                await kinesis.create_stream(StreamName=physical, StreamModeDetails={"StreamMode": "ON_DEMAND"})
            with translated(resource, "kinesis:DescribeStream"):
                await kinesis.get_waiter("stream_exists").wait(StreamName=physical, WaiterConfig={"Delay": 1})
    return ProvisionStep(resource=resource, action=ProvisionAction.CREATE, detail=f"{physical}, on demand")


async def make_table(run: Provisioning, subscription: StreamSubscription) -> ProvisionStep:
    """The table with its stream. A table that is there only gets a stream if it has none."""
    resource = f"dynamodb:{subscription.name}"
    physical = run.env.names.plain(resource)
    stream: Any = {
        "StreamEnabled": True,
        "StreamViewType": str(subscription.view_type or StreamViewType.NEW_AND_OLD_IMAGES),
    }
    dynamodb = await run.env.clients.dynamodb()
    try:
        with translated(resource, "dynamodb:DescribeTable"):
            table = (await dynamodb.describe_table(TableName=physical))["Table"]
    except ResourceNotFoundError:
        if not run.dry_run:
            await _create_table(run, resource, physical, {PARTITION_KEY: "HASH"}, StreamSpecification=stream)
        detail = f"{physical}, key {PARTITION_KEY}, on demand, stream of {stream['StreamViewType']}"
        return ProvisionStep(resource=resource, action=ProvisionAction.CREATE, detail=detail)
    if table.get("StreamSpecification", {}).get("StreamEnabled"):
        return ProvisionStep(resource=resource, action=ProvisionAction.EXISTS, detail=physical)
    if not run.dry_run:
        with translated(resource, "dynamodb:UpdateTable"):
            await dynamodb.update_table(TableName=physical, StreamSpecification=stream)
    detail = f"{physical}: a stream of {stream['StreamViewType']}"
    return ProvisionStep(resource=resource, action=ProvisionAction.UPDATE, detail=detail)


async def make_lease_table(run: Provisioning) -> ProvisionStep:
    """Where the processes of the app agree on who reads which shard."""
    name = run.env.options.lease_table
    resource = f"dynamodb:{name}"
    physical = run.env.names.plain(resource)
    dynamodb = await run.env.clients.dynamodb()
    try:
        with translated(resource, "dynamodb:DescribeTable"):
            await dynamodb.describe_table(TableName=physical)
        return ProvisionStep(resource=resource, action=ProvisionAction.EXISTS, detail=physical)
    except ResourceNotFoundError:
        if not run.dry_run:
            await run.env.lease_table.ensure()
    return ProvisionStep(resource=resource, action=ProvisionAction.CREATE, detail=f"{physical}, on demand, for leases")


async def _create_table(run: Provisioning, resource: str, name: str, keys: dict[str, str], **settings: Any) -> None:
    dynamodb = await run.env.clients.dynamodb()
    schema: Any = [{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()]
    with creating(resource, "dynamodb:CreateTable"):
        await dynamodb.create_table(
            TableName=name,
            KeySchema=schema,
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            BillingMode="PAY_PER_REQUEST",
            **settings,
        )
    with translated(resource, "dynamodb:DescribeTable"):
        await dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
