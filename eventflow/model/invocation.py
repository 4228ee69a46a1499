"""One invocation of one function, and the event waiting for one."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from eventflow.model.context import Context
    from eventflow.model.destinations import Condition, Destination, OutboundMessage


class InvocationType(StrEnum):
    """``X-Amz-Invocation-Type``. Source: Lambda API: Invoke."""

    REQUEST_RESPONSE = "RequestResponse"
    EVENT = "Event"
    DRY_RUN = "DryRun"


@dataclass(slots=True)
class Invocation:
    """What middleware sees of one call of a handler: the event as the source's codec built it, and the context.

    The event of a batch is a mapping, which is built when somebody looks at it.
    ``source`` is the service that caused it (``"sqs"``, ``"http"`` ...) or ``"direct"``.
    """

    function_name: str
    source: str
    event: Any
    context: Context


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingDelivery:
    """A message that a destination has not taken yet."""

    destination: Destination
    message: OutboundMessage


# Built once per asynchronous invocation on the hot path: frozen, it would cost six times as much to construct.
# Nobody assigns to it.
@dataclass(slots=True)
class QueuedEvent:
    """An event of the asynchronous model, from acceptance until its last destination has its record.

    ``request_id`` is the same on every attempt. ``payload`` is the event's JSON text. ``attempt`` counts runs
    of the handler that ended in a function error or success; ``backoffs`` counts throttles, which use up no
    attempt. Times are epoch seconds. ``deliveries`` is empty until the event is finished; afterwards the
    event only waits for these to be taken, and ``delivery_attempt`` counts the tries.
    ``source`` says which trigger's codec reads the payload (``"s3"`` ...), or ``"direct"``.
    """

    request_id: str
    function_name: str
    source: str
    payload: bytes
    accepted_at: float
    due_at: float
    attempt: int = 0
    backoffs: int = 0
    deliveries: tuple[PendingDelivery, ...] = ()
    delivery_attempt: int = 0

    def at(self, due_at: float, **changes: Any) -> Self:
        """A copy that is due at ``due_at``, with ``changes``."""
        return replace(self, due_at=due_at, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationRecord:
    """What destinations receive. Source: Lambda guide: invocation-async-retain-records.

    ``response`` is the handler's result or the error object as JSON text; ``None`` when nothing ran, and then
    the response keys are absent.
    """

    request_id: str
    function_arn: str
    condition: Condition
    approximate_invoke_count: int
    timestamp: float
    request_payload: bytes
    response: bytes | None = None
    function_error: bool = False
    executed_version: str = "$LATEST"

    def to_wire(self) -> dict[str, Any]:
        """The record as Lambda writes it, keys in Lambda's order."""
        wire: dict[str, Any] = {
            "version": "1.0",
            "timestamp": iso_milliseconds(self.timestamp),
            "requestContext": {
                "requestId": self.request_id,
                "functionArn": self.function_arn,
                "condition": str(self.condition),
                "approximateInvokeCount": self.approximate_invoke_count,
            },
            "requestPayload": json.loads(self.request_payload or b"{}"),
        }
        if self.response is not None:
            wire["responseContext"] = {"statusCode": 200, "executedVersion": self.executed_version}
            if self.function_error:
                wire["responseContext"]["functionError"] = "Unhandled"
            # A result may hold NaN and infinities, which are not JSON and which destinations refuse.
            wire["responsePayload"] = json.loads(self.response, parse_constant=lambda _: None)
        return wire


def iso_milliseconds(timestamp: float) -> str:
    """``2025-11-24T10:00:00.123Z`` for an epoch time in seconds."""
    moment = datetime.fromtimestamp(timestamp, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
