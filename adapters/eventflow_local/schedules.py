"""Schedules: ``rate``, ``cron`` and ``at`` expressions that invoke a function.

A schedule begins when its function is first served, and is remembered: a restart neither repeats a time nor
shifts a rate. Times that pass while nobody serves the function are skipped, as EventBridge never makes up for
them. Processes that share a data directory fire once. Source: EventBridge guide: scheduled rules.
"""

from __future__ import annotations

import json
import math
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import NAMESPACE_URL, uuid5

import anyio

from eventflow.events.schedule import scheduled_wire_event
from eventflow.model.partitions import partition_of
from eventflow.model.records import SourceIdentity
from eventflow.policy.schedules import parse_schedule
from eventflow_local.alongside import alongside
from eventflow_local.notifications import channel, enqueue

if TYPE_CHECKING:
    import sqlite3

    from eventflow.model.subscriptions import ScheduleRule
    from eventflow.policy.schedules import Schedule
    from eventflow.ports import AdapterSettings, Deliver
    from eventflow_local.database import Database
    from eventflow_local.notifications import NotificationQueue

LATE_SECONDS: Final = 60.0
"""A time that passed longer ago is skipped. Source: EventBridge guide: rules fire within their minute."""
LOOK_SECONDS: Final = 60.0
"""How often a process looks at the clock, which jumps when a machine wakes up or its clock is set."""


async def open_schedule_source(
    database: Database, queue: NotificationQueue, settings: AdapterSettings, rule: ScheduleRule
) -> ScheduleSource:
    """Begin a schedule, or go on with one that is known. Raises InvalidScheduleExpressionError."""
    schedule = parse_schedule(rule.expression, timezone=rule.timezone)
    subscription = await queue.register(rule)
    anchor = await database.run(partial(_begin, subscription=subscription, now=database.clock.time()))
    timetable = Timetable(rule, subscription, schedule, anchor, settings)
    return ScheduleSource(database, queue, timetable)


class Timetable(NamedTuple):
    """When a rule fires and with which event. ``anchor`` is when it began (epoch seconds)."""

    rule: ScheduleRule
    subscription: str
    schedule: Schedule
    anchor: float
    settings: AdapterSettings

    @property
    def arn(self) -> str:
        region, account_id = self.settings.region, self.settings.account_id
        return f"arn:{partition_of(region)}:events:{region}:{account_id}:rule/{self.rule.name}"

    def next_after(self, last_time: float, *, now: float) -> float | None:
        """The next time that is neither settled nor too long ago."""
        return self.schedule.next_after(max(last_time, now - LATE_SECONDS), anchor=self.anchor)

    def payload(self, time: float) -> bytes:
        """What the function gets at ``time``: the rule's input, or a scheduled event."""
        if self.rule.input is not None:
            return self.rule.input.encode()
        event = scheduled_wire_event(
            event_id=str(uuid5(NAMESPACE_URL, f"{self.subscription} {time}")),
            rule_arn=self.arn,
            account_id=self.settings.account_id,
            time=time,
            region=self.settings.region,
        )
        return json.dumps(event).encode()


class ScheduleSource:
    """Fires one schedule and delivers its events."""

    def __init__(self, database: Database, queue: NotificationQueue, timetable: Timetable) -> None:
        settings = timetable.settings
        self.identity = SourceIdentity(arn=timetable.arn, region=settings.region, extras={})
        self._database = database
        self._queue = queue
        self._timetable = timetable
        self._subscription = timetable.subscription

    async def run(self, deliver: Deliver) -> None:
        async with alongside(self._fire_for_ever):
            await self._queue.run_source(self._subscription, deliver)

    async def backlog(self) -> int:
        return await self._queue.backlog(self._subscription)

    async def aclose(self) -> None:
        await self._queue.release(self._subscription)

    async def _fire_for_ever(self) -> None:
        # In memory the clock is the loop's own or nearly so; and hours of virtual time should not cost looks.
        longest_sleep = LOOK_SECONDS if self._database.path else math.inf
        while True:
            last_time = await self._database.run(self._last_time)
            now = self._database.clock.time()
            time = self._timetable.next_after(last_time, now=now)
            if time is None:
                await anyio.sleep_forever()
            elif time > now:
                await anyio.sleep(min(time - now, longest_sleep))
            elif await self._database.run(partial(self._fire, time=time, now=now)):
                self._database.notify(channel(self._subscription))

    def _last_time(self, connection: sqlite3.Connection) -> float:
        (time,) = connection.execute(
            "SELECT last_time FROM schedules WHERE subscription = ?", (self._subscription,)
        ).fetchone()
        return float(time)

    def _fire(self, connection: sqlite3.Connection, *, time: float, now: float) -> bool:
        """Settle ``time`` and store its event, in one step; false if another process has."""
        settled = connection.execute(
            "UPDATE schedules SET last_time = :time WHERE subscription = :subscription AND last_time < :time",
            {"time": time, "subscription": self._subscription},
        )
        if settled.rowcount == 0:
            return False
        enqueue(connection, self._subscription, self._timetable.payload(time), now)
        return True


def _begin(connection: sqlite3.Connection, *, subscription: str, now: float) -> float:
    """Remember that a schedule begins now, unless it has begun before; returns when it began."""
    connection.execute("INSERT INTO schedules VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (subscription, now, now))
    (anchor,) = connection.execute("SELECT anchor FROM schedules WHERE subscription = ?", (subscription,)).fetchone()
    return float(anchor)
