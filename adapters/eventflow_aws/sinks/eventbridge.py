"""Putting events on an EventBridge bus. Source: EventBridge API: PutEvents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventflow.errors import InvalidMessageError
from eventflow.model import limits
from eventflow_aws.coalescing import Coalescer
from eventflow_aws.faults import fault, translated
from eventflow_aws.outbound import checked_text, look, regional_arn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from types_aiobotocore_events import EventBridgeClient
    from types_aiobotocore_events.type_defs import PutEventsRequestEntryTypeDef

    from eventflow.errors import AdapterError
    from eventflow.model.destinations import OutboundMessage
    from eventflow_aws.environment import Environment

MAXIMUM_ENTRIES: Final = 10
REQUEST_BYTES: Final = 256 * 1024
"""What every Region takes in one request. A larger event goes alone, and the service decides."""
PUT_EVENTS: Final = "events:PutEvents"


async def open_bus_sink(env: Environment, name: str) -> BusSink:
    """Raises ResourceNotFoundError, UnavailableError, AdapterError."""
    resource = f"eventbridge:{name}"
    arn = await regional_arn(env, resource)
    client = await env.clients.events()
    with look(resource, "events:DescribeEventBus"):
        await client.describe_event_bus(Name=str(arn))
    return BusSink(client, resource, str(arn))


class BusSink:
    """A DestinationSink that puts events on one bus, many in one request."""

    def __init__(self, client: EventBridgeClient, resource: str, arn: str) -> None:
        self.arn = arn
        self._client = client
        self._resource = resource
        self._coalescer: Coalescer[PutEventsRequestEntryTypeDef, None] = Coalescer(
            resource, self._put_events, maximum_count=MAXIMUM_ENTRIES, maximum_bytes=REQUEST_BYTES
        )

    async def send(self, message: OutboundMessage) -> None:
        if not message.source or not message.detail_type:
            raise InvalidMessageError(self._resource, "an event needs a source and a detail_type")
        texts = (message.source, message.detail_type, *message.resources)
        size_bytes = len(message.body) + sum(len(text.encode()) for text in texts)
        limit_bytes = limits.EVENTBRIDGE_ENTRY_BYTES
        entry: PutEventsRequestEntryTypeDef = {
            "EventBusName": self.arn,
            "Source": message.source,
            "DetailType": message.detail_type,
            "Detail": checked_text(self._resource, message.body, size_bytes=size_bytes, limit_bytes=limit_bytes),
            "Resources": message.resources,
        }
        await self._coalescer.submit(entry, size_bytes=size_bytes)

    async def aclose(self) -> None:
        await self._coalescer.aclose()

    async def _put_events(self, entries: Sequence[PutEventsRequestEntryTypeDef]) -> list[AdapterError | None]:
        with translated(self._resource, PUT_EVENTS, sends=True):
            answer = await self._client.put_events(Entries=entries)
        return [self._result(entry.get("ErrorCode"), entry.get("ErrorMessage", "")) for entry in answer["Entries"]]

    def _result(self, code: str | None, message: str) -> AdapterError | None:
        return None if code is None else fault(self._resource, PUT_EVENTS, code, message, sends=True)
