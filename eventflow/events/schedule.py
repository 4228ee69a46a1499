"""Scheduled events: EventBridge rules with a schedule, and EventBridge Scheduler without an input of its own.

Source: EventBridge guide: run Lambda on a schedule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import Field

from eventflow.events._base import EventModel
from eventflow.events._codec import EventCodec
from eventflow.events._wire import iso_seconds
from eventflow.model.destinations import Service

if TYPE_CHECKING:
    from eventflow.events._payload import UserData
    from eventflow.model.json import JsonObject

_SOURCES: Final = ("aws.events", "aws.scheduler")
_DETAIL_TYPE: Final = "Scheduled Event"


class ScheduledEvent(EventModel):
    """A clock struck. ``resources`` holds the ARN of the rule or schedule; Scheduler's ``detail`` is text."""

    version: str | None = None
    id: str
    detail_type: str = Field(alias="detail-type")
    source: str
    account: str
    time: str
    region: str
    resources: list[str]
    detail: dict[str, Any] | str

    @property
    def rule_name(self) -> str | None:
        """The name of the rule or schedule."""
        return self.resources[0].rpartition("/")[2] if self.resources else None


class ScheduleCodec(EventCodec):
    service: ClassVar[Service] = Service.SCHEDULE
    event_model: ClassVar[type[EventModel]] = ScheduledEvent

    def recognises(self, wire: JsonObject) -> bool:
        return wire.get("detail-type") == _DETAIL_TYPE and wire.get("source") in _SOURCES

    def payload(self, wire: JsonObject) -> UserData:
        detail: dict[str, Any] | str = wire["detail"]
        return detail


SCHEDULE = ScheduleCodec()


def scheduled_wire_event(*, event_id: str, rule_arn: str, account_id: str, time: float, region: str) -> JsonObject:
    """The event of a rule whose time has come. ``time`` is in epoch seconds."""
    return {
        "version": "0",
        "id": event_id,
        "detail-type": _DETAIL_TYPE,
        "source": _SOURCES[0],
        "account": account_id,
        "time": iso_seconds(time),
        "region": region,
        "resources": [rule_arn],
        "detail": {},
    }
