"""Messages of SQS as records, with attributes as Lambda's events have them. Source: Lambda guide: with-sqs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from eventflow.model.records import QueueRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from types_aiobotocore_sqs.type_defs import MessageAttributeValueOutputTypeDef, MessageTypeDef


def queue_record(message: MessageTypeDef, *, fifo: bool) -> QueueRecord:
    """A message that was received with all its attributes. Groups order the records of FIFO queues only."""
    attributes = cast("Mapping[str, str]", message.get("Attributes") or {})
    message_attributes = message.get("MessageAttributes")
    return QueueRecord(
        message_id=message["MessageId"],
        receipt_handle=message["ReceiptHandle"],
        body=message["Body"],
        receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
        group_id=attributes.get("MessageGroupId") if fifo else None,
        attributes=attributes,
        message_attributes=_wire_attributes(message_attributes) if message_attributes else {},
    )


def _wire_attributes(attributes: Mapping[str, MessageAttributeValueOutputTypeDef]) -> dict[str, dict[str, Any]]:
    return {name: _wire_attribute(value) for name, value in attributes.items()}


def _wire_attribute(value: MessageAttributeValueOutputTypeDef) -> dict[str, Any]:
    wire: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if "BinaryValue" in value:
        return {"binaryValue": value["BinaryValue"], **wire}  # in Base64: see BLOBS_AS_TEXT
    return {"stringValue": value.get("StringValue", ""), **wire}
