"""ActiveMQ's messages as records, and what is sent as ActiveMQ's messages.

Source: ActiveMQ documentation: AMQP; Lambda guide: with-mq.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from proton import Message, MessageException, symbol

from eventflow.errors import InvalidMessageError
from eventflow.events.activemq import message_headers
from eventflow.model.records import QueueRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventflow.model.destinations import OutboundMessage

MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""What the embedded environment takes, too."""
CORRELATION_ID: Final = "correlation_id"
"""The message attribute that becomes the correlation id instead of a property."""
QUEUE_PREFIX: Final = "queue://"
_TYPE: Final = symbol("x-opt-jms-msg-type")
_DELAY: Final = symbol("x-opt-delivery-delay")
_TEXT, _BYTES = 5, 3
_NAMES: Final = {0: "a message without a body", 1: "an ObjectMessage", 2: "a MapMessage", 4: "a StreamMessage"}
_LONG: Final = range(-(2**63), 2**63)


class UnsupportedMessageError(Exception):
    """Neither a TextMessage nor a BytesMessage, which are all that Lambda knows."""


def read(message: Message, *, queue: str, receipt: str, deliveries: int, now: float) -> QueueRecord:
    """A message as a record. Raises UnsupportedMessageError.

    Clients that speak AMQP need not give a message an id or a time; the broker adds none, so the receipt and ``now``
    stand in.
    """
    body, binary = _body(message)
    sent_at = message.creation_time or now
    headers = message_headers(
        _destination(message, queue),
        sent_at=sent_at,
        delivered_at=now,
        redelivered=deliveries > 1,
        binary=binary,
        correlation_id=_text_or_none(message.correlation_id),
        properties={name: _text(value) for name, value in _mapping(message.properties).items()},
    )
    headers["deliveryMode"] = 2 if message.durable else 1
    headers["replyTo"] = message.reply_to
    headers["type"] = message.subject
    headers["expiration"] = str(round(message.expiry_time * 1000))
    headers["priority"] = message.priority
    return QueueRecord(
        message_id=message_id(message) or f"ID:{receipt}",
        receipt_handle=receipt,
        body=body,
        receive_count=deliveries,
        group_id=None,
        attributes=headers,
        message_attributes={},
    )


def message_id(message: Message) -> str | None:
    """The id that its sender gave it, or the broker for clients that speak JMS or STOMP."""
    return _text_or_none(message.id)


def written(outbound: OutboundMessage, *, resource: str, identifier: str, now: float) -> Message:
    """What is sent: text as a TextMessage, anything else as a BytesMessage, kept on the broker's disk. Attributes
    become properties, which JMS allows no bytes in.

    Raises InvalidMessageError.
    """
    _check(outbound, resource)
    message = Message(durable=True, id=identifier, creation_time=now)
    try:
        message.body = outbound.body.decode()
    except UnicodeDecodeError:
        message.body, message.inferred = outbound.body, True  # as a data section
    properties = dict(outbound.attributes)
    correlation_id = properties.pop(CORRELATION_ID, None)
    if correlation_id is not None:
        message.correlation_id = str(correlation_id)
    message.properties = properties  # type: ignore[assignment]  # proton has it declared as always None
    if outbound.delay_seconds > 0:
        message.annotations = {_DELAY: round(outbound.delay_seconds * 1000)}
    return message


def encoded(message: Message, *, resource: str) -> bytes:
    """Its bytes on the wire. Raises InvalidMessageError."""
    try:
        data: bytes = message.encode()
    except (MessageException, UnicodeEncodeError) as exc:
        raise InvalidMessageError(resource, f"the message cannot be written: {exc}") from exc
    return data


def _check(outbound: OutboundMessage, resource: str) -> None:
    if len(outbound.body) > MESSAGE_BYTES:
        problem = f"the message has {len(outbound.body):,} bytes; {MESSAGE_BYTES:,} are allowed"
        raise InvalidMessageError(resource, problem)
    if outbound.delay_seconds < 0:
        raise InvalidMessageError(resource, f"delay_seconds is {outbound.delay_seconds:g}; it cannot be negative")
    for name, value in outbound.attributes.items():
        if isinstance(value, bytes):
            raise InvalidMessageError(resource, f"the property {name!r} is bytes; text and numbers are allowed")
        if isinstance(value, int) and value not in _LONG:
            raise InvalidMessageError(resource, f"the property {name!r} is {value}; 64 bits are allowed")


def _body(message: Message) -> tuple[str | bytes, bool]:
    """The body, and whether it is a BytesMessage's."""
    kind = _mapping(message.annotations).get(_TYPE)
    if kind is not None and int(kind) not in (_TEXT, _BYTES):
        raise UnsupportedMessageError(_NAMES.get(int(kind), f"a message of type {int(kind)}"))
    body = message.body
    if isinstance(body, str):
        return body, False
    if isinstance(body, bytes | memoryview):
        data = bytes(body)
        return data, kind is None or int(kind) == _BYTES
    if body is None and kind is not None:
        return b"", int(kind) == _BYTES
    raise UnsupportedMessageError(f"a message with a body of the type {type(body).__name__}")


def _destination(message: Message, queue: str) -> str:
    """The queue it was sent to, which a wildcard's subscriber learns only from the message."""
    address = message.address or ""
    return address.removeprefix(QUEUE_PREFIX) if address.startswith(QUEUE_PREFIX) else queue


def _mapping(value: Mapping[Any, Any] | None) -> Mapping[Any, Any]:
    return value or {}


def _text(value: object) -> str:
    """As Java writes it. The library's own numbers (``ulong``, ``float32`` ...) would name their type."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(int(value))
    return str(float(value)) if isinstance(value, float) else str(value)


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)
