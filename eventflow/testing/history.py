"""What ran: a list to assert on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eventflow.model.invocation import Invocation
    from eventflow.model.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationHistory:
    """One call of a handler.

    ``event`` is what the source handed over: the wire event, the HTTP request, or the record of a per-record
    handler. ``attempt`` counts calls with the same request id, from 1. ``started_at`` is epoch seconds.
    """

    function_name: str
    source: str
    request_id: str
    attempt: int
    event: Any
    outcome: Outcome
    started_at: float


class History:
    """Every invocation of a run, in the order they ended."""

    def __init__(self, epoch: float) -> None:
        """``epoch`` is the wall-clock time at which the loop's clock shows 0."""
        self._epoch = epoch
        self._all: list[InvocationHistory] = []
        self._attempts: Counter[str] = Counter()

    def observe(self, invocation: Invocation, outcome: Outcome, started: float) -> None:
        """Add one invocation; ``started`` is loop time."""
        request_id = invocation.context.aws_request_id
        self._attempts[request_id] += 1
        self._all.append(
            InvocationHistory(
                function_name=invocation.function_name,
                source=invocation.source,
                request_id=request_id,
                attempt=self._attempts[request_id],
                event=invocation.event,
                outcome=outcome,
                started_at=self._epoch + started,
            )
        )

    def of(self, function_name: str) -> tuple[InvocationHistory, ...]:
        """The invocations of one function."""
        return tuple(item for item in self._all if item.function_name == function_name)
