"""What follows from one invocation of a batch: retry, split, or give up. Decisions only.

Source: Lambda guide: with-kinesis, kinesis-errors, kafka-retry-configurations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from eventflow.model.destinations import Service
from eventflow.policy.batches import NO_LIMIT, halves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.model.mapping import StreamMapping
    from eventflow.model.records import StreamRecord

_EXPIRED_BY_THEN_SECONDS: Final = 0.001

KAFKA_RETRIES_WITH_DESTINATION: Final = 10
"""What Lambda makes of unlimited retries when a Kafka mapping has somewhere to send its failures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryLimits:
    """``maximum_attempts`` counts invocations, the first included; ``None`` is no limit."""

    maximum_attempts: int | None
    maximum_record_age_seconds: float
    bisect: bool

    @classmethod
    def of(cls, mapping: StreamMapping, service: Service) -> RetryLimits:
        """The limits of a mapping."""
        retries = mapping.maximum_retry_attempts
        if retries == NO_LIMIT and service is Service.KAFKA and mapping.on_failure is not None:
            retries = KAFKA_RETRIES_WITH_DESTINATION
        return cls(
            maximum_attempts=None if retries == NO_LIMIT else retries + 1,
            maximum_record_age_seconds=mapping.maximum_record_age_seconds,
            bisect=mapping.bisect_batch_on_function_error,
        )

    @property
    def ages(self) -> bool:
        """Whether records can become too old."""
        return self.maximum_record_age_seconds != NO_LIMIT

    def exhausted(self, attempts: int) -> bool:
        """Whether ``attempts`` invocations were all there are."""
        return self.maximum_attempts is not None and attempts >= self.maximum_attempts

    def too_old(self, timestamp: float, *, now: float) -> bool:
        """Whether what arrived at ``timestamp`` has expired."""
        return self.ages and now - timestamp > self.maximum_record_age_seconds

    def seconds_left(self, timestamp: float, *, now: float) -> float:
        """How long one may wait before looking again whether what arrived at ``timestamp`` has expired."""
        if not self.ages:
            return math.inf
        return max(0.0, self.maximum_record_age_seconds - (now - timestamp)) + _EXPIRED_BY_THEN_SECONDS


@dataclass(frozen=True, slots=True)
class Work:
    """Records that are invoked together, in order, and how many invocations of them have failed."""

    records: Sequence[StreamRecord]
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the function said: the index of the first record that failed, ``None`` if none did. ``raised`` says
    that the invocation itself failed."""

    first_failed: int | None = None
    raised: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """Every record is done."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """The records ahead of ``rest`` are done; ``rest`` is tried again with attempts of its own."""

    done: Sequence[StreamRecord]
    rest: Work


@dataclass(frozen=True, slots=True)
class Divided:
    """The halves go on separately, in order; dividing uses up no attempt."""

    first: Work
    second: Work


@dataclass(frozen=True, slots=True)
class Repeated:
    """The same records again, after a pause."""

    work: Work


@dataclass(frozen=True, slots=True)
class Exhausted:
    """No attempt is left."""

    work: Work


Step: TypeAlias = Finished | Advanced | Divided | Repeated | Exhausted


def next_step(work: Work, verdict: Verdict, limits: RetryLimits) -> Step:
    """What becomes of ``work`` after an invocation that ended with ``verdict``."""
    records, failed = work.records, verdict.first_failed
    if failed is None:
        return Finished()
    if failed > 0:
        return Advanced(records[:failed], Work(records[failed:]))
    if limits.bisect and verdict.raised and len(records) > 1:
        first, second = halves(records)
        return Divided(Work(first, work.attempts), Work(second, work.attempts))
    again = Work(records, work.attempts + 1)
    return Exhausted(again) if limits.exhausted(again.attempts) else Repeated(again)
