"""Events of the asynchronous model as messages of a queue, and back.

The body of a message is the event's payload, as it is, for people to read; the rest is in attributes. A payload that
a queue would not take as text (its characters, its size) is packed into a binary attribute instead.
"""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from eventflow.errors import InvalidMessageError
from eventflow.model import limits
from eventflow.model.deliveries import decode_deliveries, encode_deliveries
from eventflow.model.destinations import OutboundMessage
from eventflow.model.invocation import QueuedEvent
from eventflow_aws.sqs.attributes import attributes_size

if TYPE_CHECKING:
    from eventflow.model.records import QueueRecord

EVENT: Final = "eventflow.event"
"""JSON text: what is known of the event beside its payload. What lacks it is no event."""
DELIVERIES: Final = "eventflow.deliveries"
PACKED: Final = "eventflow.packed"
"""Payload and deliveries, one behind the other, compressed."""
VERSION: Final = 1

PACKED_BODY: Final = "(the event is in the attributes of this message)"
MAXIMUM_UNPACKED_BYTES: Final = 64 * limits.MEBIBYTE

_HEADER_FIELDS: Final = (
    "request_id",
    "function_name",
    "source",
    "accepted_at",
    "due_at",
    "attempt",
    "backoffs",
    "delivery_attempt",
)
_REFUSED: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""Source: SQS API: SendMessage: MessageBody."""


def to_message(resource: str, event: QueuedEvent, *, delay_seconds: float) -> OutboundMessage:
    """An event as a message of at most 1 MiB.

    What is too large is compressed. If an event that only waits for its deliveries is still too large, it goes without
    its payload, which nobody will need. Raises InvalidMessageError if all of that does not help.
    """
    message = _plain(event, delay_seconds) or _packed(event, delay_seconds)
    if _size(message) > limits.SQS_MESSAGE_BYTES and event.deliveries:
        message = _packed(replace(event, payload=b"null"), delay_seconds)
    if _size(message) > limits.SQS_MESSAGE_BYTES:
        what = f"event {event.request_id} of {event.function_name} has {_size(message):,} bytes when it is compressed"
        raise InvalidMessageError(resource, f"{what}; {limits.SQS_MESSAGE_BYTES:,} are allowed")
    return message


def to_event(record: QueueRecord) -> QueuedEvent | None:
    """The event in a message that was received; ``None`` if there is none that this version can read."""
    try:
        return _event(record)
    except (KeyError, TypeError, ValueError, zlib.error):
        return None


def _plain(event: QueuedEvent, delay_seconds: float) -> OutboundMessage | None:
    """``None`` if the event does not fit, or its payload is not text that a queue takes."""
    try:
        text = event.payload.decode()
    except UnicodeDecodeError:
        return None
    if not text or _REFUSED.search(text):
        return None
    attributes = {EVENT: _header(event)}
    if event.deliveries:
        attributes[DELIVERIES] = encode_deliveries(event.deliveries)
    message = OutboundMessage(body=event.payload, attributes=attributes, delay_seconds=delay_seconds)
    return message if _size(message) <= limits.SQS_MESSAGE_BYTES else None


def _packed(event: QueuedEvent, delay_seconds: float) -> OutboundMessage:
    deliveries = encode_deliveries(event.deliveries).encode() if event.deliveries else b""
    return OutboundMessage(
        body=PACKED_BODY.encode(),
        attributes={
            EVENT: _header(event, payload_bytes=len(event.payload)),
            PACKED: zlib.compress(event.payload + deliveries),
        },
        delay_seconds=delay_seconds,
    )


def _header(event: QueuedEvent, **more: int) -> str:
    fields = {name: getattr(event, name) for name in _HEADER_FIELDS}
    return json.dumps({"version": VERSION, **fields, **more})


def _event(record: QueueRecord) -> QueuedEvent:
    header: dict[str, Any] = json.loads(record.message_attributes[EVENT]["stringValue"])
    version = header.pop("version")
    if version != VERSION:
        raise ValueError(f"version {version} of an event's message is not known here")
    payload_bytes = header.pop("payload_bytes", None)
    if payload_bytes is None:
        payload = record.body.encode() if isinstance(record.body, str) else record.body
        deliveries = record.message_attributes.get(DELIVERIES, {}).get("stringValue", "")
    else:
        content = _unpacked(b64decode(record.message_attributes[PACKED]["binaryValue"]))
        payload, deliveries = content[:payload_bytes], content[payload_bytes:]
    return QueuedEvent(**header, payload=payload, deliveries=decode_deliveries(deliveries) if deliveries else ())


def _unpacked(packed: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    content = unpacking.decompress(packed, MAXIMUM_UNPACKED_BYTES)
    if not unpacking.eof:
        raise ValueError("a packed event is cut off, or larger than any event can be")
    return content


def _size(message: OutboundMessage) -> int:
    return len(message.body) + attributes_size(message.attributes)
