"""EventBridge events. Source: EventBridge guide: events structure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic

from pydantic import Field

from eventflow.events._base import EventModel, PayloadModel, PayloadT
from eventflow.events._codec import EventCodec
from eventflow.events._wire import iso_seconds
from eventflow.events.schedule import SCHEDULE
from eventflow.model.destinations import Service

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.events._payload import UserData
    from eventflow.model.json import JsonObject


class EventBridgeEvent(PayloadModel[PayloadT], Generic[PayloadT]):
    """One event of a bus. ``detail`` is as on the wire; ``payload`` is it as the type in brackets.

    ``replay_name`` is set on events replayed from an archive.
    """

    version: str
    id: str
    detail_type: str = Field(alias="detail-type")
    source: str
    account: str
    time: str
    region: str
    resources: list[str]
    detail: dict[str, Any]
    replay_name: str | None = Field(default=None, alias="replay-name")

    def _user_data(self) -> UserData:
        return self.detail


class EventBridgeCodec(EventCodec):
    service: ClassVar[Service] = Service.EVENTBRIDGE
    event_model: ClassVar[type[EventModel]] = EventBridgeEvent
    payload_name: ClassVar[str | None] = "the event's detail"

    def recognises(self, wire: JsonObject) -> bool:
        """Every event of a bus but the scheduled ones, which are :data:`~eventflow.events.schedule.SCHEDULE`'s."""
        return "detail-type" in wire and "source" in wire and "detail" in wire and not SCHEDULE.recognises(wire)

    def payload(self, wire: JsonObject) -> UserData:
        detail: dict[str, Any] = wire["detail"]
        return detail


EVENTBRIDGE = EventBridgeCodec()


def eventbridge_wire_event(
    *,
    event_id: str,
    detail_type: str,
    source: str,
    account_id: str,
    time: float,
    region: str,
    resources: Sequence[str] = (),
    detail: JsonObject,
) -> JsonObject:
    """One event as a bus delivers it. ``time`` is in epoch seconds."""
    return {
        "version": "0",
        "id": event_id,
        "detail-type": detail_type,
        "source": source,
        "account": account_id,
        "time": iso_seconds(time),
        "region": region,
        "resources": list(resources),
        "detail": detail,
    }
