"""Handles on a test app's resources: send to them, and look at what arrived."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
from pydantic import BaseModel

from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.mapping import BatchSettings, StartingPosition, StreamMapping
from eventflow.model.subscriptions import QueueSubscription, StreamSubscription

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eventflow.model.records import Assignment, PartitionId, QueueRecord, StreamRecord
    from eventflow.ports import Adapter

READER = "eventflow-testing"
"""The subscriber under which a test reads; it takes nothing away from the app's own."""


def as_body(data: Any) -> bytes:
    """Bytes as they are, text encoded, models and other values as JSON."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, BaseModel):
        return data.model_dump_json(by_alias=True).encode()
    return json.dumps(data).encode()


class Resource:
    """One resource of the environment, by its logical name."""

    def __init__(self, adapter: Adapter, service: Service, name: str) -> None:
        self._adapter = adapter
        self._service = service
        self._name = name

    async def _send(self, message: OutboundMessage) -> None:
        sink = await self._adapter.sink(Destination(self._service, self._name))
        try:
            await sink.send(message)
        finally:
            await sink.aclose()


class _Queue(Resource):
    """A queue of any service."""

    async def receive(self, maximum: int = 10) -> list[QueueRecord]:
        """Take up to ``maximum`` visible messages off the queue: a destination's, or a dead-letter queue's."""
        subscription = QueueSubscription(service=self._service, name=self._name, subscriber=READER)
        source = await self._adapter.queue_source(subscription)
        try:
            records: list[QueueRecord] = []
            while len(records) < maximum:
                found = await source.receive(max_records=min(10, maximum - len(records)), wait_seconds=0)
                if not found:
                    break
                await source.delete([record.receipt_handle for record in found])
                records += found
            return records
        finally:
            await source.aclose()


class TestQueue(_Queue):
    """An SQS queue."""

    __test__ = False

    async def send(
        self,
        body: Any,
        *,
        attributes: Mapping[str, str | int | bytes] | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        delay_seconds: float = 0,
    ) -> None:
        """Send one message. Raises InvalidMessageError for what SQS would refuse."""
        await self._send(
            OutboundMessage(
                body=as_body(body),
                attributes=attributes or {},
                group_id=group_id,
                deduplication_id=deduplication_id,
                delay_seconds=delay_seconds,
            )
        )


class TestMessageQueue(_Queue):
    """A queue of RabbitMQ or ActiveMQ. ``attributes`` are headers or properties; ``correlation_id`` among them is the
    message's own."""

    __test__ = False

    async def send(
        self, body: Any, *, attributes: Mapping[str, str | int | bytes] | None = None, delay_seconds: float = 0
    ) -> None:
        """Send one message."""
        await self._send(OutboundMessage(body=as_body(body), attributes=attributes or {}, delay_seconds=delay_seconds))


class TestTopic(Resource):
    """An SNS topic."""

    __test__ = False

    async def publish(
        self,
        message: Any,
        *,
        subject: str | None = None,
        attributes: Mapping[str, str | int | bytes] | None = None,
    ) -> None:
        """Publish one message."""
        await self._send(OutboundMessage(body=as_body(message), subject=subject, attributes=attributes or {}))


class TestBus(Resource):
    """An EventBridge bus."""

    __test__ = False

    async def put(self, detail: Any, *, source: str, detail_type: str, resources: Sequence[str] = ()) -> None:
        """Put one event."""
        await self._send(
            OutboundMessage(body=as_body(detail), source=source, detail_type=detail_type, resources=tuple(resources))
        )


class TestBucket(Resource):
    """An S3 bucket."""

    __test__ = False

    async def put(self, key: str, body: Any = b"") -> None:
        """Put one object."""
        await self._send(OutboundMessage(body=as_body(body), key=key))

    async def delete(self, key: str) -> None:
        """Delete one object."""
        await self._send(OutboundMessage(body=b"", key=key, attributes={"operation": "delete"}))


class TestTable(Resource):
    """A DynamoDB table."""

    __test__ = False

    async def put(self, item: Any) -> None:
        """Put one item; plain JSON values."""
        await self._send(OutboundMessage(body=as_body(item)))

    async def delete(self, key: Any) -> None:
        """Delete the item with this key."""
        await self._send(OutboundMessage(body=as_body(key), attributes={"operation": "delete"}))


class TestCollection(Resource):
    """A DocumentDB collection. Documents are JSON values, in MongoDB's extended JSON where they have to be."""

    __test__ = False

    async def insert(self, document: Any) -> None:
        """Insert one document; without an ``_id`` it gets one."""
        await self._change("insert", document)

    async def replace(self, document: Any) -> None:
        """Put a document into the place of the one with its ``_id``, if there is one."""
        await self._change("replace", document)

    async def update(self, id: Any, **fields: Any) -> None:
        """Set fields of the document with this ``_id``, if there is one."""
        await self._change("update", {**fields, "_id": id})

    async def delete(self, id: Any) -> None:
        """Delete the document with this ``_id``, if there is one."""
        await self._change("delete", {"_id": id})

    async def _change(self, operation: str, document: Any) -> None:
        await self._send(OutboundMessage(body=as_body(document), attributes={"operation": operation}))


class TestStream(Resource):
    """A Kinesis stream or a Kafka topic."""

    __test__ = False

    async def put(
        self, data: Any, *, key: str | None = None, headers: Mapping[str, str | int | bytes] | None = None
    ) -> None:
        """Put one record. ``key`` is the partition key; ``headers`` are Kafka's."""
        await self._send(OutboundMessage(body=as_body(data), key=key, attributes=headers or {}))

    async def read(self) -> list[StreamRecord]:
        """Every record of the stream, partition by partition."""
        mapping = StreamMapping(batch=BatchSettings(batch_size=100), starting_position=StartingPosition.TRIM_HORIZON)
        subscription = StreamSubscription(service=self._service, name=self._name, subscriber=READER, mapping=mapping)
        source = await self._adapter.stream_source(subscription)
        try:
            return await _read_all(source)
        finally:
            await source.aclose()


async def _read_all(source: Any) -> list[StreamRecord]:
    assigned = _Assigned()
    records: list[StreamRecord] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(source.run, assigned)
        await assigned.known.wait()
        for partition in assigned.partitions:
            while True:
                read = await source.read(partition, max_records=1_000, wait_seconds=0)
                records += read.records
                if not read.records:
                    break
        tasks.cancel_scope.cancel()
    return records


class _Assigned:
    """A PartitionOwner that only remembers what it was given."""

    def __init__(self) -> None:
        self.known = anyio.Event()
        self.partitions: list[PartitionId] = []

    async def on_assigned(self, assignments: Sequence[Assignment]) -> None:
        self.partitions += [assignment.partition for assignment in assignments]
        self.known.set()

    async def on_revoked(self, partitions: Sequence[PartitionId]) -> None:
        return

    async def on_lost(self, partitions: Sequence[PartitionId]) -> None:
        return
