"""rate(), cron() and at(). Source: EventBridge guide and EventBridge Scheduler guide: schedule expressions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflow.errors import InvalidScheduleExpressionError
from eventflow.policy.schedules import parse_schedule


def epoch(text: str, timezone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(timezone)).timestamp()


def shown(when: float | None, timezone: str = "UTC") -> str | None:
    return None if when is None else datetime.fromtimestamp(when, tz=ZoneInfo(timezone)).strftime("%Y-%m-%dT%H:%M")


def runs(expression: str, after: str, count: int, *, timezone: str = "UTC") -> list[str | None]:
    """The next ``count`` runs, in the schedule's own time zone."""
    schedule = parse_schedule(expression, timezone=timezone)
    when: float | None = epoch(after, timezone)
    found = []
    for _ in range(count):
        assert when is not None
        when = schedule.next_after(when, anchor=0)
        found.append(shown(when, timezone))
    return found


def reason_of(expression: str, timezone: str = "UTC") -> str:
    with pytest.raises(InvalidScheduleExpressionError) as caught:
        parse_schedule(expression, timezone=timezone)
    assert caught.value.expression == expression
    return caught.value.reason


@pytest.mark.parametrize(
    ("expression", "interval"),
    [
        ("rate(1 minute)", 60),
        ("rate(5 minutes)", 300),
        ("rate(1 hour)", 3_600),
        ("rate(12 hours)", 43_200),
        ("rate(1 day)", 86_400),
        ("rate(7 days)", 604_800),
    ],
)
def test_a_rate_first_runs_one_interval_after_its_creation(expression: str, interval: float) -> None:
    schedule = parse_schedule(expression)
    assert schedule.next_after(1_000, anchor=1_000) == 1_000 + interval
    assert schedule.next_after(0, anchor=1_000) == 1_000 + interval
    assert schedule.next_after(1_000 + interval, anchor=1_000) == 1_000 + 2 * interval
    assert schedule.next_after(1_000 + 2.5 * interval, anchor=1_000) == 1_000 + 3 * interval


