"""Buckets, and their notifications to a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventflow.errors import ResourceNotFoundError
from eventflow.model.subscriptions import BucketNotification
from eventflow.ports import ProvisionAction, ProvisionStep
from eventflow_aws.faults import creating, translated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow_aws.management.connections import Connection
    from eventflow_aws.management.provisioning_run import Provisioning

DEFAULT_REGION: Final = "us-east-1"
"""Where CreateBucket takes no location."""


async def make_bucket(run: Provisioning, resource: str) -> ProvisionStep:
    name = run.env.names.plain(resource)
    s3 = await run.env.clients.s3()
    try:
        with translated(resource, "s3:ListBucket"):
            await s3.head_bucket(Bucket=name)
        return ProvisionStep(resource=resource, action=ProvisionAction.EXISTS, detail=name)
    except ResourceNotFoundError:
        if not run.dry_run:
            region: Any = run.env.clients.region
            location: Any = (
                {} if region == DEFAULT_REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            )
            with creating(resource, "s3:CreateBucket"):
                await s3.create_bucket(Bucket=name, **location)
    return ProvisionStep(resource=resource, action=ProvisionAction.CREATE, detail=name)


async def notify_queue(run: Provisioning, app_name: str, queue: str, connection: Connection) -> ProvisionStep:
    """One configuration per app and queue, known by its id: S3 refuses several whose filters overlap, so it asks for
    all that any of the functions wants, and eventflow filters again. Everybody else's configurations stay."""
    bucket = run.env.names.plain(connection.resource)
    subscriptions = [item for item in connection.subscriptions if isinstance(item, BucketNotification)]
    wanted = _configuration(f"eventflow-{app_name}", run.arns.of(queue).arn, subscriptions)
    detail = f"notifies {queue} of {', '.join(wanted['Events'])}"
    s3 = await run.env.clients.s3()
    try:
        with translated(connection.resource, "s3:GetBucketNotification"):
            answer: dict[str, Any] = dict(await s3.get_bucket_notification_configuration(Bucket=bucket))
    except ResourceNotFoundError:  # a dry run: the bucket is not there yet
        return ProvisionStep(resource=connection.resource, action=ProvisionAction.CREATE, detail=detail)
    answer.pop("ResponseMetadata", None)
    before: list[dict[str, Any]] = list(answer.get("QueueConfigurations", []))
    own = next((item for item in before if item.get("Id") == wanted["Id"]), None)
    if own is not None and _comparable(own) == _comparable(wanted):
        return ProvisionStep(resource=connection.resource, action=ProvisionAction.EXISTS, detail=detail)
    if not run.dry_run:
        merged: Any = {**answer, "QueueConfigurations": [*(item for item in before if item is not own), wanted]}
        with translated(connection.resource, "s3:PutBucketNotification"):
            await s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=merged)
    action = ProvisionAction.UPDATE if own is not None else ProvisionAction.CREATE
    return ProvisionStep(resource=connection.resource, action=action, detail=detail)


def _configuration(identifier: str, queue: str, subscriptions: Sequence[BucketNotification]) -> dict[str, Any]:
    events = dict.fromkeys(event for item in subscriptions for event in item.events)
    families = tuple(event[:-1] for event in events if event.endswith(":*"))
    kept = [event for event in events if event.endswith(":*") or not event.startswith(families)] if families else events
    configuration: dict[str, Any] = {"Id": identifier, "QueueArn": queue, "Events": list(kept)}
    if len(subscriptions) == 1:
        [only] = subscriptions
        rules = [{"Name": name, "Value": value} for name, value in (("prefix", only.prefix), ("suffix", only.suffix))]
        rules = [rule for rule in rules if rule["Value"]]
        if rules:
            configuration["Filter"] = {"Key": {"FilterRules": rules}}
    return configuration


def _comparable(configuration: dict[str, Any]) -> tuple[Any, ...]:
    """S3 answers rule names in another case and events in another order."""
    rules = configuration.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return (
        configuration["QueueArn"],
        sorted(configuration["Events"]),
        sorted((rule["Name"].lower(), rule["Value"]) for rule in rules),
    )
