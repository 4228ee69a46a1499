"""Inboxes of sink cases for destinations that a source can read back."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from eventflow.model.destinations import Service
from eventflow.testing._listener import listening
from eventflow.testing._member import joined
from eventflow.testing._receiving import body_of, receive_exactly
from eventflow.testing.harness import Arrival

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eventflow.model.json import JsonObject
    from eventflow.model.records import QueueRecord, StreamRecord
    from eventflow.ports import NotificationSource, QueueSource
    from eventflow.testing.harness import Harness, NotificationHarness, StreamHarness


@dataclass(frozen=True, slots=True)
class QueueInbox:
    """Reads a queue, and deletes what it took."""

    harness: Harness
    source: QueueSource

    async def take(self, count: int) -> list[Arrival]:
        records = await receive_exactly(self.harness, self.source, count)
        await self.source.delete([record.receipt_handle for record in records])
        return [_queue_arrival(record) for record in records]


@dataclass(frozen=True, slots=True)
class NotificationInbox:
    """Listens to a topic, bus or bucket: ``source`` subscribed before anything was sent. Of objects it knows the
    keys only."""

    harness: NotificationHarness
    source: NotificationSource

    async def take(self, count: int) -> list[Arrival]:
        async with listening(self.harness, self.source) as listener:
            await listener.until(count)
            return [_event_arrival(self.harness.service, event) for event in listener.events]


@dataclass(frozen=True, slots=True)
class StreamInbox:
    """Reads a stream behind what it took before."""

    harness: StreamHarness
    name: str
    arrival: Callable[[StreamRecord], Arrival]

    async def take(self, count: int) -> list[Arrival]:
        async with joined(self.harness, await self.harness.open(self.name, subscriber="inbox")) as member:
            await member.until(lambda: bool(member.assignments), "it owns the partitions")
            records = await member.take(count)
            await member.commit(records)
            return [self.arrival(record) for record in records]


def _queue_arrival(record: QueueRecord) -> Arrival:
    attributes = {
        name: _typed(attribute["dataType"], attribute.get("binaryValue") or attribute.get("stringValue"))
        for name, attribute in record.message_attributes.items()
    }
    return Arrival(body=body_of(record), attributes=attributes)


def _event_arrival(service: Service, event: JsonObject) -> Arrival:
    if service is Service.S3:  # tells of the object, does not hold it
        return Arrival(body=b"", key=unquote_plus(event["Records"][0]["s3"]["object"]["key"]))
    if service is Service.EVENTBRIDGE:
        return Arrival(body=json.dumps(event["detail"]).encode())
    message = event["Records"][0]["Sns"]
    attributes: Mapping[str, JsonObject] = message["MessageAttributes"]
    return Arrival(
        body=message["Message"].encode(),
        subject=message["Subject"],
        attributes={name: _typed(attribute["Type"], attribute["Value"]) for name, attribute in attributes.items()},
    )


def _typed(kind: str, text: str) -> str | int | bytes:
    match kind:
        case "Binary":
            return base64.b64decode(text)
        case "Number":
            return int(text)
        case _:
            return text
