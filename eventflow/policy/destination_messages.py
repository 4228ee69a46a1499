"""What each kind of destination receives for an asynchronous invocation.

Source: Lambda guide: invocation-async-retain-records, invocation-async-add-dlq.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from eventflow.model import limits
from eventflow.model.destinations import Condition, Destination, OutboundMessage, Service

if TYPE_CHECKING:
    from eventflow.model.invocation import InvocationRecord

_RECORD_LIMITS: Final = {
    Service.SQS: limits.SQS_MESSAGE_BYTES,
    Service.SNS: limits.SNS_MESSAGE_BYTES,
    Service.EVENTBRIDGE: limits.EVENTBRIDGE_ENTRY_BYTES,
    Service.FUNCTION: limits.ASYNCHRONOUS_REQUEST_BYTES,
}
_ENVELOPE_BYTES: Final = 1024
"""What a service counts beside the record itself: attributes, source, detail type, resources."""
_NULL: Final = b"null"


def invocation_message(
    record: InvocationRecord,
    destination: Destination,
    *,
    function_name: str,
    destination_arn: str,
    unique: str,
) -> OutboundMessage:
    """The message that carries ``record``. ``unique`` is a UUID for the object key in S3."""
    body = _json(record.to_wire())
    if destination.service is Service.EVENTBRIDGE:
        result = "Success" if record.condition is Condition.SUCCESS else "Failure"
        return OutboundMessage(
            body=body,
            source="lambda",
            detail_type=f"Lambda Function Invocation Result - {result}",
            resources=(destination_arn, record.function_arn),
        )
    if destination.service is Service.S3:
        prefix = f"aws/lambda/async/{function_name}"
        return OutboundMessage(body=body, key=object_key(prefix, record.timestamp, unique))
    return OutboundMessage(body=body)


def fitting_record(record: InvocationRecord, destination: Destination) -> InvocationRecord:
    """The record as far as the destination can take it: without its request if it is too large, and without its
    response if it still is. What is left out is ``null``."""
    limit = _RECORD_LIMITS.get(destination.service)
    if limit is None:
        return record
    without_request = replace(record, request_payload=_NULL)
    for candidate in (record, without_request):
        if len(_json(candidate.to_wire())) <= limit - _ENVELOPE_BYTES:
            return candidate
    return replace(without_request, response=None if record.response is None else _NULL)


def object_key(prefix: str, timestamp: float, unique: str) -> str:
    """``<prefix>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<unique>``, in UTC."""
    moment = datetime.fromtimestamp(timestamp, tz=UTC)
    return f"{prefix}/{moment:%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{unique}"


def dead_letter_message(payload: bytes, *, request_id: str, error_code: int, error_message: str) -> OutboundMessage:
    """The message that carries an event to a dead-letter queue: the event as it was received, not a record."""
    cut = error_message.encode()[: limits.DEAD_LETTER_MESSAGE_BYTES].decode(errors="ignore")
    attributes: dict[str, str | int | bytes] = {"RequestID": request_id, "ErrorCode": error_code}
    # An event may be as large as a message may: better without the text than not at all.
    if cut and len(payload) + _ENVELOPE_BYTES + len(cut.encode()) <= limits.SQS_MESSAGE_BYTES:
        attributes["ErrorMessage"] = cut
    return OutboundMessage(body=payload, attributes=attributes)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
