"""Pending deliveries as JSON text, so that they survive with their event. No pickle: the file is user input."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, TypeAlias

from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.invocation import PendingDelivery

if TYPE_CHECKING:
    from collections.abc import Iterable

Attribute: TypeAlias = "str | int | bytes"


def deliveries_to_json(deliveries: Iterable[PendingDelivery]) -> str:
    return json.dumps(
        [
            {
                "service": delivery.destination.service,
                "name": delivery.destination.name,
                "message": _message_to_json(delivery.message),
            }
            for delivery in deliveries
        ]
    )


def deliveries_from_json(text: str) -> tuple[PendingDelivery, ...]:
    return tuple(
        PendingDelivery(
            destination=Destination(Service(entry["service"]), entry["name"]),
            message=_message_from_json(entry["message"]),
        )
        for entry in json.loads(text)
    )


def _message_to_json(message: OutboundMessage) -> dict[str, Any]:
    fields = {name: getattr(message, name) for name in OutboundMessage.__slots__}
    attributes = {name: _attribute_to_json(value) for name, value in message.attributes.items()}
    key = None if message.key is None else _attribute_to_json(message.key)
    return fields | {"body": base64.b64encode(message.body).decode(), "attributes": attributes, "key": key}


def _message_from_json(fields: dict[str, Any]) -> OutboundMessage:
    attributes = {name: _attribute_from_json(value) for name, value in fields["attributes"].items()}
    key = None if fields["key"] is None else _attribute_from_json(fields["key"])
    decoded = {"body": base64.b64decode(fields["body"]), "attributes": attributes, "key": key}
    return OutboundMessage(**fields | decoded | {"resources": tuple(fields["resources"])})


def _attribute_to_json(value: Attribute) -> str | int | dict[str, str]:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _attribute_from_json(value: str | int | dict[str, str]) -> Attribute:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else value
