"""Message attributes, as SQS and SNS take them. Source: SQS guide: message metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from types_aiobotocore_sqs.type_defs import MessageAttributeValueTypeDef


def wire_attributes(attributes: Mapping[str, str | int | bytes]) -> dict[str, MessageAttributeValueTypeDef]:
    """Attributes with their types."""
    return {name: _wire_attribute(value) for name, value in attributes.items()}


def attributes_size(attributes: Mapping[str, str | int | bytes]) -> int:
    """Bytes that count towards a message's limit: names, types and values."""
    return sum(len(name.encode()) + len(_data_type(value)) + _value_size(value) for name, value in attributes.items())


def _wire_attribute(value: str | int | bytes) -> MessageAttributeValueTypeDef:
    if isinstance(value, bytes):
        return {"DataType": "Binary", "BinaryValue": value}
    return {"DataType": _data_type(value), "StringValue": str(value)}


def _data_type(value: str | int | bytes) -> str:
    if isinstance(value, bytes):
        return "Binary"
    return "String" if isinstance(value, str) else "Number"


def _value_size(value: str | int | bytes) -> int:
    return len(value if isinstance(value, bytes) else str(value).encode())
