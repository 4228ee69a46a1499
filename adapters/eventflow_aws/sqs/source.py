"""Receiving from SQS. Source: SQS API: ReceiveMessage; SQS guide: visibility timeout."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from eventflow.errors import AdapterError
from eventflow.model.records import SourceIdentity
from eventflow.ports import QueueProperties
from eventflow_aws.sqs.queues import find_queue
from eventflow_aws.sqs.receiving import MAXIMUM_RECORDS, MAXIMUM_WAIT_SECONDS, Receiving
from eventflow_aws.sqs.settling import Settling

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from eventflow.model.records import QueueRecord
    from eventflow.model.subscriptions import QueueSubscription
    from eventflow_aws.background import Background
    from eventflow_aws.environment import Environment
    from eventflow_aws.sqs.queues import Queue

ADVISED_TIMEOUTS: Final = 6
"""How many times the function's timeout a queue should hide its records. Source: Lambda guide: with-sqs."""
BACKLOG_SECONDS: Final = 1.0
"""How old a figure of the backlog may be: SQS's own are a minute behind at times."""


async def open_queue_source(env: Environment, subscription: QueueSubscription) -> SqsQueueSource:
    """Raises ResourceNotFoundError, AccessDeniedError, UnavailableError; AdapterError if the queue is FIFO and its
    logical name does not end in ``.fifo``, or the other way round, or if it hides its records for less than the
    function may take. Source: Lambda API: CreateEventSourceMapping, which refuses such a queue."""
    queue = await find_queue(env, f"sqs:{subscription.name}")
    visibility, timeout = queue.visibility_timeout_seconds, subscription.timeout_seconds
    if visibility < timeout:
        message = f"its visibility timeout ({visibility} s) is below timeout_seconds={timeout:g}"
        mend = f"give the queue {ADVISED_TIMEOUTS * timeout:g} s, six times the timeout, as Lambda advises"
        raise AdapterError(queue.resource, message, mend=mend)
    return SqsQueueSource(queue, env.background)


class SqsQueueSource:
    """A QueueSource over one queue."""

    def __init__(self, queue: Queue, background: Background) -> None:
        self._queue = queue
        self._settling = Settling(queue)
        self._receiving = Receiving(queue, background, self.release)
        self._backlog = 0
        self._backlog_until = -1.0

    @property
    def identity(self) -> SourceIdentity:
        return SourceIdentity(arn=str(self._queue.arn), region=self._queue.arn.region, extras={})

    @property
    def properties(self) -> QueueProperties:
        return QueueProperties(
            visibility_timeout_seconds=self._queue.visibility_timeout_seconds,
            fifo=self._queue.fifo,
            maximum_receive=MAXIMUM_RECORDS,
            maximum_wait_seconds=MAXIMUM_WAIT_SECONDS,
            maximum_receive_count=self._queue.maximum_receive_count,
        )

    async def receive(self, *, max_records: int, wait_seconds: float) -> Sequence[QueueRecord]:
        return await self._receiving.receive(
            most=min(max_records, MAXIMUM_RECORDS), wait_seconds=min(wait_seconds, MAXIMUM_WAIT_SECONDS)
        )

    async def delete(self, receipts: Sequence[str]) -> None:
        await self._settling.delete(receipts)

    async def release(self, receipts: Sequence[str], *, after_seconds: float = 0) -> None:
        await self._settling.hide(receipts, after_seconds)

    async def extend(self, receipts: Sequence[str], *, seconds: float) -> Collection[str]:
        return await self._settling.hide(receipts, seconds)

    async def backlog(self) -> int:
        now = asyncio.get_running_loop().time()
        if now >= self._backlog_until:
            self._backlog = (await self._queue.counts()).total
            self._backlog_until = now + BACKLOG_SECONDS
        return self._backlog

    async def aclose(self) -> None:
        """A message that SQS hands out to a poll in this very moment returns after its visibility timeout."""
        await self._receiving.aclose()
        await self._settling.aclose()
