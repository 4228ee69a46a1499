"""Figures of a run, kept as plain integers on the hot path and rendered only when somebody asks."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

DURATION_BOUNDS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0,
)  # fmt: skip
"""Upper bounds of the duration histogram, in seconds."""
_SHORTEST: Final = DURATION_BOUNDS[0]


class DropReason(StrEnum):
    """Why a record left eventflow without being handled or sent anywhere."""

    NO_DESTINATION = "no_destination"
    DESTINATION_REFUSED = "destination_refused"
    OVERSIZED = "oversized"
    UNDECODABLE = "undecodable"
    UNKNOWN_FUNCTION = "unknown_function"
    EXPIRED = "expired"
    """In its stream, before it was read. Nobody knows how many those are, so each gap counts once."""


class InvocationFigures:
    """Counters of one function under one source."""

    __slots__ = ("buckets", "failed", "seconds", "succeeded", "throttled", "timed_out")

    def __init__(self) -> None:
        self.succeeded = 0
        self.failed = 0
        self.timed_out = 0
        self.throttled = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(DURATION_BOUNDS) + 1)

    def observe(self, seconds: float) -> None:
        """Add one duration to the histogram."""
        self.seconds += seconds
        # Most handlers that are called often are quick, and five comparisons of floats are not.
        self.buckets[0 if seconds <= _SHORTEST else bisect_left(DURATION_BOUNDS, seconds)] += 1


@dataclass(slots=True)
class Metrics:
    """Everything a run counts. Keys are (function, source) or what the field says."""

    invocations: dict[tuple[str, str], InvocationFigures] = field(default_factory=dict)
    retries: Counter[tuple[str, str]] = field(default_factory=Counter)
    dropped: Counter[tuple[str, str, DropReason]] = field(default_factory=Counter)
    """Per function, source and reason."""
    filtered: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Records that no filter of a mapping matched; passed over by request, so not dropped."""
    destination_deliveries: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Per function and destination."""
    destination_failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Attempts that a destination did not take, per function and destination; each is tried again."""
    dead_letters: Counter[str] = field(default_factory=Counter)
    batch_records: Counter[tuple[str, str]] = field(default_factory=Counter)
    batches: Counter[tuple[str, str]] = field(default_factory=Counter)
    iterator_age_seconds: dict[tuple[str, str], float] = field(default_factory=dict)
    """Per function and partition: the age of the last record handed over."""
    offset_lag: dict[tuple[str, str], int] = field(default_factory=dict)
    """Per function and resource: records not committed yet."""
    events_received: Counter[str] = field(default_factory=Counter)
    """Asynchronous events accepted, per function."""

    def of(self, function_name: str, source: str) -> InvocationFigures:
        """The counters of one function under one source."""
        key = (function_name, source)
        figures = self.invocations.get(key)
        if figures is None:
            figures = self.invocations[key] = InvocationFigures()
        return figures
