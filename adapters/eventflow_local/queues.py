"""Queues as SQS has them, behind the ports."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from anyio import lowlevel

from eventflow.errors import ConfigurationError, InvalidMessageError, Problem
from eventflow.model.partitions import partition_of
from eventflow.model.records import QueueRecord, SourceIdentity
from eventflow.ports import QueueProperties
from eventflow_local import messages
from eventflow_local.options import is_queue_name
from eventflow_local.queue_engine import Delivery, NewMessage, Queue, Received

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Mapping, Sequence

    from eventflow.model.destinations import OutboundMessage
    from eventflow.ports import AdapterSettings
    from eventflow_local.database import Database
    from eventflow_local.options import LocalOptions

MAXIMUM_RECEIVE: Final = 10
"""Source: SQS API: ReceiveMessage: MaxNumberOfMessages."""
MAXIMUM_WAIT_SECONDS: Final = 300.0
"""Waiting costs nothing here, so pollers need not come back as often as they do with SQS (20 s)."""
EXPIRY_CHECK_SECONDS: Final = 60.0


def queue_arn(settings: AdapterSettings, name: str) -> str:
    return f"arn:{partition_of(settings.region)}:sqs:{settings.region}:{settings.account_id}:{name}"


def queue_channel(name: str) -> str:
    return f"queue:{name}"


def queue_named(settings: AdapterSettings, options: LocalOptions, name: str, *, timeout_seconds: float = 0) -> Queue:
    return Queue(
        name=name,
        arn=queue_arn(settings, name),
        options=options.queue(name, timeout_seconds=timeout_seconds),
        to_record=partial(queue_record, fifo=name.endswith(".fifo"), sender_id=settings.account_id),
    )


def queue_record(delivery: Delivery, *, fifo: bool, sender_id: str) -> QueueRecord:
    """A message as SQS hands it over."""
    row = delivery.row
    return QueueRecord(
        message_id=row["message_id"],
        receipt_handle=delivery.receipt_handle,
        body=row["body"],
        receive_count=row["receives"],
        group_id=row["group_id"] if fifo else None,
        attributes=_system_attributes(row, fifo=fifo, sender_id=sender_id),
        message_attributes=json.loads(row["attributes"]) if row["attributes"] else {},
    )


def _system_attributes(row: Mapping[str, Any], *, fifo: bool, sender_id: str) -> dict[str, str]:
    """All of them text. Source: SQS API: ReceiveMessage."""
    optional = {
        "MessageGroupId": row["group_id"],
        "MessageDeduplicationId": row["deduplication_id"],
        "SequenceNumber": f"{row['id']:020d}" if fifo else None,
        "DeadLetterQueueSourceArn": row["dead_letter_source"],
    }
    return {
        "ApproximateReceiveCount": str(row["receives"]),
        "SentTimestamp": _milliseconds(row["sent_at"]),
        "SenderId": sender_id,
        "ApproximateFirstReceiveTimestamp": _milliseconds(row["first_received_at"]),
    } | {name: value for name, value in optional.items() if value is not None}


def _milliseconds(timestamp: float) -> str:
    return str(int(timestamp * 1000))


async def open_queue(
    database: Database, settings: AdapterSettings, options: LocalOptions, name: str, *, timeout_seconds: float = 0
) -> Queue:
    """The queue, made if it is new. Raises ConfigurationError if SQS would refuse the name."""
    if not is_queue_name(name):
        hint = "1 to 80 letters, digits, hyphens and underscores, and .fifo at the end for an ordered one"
        raise ConfigurationError([Problem(where=f"sqs:{name}", message="is not a queue name", hint=hint)])
    queue = queue_named(settings, options, name, timeout_seconds=timeout_seconds)
    await database.run(queue.create)
    return queue


class LocalQueueSource:
    """A QueueSource over one queue of the database; ``maximum_receive`` and ``redelivers`` are its service's."""

    def __init__(
        self,
        database: Database,
        queue: Queue,
        region: str,
        *,
        maximum_receive: int = MAXIMUM_RECEIVE,
        redelivers: bool = True,
    ) -> None:
        self._maximum_receive = maximum_receive
        self._redelivers = redelivers
        self._database = database
        self._queue = queue
        self._channel = queue_channel(queue.name)
        self._identity = SourceIdentity(arn=queue.arn, region=region, extras={})
        self._expiry_check_at = 0.0

    @property
    def identity(self) -> SourceIdentity:
        return self._identity

    @property
    def properties(self) -> QueueProperties:
        options = self._queue.options
        return QueueProperties(
            visibility_timeout_seconds=options.visibility_timeout_seconds,
            fifo=self._queue.fifo,
            maximum_receive=self._maximum_receive,
            maximum_wait_seconds=MAXIMUM_WAIT_SECONDS,
            maximum_receive_count=options.maximum_receive_count,
            redelivers=self._redelivers,
        )

    async def receive(self, *, max_records: int, wait_seconds: float) -> Sequence[QueueRecord]:
        await lowlevel.checkpoint()  # in memory nothing else here lets other tasks run
        clock, limit = self._database.clock, min(max_records, self._maximum_receive)
        deadline = clock.time() + wait_seconds
        with self._database.listen(self._channel) as changes:
            while True:
                now = clock.time()
                work: Callable[[sqlite3.Connection], Received] = partial(self._receive, limit, now)
                received = await self._database.run(work, undo=self._undo)
                if received.moved and self._queue.options.dead_letter_queue is not None:
                    self._database.notify(queue_channel(self._queue.options.dead_letter_queue))
                if received.records or now >= deadline:
                    return received.records
                await changes.wait(timeout_seconds=min(deadline, received.look_again_at) - now)

    async def delete(self, receipts: Sequence[str]) -> None:
        await self._database.run(lambda connection: self._queue.delete(connection, receipts))
        if self._queue.fifo:  # the next of the group is free
            self._database.notify(self._channel)

    async def release(self, receipts: Sequence[str], *, after_seconds: float = 0) -> None:
        await self._hide(receipts, after_seconds)
        self._database.notify(self._channel)

    async def extend(self, receipts: Sequence[str], *, seconds: float) -> Collection[str]:
        return await self._hide(receipts, seconds)

    async def backlog(self) -> int:
        counts = await self._database.run(partial(self._queue.counts, now=self._database.clock.time()))
        return counts.total

    async def aclose(self) -> None:
        """Nothing to give up: what is in flight returns after its visibility timeout."""

    def _receive(self, limit: int, now: float, connection: sqlite3.Connection) -> Received:
        if now >= self._expiry_check_at:
            self._expiry_check_at = now + EXPIRY_CHECK_SECONDS
            self._queue.expire(connection, now=now)
        return self._queue.receive(connection, limit=limit, now=now)

    def _undo(self, connection: sqlite3.Connection, received: Received) -> None:
        receipts = [record.receipt_handle for record in received.records]
        self._queue.give_back(connection, receipts, now=self._database.clock.time())

    async def _hide(self, receipts: Sequence[str], seconds: float) -> list[str]:
        """Returns the receipts that are not in flight."""
        now = self._database.clock.time()

        def work(connection: sqlite3.Connection) -> list[str]:
            return [
                receipt for receipt in receipts if not self._queue.hide(connection, receipt, seconds=seconds, now=now)
            ]

        return await self._database.run(work)