@given(st.floats(0, 4e9), st.floats(0, 4e9), st.integers(1, 1_000))
def test_a_rate_keeps_its_phase(anchor: float, after: float, minutes: int) -> None:
    schedule = parse_schedule(f"rate({minutes} minute{'s' if minutes > 1 else ''})")
    when = schedule.next_after(after, anchor=anchor)
    assert when is not None
    assert when > after
    assert when >= anchor + minutes * 60 - 1e-3
    assert when <= max(after, anchor) + minutes * 60 + 1e-3
    intervals = (when - anchor) / (minutes * 60)
    assert intervals == pytest.approx(round(intervals), abs=1e-6)


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("cron(0 12 * * ? *)", "2026-01-01T12:00", ["2026-01-02T12:00", "2026-01-03T12:00"]),
        ("cron(0 12 * * ? *)", "2026-01-01T11:59:59", ["2026-01-01T12:00"]),
        ("cron(15,45 10 * * ? *)", "2026-01-01T10:15", ["2026-01-01T10:45", "2026-01-02T10:15"]),
        ("cron(0/15 * * * ? *)", "2026-01-01T00:01", ["2026-01-01T00:15", "2026-01-01T00:30"]),
        ("cron(*/20 * * * ? *)", "2026-01-01T00:40", ["2026-01-01T01:00", "2026-01-01T01:20"]),
        ("cron(5/25 8-9 ? * MON-FRI *)", "2026-01-02T09:55", ["2026-01-05T08:05", "2026-01-05T08:30"]),
        ("cron(10-30/10 0 1 * ? *)", "2026-01-01T00:10", ["2026-01-01T00:20", "2026-01-01T00:30", "2026-02-01T00:10"]),
        ("cron(0 18 ? * MON-FRI *)", "2026-01-02T18:00", ["2026-01-05T18:00"]),
        ("cron(0 18 ? * 2,6 *)", "2026-01-01T00:00", ["2026-01-02T18:00", "2026-01-05T18:00"]),
        ("cron(0 0 ? * sun *)", "2026-01-01T00:00", ["2026-01-04T00:00"]),
        ("cron(0 0 ? * 1 *)", "2026-01-01T00:00", ["2026-01-04T00:00"]),
        ("cron(0 0 ? * L *)", "2026-01-01T00:00", ["2026-01-03T00:00"]),
        ("cron(0 8 1 * ? *)", "2026-01-01T08:00", ["2026-02-01T08:00"]),
        ("cron(0 0 31 * ? *)", "2026-01-31T00:00", ["2026-03-31T00:00", "2026-05-31T00:00"]),
        ("cron(0 0 1 JAN,JUL ? *)", "2026-01-01T00:00", ["2026-07-01T00:00", "2027-01-01T00:00"]),
        ("cron(0 0 1 1/3 ? *)", "2026-01-01T00:00", ["2026-04-01T00:00", "2026-07-01T00:00"]),
        ("cron(0 0 L * ? *)", "2026-01-31T00:00", ["2026-02-28T00:00", "2026-03-31T00:00"]),
        ("cron(0 0 L 2 ? *)", "2026-03-01T00:00", ["2027-02-28T00:00", "2028-02-29T00:00"]),
        ("cron(0 0 LW * ? *)", "2026-01-01T00:00", ["2026-01-30T00:00", "2026-02-27T00:00"]),
        ("cron(0 0 3W * ? *)", "2026-01-01T00:00", ["2026-01-02T00:00", "2026-02-03T00:00"]),
        ("cron(0 0 4W 1 ? *)", "2026-01-01T00:00", ["2026-01-05T00:00"]),
        ("cron(0 0 1W 8 ? 2026)", "2026-01-01T00:00", ["2026-08-03T00:00"]),
        ("cron(0 0 31W 5 ? 2026)", "2026-01-01T00:00", ["2026-05-29T00:00"]),
        ("cron(0 0 31W * ? *)", "2026-05-29T00:00", ["2026-07-31T00:00"]),
        ("cron(0 0 15,L * ? *)", "2026-01-15T00:00", ["2026-01-31T00:00", "2026-02-15T00:00"]),
        ("cron(15 10 ? * 6L *)", "2026-01-01T00:00", ["2026-01-30T10:15", "2026-02-27T10:15"]),
        ("cron(15 10 ? * FRIL *)", "2026-01-01T00:00", ["2026-01-30T10:15"]),
        ("cron(0 9 ? * 2#1 *)", "2026-01-05T09:00", ["2026-02-02T09:00"]),
        ("cron(0 9 ? * TUE#2 *)", "2026-01-01T00:00", ["2026-01-13T09:00"]),
        ("cron(0 9 ? * 5#5 *)", "2026-01-30T00:00", ["2026-04-30T09:00"]),
        ("cron(0 0 29 2 ? *)", "2026-01-01T00:00", ["2028-02-29T00:00", "2032-02-29T00:00"]),
        ("cron(0 0 29 2 ? *)", "2096-03-01T00:00", ["2104-02-29T00:00"]),
        ("cron(59 23 31 12 ? 2199)", "2026-01-01T00:00", ["2199-12-31T23:59", None]),
        ("cron(0 0 1 1 ? 2020-2030/5)", "2026-01-01T00:00", ["2030-01-01T00:00", None]),
        ("cron(0 0 1 1 ? 2020)", "2026-01-01T00:00", [None]),
        ("cron(0 0 30 2 ? *)", "2026-01-01T00:00", [None]),
        ("cron(0 0 1 1 ? *)", "2300-01-01T00:00", [None]),
        ("cron(0 0 ? 2 1#5 *)", "2026-01-01T00:00", ["2032-02-29T00:00"]),
    ],
)
def test_cron(expression: str, after: str, expected: list[str | None]) -> None:
    assert runs(expression, after, len(expected)) == expected


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("every day", "write rate(5 minutes), cron(0 12 * * ? *) or at(2026-12-24T18:00:00)"),
        ("rate(5 minutes", "write rate(5 minutes)"),
        ("rate(1 hours)", "write rate(1 hour)"),
        ("rate(5 hour)", "write rate(5 hours)"),
        ("rate(0 minutes)", "at least 1"),
        ("rate(-1 minutes)", "a whole number and minutes, hours or days"),
        ("rate(1.5 hours)", "a whole number and minutes, hours or days"),
        ("rate(5 seconds)", "a whole number and minutes, hours or days"),
        ("rate(five minutes)", "a whole number and minutes, hours or days"),
        ("cron(0 12 * * ?)", "it has 5 fields; six are needed"),
        ("cron(0 0 12 * * ? *)", "it has 7 fields; six are needed"),
        ("cron(0 12 * * * *)", "exactly one of day-of-month and day-of-week must be ?"),
        ("cron(0 12 ? * ? *)", "exactly one of day-of-month and day-of-week must be ?"),
        ("cron(60 12 * * ? *)", "'60' is not a value of minutes: 0-59"),
        ("cron(0 24 * * ? *)", "'24' is not a value of hours: 0-23"),
        ("cron(0 0 0 * ? *)", "'0' is not a value of day-of-month: 1-31"),
        ("cron(0 0 32 * ? *)", "'32' is not a value of day-of-month"),
        ("cron(0 0 1 13 ? *)", "'13' is not a value of month: 1-12 or JAN-DEC"),
        ("cron(0 0 ? * 0 *)", "'0' is not a value of day-of-week: 1-7 or SUN-SAT"),
        ("cron(0 0 ? * 8 *)", "'8' is not a value of day-of-week"),
        ("cron(0 0 ? * FOO *)", "'FOO' is not a value of day-of-week"),
        ("cron(0 0 1 * ? 1969)", "'1969' is not a value of year: 1970-2199"),
        ("cron(0 0 1 * ? 2200)", "'2200' is not a value of year"),
        ("cron(? 0 1 * ? *)", "'?' is not a value of minutes"),
        ("cron(0 L 1 * ? *)", "'L' is not a value of hours"),
        ("cron(0 0 ? * FRI-MON *)", "runs backwards; write it as two, e.g. FRI-SAT,SUN-MON"),
        ("cron(50-10 0 1 * ? *)", "runs backwards; write it as two, e.g. 50-59,0-10"),
        ("cron(0/0 0 1 * ? *)", "'0' is not a step of minutes: a whole number from 1 to 59"),
        ("cron(0/60 0 1 * ? *)", "'60' is not a step of minutes"),
        ("cron(0/ 0 1 * ? *)", "'' is not a step of minutes"),
        ("cron(1,,2 0 1 * ? *)", "'' is not a value of minutes"),
        ("cron(0 0 32W * ? *)", "'32' is not a value of day-of-month"),
        ("cron(0 0 ? * 3#6 *)", "occurrence '6' in a month: 1-5"),
        ("cron(0 0 ? * 3#1,4#2 *)", "a day-of-week with # must be alone"),
        ("cron(0 0 ? * 9L *)", "'9' is not a value of day-of-week"),
        ("at(2026-12-24)", "a time is written at(yyyy-mm-ddThh:mm:ss)"),
        ("at(2026-12-24T18:00)", "a time is written at(yyyy-mm-ddThh:mm:ss)"),
        ("at(2026-02-30T18:00:00)", "2026-02-30T18:00:00 is not a date and time"),
        ("rate(1 day)" + " " * 256, "256 are allowed"),
    ],
    ids=lambda text: text[:40],
)
def test_a_bad_expression_is_refused_with_what_would_be_right(expression: str, reason: str) -> None:
    assert reason in reason_of(expression)


