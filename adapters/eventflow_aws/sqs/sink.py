"""Sending to SQS. Source: SQS API: SendMessageBatch."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

from eventflow.errors import InvalidMessageError, UnavailableError
from eventflow.model import limits
from eventflow_aws.coalescing import MAXIMUM_REQUESTS, Coalescer
from eventflow_aws.faults import fault, translated
from eventflow_aws.outbound import checked_text
from eventflow_aws.sqs.attributes import attributes_size, wire_attributes
from eventflow_aws.sqs.queues import find_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from types_aiobotocore_sqs.type_defs import (
        BatchResultErrorEntryTypeDef,
        SendMessageBatchRequestEntryTypeDef,
    )

    from eventflow.errors import AdapterError
    from eventflow.model.destinations import OutboundMessage
    from eventflow_aws.environment import Environment
    from eventflow_aws.sqs.queues import Queue

SEND: Final = "sqs:SendMessage"
MAXIMUM_ENTRIES: Final = 10
MAXIMUM_DELAY_SECONDS: Final = 900
REQUEST_SECONDS: Final = 30.0

PASSING: Final = frozenset({"KmsThrottled", "RequestThrottled", "Throttling", "ThrottlingException"})
"""What SQS blames on the sender, and takes later all the same."""


async def open_queue_sink(env: Environment, name: str) -> SqsQueueSink:
    """Raises ResourceNotFoundError, UnavailableError; AdapterError if the queue is FIFO and its logical name does not
    end in ``.fifo``, or the other way round."""
    return SqsQueueSink(await find_target(env, f"sqs:{name}"))


class SqsQueueSink:
    """A DestinationSink that sends to one queue, many messages in one request.

    A FIFO queue gets one request at a time: messages keep the order they came in.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._coalescer: Coalescer[SendMessageBatchRequestEntryTypeDef, None] = Coalescer(
            queue.resource,
            self._send_batch,
            maximum_count=MAXIMUM_ENTRIES,
            maximum_bytes=limits.SQS_MESSAGE_BYTES,
            maximum_requests=1 if queue.fifo else MAXIMUM_REQUESTS,
        )

    @property
    def arn(self) -> str:
        return str(self._queue.arn)

    async def send(self, message: OutboundMessage) -> None:
        size_bytes = len(message.body) + attributes_size(message.attributes)
        await self._coalescer.submit(self._entry(message, size_bytes), size_bytes=size_bytes)

    async def aclose(self) -> None:
        await self._coalescer.aclose()

    def _entry(self, message: OutboundMessage, size_bytes: int) -> SendMessageBatchRequestEntryTypeDef:
        """Without its id, which is its place in a request."""
        resource, limit_bytes = self._queue.resource, limits.SQS_MESSAGE_BYTES
        text = checked_text(resource, message.body, size_bytes=size_bytes, limit_bytes=limit_bytes)
        entry: SendMessageBatchRequestEntryTypeDef = {"Id": "", "MessageBody": text}
        if message.attributes:
            entry["MessageAttributes"] = wire_attributes(message.attributes)
        if message.group_id is not None:
            entry["MessageGroupId"] = message.group_id
        if message.deduplication_id is not None:
            entry["MessageDeduplicationId"] = message.deduplication_id
        self._check_order(message)
        if message.delay_seconds:
            entry["DelaySeconds"] = self._delay_seconds(message.delay_seconds)
        return entry

    def _check_order(self, message: OutboundMessage) -> None:
        resource = self._queue.resource
        if not self._queue.fifo:
            if message.deduplication_id is not None:
                raise InvalidMessageError(resource, "deduplication_id is for FIFO queues; this is a standard queue")
        elif not message.group_id:
            raise InvalidMessageError(resource, "a FIFO queue needs a group_id with every message")
        elif message.delay_seconds:
            raise InvalidMessageError(resource, "a FIFO queue takes no delay_seconds per message; set the queue's")

    def _delay_seconds(self, delay_seconds: float) -> int:
        if not 0 <= delay_seconds <= MAXIMUM_DELAY_SECONDS:
            allowed = f"0 to {MAXIMUM_DELAY_SECONDS} are allowed"
            raise InvalidMessageError(self._queue.resource, f"delay_seconds is {delay_seconds:g}; {allowed}")
        return math.ceil(delay_seconds)

    async def _send_batch(self, entries: Sequence[SendMessageBatchRequestEntryTypeDef]) -> list[AdapterError | None]:
        numbered: list[SendMessageBatchRequestEntryTypeDef] = [
            {**entry, "Id": str(index)} for index, entry in enumerate(entries)
        ]
        with translated(self._queue.resource, SEND, sends=True):
            async with asyncio.timeout(REQUEST_SECONDS):
                answer = await self._queue.client.send_message_batch(QueueUrl=self._queue.url, Entries=numbered)
        results: list[AdapterError | None] = [None] * len(entries)
        for failed in answer.get("Failed", ()):
            results[int(failed["Id"])] = self._error(failed)
        return results

    def _error(self, failed: BatchResultErrorEntryTypeDef) -> AdapterError:
        code, message = failed["Code"], failed.get("Message", "")
        error = fault(self._queue.resource, SEND, code, message, sends=True)
        if isinstance(error, UnavailableError) and failed["SenderFault"] and code not in PASSING:
            return InvalidMessageError(self._queue.resource, f"{SEND}: {code}: {message}")
        return error
