"""Arithmetic of concurrency: what reservations leave over, and how many pollers a queue gets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

INITIAL_POLLERS: Final = 5
IDLE_POLLERS: Final = 2
MAXIMUM_POLLERS: Final = 1_250
POLLERS_PER_MINUTE: Final = 300


def unreserved(total: int, reserved: Iterable[int]) -> int:
    """What functions without a reservation share of ``total``; never below 0."""
    return max(0, total - sum(reserved))


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueScaling:
    """Where a queue's scaling stands: so many pollers since ``decided_at`` (seconds of the caller's clock).

    ``maximum_concurrency`` is the mapping's own limit. ``groups`` is the number of active message groups of a FIFO
    queue, ``None`` on a standard queue. Source: Lambda guide: services-sqs-scaling.
    """

    decided_at: float
    pollers: int = INITIAL_POLLERS
    maximum_concurrency: int | None = None
    groups: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "pollers", max(1, min(self.pollers, self.most)))

    @property
    def most(self) -> int:
        """The most pollers allowed now."""
        limit = MAXIMUM_POLLERS if self.maximum_concurrency is None else self.maximum_concurrency
        return limit if self.groups is None else min(limit, max(1, self.groups))

    @property
    def least(self) -> int:
        """What an idle queue keeps. With a maximum concurrency Lambda does not go below its starting number."""
        return min(self.most, IDLE_POLLERS if self.maximum_concurrency is None else INITIAL_POLLERS)

    def decided(self, pollers: int, *, now: float, groups: int | None = None) -> Self:
        """The state after a decision."""
        return replace(self, pollers=pollers, decided_at=now, groups=groups)


def next_pollers(state: QueueScaling, *, now: float, full: int, empty: int, backlog: int) -> int:
    """How many pollers there should be, given what happened since ``state.decided_at``.

    ``full`` and ``empty`` count receives that returned as much as they may and nothing at all; ``backlog`` is about
    how many records wait. Full receives (or more records than pollers) and no empty ones add pollers, 300 a minute
    but never more than there are records. Only empty ones halve the number, down to 5 and then to the idle number:
    a backlog does not count against them, since it includes records that others have in flight. Otherwise the number
    stays. A decision every second or so is enough; waiting never earns more than one minute's growth.
    """
    wanted = state.pollers
    if empty and not full:
        wanted = max(INITIAL_POLLERS, state.pollers // 2) if state.pollers > INITIAL_POLLERS else state.least
    elif not empty and (full or backlog > state.pollers):
        growth = int(min(max(now - state.decided_at, 0.0), 60.0) * POLLERS_PER_MINUTE / 60)
        wanted = max(state.pollers, min(state.pollers + growth, max(backlog, INITIAL_POLLERS)))
    return max(1, min(wanted, state.most))
