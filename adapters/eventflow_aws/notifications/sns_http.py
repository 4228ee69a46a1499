"""Topics whose messages arrive over HTTP. Source: SNS guide: HTTP and HTTPS endpoints; SNS API: ConfirmSubscription."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from eventflow.errors import AdapterError
from eventflow_aws.faults import translated
from eventflow_aws.notifications.http_topic import HttpTopic
from eventflow_aws.notifications.sns_signatures import Signatures

if TYPE_CHECKING:
    from eventflow.model.records import SourceIdentity
    from eventflow.ports import Deliver, PushRequest, PushResponse
    from eventflow_aws.environment import Environment
    from eventflow_aws.notifications.sns_events import TopicInterest


def open_http_topic_source(env: Environment, interest: TopicInterest) -> HttpTopicSource:
    """Join those who hear of a topic's messages over HTTP. Raises AdapterError for a FIFO topic, which has no such
    subscriptions."""
    arn, resource = interest.identity.arn, interest.resource
    if arn.endswith(".fifo"):
        message = f'a FIFO topic sends to queues only; say which: notification_queues = {{"{resource}" = "..."}}'
        raise AdapterError(resource, message)
    topic = env.http_topics.get(resource)
    if topic is None:
        from eventflow_aws.certificates import fetch_certificate

        signatures = Signatures(fetch_certificate, env.clock)
        topic = HttpTopic(arn, resource, signatures, partial(confirm_subscription, env, resource, arn))
        env.http_topics[resource] = topic
    return HttpTopicSource(topic, interest)


async def confirm_subscription(env: Environment, resource: str, arn: str, token: str) -> None:
    """Raises AdapterError."""
    with translated(resource, "sns:ConfirmSubscription"):
        await (await env.clients.sns()).confirm_subscription(TopicArn=arn, Token=token)


class HttpTopicSource:
    """A NotificationSource and HttpEndpoint: one function's part in a topic. What waits, waits at SNS, which does not
    say how much that is: ``backlog`` is 0."""

    def __init__(self, topic: HttpTopic, interest: TopicInterest) -> None:
        self.http_path = topic.path
        self._topic = topic
        self._interest = interest
        topic.add(interest)

    @property
    def identity(self) -> SourceIdentity:
        return self._interest.identity

    async def run(self, deliver: Deliver) -> None:
        await self._topic.run(self._interest, deliver)

    async def handle(self, request: PushRequest) -> PushResponse:
        return await self._topic.handle(request)

    async def backlog(self) -> int:
        return 0

    async def aclose(self) -> None:
        self._topic.remove(self._interest)
