"""Measuring contenders side by side.

Machines differ and are never quiet, so nothing here is judged by an absolute rate: contenders take turns, round
by round and in reverse order every other round, and a ratio compares figures of the same round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final, TypeAlias

RATE: Final = "items/s"
CPU: Final = "CPU µs/item"
"""User and system time of everything under test, divided by the items. The figure to trust on a busy machine."""
MILLISECONDS: Final = "ms"
MEGABYTES: Final = "RSS MB"

Figures: TypeAlias = Mapping[str, float]
"""What one round of one contender gave: a value per heading (:data:`RATE`, :data:`CPU` ...)."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to do: ``rounds`` per contender; ``scale`` multiplies every count and duration."""

    rounds: int = 5
    scale: float = 1.0

    def items(self, count: int) -> int:
        """``count`` items at scale 1."""
        return max(10, round(count * self.scale))


@dataclass(frozen=True, slots=True)
class Contender:
    """Something to measure. ``measure`` runs one round of it."""

    name: str
    measure: Callable[[], Figures]


@dataclass(slots=True)
class Results:
    """The figures of all contenders, in the order of the rounds."""

    figures: dict[str, list[Figures]] = field(default_factory=dict)

    def values(self, name: str, heading: str) -> list[float]:
        """One figure of one contender, round by round; empty if it has no such figure."""
        return [figures[heading] for figures in self.figures.get(name, ()) if heading in figures]

    def median(self, name: str, heading: str) -> float | None:
        """``None`` for a contender that was not measured."""
        values = self.values(name, heading)
        return median(values) if values else None

    def ratio(self, name: str, other: str, heading: str) -> float | None:
        """How many times ``other`` is in ``name``: the median of the rounds' own ratios. ``None`` if either was
        not measured."""
        pairs = list(zip(self.values(name, heading), self.values(other, heading), strict=False))
        return median(ours / theirs for ours, theirs in pairs if theirs) if pairs else None


def compare(contenders: Sequence[Contender], *, rounds: int) -> Results:
    """Measure every contender once per round."""
    results = Results({contender.name: [] for contender in contenders})
    for number in range(rounds):
        for contender in contenders if number % 2 == 0 else reversed(contenders):
            results.figures[contender.name].append(contender.measure())
    return results


class Stopwatch:
    """Wall time and CPU time of this process, all its threads, since it was made."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._cpu = time.process_time()

    def figures(self, items: int) -> Figures:
        """Per item."""
        cpu_seconds = time.process_time() - self._cpu
        wall_seconds = time.perf_counter() - self._wall
        return {RATE: items / wall_seconds, CPU: cpu_seconds / items * 1e6}
