"""Schedule expressions: ``rate(5 minutes)``, ``cron(0 12 * * ? *)``, ``at(2026-12-24T18:00:00)``.

Source: EventBridge guide: schedule expressions; EventBridge Scheduler guide: schedule types.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from eventflow.errors import InvalidScheduleExpressionError
from eventflow.policy._cron import LAST_YEAR, Cron, ReasonError, parse_cron

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNIT_SECONDS: Final[Mapping[str, int]] = {"minute": 60, "hour": 3_600, "day": 86_400}
_MAXIMUM_CHARACTERS: Final = 256
_END: Final = datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class RateSchedule:
    """Every ``seconds``, counted from the schedule's creation; first one interval after it."""

    seconds: int

    def next_after(self, after: float, *, anchor: float) -> float | None:
        """The first run later than ``after``; ``anchor`` is when the schedule was created (epoch seconds)."""
        passed = max(0, int((after - anchor) // self.seconds))
        when = anchor + (passed + 1) * self.seconds
        # Rounding of large floats may land on `after` itself.
        return when if when > after else when + self.seconds


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """At the local times that a cron expression names. A time that the clock skips in spring does not run; one
    that it repeats in autumn runs once, the first time."""

    cron: Cron
    timezone: ZoneInfo

    def next_after(self, after: float, *, anchor: float) -> float | None:
        """The first run later than ``after`` (epoch seconds); ``None`` if there is none until the end of 2199."""
        if after >= _END:
            return None
        local = datetime.fromtimestamp(max(after, 0.0), tz=self.timezone)
        for time in self.cron.local_times(local.replace(tzinfo=None, second=0, microsecond=0)):
            when = _instant(time, self.timezone)
            if when is not None and when > after:
                return when
        return None


@dataclass(frozen=True, slots=True)
class AtSchedule:
    """Once, at ``when`` (epoch seconds)."""

    when: float

    def next_after(self, after: float, *, anchor: float) -> float | None:
        """``when`` if it is later than ``after``, else ``None``."""
        return self.when if self.when > after else None


Schedule: TypeAlias = RateSchedule | CronSchedule | AtSchedule


def parse_schedule(expression: str, *, timezone: str = "UTC") -> Schedule:
    """Parse a schedule expression. ``timezone`` is an IANA name; cron and at expressions are in its local time.

    Raises InvalidScheduleExpressionError; its ``reason`` says what would be right.
    """
    if len(expression) > _MAXIMUM_CHARACTERS:
        raise InvalidScheduleExpressionError(
            expression, f"it has {len(expression)} characters; {_MAXIMUM_CHARACTERS} are allowed"
        )
    form = re.fullmatch(r"(rate|cron|at)\((.*)\)", expression)
    if form is None:
        raise InvalidScheduleExpressionError(
            expression, "write rate(5 minutes), cron(0 12 * * ? *) or at(2026-12-24T18:00:00)"
        )
    kind, text = form.groups()
    zone = _zone(expression, timezone)
    try:
        if kind == "rate":
            return _parse_rate(text)
        return CronSchedule(parse_cron(text), zone) if kind == "cron" else _parse_at(text, zone)
    except ReasonError as error:
        raise InvalidScheduleExpressionError(expression, str(error)) from error


def _zone(expression: str, timezone: str) -> ZoneInfo:
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        reason = f"{timezone!r} is not the name of a time zone, e.g. UTC or Europe/Berlin"
        raise InvalidScheduleExpressionError(expression, reason) from error


def _parse_rate(text: str) -> RateSchedule:
    form = re.fullmatch(r"([0-9]{1,9}) (minute|hour|day)(s?)", text)
    if form is None:
        raise ReasonError("a rate is a whole number and minutes, hours or days, e.g. rate(5 minutes) or rate(1 hour)")
    number, unit, plural = int(form[1]), form[2], form[3]
    if number < 1:
        raise ReasonError("a rate is at least 1")
    if (number == 1) == bool(plural):
        raise ReasonError(f"write rate({number} {unit}{'' if number == 1 else 's'})")
    return RateSchedule(number * _UNIT_SECONDS[unit])


def _parse_at(text: str, zone: ZoneInfo) -> AtSchedule:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}", text):
        raise ReasonError("a time is written at(yyyy-mm-ddThh:mm:ss), e.g. at(2026-12-24T18:00:00)")
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise ReasonError(f"{text} is not a date and time: {error}") from error
    when = _instant(time, zone)
    if when is None:
        raise ReasonError(f"{zone.key} has no {text}: its clocks skip that time")
    return AtSchedule(when)


def _instant(time: datetime, zone: ZoneInfo) -> float | None:
    """The epoch time of a local time, the first if there are two; ``None`` if clocks skip it."""
    when = time.replace(tzinfo=zone).timestamp()
    shown = datetime.fromtimestamp(when, tz=zone).replace(tzinfo=None, fold=0)
    return when if shown == time else None
