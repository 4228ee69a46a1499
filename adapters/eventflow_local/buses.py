"""Buses as EventBridge has them: an event is copied to every rule whose pattern it matches."""

from __future__ import annotations

import json
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, NoReturn
from uuid import uuid4

from eventflow.errors import InvalidMessageError
from eventflow.events.eventbridge import eventbridge_wire_event
from eventflow.model import limits
from eventflow.model.partitions import partition_of
from eventflow.model.records import SourceIdentity
from eventflow.model.subscriptions import BusRule
from eventflow.policy.patterns import EventPattern
from eventflow_local import notifications
from eventflow_local.notifications import QueuedNotificationSource

if TYPE_CHECKING:
    import sqlite3

    from eventflow.model.destinations import OutboundMessage
    from eventflow.ports import AdapterSettings
    from eventflow_local.database import Database
    from eventflow_local.notifications import NotificationQueue

MAXIMUM_DETAIL_TYPE_CHARACTERS: Final = 128
MAXIMUM_SOURCE_CHARACTERS: Final = 256


def bus_arn(settings: AdapterSettings, name: str) -> str:
    return f"arn:{partition_of(settings.region)}:events:{settings.region}:{settings.account_id}:event-bus/{name}"


async def open_bus_source(
    queue: NotificationQueue, settings: AdapterSettings, rule: BusRule
) -> QueuedNotificationSource:
    """Add a rule to a bus. Raises InvalidEventPatternError if the pattern does not compile."""
    EventPattern(rule.pattern)
    identity = SourceIdentity(arn=bus_arn(settings, rule.name), region=settings.region, extras={})
    return QueuedNotificationSource(queue, await queue.register(rule), identity)


class LocalBusSink:
    """A DestinationSink that puts events on one bus."""

    def __init__(self, database: Database, settings: AdapterSettings, name: str) -> None:
        self._database = database
        self._settings = settings
        self._name = name
        self._arn = bus_arn(settings, name)

    @property
    def arn(self) -> str:
        return self._arn

    async def send(self, message: OutboundMessage) -> None:
        now = self._database.clock.time()
        event = self._event(message, now)
        for rule in await self._database.run(partial(self._put, event, now)):
            self._database.notify(notifications.channel(rule))

    async def aclose(self) -> None:
        """Nothing to give up."""

    def _event(self, message: OutboundMessage, now: float) -> dict[str, Any]:
        source, detail_type, detail = checked_entry(f"eventbridge:{self._name}", message)
        return eventbridge_wire_event(
            event_id=str(uuid4()),
            detail_type=detail_type,
            source=source,
            account_id=self._settings.account_id,
            time=now,
            region=self._settings.region,
            resources=message.resources,
            detail=detail,
        )

    def _put(self, event: dict[str, Any], now: float, connection: sqlite3.Connection) -> list[str]:
        """One copy per rule that matches, all in one transaction; returns those rules."""
        payload = json.dumps(event, ensure_ascii=False).encode()
        rules = notifications.registered(connection, BusRule, self._name)
        matching = [rule.id for rule in rules if _pattern(rule.subscription.pattern).matches(event)]
        for rule in matching:
            notifications.enqueue(connection, rule, payload, now)
        return matching


@lru_cache(256)
def _pattern(text: str) -> EventPattern:
    return EventPattern(text)


def checked_entry(resource: str, message: OutboundMessage) -> tuple[str, str, dict[str, Any]]:
    """Source, detail type and detail of an entry. Raises InvalidMessageError if EventBridge would refuse it.

    Source: EventBridge API: PutEvents.
    """
    source, detail_type = message.source, message.detail_type
    if not source or len(source) > MAXIMUM_SOURCE_CHARACTERS:
        raise InvalidMessageError(resource, f"an event needs a source of 1 to {MAXIMUM_SOURCE_CHARACTERS} characters")
    if source.startswith("aws."):
        raise InvalidMessageError(resource, f"the source {source!r} begins with 'aws.', which is kept for AWS")
    if not detail_type or len(detail_type) > MAXIMUM_DETAIL_TYPE_CHARACTERS:
        raise InvalidMessageError(
            resource, f"an event needs a detail_type of 1 to {MAXIMUM_DETAIL_TYPE_CHARACTERS} characters"
        )
    texts = (source, detail_type, *message.resources)
    size = len(message.body) + sum(len(text.encode()) for text in texts)
    if size > limits.EVENTBRIDGE_ENTRY_BYTES:
        raise InvalidMessageError(
            resource, f"the event has {size:,} bytes; {limits.EVENTBRIDGE_ENTRY_BYTES:,} are allowed"
        )
    return source, detail_type, _detail(resource, message.body)


def _detail(resource: str, body: bytes) -> dict[str, Any]:
    try:
        detail = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidMessageError(resource, f"the detail is not JSON: {error}") from error
    if not isinstance(detail, dict):
        raise InvalidMessageError(resource, f"the detail is a JSON {type(detail).__name__}; it has to be an object")
    return detail


def _refuse_constant(name: str) -> NoReturn:
    """Python reads NaN and Infinity; JSON has neither."""
    raise ValueError(f"{name} is not a JSON value")