class LocalQueueSink:
    """A DestinationSink that sends to one queue. ``checked`` makes what the queue stores; it raises
    InvalidMessageError if the service would refuse the message."""

    def __init__(
        self, database: Database, queue: Queue, checked: Callable[[Queue, OutboundMessage], NewMessage]
    ) -> None:
        self._database = database
        self._queue = queue
        self._checked = checked
        self._sends = database.lane(self._send_all)

    @property
    def arn(self) -> str:
        return self._queue.arn

    async def send(self, message: OutboundMessage) -> None:
        await self._sends.run(self._checked(self._queue, message))
        self._database.notify(queue_channel(self._queue.name))

    async def aclose(self) -> None:
        """Nothing to give up."""

    def _send_all(self, connection: sqlite3.Connection, new: list[NewMessage]) -> list[None]:
        now = self._database.clock.time()
        for message in new:
            self._queue.send(connection, message, now=now)
        return [None] * len(new)


def new_message(queue: Queue, message: OutboundMessage, *, content_based: bool = False) -> NewMessage:
    """What the queue stores; ``content_based`` deduplication is an option of FIFO queues.

    Raises InvalidMessageError if SQS would refuse the message.
    """
    resource = queue.resource
    body = messages.message_text(resource, message)
    attributes = json.dumps(messages.wire_attributes(message.attributes)) if message.attributes else None
    if not queue.fifo:
        if message.deduplication_id is not None:
            raise InvalidMessageError(resource, "deduplication_id is for FIFO queues; this is a standard queue")
        delay = message.delay_seconds or None
        return NewMessage(body, attributes, message.group_id, None, delay)
    messages.check_fifo(resource, message)
    identifier = messages.deduplication_id(resource, message, content_based=content_based)
    return NewMessage(body, attributes, message.group_id, identifier)
