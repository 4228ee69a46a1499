"""Publishing to an SNS topic. Source: SNS API: PublishBatch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventflow.errors import InvalidMessageError
from eventflow.model import limits
from eventflow_aws.coalescing import MAXIMUM_REQUESTS, Coalescer
from eventflow_aws.faults import fault, translated
from eventflow_aws.outbound import checked_text, look, regional_arn
from eventflow_aws.sqs.attributes import attributes_size, wire_attributes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from types_aiobotocore_sns import SNSClient
    from types_aiobotocore_sns.type_defs import PublishBatchRequestEntryTypeDef

    from eventflow.errors import AdapterError
    from eventflow.model.destinations import OutboundMessage
    from eventflow_aws.environment import Environment

MAXIMUM_ENTRIES: Final = 10
MAXIMUM_SUBJECT_CHARACTERS: Final = 100
PUBLISH: Final = "sns:Publish"


async def open_topic_sink(env: Environment, name: str) -> TopicSink:
    """Raises ResourceNotFoundError, UnavailableError, AdapterError."""
    resource = f"sns:{name}"
    arn = str(await regional_arn(env, resource))
    client = await env.clients.sns()
    with look(resource, "sns:GetTopicAttributes"):
        await client.get_topic_attributes(TopicArn=arn)
    return TopicSink(client, resource, arn)


class TopicSink:
    """A DestinationSink that publishes to one topic, many messages in one request.

    A FIFO topic (its name ends in ``.fifo``) gets one request at a time: messages keep the order they came in.
    """

    def __init__(self, client: SNSClient, resource: str, arn: str) -> None:
        self.arn = arn
        self._client = client
        self._resource = resource
        self._fifo = arn.endswith(".fifo")
        self._coalescer: Coalescer[PublishBatchRequestEntryTypeDef, None] = Coalescer(
            resource,
            self._publish,
            maximum_count=MAXIMUM_ENTRIES,
            maximum_bytes=limits.SNS_MESSAGE_BYTES,
            maximum_requests=1 if self._fifo else MAXIMUM_REQUESTS,
        )

    async def send(self, message: OutboundMessage) -> None:
        size_bytes = len(message.body) + attributes_size(message.attributes)
        entry = self._entry(message, size_bytes)
        await self._coalescer.submit(entry, size_bytes=size_bytes)

    async def aclose(self) -> None:
        await self._coalescer.aclose()

    def _entry(self, message: OutboundMessage, size_bytes: int) -> PublishBatchRequestEntryTypeDef:
        """Without its id, which is its place in a request."""
        text = checked_text(self._resource, message.body, size_bytes=size_bytes, limit_bytes=limits.SNS_MESSAGE_BYTES)
        entry: PublishBatchRequestEntryTypeDef = {"Id": "", "Message": text}
        if message.subject is not None:
            entry["Subject"] = self._subject(message.subject)
        if message.attributes:
            entry["MessageAttributes"] = wire_attributes(message.attributes)
        if self._fifo and message.group_id is not None:
            entry["MessageGroupId"] = message.group_id
        if self._fifo and message.deduplication_id is not None:
            entry["MessageDeduplicationId"] = message.deduplication_id
        return entry

    def _subject(self, subject: str) -> str:
        if not 0 < len(subject) <= MAXIMUM_SUBJECT_CHARACTERS or not subject.isprintable():
            allowed = f"1 to {MAXIMUM_SUBJECT_CHARACTERS} printable characters are allowed"
            raise InvalidMessageError(self._resource, f"the subject is {subject!r}; {allowed}")
        return subject

    async def _publish(self, entries: Sequence[PublishBatchRequestEntryTypeDef]) -> list[AdapterError | None]:
        numbered: list[PublishBatchRequestEntryTypeDef] = [
            {**entry, "Id": str(index)} for index, entry in enumerate(entries)
        ]
        with translated(self._resource, PUBLISH, sends=True):
            answer = await self._client.publish_batch(TopicArn=self.arn, PublishBatchRequestEntries=numbered)
        results: list[AdapterError | None] = [None] * len(entries)
        for failed in answer.get("Failed", ()):
            error = fault(self._resource, PUBLISH, failed["Code"], failed.get("Message", ""), sends=True)
            results[int(failed["Id"])] = error
        return results