@pytest.mark.parametrize("timezone", ["Mars/Olympus", "", "Europe", "../etc/passwd", "CET+1"])
def test_an_unknown_time_zone_is_refused(timezone: str) -> None:
    assert "is not the name of a time zone" in reason_of("rate(1 day)", timezone)


def test_cron_runs_in_its_time_zone() -> None:
    schedule = parse_schedule("cron(0 9 * * ? *)", timezone="America/New_York")
    assert shown(schedule.next_after(epoch("2026-01-15T00:00"), anchor=0)) == "2026-01-15T14:00"
    assert shown(schedule.next_after(epoch("2026-07-15T00:00"), anchor=0)) == "2026-07-15T13:00"


def test_a_local_time_that_the_clock_skips_does_not_run() -> None:
    assert runs("cron(30 2 * * ? *)", "2026-03-28T02:30", 1, timezone="Europe/Berlin") == ["2026-03-30T02:30"]
    assert runs("cron(0/30 * * * ? *)", "2026-03-29T01:30", 2, timezone="Europe/Berlin") == [
        "2026-03-29T03:00",
        "2026-03-29T03:30",
    ]


def test_a_local_time_that_the_clock_repeats_runs_once() -> None:
    schedule = parse_schedule("cron(30 2 * * ? *)", timezone="Europe/Berlin")
    first = schedule.next_after(epoch("2026-10-25T00:00"), anchor=0)
    assert shown(first) == "2026-10-25T00:30"
    assert shown(schedule.next_after(first or 0, anchor=0)) == "2026-10-26T01:30"
    between = epoch("2026-10-25T01:10")  # 02:10 for the second time
    assert shown(schedule.next_after(between, anchor=0)) == "2026-10-26T01:30"


