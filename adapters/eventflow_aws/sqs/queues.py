"""One queue of SQS: where it is, and what it says of itself. Source: SQS API: GetQueueUrl, GetQueueAttributes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from eventflow.errors import AdapterError
from eventflow_aws.arns import UNKNOWN_ACCOUNT
from eventflow_aws.faults import translated
from eventflow_aws.names import Arn
from eventflow_aws.outbound import look

if TYPE_CHECKING:
    from collections.abc import Mapping

    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sqs.literals import QueueAttributeNameType

    from eventflow_aws.environment import Environment

    Attributes: TypeAlias = Mapping[QueueAttributeNameType, str]

GET_ATTRIBUTES: Final = "sqs:GetQueueAttributes"

_AWS_URL: Final = re.compile(r"https?://(?:sqs\.(?P<region>[a-z0-9-]+)|(?P<old>[a-z0-9-]+)\.queue)\.amazonaws\.com")


class QueueCounts(NamedTuple):
    """About how many messages a queue has, and what they do."""

    visible: int
    in_flight: int
    delayed: int

    @property
    def total(self) -> int:
        return self.visible + self.in_flight + self.delayed


class Queue(NamedTuple):
    """A queue that was found. ``attributes`` is empty if nobody may read them."""

    resource: str
    client: SQSClient
    url: str
    arn: Arn
    attributes: Attributes

    @property
    def fifo(self) -> bool:
        return self.arn.name.endswith(".fifo")

    @property
    def visibility_timeout_seconds(self) -> int:
        return int(self.attributes["VisibilityTimeout"])

    @property
    def maximum_receive_count(self) -> int | None:
        """The redrive policy's; ``None`` without one."""
        policy = self.attributes.get("RedrivePolicy")
        return int(json.loads(policy)["maxReceiveCount"]) if policy else None

    async def counts(self) -> QueueCounts:
        """Raises UnavailableError, AccessDeniedError, ResourceNotFoundError."""
        with translated(self.resource, GET_ATTRIBUTES):
            answer = await self.client.get_queue_attributes(
                QueueUrl=self.url,
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                    "ApproximateNumberOfMessagesDelayed",
                ],
            )
        of = answer["Attributes"]
        return QueueCounts(
            visible=int(of["ApproximateNumberOfMessages"]),
            in_flight=int(of["ApproximateNumberOfMessagesNotVisible"]),
            delayed=int(of["ApproximateNumberOfMessagesDelayed"]),
        )


async def find_queue(env: Environment, resource: str) -> Queue:
    """The queue that a logical name (``sqs:orders``) is bound to, by URL, ARN or name, to receive from.

    Raises ResourceNotFoundError, AccessDeniedError, UnavailableError; AdapterError if the name is bound to something
    that it cannot be.
    """
    client = await env.clients.sqs()
    url = await _url(env, client, resource)
    with translated(resource, GET_ATTRIBUTES):
        answer = await client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    return _queue(env, resource, client, url, answer["Attributes"])


async def find_target(env: Environment, resource: str) -> Queue:
    """The same for a queue to send to. Who may send to it need not be allowed to look at it."""
    client = await env.clients.sqs()
    url = await _url(env, client, resource)
    attributes: Attributes = {}
    with look(resource, GET_ATTRIBUTES):
        attributes = (await client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"]))["Attributes"]
    return _queue(env, resource, client, url, attributes)


async def _url(env: Environment, client: SQSClient, resource: str) -> str:
    physical = env.names.physical(resource)
    arn = Arn.parse(physical)
    name = env.names.plain(resource)
    found = _AWS_URL.match(physical)
    region = arn.region if arn is not None else found and (found["region"] or found["old"])
    if region and region != env.clients.region:
        message = f'is bound to {physical}, and this environment is in {env.clients.region}; set region = "{region}"'
        raise AdapterError(resource, message)
    if "://" in physical:
        return physical
    with translated(resource, "sqs:GetQueueUrl"):
        if arn is not None:
            answer = await client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=arn.account_id)
        else:
            answer = await client.get_queue_url(QueueName=name)
    return answer["QueueUrl"]


def _queue(env: Environment, resource: str, client: SQSClient, url: str, attributes: Attributes) -> Queue:
    arn = Arn.parse(attributes.get("QueueArn", "")) or _arn_of_url(env, url)
    queue = Queue(resource, client, url, arn, attributes)
    _check_order(queue)
    return queue


def _arn_of_url(env: Environment, url: str) -> Arn:
    """``https://host/account/name``."""
    account, _, name = url.partition("://")[2].partition("/")[2].rpartition("/")
    return Arn(env.clients.partition, "sqs", env.clients.region, account or UNKNOWN_ACCOUNT, name)


def _check_order(queue: Queue) -> None:
    """Whether records are ordered is a property of the code that handles them, and the code says so by the name."""
    name = queue.resource.partition(":")[2]
    if queue.fifo and not name.endswith(".fifo"):
        mend = f'call it "{name}.fifo" in the code, or bind it to a standard queue'
        raise AdapterError(queue.resource, f"is bound to {queue.arn.name}, which is a FIFO queue; {mend}")
    if name.endswith(".fifo") and not queue.fifo:
        mend = f'call it "{name.removesuffix(".fifo")}" in the code, or bind it to a FIFO queue'
        raise AdapterError(queue.resource, f"is bound to {queue.arn.name}, which is a standard queue; {mend}")
