"""Printing what was measured: a table per comparison, then each target and whether it was reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.measure import Results


@dataclass(frozen=True, slots=True)
class Target:
    """A goal of the design. ``value`` is ``None`` if a contender it needs is not there."""

    goal: str
    value: float | None
    limit: float
    at_least: bool = False

    @property
    def reached(self) -> bool:
        if self.value is None:
            return False
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        verdict = "not measured" if self.value is None else "reached" if self.reached else "MISSED"
        sign = "≥" if self.at_least else "≤"
        return f"{verdict:<12}  {self.goal}: {number(self.value)}  (goal {sign} {number(self.limit)})"


def at_least(goal: str, value: float | None, limit: float) -> Target:
    return Target(goal, value, limit, at_least=True)


def at_most(goal: str, value: float | None, limit: float) -> Target:
    return Target(goal, value, limit)


@dataclass(frozen=True, slots=True)
class Table:
    """One comparison. ``baseline`` is the contender whose ``judged_by`` figure is 1 in the last column."""

    title: str
    results: Results
    judged_by: str
    baseline: str

    def lines(self) -> Iterator[str]:
        headings = self._headings()
        rows = [("", *headings, f"÷ {self.baseline}")]
        for name in self.results.figures:
            spreads = [spread(self.results.values(name, heading)) for heading in headings]
            rows.append((name, *spreads, number(self.results.ratio(name, self.baseline, self.judged_by))))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        yield self.title
        for row in rows:
            first, *rest = (
                cell.ljust(width) if index == 0 else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            yield "  ".join(["", first, *rest]).rstrip()

    def _headings(self) -> list[str]:
        seen = [heading for rounds in self.results.figures.values() for figures in rounds for heading in figures]
        return list(dict.fromkeys(seen))


@dataclass(frozen=True, slots=True)
class Report:
    """What a benchmark hands back. ``remarks`` say what was left out, and how to have it."""

    tables: Sequence[Table]
    targets: Sequence[Target] = ()
    remarks: Sequence[str] = ()

    def lines(self) -> Iterator[str]:
        for table in self.tables:
            yield from table.lines()
            yield ""
        yield from map(str, self.targets)
        yield from (f"left out      {remark}" for remark in self.remarks)


def spread(values: Sequence[float]) -> str:
    """Median, and the smallest and largest value: ``31.2 (30.8..33.0)``."""
    if not values:
        return "-"
    middle = sorted(values)[len(values) // 2]
    return f"{number(middle)} ({number(min(values))}..{number(max(values))})"


def number(value: float | None) -> str:
    """Three significant digits, thousands set apart."""
    if value is None:
        return "-"
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{float(f'{value:.3g}'):g}"