def test_at_runs_once_in_its_time_zone() -> None:
    schedule = parse_schedule("at(2026-12-24T18:00:00)", timezone="Europe/Berlin")
    when = epoch("2026-12-24T17:00:00")
    assert schedule.next_after(0, anchor=0) == when
    assert schedule.next_after(when, anchor=0) is None


def test_at_a_time_that_never_comes_is_refused() -> None:
    assert "clocks skip that time" in reason_of("at(2026-03-29T02:30:00)", "Europe/Berlin")


fields = st.tuples(
    st.sampled_from(["0", "*", "0/7", "5,50", "10-20"]),
    st.sampled_from(["0", "*", "3/6", "1,23", "8-17"]),
    st.sampled_from(["* ?", "1 ?", "L ?", "29,31 ?", "? 1", "? 2-6", "? SUN,SAT"]),
    st.sampled_from(["*", "2", "1/5", "NOV-DEC"]),
)


def named(text: str, value: int, low: int, high: int) -> bool:
    """Whether a numeric cron field names ``value``, found by listing."""
    for part in text.split(","):
        base, _, step = part.partition("/")
        first, _, last = base.partition("-")
        start = low if first == "*" else int(first)
        end = high if first == "*" or (step and not last) else int(last or first)
        if value in range(start, end + 1, int(step or 1)):
            return True
    return False


def is_named(local: datetime, minute: str, hour: str, day: str, weekday: str, month: str) -> bool:
    months = {"NOV-DEC": "11-12"}.get(month, month)
    last_of_month = (local + timedelta(days=1)).day == 1
    day_fits = last_of_month if day == "L" else day == "?" or named(day, local.day, 1, 31)
    weekdays = {"SUN,SAT": "1,7"}.get(weekday, weekday)
    weekday_fits = weekday == "?" or named(weekdays, local.isoweekday() % 7 + 1, 1, 7)
    return (
        named(minute, local.minute, 0, 59)
        and named(hour, local.hour, 0, 23)
        and day_fits
        and weekday_fits
        and named(months, local.month, 1, 12)
    )


@given(fields, st.integers(0, 4_000_000_000), st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]))
def test_cron_agrees_with_looking_at_every_minute(field: tuple[str, str, str, str], after: int, timezone: str) -> None:
    minute, hour, days, month = field
    day, weekday = days.split()
    schedule = parse_schedule(f"cron({minute} {hour} {day} {month} {weekday} *)", timezone=timezone)
    when = schedule.next_after(after, anchor=0)
    zone = ZoneInfo(timezone)

    def runs_at(moment: datetime) -> bool:
        local = moment.astimezone(zone)
        return local.fold == 0 and is_named(local.replace(tzinfo=None), minute, hour, day, weekday, month)

    start = datetime.fromtimestamp(after - after % 60, tz=UTC)
    found = next(
        (moment for n in range(1, 2_000) if runs_at(moment := start + timedelta(minutes=n))),
        None,
    )
    assert when is not None
    if found is not None:
        assert when == found.timestamp()
    else:
        assert when > (start + timedelta(minutes=1_999)).timestamp()
        assert runs_at(datetime.fromtimestamp(when, tz=UTC))
