"""What SQS takes as a message, and how its attributes look on the wire. Source: SQS API: SendMessage."""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from eventflow.errors import InvalidMessageError
from eventflow.model import limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from eventflow.model.destinations import OutboundMessage

Attribute: TypeAlias = "str | int | bytes"

MAXIMUM_ATTRIBUTES: Final = 10
MAXIMUM_DELAY_SECONDS: Final = 900

_FORBIDDEN: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ATTRIBUTE_NAME: Final = re.compile(r"(?!aws\.|amazon\.)(?!.*\.\.)(?!\.)[A-Za-z0-9_.-]{1,256}(?<!\.)", re.IGNORECASE)
_IDENTIFIER: Final = re.compile(r"[!-~]{1,128}")


def message_text(resource: str, message: OutboundMessage) -> str:
    """The body as text. Raises InvalidMessageError if the message is not one that SQS takes."""
    try:
        body = message.body.decode()
    except UnicodeDecodeError as error:
        raise InvalidMessageError(resource, f"the body is not UTF-8 text: {error}") from error
    for problem in _problems(body, message):
        raise InvalidMessageError(resource, problem)
    return body


def check_fifo(resource: str, message: OutboundMessage) -> None:
    """Raises InvalidMessageError if the message cannot be ordered."""
    if not message.group_id:
        raise InvalidMessageError(resource, "a FIFO queue needs a group_id with every message")
    if message.delay_seconds:
        raise InvalidMessageError(resource, "a FIFO queue takes no delay_seconds per message; set the queue's")


def deduplication_id(resource: str, message: OutboundMessage, *, content_based: bool) -> str:
    """What makes two messages of a FIFO queue the same one. Raises InvalidMessageError if nothing does."""
    if message.deduplication_id is not None:
        return message.deduplication_id
    if content_based:
        return sha256(message.body).hexdigest()
    raise InvalidMessageError(
        resource, "a FIFO queue needs a deduplication_id with every message, or content_based_deduplication"
    )


def wire_attributes(attributes: Mapping[str, Attribute]) -> dict[str, dict[str, Any]]:
    """Message attributes as SQS events carry them."""
    return {name: _wire_attribute(value) for name, value in attributes.items()}


def _wire_attribute(value: Attribute) -> dict[str, Any]:
    key = "binaryValue" if isinstance(value, bytes) else "stringValue"
    text = base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
    return {key: text, "stringListValues": [], "binaryListValues": [], "dataType": data_type(value)}


def data_type(value: Attribute) -> str:
    if isinstance(value, bytes):
        return "Binary"
    return "String" if isinstance(value, str) else "Number"


def attributes_size(attributes: Mapping[str, Attribute]) -> int:
    """Bytes that count towards a message's limit: names, types and values."""
    return sum(len(name.encode()) + len(data_type(value)) + _value_size(value) for name, value in attributes.items())


def _value_size(value: Attribute) -> int:
    return len(value if isinstance(value, bytes) else str(value).encode())


def _problems(body: str, message: OutboundMessage) -> Iterator[str]:
    if not body:
        yield "the body is empty; SQS wants at least one character"
    size = len(message.body) + attributes_size(message.attributes)
    if size > limits.SQS_MESSAGE_BYTES:
        yield f"body and attributes have {size:,} bytes; {limits.SQS_MESSAGE_BYTES:,} are allowed"
    if (character := _FORBIDDEN.search(body)) is not None:
        yield f"the body holds the character {character.group()!r}, which SQS does not take"
    if not 0 <= message.delay_seconds <= MAXIMUM_DELAY_SECONDS:
        yield f"delay_seconds is {message.delay_seconds:g}; 0 to {MAXIMUM_DELAY_SECONDS} are allowed"
    for name, value in (("group_id", message.group_id), ("deduplication_id", message.deduplication_id)):
        if value is not None and not _IDENTIFIER.fullmatch(value):
            yield f"{name} is {value!r}; 1 to 128 letters, digits and punctuation are allowed"
    yield from attribute_problems(message.attributes)


def attribute_problems(attributes: Mapping[str, Attribute]) -> Iterator[str]:
    if len(attributes) > MAXIMUM_ATTRIBUTES:
        yield f"{len(attributes)} message attributes; {MAXIMUM_ATTRIBUTES} are allowed"
    for name, value in attributes.items():
        if not _ATTRIBUTE_NAME.fullmatch(name):
            yield f"the message attribute name {name!r} is not allowed"
        if value in ("", b""):
            yield f"the message attribute {name!r} is empty"
        if isinstance(value, str) and (character := _FORBIDDEN.search(value)) is not None:
            yield f"the message attribute {name!r} holds the character {character.group()!r}"
