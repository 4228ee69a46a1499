"""Queues: made with a dead-letter queue where they are read, and opened to the services that send to them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventflow.errors import ResourceNotFoundError
from eventflow.ports import ProvisionAction, ProvisionStep
from eventflow_aws.faults import translated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from types_aiobotocore_sqs.literals import QueueAttributeNameType

    from eventflow_aws.management.provisioning_run import Provisioning

MAXIMUM_VISIBILITY_SECONDS: Final = 43_200
RETENTION_SECONDS: Final = 14 * 86_400
"""The longest there is: what waits or failed must not vanish over a holiday."""
MAXIMUM_RECEIVE_COUNT: Final = 5
"""At least this many, so that throttling moves nothing. Source: Lambda guide: with-sqs."""


class QueueNeed(NamedTuple):
    """A queue that the app names, and what it is made with if it is not there."""

    resource: str
    visibility_seconds: float = 30
    redrive: bool = False


async def make_queue(run: Provisioning, need: QueueNeed) -> AsyncIterator[ProvisionStep]:
    """The queue, after its dead-letter queue if both have to be made."""
    name = run.env.names.plain(need.resource)
    if await _url(run, need.resource) is not None:
        yield ProvisionStep(resource=need.resource, action=ProvisionAction.EXISTS, detail=name)
        return
    attributes = _attributes(name, need)
    if need.redrive:
        dead_letters = run.env.names.dead_letters(need.resource)
        async for step in make_queue(run, QueueNeed(dead_letters)):
            yield step
        arn = run.arns.of(dead_letters).arn
        policy = {"deadLetterTargetArn": arn, "maxReceiveCount": MAXIMUM_RECEIVE_COUNT}
        attributes["RedrivePolicy"] = json.dumps(policy)
    if not run.dry_run:
        with translated(need.resource, "sqs:CreateQueue"):
            await (await run.env.clients.sqs()).create_queue(QueueName=name, Attributes=attributes)
    detail = f"{name}, visibility {attributes['VisibilityTimeout']} s"
    if need.redrive:
        detail += f", to its dead-letter queue after {MAXIMUM_RECEIVE_COUNT} receives"
    yield ProvisionStep(resource=need.resource, action=ProvisionAction.CREATE, detail=detail)


async def permit_senders(run: Provisioning, resource: str, service: str, source_arn: str) -> ProvisionStep:
    """Let a service send to a queue on behalf of one resource. Statements of others stay."""
    detail = f"lets {service} send for {source_arn}"
    url = await _url(run, resource)
    if url is None:  # a dry run
        return ProvisionStep(resource=resource, action=ProvisionAction.UPDATE, detail=detail)
    sqs = await run.env.clients.sqs()
    with translated(resource, "sqs:GetQueueAttributes"):
        answer = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
    before = json.loads(answer.get("Attributes", {}).get("Policy") or "{}")
    statement = _statement(run, resource, service, source_arn)
    others = [item for item in before.get("Statement", []) if item.get("Sid") != statement["Sid"]]
    if len(others) < len(before.get("Statement", [])) and statement in before["Statement"]:
        return ProvisionStep(resource=resource, action=ProvisionAction.EXISTS, detail=detail)
    if not run.dry_run:
        policy = {"Version": "2012-10-17", **before, "Statement": [*others, statement]}
        with translated(resource, "sqs:SetQueueAttributes"):
            await sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    return ProvisionStep(resource=resource, action=ProvisionAction.UPDATE, detail=detail)


def _statement(run: Provisioning, resource: str, service: str, source_arn: str) -> dict[str, Any]:
    """With the conditions that keep other accounts from sending through the same service (confused deputy)."""
    conditions: dict[str, dict[str, str]] = {"ArnEquals": {"aws:SourceArn": source_arn}}
    if service == "s3":  # the ARN of a bucket names no account
        conditions["StringEquals"] = {"aws:SourceAccount": run.account_id}
    return {
        "Sid": "eventflow" + hashlib.sha256(source_arn.encode()).hexdigest()[:16],
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": run.arns.of(resource).arn,
        "Condition": conditions,
    }


def _attributes(name: str, need: QueueNeed) -> dict[QueueAttributeNameType, str]:
    visibility = min(round(need.visibility_seconds), MAXIMUM_VISIBILITY_SECONDS)
    attributes: dict[QueueAttributeNameType, str] = {
        "VisibilityTimeout": str(visibility),
        "MessageRetentionPeriod": str(RETENTION_SECONDS),
    }
    if name.endswith(".fifo"):
        attributes["FifoQueue"] = "true"
    return attributes


async def _url(run: Provisioning, resource: str) -> str | None:
    physical = run.env.names.physical(resource)
    sqs = await run.env.clients.sqs()
    try:
        with translated(resource, "sqs:GetQueueUrl"):
            if physical.startswith(("http://", "https://")):
                await sqs.get_queue_attributes(QueueUrl=physical, AttributeNames=["QueueArn"])
                return physical
            return (await sqs.get_queue_url(QueueName=run.env.names.plain(resource)))["QueueUrl"]
    except ResourceNotFoundError:
        return None
