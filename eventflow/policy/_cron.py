"""The six-field cron dialect of EventBridge, and the search for the next local time that it names."""

from __future__ import annotations

import calendar
from bisect import bisect_left
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2199

DayRule: TypeAlias = "Callable[[int, int], set[int]]"
"""The days of a month (year, month) that a field names."""


class ReasonError(ValueError):
    """Why an expression does not parse; the text says what would be right."""


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    names: Mapping[str, int]


def _names(text: str) -> dict[str, int]:
    return {name: number for number, name in enumerate(text.split(), start=1)}


_MINUTE: Final = _Field("minutes", 0, 59, {})
_HOUR: Final = _Field("hours", 0, 23, {})
_DAY: Final = _Field("day-of-month", 1, 31, {})
_MONTH: Final = _Field("month", 1, 12, _names("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"))
_WEEKDAY: Final = _Field("day-of-week", 1, 7, _names("SUN MON TUE WED THU FRI SAT"))
_YEAR: Final = _Field("year", FIRST_YEAR, LAST_YEAR, {})


class Cron(NamedTuple):
    """A parsed cron expression: sorted values per field, and rules for the days of a month."""

    minutes: Sequence[int]
    hours: Sequence[int]
    months: Sequence[int]
    years: Sequence[int]
    day_rules: Sequence[DayRule]

    def days(self, year: int, month: int) -> list[int]:
        return sorted(set().union(*(rule(year, month) for rule in self.day_rules)))

    def local_times(self, start: datetime) -> Iterator[datetime]:
        """Every matching local time from ``start`` (naive, whole minutes) on, ascending."""
        for year, month, day in self._dates(start):
            today = (year, month, day) == (start.year, start.month, start.day)
            first_hour = start.hour if today else 0
            for hour in self.hours[bisect_left(self.hours, first_hour) :]:
                first_minute = start.minute if today and hour == start.hour else 0
                for minute in self.minutes[bisect_left(self.minutes, first_minute) :]:
                    yield datetime(year, month, day, hour, minute)  # noqa: DTZ001 - a local time has no zone yet

    def _dates(self, start: datetime) -> Iterator[tuple[int, int, int]]:
        for year in self.years[bisect_left(self.years, start.year) :]:
            first_month = start.month if year == start.year else 1
            for month in self.months[bisect_left(self.months, first_month) :]:
                first_day = start.day if (year, month) == (start.year, start.month) else 1
                days = self.days(year, month)
                for day in days[bisect_left(days, first_day) :]:
                    yield year, month, day


def parse_cron(text: str) -> Cron:
    """Parse the six fields between the parentheses of ``cron(...)``. Raises ReasonError."""
    fields = text.split()
    if len(fields) != 6:
        raise ReasonError(
            f"it has {len(fields)} fields; six are needed: minutes hours day-of-month month day-of-week year, "
            "e.g. cron(0 12 * * ? *)"
        )
    minutes, hours, days, months, weekdays, years = (field.upper() for field in fields)
    if (days == "?") == (weekdays == "?"):
        raise ReasonError("exactly one of day-of-month and day-of-week must be ?")
    return Cron(
        minutes=_values(minutes, _MINUTE),
        hours=_values(hours, _HOUR),
        months=_values(months, _MONTH),
        years=_values(years, _YEAR),
        day_rules=_weekday_rules(weekdays) if days == "?" else [_day_rule(part) for part in days.split(",")],
    )


def _values(text: str, field: _Field) -> list[int]:
    return sorted({value for part in text.split(",") for value in _part(part, field)})


def _part(text: str, field: _Field) -> range:
    """``*``, ``5``, ``1-5``, ``*/10``, ``3/10`` or ``1-30/10``."""
    base, slash, step_text = text.partition("/")
    step = _step(step_text, field) if slash else 1
    if base == "*":
        return range(field.low, field.high + 1, step)
    first_text, dash, last_text = base.partition("-")
    first = _value(first_text, field)
    last = _value(last_text, field) if dash else (field.high if slash else first)
    if last < first:
        raise ReasonError(f"the {field.name} range {base} runs backwards; write it as two, e.g. {_split(field, base)}")
    return range(first, last + 1, step)


def _split(field: _Field, base: str) -> str:
    first, _, last = base.partition("-")
    ends = {number: name for name, number in field.names.items()}
    return f"{first}-{ends.get(field.high, field.high)},{ends.get(field.low, field.low)}-{last}"


def _value(text: str, field: _Field) -> int:
    if text in field.names:
        return field.names[text]
    if text.isascii() and text.isdecimal() and len(text) <= 4 and field.low <= int(text) <= field.high:
        return int(text)
    names = f" or {next(iter(field.names))}-{list(field.names)[-1]}" if field.names else ""
    raise ReasonError(f"{text!r} is not a value of {field.name}: {field.low}-{field.high}{names}")


def _step(text: str, field: _Field) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= field.high:
        return int(text)
    raise ReasonError(f"{text!r} is not a step of {field.name}: a whole number from 1 to {field.high}")


def _day_rule(text: str) -> DayRule:
    """One item of day-of-month: ``L`` is the last day, ``15W`` the weekday nearest to the 15th."""
    if text == "L":
        return lambda year, month: {_last_day(year, month)}
    if text == "LW":
        return lambda year, month: {_nearest_weekday(year, month, _last_day(year, month))}
    if text.endswith("W"):
        day = _value(text[:-1], _DAY)
        return lambda year, month: {_nearest_weekday(year, month, day)} if day <= _last_day(year, month) else set()
    days = _part(text, _DAY)
    return lambda year, month: {day for day in days if day <= _last_day(year, month)}


def _weekday_rules(text: str) -> list[DayRule]:
    parts = text.split(",")
    if "#" in text and len(parts) > 1:
        raise ReasonError("a day-of-week with # must be alone, e.g. 3#2 for the second Tuesday")
    return [_weekday_rule(part) for part in parts]


def _weekday_rule(text: str) -> DayRule:
    """One item of day-of-week: ``6L`` is the last Friday, ``3#2`` the second Tuesday, ``L`` alone Saturday."""
    if "#" in text:
        day_text, _, number_text = text.partition("#")
        weekday = _value(day_text, _WEEKDAY)
        if number_text not in {"1", "2", "3", "4", "5"}:
            raise ReasonError(f"{text!r} asks for occurrence {number_text!r} in a month: 1-5")
        number = int(number_text)
        return lambda year, month: set(_weekdays(year, month, weekday)[number - 1 : number])
    if text.endswith("L") and text != "L":
        weekday = _value(text[:-1], _WEEKDAY)
        return lambda year, month: {_weekdays(year, month, weekday)[-1]}
    weekdays = [7] if text == "L" else _part(text, _WEEKDAY)
    return lambda year, month: {day for weekday in weekdays for day in _weekdays(year, month, weekday)}


def _last_day(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]


def _weekdays(year: int, month: int, weekday: int) -> range:
    """The days of a month that fall on ``weekday`` (1 is Sunday)."""
    first_is, length = calendar.monthrange(year, month)
    python_weekday = (weekday + 5) % 7  # Python counts from Monday as 0
    return range(1 + (python_weekday - first_is) % 7, length + 1, 7)


def _nearest_weekday(year: int, month: int, day: int) -> int:
    """The weekday nearest to ``day`` that is in the same month."""
    match calendar.weekday(year, month, day):
        case calendar.SATURDAY:
            return day - 1 if day > 1 else day + 2
        case calendar.SUNDAY:
            return day + 1 if day < _last_day(year, month) else day - 2
        case _:
            return day
