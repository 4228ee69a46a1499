"""Pending deliveries as JSON text, so that a store keeps them with their event. No pickle: stores are user input."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, TypeAlias

from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.invocation import PendingDelivery, QueuedEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Attribute: TypeAlias = "str | int | bytes"


def encode_deliveries(deliveries: Iterable[PendingDelivery]) -> str:
    """ASCII text that :func:`decode_deliveries` turns back into equal deliveries."""
    return json.dumps(
        [
            {
                "service": delivery.destination.service,
                "name": delivery.destination.name,
                "message": _encode_message(delivery.message),
            }
            for delivery in deliveries
        ]
    )


def decode_deliveries(text: str | bytes) -> tuple[PendingDelivery, ...]:
    return tuple(
        PendingDelivery(
            destination=Destination(Service(entry["service"]), entry["name"]),
            message=_decode_message(entry["message"]),
        )
        for entry in json.loads(text)
    )


def stored_event(fields: Sequence[Any]) -> QueuedEvent:
    """An event from what a store keeps of it: its fields in their order, the deliveries encoded if there are any."""
    request_id, function_name, source, payload, accepted_at, due_at, attempt, backoffs, deliveries, tries = fields
    return QueuedEvent(
        request_id=request_id,
        function_name=function_name,
        source=source,
        payload=payload,
        accepted_at=accepted_at,
        due_at=due_at,
        attempt=attempt,
        backoffs=backoffs,
        deliveries=decode_deliveries(deliveries) if deliveries else (),
        delivery_attempt=tries,
    )


def _encode_message(message: OutboundMessage) -> dict[str, Any]:
    fields = {name: getattr(message, name) for name in OutboundMessage.__slots__}
    attributes = {name: _encode_attribute(value) for name, value in message.attributes.items()}
    key = None if message.key is None else _encode_attribute(message.key)
    return fields | {"body": base64.b64encode(message.body).decode(), "attributes": attributes, "key": key}


def _decode_message(fields: dict[str, Any]) -> OutboundMessage:
    attributes = {name: _decode_attribute(value) for name, value in fields["attributes"].items()}
    key = None if fields["key"] is None else _decode_attribute(fields["key"])
    decoded = {"body": base64.b64decode(fields["body"]), "attributes": attributes, "key": key}
    return OutboundMessage(**fields | decoded | {"resources": tuple(fields["resources"])})


def _encode_attribute(value: Attribute) -> str | int | dict[str, str]:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _decode_attribute(value: str | int | dict[str, str]) -> Attribute:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else value
