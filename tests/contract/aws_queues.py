"""Queues for contract tests, on servers that speak SQS."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast
from uuid import uuid4

from eventflow.testing.harness import AN_HOUR, CreatedQueue, QueueRequest
from eventflow_aws import AwsAdapter
from tests.contract.aws_servers import aws_adapter, clients_of
from tests.servers.server import Server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sqs.literals import QueueAttributeNameType

SERVERS: Final = ("elasticmq", "localstack", "moto")
VISIBILITY_SECONDS: Final = 6


@dataclass(frozen=True)
class Opened:
    """Two processes that see one server."""

    server: str
    adapter: AwsAdapter
    other_adapter: AwsAdapter

    async def sqs(self) -> SQSClient:
        return await clients_of(self.adapter).sqs()

    async def create_queue(self, request: QueueRequest | None = None, **attributes: str) -> CreatedQueue:
        """A queue that nobody else has; ``attributes`` go before those that tests usually want."""
        request = request or QueueRequest()
        suffix = ".fifo" if request.fifo else ""
        name = f"case-{uuid4()}"
        visibility = VISIBILITY_SECONDS if request.returning else AN_HOUR
        wanted = {"VisibilityTimeout": str(visibility), **attributes}
        if request.fifo:
            wanted["FifoQueue"] = "true"
        if request.maximum_receive_count is None:
            await self._create(name + suffix, wanted)
            return CreatedQueue(name=name + suffix)
        dead_letters = await self._create(f"{name}-dead{suffix}", wanted)
        policy = {"deadLetterTargetArn": dead_letters, "maxReceiveCount": str(request.maximum_receive_count)}
        await self._create(name + suffix, wanted | {"RedrivePolicy": json.dumps(policy)})
        return CreatedQueue(name=name + suffix, dead_letter_name=f"{name}-dead{suffix}")

    async def _create(self, name: str, attributes: Mapping[str, str]) -> str:
        """Returns the queue's ARN."""
        sqs = await self.sqs()
        wanted = cast("Mapping[QueueAttributeNameType, str]", attributes)
        created = await sqs.create_queue(QueueName=name, Attributes=wanted)
        found = await sqs.get_queue_attributes(QueueUrl=created["QueueUrl"], AttributeNames=["QueueArn"])
        return found["Attributes"]["QueueArn"]


@asynccontextmanager
async def opened(server: Server) -> AsyncIterator[Opened]:
    async with aws_adapter(server.endpoint_url) as adapter, aws_adapter(server.endpoint_url) as other_adapter:
        yield Opened(server.name, adapter, other_adapter)
