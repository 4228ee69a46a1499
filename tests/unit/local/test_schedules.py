"""Schedules, in memory and in a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from eventflow.errors import InvalidScheduleExpressionError
from eventflow.model.subscriptions import ScheduleRule
from eventflow.testing.virtual_time import VirtualClock
from eventflow_local.database import Database
from eventflow_local.notifications import NotificationQueue
from eventflow_local.owners import Owner
from eventflow_local.schedules import ScheduleSource, open_schedule_source
from eventflow_local.schema import NOTIFICATIONS, SCHEDULES
from tests.unit.local.log_workers import local_settings
from tests.unit.local.notified import Inbox, delivering

EVERY_TEN_MINUTES = ScheduleRule(name="tick", subscriber="report", expression="rate(10 minutes)")


class Process:
    """One process that serves schedules."""

    def __init__(self, database: Database, owner: Owner) -> None:
        self._database = database
        self._queue = NotificationQueue(database, owner)

    async def source(self, rule: ScheduleRule = EVERY_TEN_MINUTES) -> ScheduleSource:
        return await open_schedule_source(self._database, self._queue, local_settings(), rule)


@asynccontextmanager
async def process(directory: Path | None) -> AsyncIterator[Process]:
    owner = Owner.open(directory and directory / "processes")
    schema = NOTIFICATIONS + SCHEDULES
    database = await Database.open(directory and directory / "state.db", clock=VirtualClock(), schema=schema)
    try:
        yield Process(database, owner)
    finally:
        await database.aclose()
        owner.close()


@pytest.fixture(params=["memory", "file"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path if request.param == "file" else None


def times(inbox: Inbox) -> list[str]:
    return [event["time"][11:] for event in inbox.events]


async def until(minute: float) -> None:
    """A moment after ``minute`` minutes since the test began."""
    await anyio.sleep(minute * 60 + 0.5 - anyio.current_time())


async def test_a_rate_fires_first_one_interval_after_it_began(directory: Path | None) -> None:
    async with process(directory) as here, delivering(await here.source()) as inbox:
        await until(9)
        assert inbox.events == []
        await until(30)
        assert times(inbox) == ["00:10:00Z", "00:20:00Z", "00:30:00Z"]


async def test_the_event_is_eventbridges(directory: Path | None) -> None:
    async with process(directory) as here, delivering(await here.source()) as inbox:
        [event] = await inbox.until(1, within_seconds=3_600)
    assert event["source"] == "aws.events"
    assert event["detail-type"] == "Scheduled Event"
    assert event["resources"] == ["arn:aws:events:us-east-1:000000000000:rule/tick"]


async def test_the_rules_input_replaces_the_event(directory: Path | None) -> None:
    rule = replace(EVERY_TEN_MINUTES, input='{"job": [1, 2]}')
    async with process(directory) as here, delivering(await here.source(rule)) as inbox:
        assert await inbox.until(1, within_seconds=3_600) == [{"job": [1, 2]}]


async def test_a_restart_neither_repeats_nor_shifts(directory: Path | None) -> None:
    async with process(directory) as here:
        async with delivering(await here.source()) as before:
            await until(13)
        async with delivering(await here.source()) as after:
            await until(30)
    assert times(before) == ["00:10:00Z"]
    assert times(after) == ["00:20:00Z", "00:30:00Z"]


async def test_times_that_nobody_served_are_skipped(directory: Path | None) -> None:
    async with process(directory) as here:
        async with delivering(await here.source()):
            await until(12)
        await until(45)
        async with delivering(await here.source()) as inbox:
            await until(50)
    assert times(inbox) == ["00:50:00Z"]


async def test_a_time_missed_by_less_than_a_minute_is_made_up_for(directory: Path | None) -> None:
    """The length of a restart must not cost a run."""
    async with process(directory) as here:
        async with delivering(await here.source()):
            await until(9.9)
        await until(10.5)
        async with delivering(await here.source()) as inbox:
            await until(11)
    assert times(inbox) == ["00:10:00Z"]


async def test_cron_is_in_the_rules_timezone() -> None:
    rule = replace(EVERY_TEN_MINUTES, expression="cron(30 2 * * ? *)", timezone="Europe/Berlin")
    async with process(None) as here, delivering(await here.source(rule)) as inbox:
        await until(3 * 24 * 60)
    assert times(inbox) == ["01:30:00Z"] * 3


async def test_at_fires_once_and_never_again(directory: Path | None) -> None:
    rule = replace(EVERY_TEN_MINUTES, expression="at(2026-01-01T00:05:00)")
    async with process(directory) as here:
        async with delivering(await here.source(rule)) as inbox:
            await until(60)
        async with delivering(await here.source(rule)) as again:
            await until(120)
    assert times(inbox) == ["00:05:00Z"]
    assert again.events == []


async def test_a_changed_expression_begins_anew(directory: Path | None) -> None:
    async with process(directory) as here:
        async with delivering(await here.source()):
            await until(5)
        async with delivering(await here.source(replace(EVERY_TEN_MINUTES, expression="rate(1 hour)"))) as inbox:
            await until(66)
    assert times(inbox) == ["01:05:00Z"]


async def test_processes_on_one_directory_fire_once(tmp_path: Path) -> None:
    async with (
        process(tmp_path) as one,
        process(tmp_path) as two,
        delivering(await one.source()) as first,
        delivering(await two.source()) as second,
    ):
        await until(31)
    assert len(first.events) + len(second.events) == 3


async def test_two_functions_may_have_the_same_rule(directory: Path | None) -> None:
    async with process(directory) as here:
        one, two = await here.source(), await here.source(replace(EVERY_TEN_MINUTES, subscriber="other"))
        async with delivering(one) as first, delivering(two) as second:
            await until(11)
    assert times(first) == times(second) == ["00:10:00Z"]


async def test_an_event_that_was_not_taken_is_delivered_again(directory: Path | None) -> None:
    async with process(directory) as here:
        source = await here.source()
        async with anyio.create_task_group() as tasks:
            taking = anyio.Event()

            async def hang(_: bytes) -> None:
                taking.set()
                await anyio.sleep_forever()

            tasks.start_soon(source.run, hang)
            await taking.wait()
            tasks.cancel_scope.cancel()
        assert await source.backlog() == 1
        async with delivering(source) as inbox:
            await inbox.until(1)
    assert times(inbox) == ["00:10:00Z"]


async def test_an_expression_that_does_not_parse_is_refused() -> None:
    async with process(None) as here:
        with pytest.raises(InvalidScheduleExpressionError):
            await here.source(replace(EVERY_TEN_MINUTES, expression="rate(10 minute)"))
